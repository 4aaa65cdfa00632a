"""A Slurm of one node, this machine, on loopback, with a munge of its own."""

import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path

from folders import make_folder, succeeds
from processes import start

SLURMCTLD_PORT = 56732
SLURMD_PORT = 56733


def start_munged(folder: Path) -> bool:
    """Munge, by which the parts of Slurm know each other, with a key of its own."""
    own = make_folder(folder, 'munge', 'munge')
    own.chmod(0o755)
    key = own / 'key'
    if not key.exists():
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        shutil.chown(key, 'munge', 'munge')
    words = ['--foreground', f'--socket={own}/socket', f'--key-file={key}']
    words += [f'--pid-file={own}/own.pid', f'--log-file={own}/own.log', f'--seed-file={own}/seed']
    return start(
        'munged',
        ['munged', *words],
        folder=own,
        user='munge',
        ready=lambda: succeeds(['munge', f'--socket={own}/socket', '--no-input']),
    )


def slurm_configuration(folder: Path) -> str:
    """Text of slurm.conf: this machine, its cores and most of its memory."""
    own = folder / 'slurm'
    host = socket.gethostname().partition('.')[0]
    megabytes = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') * 9 // 10 // 2**20
    return f"""\
ClusterName=insbench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={SLURMCTLD_PORT}
SlurmdPort={SLURMD_PORT}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={own}/state
SlurmdSpoolDir={own}/spool
SlurmctldPidFile={own}/controller.pid
SlurmdPidFile={own}/node.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={megabytes}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def slurm_environment(folder: Path) -> dict[str, str]:
    """Environment in which Slurm's commands mean this Slurm."""
    return {**os.environ, 'SLURM_CONF': str(folder / 'slurm' / 'slurm.conf')}


def start_slurmctld(folder: Path) -> bool:
    """Slurm's controller."""
    own = make_folder(folder, 'slurm', 'root')
    own.chmod(0o755)
    for name in ('state', 'spool'):
        (own / name).mkdir(exist_ok=True)
    (own / 'slurm.conf').write_text(slurm_configuration(folder))
    return start(
        'slurmctld',
        ['slurmctld', '-D', '-f', f'{own}/slurm.conf'],
        folder=own,
        ready=lambda: succeeds(['scontrol', 'ping'], slurm_environment(folder)),
    )


def node_state(folder: Path) -> str:
    """State of the only node, as ``idle`` or ``drain``; empty where the controller is away."""
    done = subprocess.run(
        ['sinfo', '--noheader', '--format=%t'],
        check=False,
        capture_output=True,
        text=True,
        env=slurm_environment(folder),
    )
    return done.stdout.strip()


def wake_node(folder: Path) -> bool:
    """Take a drained node into service again; whether it was drained.

    A controller killed with -9 forgets what it did last. It starts a job that runs once more, which
    the node refuses, and is then drained for it.
    """
    if not node_state(folder).startswith('dr'):
        return False
    name = socket.gethostname().partition('.')[0]
    words = ['scontrol', 'update', f'NodeName={name}', 'State=RESUME']
    return succeeds(words, slurm_environment(folder))


def start_slurmd(folder: Path) -> bool:
    """Slurm's only node."""
    own = folder / 'slurm'

    def idle() -> bool:
        wake_node(folder)
        return node_state(folder) in ('idle', 'mix', 'alloc')

    return start('slurmd', ['slurmd', '-D', '-f', f'{own}/slurm.conf'], folder=own, ready=idle)
