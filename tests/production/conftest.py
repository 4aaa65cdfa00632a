"""The servers of `make services`, shared by the tests of this folder, and what asks them.

They are started if they do not run, and then stopped by the last process of the tests that used
them. `INSBENCH_SERVICES` names their folder; with it set, servers that are missing are a failure.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
SERVICES = Path(__file__).with_name('services.py')
PROGRAMS = ('rabbitmq-server', 'munged', 'slurmctld', 'slurmd')


def installed():
    """Whether the servers could be started here."""
    programs = all(shutil.which(name, path='/usr/sbin:/usr/bin') for name in PROGRAMS)
    return os.geteuid() == 0 and programs and any(Path('/usr/lib/postgresql').glob('*/bin'))


def services(action, folder):
    return subprocess.run(
        [sys.executable, str(SERVICES), action, '--folder', str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope='session')
def servers(repository):
    """Environment that means the servers; they are stopped unless they ran before."""
    named = os.environ.get('INSBENCH_SERVICES')
    if not named and not installed():
        pytest.skip('needs root and the servers: make services')
    folder = repository / (named or '.services')
    folder.mkdir(parents=True, exist_ok=True)
    by_tests = folder / 'started-by-tests'
    with (folder / 'start.lock').open('w') as turn, (folder / 'use.lock').open('w') as use:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if services('status', folder).returncode:
            by_tests.touch()
        started = services('start', folder)
        assert started.returncode == 0, started.stderr
        fcntl.flock(use, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield _environment(folder)
        fcntl.flock(turn, fcntl.LOCK_EX)
        if by_tests.exists() and _nobody_else(use):
            services('stop', folder)
            by_tests.unlink()


def _nobody_else(use):
    try:
        fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _environment(folder):
    shell = subprocess.run(
        ['bash', '-c', f'source {folder}/env.sh; env -0'],
        check=True,
        capture_output=True,
        text=True,
    )
    found = dict(line.split('=', 1) for line in shell.stdout.split('\0') if '=' in line)
    return found | {'PATH': f'{BIN}:{found["PATH"]}', 'INSBENCH_SERVICES': str(folder)}


@pytest.fixture
def run(servers, tmp_path):
    """Run a program of this environment with an AiiDA of its own; it must not tell the password."""
    (tmp_path / '.aiida').mkdir()

    def call(program, *words, timeout=600, **variables):
        done = subprocess.run(
            [str(BIN / program), *map(str, words)],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=servers | {'AIIDA_PATH': str(tmp_path)} | variables,
        )
        said = done.stdout + done.stderr
        assert servers['INSBENCH_POSTGRES_PASSWORD'] not in said
        assert 'Traceback' not in said, said
        return done.returncode, said

    yield call
    for record in (tmp_path / '.aiida' / 'insbench').glob('*.json'):
        call('aiida-insbench', 'setup', 'profile', '--name', record.stem, '--undo', '--yes')


@pytest.fixture
def sql(servers):
    """What PostgreSQL answers to a query of its superuser."""

    def ask(query):
        where = ('-h', '127.0.0.1', '-p', servers['INSBENCH_POSTGRES_PORT'], '-U', 'postgres')
        done = subprocess.run(
            ['psql', *where, '-Atc', query],
            check=True,
            capture_output=True,
            text=True,
            env={**servers, 'PGPASSWORD': servers['INSBENCH_POSTGRES_PASSWORD']},
        )
        return done.stdout.split()

    return ask


@pytest.fixture
def queues(servers):
    """Names of RabbitMQ's durable queues and of exchanges that AiiDA made."""
    folder = Path(servers['INSBENCH_SERVICES'])

    def ask():
        sys.path.insert(0, str(SERVICES.parent))
        from servers import rabbitmq_environment

        found = []
        for what in ('list_queues', 'list_exchanges'):
            done = subprocess.run(
                ['setpriv', '--reuid=rabbitmq', '--regid=rabbitmq', '--init-groups',
                 '/usr/lib/rabbitmq/bin/rabbitmqctl', '-q', what, 'name'],
                check=True, capture_output=True, text=True, cwd='/',
                env=rabbitmq_environment(folder / 'rabbitmq'),
            )  # fmt: skip
            found += [line for line in done.stdout.split() if line.startswith('aiida-')]
        return sorted(found)

    return ask
