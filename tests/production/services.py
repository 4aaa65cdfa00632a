"""PostgreSQL, RabbitMQ and a one-node Slurm on loopback, for tests and for trying things out.

    python tests/production/services.py start|status|stop [--folder .services]

All data, logs, pid files and passwords lie in one folder, all ports are off the defaults: nothing
of a PostgreSQL, RabbitMQ, munge or Slurm that is there already is touched. Needs root, as each
server runs as a user of its own. ``start`` may be repeated. ``stop`` ends what `start` started.
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from processes import ServiceError, running, start, stop

POSTGRES_PORT = 54329
RABBITMQ_PORT = 56729
RABBITMQ_DISTRIBUTION_PORT = 56730
EPMD_PORT = 56731
SLURMCTLD_PORT = 56732
SLURMD_PORT = 56733
# In the order of their start.
SERVICES = {
    'postgres': ('postgres', 'PostgreSQL', POSTGRES_PORT),
    'epmd': ('rabbitmq', "Erlang's names of nodes", EPMD_PORT),
    'rabbitmq': ('rabbitmq', 'RabbitMQ', RABBITMQ_PORT),
    'munged': ('munge', 'munge', None),
    'slurmctld': ('slurm', "Slurm's controller", SLURMCTLD_PORT),
    'slurmd': ('slurm', "Slurm's node", SLURMD_PORT),
}


def make_folder(folder: Path, name: str, user: str) -> Path:
    """Make the folder of a server, which its user owns."""
    made = folder / name
    made.mkdir(mode=0o750, parents=True, exist_ok=True)
    shutil.chown(made, user, user)
    for parent in made.parents:
        if not parent.stat().st_mode & 0o001:
            raise ServiceError(
                f'The user {user} cannot enter {parent}. Take a folder that all may enter: '
                'make services SERVICES=/var/tmp/insbench-services.'
            )
    return made


def answers(port: int) -> bool:
    """Whether something listens at a port of this machine."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=1):
            return True
    except OSError:
        return False


def succeeds(command: list[str], environment: dict[str, str] | None = None) -> bool:
    """Whether a command ends with 0."""
    done = subprocess.run(command, check=False, capture_output=True, env=environment, timeout=30)
    return done.returncode == 0


def run(what: str, command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command that ends; its output is shown only if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise ServiceError(f'{what} failed ({done.returncode}):\n{done.stdout}{done.stderr}')


def secret_of(path: Path, user: str) -> str:
    """Password kept in a file that only its owner reads; made once."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
        shutil.chown(path, user, user)
    return path.read_text().strip()


def start_postgres(folder: Path) -> bool:
    """PostgreSQL with passwords, on TCP alone."""
    own = make_folder(folder, 'postgres', 'postgres')
    programs = max(Path('/usr/lib/postgresql').glob('*/bin'), key=lambda p: int(p.parent.name))
    secret_of(own / 'password', 'postgres')
    if not (own / 'data' / 'PG_VERSION').exists():
        words = [f'--pgdata={own}/data', '--username=postgres', f'--pwfile={own}/password']
        words += ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C.UTF-8']
        become = ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups']
        run('initdb', [*become, f'{programs}/initdb', *words])
    options = [f'port={POSTGRES_PORT}', 'listen_addresses=127.0.0.1', 'unix_socket_directories=']
    asked = [f'{programs}/pg_isready', '-q', '-h', '127.0.0.1', '-p', str(POSTGRES_PORT)]
    return start(
        'postgres',
        [f'{programs}/postgres', '-D', f'{own}/data', *(w for o in options for w in ('-c', o))],
        folder=own,
        user='postgres',
        ready=lambda: succeeds(asked),
    )


def rabbitmq_environment(own: Path) -> dict[str, str]:
    """Settings that keep all of RabbitMQ, its cookie too, in its folder."""
    return {
        'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
        'HOME': str(own),
        'LANG': 'C.UTF-8',
        'ERL_EPMD_PORT': str(EPMD_PORT),
        'ERL_EPMD_ADDRESS': '127.0.0.1',
        'RABBITMQ_NODENAME': 'insbench@localhost',
        'RABBITMQ_DIST_PORT': str(RABBITMQ_DISTRIBUTION_PORT),
        'RABBITMQ_CONF_ENV_FILE': str(own / 'none'),
        'RABBITMQ_CONFIG_FILE': str(own / 'rabbitmq.conf'),
        'RABBITMQ_ENABLED_PLUGINS_FILE': str(own / 'plugins'),
        'RABBITMQ_MNESIA_BASE': str(own / 'data'),
        'RABBITMQ_LOG_BASE': str(own),
        'RABBITMQ_PID_FILE': str(own / 'node.pid'),
        'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': '-kernel inet_dist_use_interface {127,0,0,1}',
    }


def start_epmd(folder: Path) -> bool:
    """Erlang's list of nodes: left to itself it would outlive RabbitMQ."""
    own = make_folder(folder, 'rabbitmq', 'rabbitmq')
    return start(
        'epmd',
        ['epmd', '-address', '127.0.0.1', '-port', str(EPMD_PORT)],
        folder=own,
        user='rabbitmq',
        environment=rabbitmq_environment(own),
        ready=lambda: answers(EPMD_PORT),
    )


def start_rabbitmq(folder: Path) -> bool:
    """RabbitMQ. Unless told, it hands a task out again that was not done within 30 minutes."""
    own = make_folder(folder, 'rabbitmq', 'rabbitmq')
    (own / 'rabbitmq.conf').write_text(
        f'listeners.tcp.1 = 127.0.0.1:{RABBITMQ_PORT}\nconsumer_timeout = 36000000000\n'
    )
    (own / 'plugins').write_text('[].\n')
    environment = rabbitmq_environment(own)
    return start(
        'rabbitmq',
        ['/usr/lib/rabbitmq/bin/rabbitmq-server'],
        folder=own,
        user='rabbitmq',
        environment=environment,
        ready=lambda: answers(RABBITMQ_PORT),
    )


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


def start_slurmd(folder: Path) -> bool:
    """Slurm's only node."""
    own = folder / 'slurm'

    def idle() -> bool:
        done = subprocess.run(
            ['sinfo', '--noheader', '--format=%t'],
            check=False,
            capture_output=True,
            text=True,
            env=slurm_environment(folder),
        )
        return done.stdout.strip() in ('idle', 'mix', 'alloc')

    return start('slurmd', ['slurmd', '-D', '-f', f'{own}/slurm.conf'], folder=own, ready=idle)


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
