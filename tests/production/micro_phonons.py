"""One job of phonons at six pressures, submitted once and watched to its end; prints what came.

    AIIDA_PATH=FOLDER/aiida python micro_phonons.py FOLDER [work=FOLDER] [port=N key=FILE]

The potential is EMT, the crystal an alloy of gold and copper. The first line printed is the pk.
With `port` and `key` the job goes by SSH to a server at that port of this machine.
"""

import json
import sys
import time
from pathlib import Path

from aiida.engine import submit
from aiida.manage import get_config
from aiida.orm import CalcJobNode, Computer, Dict, InstalledCode, List, QueryBuilder, StructureData
from aiida.orm import User as Users
from ase.build import bulk

from aiida_insbench.cli.demo_run import PROFILE, prepare_profile
from aiida_insbench.cli.health import ensure_daemon, stop_daemon
from aiida_insbench.cli.site import find_job_program, prepare_computer
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.workflows.phonons_base import PhononsBaseWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata

PRESSURES = [0.0, 2.0, 4.0, 5.0, 6.0, 7.0]


def computer(folder, options):
    """This machine, or the same by SSH."""
    work = Path(options.get('work', folder / 'work'))
    if 'port' not in options:
        return prepare_computer(work, slots=1)
    made = Computer(
        label='far', hostname='127.0.0.1', transport_type='core.ssh',
        scheduler_type='core.direct', workdir=str(work),
    ).store()  # fmt: skip
    made.set_minimum_job_poll_interval(1.0)
    made.configure(
        user=Users.collection.get_default(), username='insbench', port=int(options['port']),
        key_filename=options['key'], look_for_keys=False, allow_agent=False, timeout=5,
        key_policy='AutoAddPolicy', load_system_host_keys=False, use_login_shell=False,
        safe_interval=0.0,
    )  # fmt: skip
    return made


def code_on(its_computer):
    """The program of jobs there."""
    return InstalledCode(
        label='insbench-job', computer=its_computer, filepath_executable=find_job_program()
    ).store()


def submitted(code):
    """The job's base work chain."""
    crystal = bulk('Cu', cubic=True, a=3.75)
    crystal.symbols[0] = 'Au'
    return submit(
        PhononsBaseWorkChain,
        phonons={
            'code': code,
            'potential': PotentialData.from_potential(potential_from_ase('emt')),
            'structure': StructureData(ase=crystal),
            'pressures': List(PRESSURES),
            'supercell_matrix': List([[2, 0, 0], [0, 2, 0], [0, 0, 2]]),
            'settings': Dict({'mesh': [2, 2, 2], 'displacements': 'auto', 'strained': False}),
            'metadata': job_metadata(1),
        },
    )


def outcome(node):
    """How it ended, its frequencies, and of each job how it ended and what it was spared."""
    jobs = QueryBuilder().append(CalcJobNode, tag='job').order_by({'job': 'id'}).all(flat=True)
    modes = node.outputs.modes if 'modes' in node.outputs else {}
    return {
        'exit_status': node.exit_status,
        'exit_message': node.exit_message,
        'frequencies': {key: one['gamma']['frequencies'] for key, one in sorted(modes.items())},
        'jobs': [job.exit_status for job in jobs],
        'spared': [sorted(job.inputs.finished) if 'finished' in job.inputs else [] for job in jobs],
    }


def say(words):
    """Print a line, at once."""
    sys.stdout.write(f'{words}\n')
    sys.stdout.flush()


def main(folder, options):
    """Submit, watch, print."""
    prepare_profile(folder)
    # A machine that is away is tried five times within five minutes; here twice within seconds.
    config = get_config()
    config.set_option('transport.task_maximum_attempts', 2, scope=PROFILE)
    config.set_option('transport.task_retry_initial_interval', 1, scope=PROFILE)
    config.store()
    ensure_daemon(1)
    node = submitted(code_on(computer(folder, options)))
    say(node.pk)
    while not node.is_terminated:
        time.sleep(0.5)
    stop_daemon()
    say(json.dumps(outcome(node)))


if __name__ == '__main__':
    main(Path(sys.argv[1]).resolve(), dict(word.split('=', 1) for word in sys.argv[2:]))
