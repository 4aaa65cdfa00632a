"""Computers with Slurm, here or by SSH: made, compared, tried out and removed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from aiida_insbench.cli.site import MADE_BY_SETUP
from aiida_insbench.science.errors import InputError, format_error

TRANSPORTS = {'local': 'core.local', 'ssh': 'core.ssh_async'}


@dataclass(frozen=True)
class SlurmComputer:
    """What a computer with Slurm is made of.

    Attributes
    ----------
    label : str
        In AiiDA.
    hostname : str
        As in `ssh HOSTNAME`; localhost for this machine.
    transport : str
        ``local`` or ``ssh``.
    work : str
        Where jobs run; absolute, may hold ``{username}``.
    partition, account, qos : str
        Of all jobs that name no other; empty for those of the cluster.
    mpirun : str
        Starts MPI programs; ``{tot_num_mpiprocs}`` stands for the number of ranks.
    poll : float
        Least time between two looks into the queue, s.
    prepend_text : str
        Commands before each job.
    """

    label: str
    hostname: str
    transport: str
    work: str
    partition: str = ''
    account: str = ''
    qos: str = ''
    mpirun: str = 'mpirun -np {tot_num_mpiprocs}'
    poll: float = 10.0
    prepend_text: str = ''

    def shebang(self) -> str:
        """First lines of each job; what a calculation asks for comes later and is taken instead."""
        asked = {'partition': self.partition, 'account': self.account, 'qos': self.qos}
        return '\n'.join(
            ['#!/bin/bash', *(f'#SBATCH --{key}={word}' for key, word in asked.items() if word)]
        )


def load_computer(label: str) -> Any:
    """Load a computer; None if there is none of the label."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import Computer

    try:
        return Computer.collection.get(label=label)
    except NotExistent:
        return None


def check_plan(plan: SlurmComputer) -> None:
    """Refuse what would only fail when a job runs.

    Raises
    ------
    InputError
        A word for Slurm has a blank, the folder is not absolute, or AiiDA does not take it.
    """
    from aiida.common.exceptions import ValidationError

    for name in ('partition', 'account', 'qos', 'hostname', 'label'):
        word = getattr(plan, name)
        if word and (word.split() != [word] or not word.isprintable()):
            raise InputError(f'`{name}` is {word!r}; give one word.')
    try:
        _unstored(plan).validate()
    except (ValidationError, ValueError) as exc:
        raise InputError(f'The computer {plan.label} cannot be: {exc}.') from exc


def make_computer(plan: SlurmComputer) -> Any:
    """Make a computer and try it out.

    Raises
    ------
    InputError
        It cannot be reached, or its Slurm does not answer; nothing is stored then.
    """
    from aiida.orm import Computer, User

    check_plan(plan)
    computer = _unstored(plan).store()
    local = plan.transport == 'local'
    settings = {'use_login_shell': not local}
    if local:
        settings['safe_interval'] = 0.0
    computer.configure(user=User.collection.get_default(), **settings)
    try:
        try_out(computer, make_folder=True)
    except InputError:
        Computer.collection.delete(computer.pk)
        raise
    return computer


def _unstored(plan: SlurmComputer) -> Any:
    from aiida.orm import Computer

    computer = Computer(
        label=plan.label,
        hostname=plan.hostname,
        description=f'Slurm on {plan.hostname}',
        transport_type=TRANSPORTS[plan.transport],
        scheduler_type='core.slurm',
        workdir=plan.work,
    )
    computer.set_shebang(plan.shebang())
    computer.set_mpirun_command(shlex.split(plan.mpirun))
    computer.set_default_mpiprocs_per_machine(1)
    computer.set_minimum_job_poll_interval(plan.poll)
    computer.set_prepend_text(plan.prepend_text)
    computer.set_property(MADE_BY_SETUP, True)
    return computer


def differences(computer: Any, plan: SlurmComputer) -> list[str]:
    """In what a computer differs from a plan."""
    wanted = _unstored(plan)
    pairs = {
        'hostname': (computer.hostname, wanted.hostname),
        'transport': (computer.transport_type, wanted.transport_type),
        'scheduler': (computer.scheduler_type, wanted.scheduler_type),
        'work folder': (computer.get_workdir(), wanted.get_workdir()),
        'first lines of jobs': (computer.get_shebang(), wanted.get_shebang()),
        'mpirun': (computer.get_mpirun_command(), wanted.get_mpirun_command()),
        'poll': (computer.get_minimum_job_poll_interval(), wanted.get_minimum_job_poll_interval()),
        'prepended text': (computer.get_prepend_text(), wanted.get_prepend_text()),
    }
    return [
        f'{what} {there!r}, not {new!r}' for what, (there, new) in pairs.items() if there != new
    ]


def try_out(computer: Any, *, make_folder: bool = False) -> str:
    """Open the transport, look at the folder for jobs, ask the scheduler for its queue.

    Returns
    -------
    str
        What was found.

    Raises
    ------
    InputError
        One of them does not work; the message says which and what to do.
    """
    from aiida.common.exceptions import AiidaException

    try:
        with computer.get_transport() as transport:
            folder = computer.get_workdir().format(username=transport.whoami())
            if make_folder:
                transport.makedirs(folder, ignore_existing=True)
            scheduler = computer.get_scheduler()
            scheduler.set_transport(transport)
            queue = scheduler.get_jobs(as_dict=True)
    except (AiidaException, OSError, ValueError) as exc:
        raise InputError(why_not(computer, exc)) from exc
    return f'{computer.scheduler_type} answers, {len(queue)} jobs in its queue, work in {folder}'


def why_not(computer: Any, exc: Exception) -> str:
    """Why a computer could not be used, and what to do."""
    from aiida.schedulers import SchedulerError

    text = ' '.join(str(exc).split())[:300]
    if isinstance(exc, SchedulerError):
        return format_error(
            f'The scheduler of {computer.label} does not answer: {text}.',
            fix='Are its commands on PATH there? For a Slurm of your own SLURM_CONF must be set '
            'where the daemon starts.',
        )
    if computer.transport_type == 'core.local':
        return f'The computer {computer.label} cannot be used: {text}.'
    return format_error(
        f'The computer {computer.label} cannot be reached: {text}.',
        fix=f'`ssh {computer.hostname} true` must work without a question: a Host of that name in '
        '~/.ssh/config, a key, and the host key in ~/.ssh/known_hosts.',
    )


def undo_computer(label: str, *, dry_run: bool) -> bool:
    """Remove a computer that `setup` made.

    Returns
    -------
    bool
        Whether there was one.

    Raises
    ------
    InputError
        Something else made it, or nodes belong to it.
    """
    from aiida.orm import Computer, Node, QueryBuilder

    computer = load_computer(label)
    if computer is None:
        return False
    if not computer.get_property(MADE_BY_SETUP, False):
        raise InputError(
            f'The computer {label} was not made by `setup`: `verdi computer delete {label}`.'
        )
    query = QueryBuilder().append(Computer, filters={'id': computer.pk}, tag='computer')
    query.append(Node, with_computer='computer')
    used = query.count()
    if used:
        raise InputError(
            format_error(
                f'{used} nodes belong to the computer {label}: it stays.',
                fix='Codes that were not used go by `aiida-insbench setup codes --computer '
                f'{label} --undo`, calculations by `verdi node delete`.',
            )
        )
    if not dry_run:
        Computer.collection.delete(computer.pk)
    return True
