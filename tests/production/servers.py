"""PostgreSQL and RabbitMQ on loopback, each in its folder and off its default port."""

from pathlib import Path

from folders import answers, make_folder, run, secret_of, succeeds
from processes import start

POSTGRES_PORT = 54329
RABBITMQ_PORT = 56729
RABBITMQ_DISTRIBUTION_PORT = 56730
EPMD_PORT = 56731


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
