"""PostgreSQL, RabbitMQ and a one-node Slurm on loopback, for tests and for trying things out.

    python tests/production/services.py start|status|stop [--folder .services]

All data, logs, pid files and passwords lie in one folder, all ports are off the defaults: nothing
of a PostgreSQL, RabbitMQ, munge or Slurm that is there already is touched. Needs root, as each
server runs as a user of its own. ``start`` may be repeated. ``stop`` ends what `start` started.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from folders import answers, succeeds
from processes import ServiceError, running, stop
from servers import (
    EPMD_PORT,
    POSTGRES_PORT,
    RABBITMQ_PORT,
    start_epmd,
    start_postgres,
    start_rabbitmq,
)
from slurm import (
    SLURMCTLD_PORT,
    SLURMD_PORT,
    slurm_environment,
    start_munged,
    start_slurmctld,
    start_slurmd,
)

# In the order of their start.
SERVICES = {
    'postgres': ('postgres', 'PostgreSQL', POSTGRES_PORT),
    'epmd': ('rabbitmq', "Erlang's names of nodes", EPMD_PORT),
    'rabbitmq': ('rabbitmq', 'RabbitMQ', RABBITMQ_PORT),
    'munged': ('munge', 'munge', None),
    'slurmctld': ('slurm', "Slurm's controller", SLURMCTLD_PORT),
    'slurmd': ('slurm', "Slurm's node", SLURMD_PORT),
}


STARTERS = {
    'postgres': start_postgres,
    'epmd': start_epmd,
    'rabbitmq': start_rabbitmq,
    'munged': start_munged,
    'slurmctld': start_slurmctld,
    'slurmd': start_slurmd,
}


def pid_file(folder: Path, name: str) -> Path:
    """Where the process of a service is remembered."""
    return folder / SERVICES[name][0] / f'{name}.pid'


def start_all(folder: Path) -> None:
    """Start what does not run, in order; say what runs where."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (place, title, port) in SERVICES.items():
        if port and answers(port) and not running(pid_file(folder, name)):
            raise ServiceError(
                f'{title}: another program listens at port {port} of this machine; is it from '
                '`make services` of another folder? Stop it there.'
            )
        began = time.monotonic()
        fresh = STARTERS[name](folder)
        word = f'started in {time.monotonic() - began:.1f} s' if fresh else 'runs already'
        where = f', 127.0.0.1:{port}' if port else ''
        say(f'{title}: {word}{where}, log {folder / place / name}.log')
    write_environment(folder)
    say(f'Settings for a shell: source {folder}/env.sh')


def write_environment(folder: Path) -> None:
    """Write what a shell needs to find the services; it holds a password."""
    path = folder / 'env.sh'
    path.touch(mode=0o600)
    password = (folder / 'postgres' / 'password').read_text().strip()
    path.write_text(
        f'export INSBENCH_POSTGRES_PORT={POSTGRES_PORT}\n'
        f'export INSBENCH_POSTGRES_PASSWORD={password}\n'
        'export AIIDA_BROKER_HOST=127.0.0.1\n'
        f'export AIIDA_BROKER_PORT={RABBITMQ_PORT}\n'
        f'export SLURM_CONF={folder}/slurm/slurm.conf\n'
    )


def stop_all(folder: Path) -> None:
    """End what was started, in reverse; jobs of this Slurm first."""
    if running(pid_file(folder, 'slurmctld')):
        user = subprocess.run(['id', '-un'], check=True, capture_output=True, text=True)
        succeeds(['scancel', f'--user={user.stdout.strip()}'], slurm_environment(folder))
    for name, (_, title, _) in reversed(SERVICES.items()):
        # SIGINT: PostgreSQL does not wait for clients to leave.
        how = signal.SIGINT if name == 'postgres' else signal.SIGTERM
        ran = stop(pid_file(folder, name), how=how)
        say(f'{title}: {"stopped" if ran else "was not running"}')


def show_status(folder: Path) -> bool:
    """Say what runs; return whether all does."""
    pids = {name: running(pid_file(folder, name)) for name in SERVICES}
    for name, pid in pids.items():
        say(f'{SERVICES[name][1]}: {f"runs, process {pid}" if pid else "does not run"}')
    return all(pids.values())


def say(text: str) -> None:
    """Print one line, at once."""
    sys.stdout.write(text + '\n')
    sys.stdout.flush()


def main() -> int:
    """Read the command line and obey."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('action', choices=('start', 'status', 'stop'))
    parser.add_argument('--folder', type=Path, default=Path('.services'))
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    if chosen.action == 'status':
        return 0 if show_status(folder) else 1
    if os.geteuid() != 0:
        sys.stderr.write('The servers run as users of their own; this needs root.\n')
        return 1
    try:
        (start_all if chosen.action == 'start' else stop_all)(folder)
    except ServiceError as exc:
        sys.stderr.write(f'{exc}\n')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
