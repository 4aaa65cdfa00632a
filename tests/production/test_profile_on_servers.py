"""A profile on PostgreSQL and RabbitMQ that really run: made, used, undone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
SERVICES = Path(__file__).with_name('services.py')
PROGRAMS = ('rabbitmq-server', 'munged', 'slurmctld', 'slurmd')

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        os.geteuid() != 0
        or not all(shutil.which(name, path='/usr/sbin:/usr/bin') for name in PROGRAMS)
        or not list(Path('/usr/lib/postgresql').glob('*/bin')),
        reason='needs root and the servers: make services',
    ),
]


@pytest.fixture(scope='module')
def servers(repository):
    """Environment that means the servers; they are stopped unless they ran before."""
    folder = repository / '.services'
    before = _services('status', folder).returncode == 0
    started = _services('start', folder)
    assert started.returncode == 0, started.stderr
    shell = subprocess.run(
        ['bash', '-c', f'source {folder}/env.sh; env -0'],
        check=True,
        capture_output=True,
        text=True,
    )
    yield dict(line.split('=', 1) for line in shell.stdout.split('\0') if '=' in line)
    if not before:
        _services('stop', folder)


def _services(action, folder):
    return subprocess.run(
        [sys.executable, str(SERVICES), action, '--folder', str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def run(servers, tmp_path):
    (tmp_path / '.aiida').mkdir()

    def call(program, *words, **variables):
        done = subprocess.run(
            [str(BIN / program), *words],
            check=False,
            capture_output=True,
            text=True,
            env=servers | {'AIIDA_PATH': str(tmp_path)} | variables,
        )
        said = done.stdout + done.stderr
        assert servers['INSBENCH_POSTGRES_PASSWORD'] not in said
        return done.returncode, said

    return call


def databases(servers):
    query = 'SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles'
    where = ('-h', '127.0.0.1', '-p', servers['INSBENCH_POSTGRES_PORT'], '-U', 'postgres')
    done = subprocess.run(
        ['psql', *where, '-Atc', query],
        check=True,
        capture_output=True,
        text=True,
        env={**servers, 'PGPASSWORD': servers['INSBENCH_POSTGRES_PASSWORD']},
    )
    return sorted(done.stdout.split())


def test_made_used_and_undone(run, servers, tmp_path):
    before = databases(servers)
    words = ('setup', 'profile', '--name', 'trial')
    code, said = run('aiida-insbench', *words, '--postgres', '--dry-run')
    assert code == 0
    assert 'RabbitMQ at 127.0.0.1:' in said
    assert databases(servers) == before

    code, said = run('aiida-insbench', *words, '--postgres')
    assert code == 0, said
    assert 'messages by RabbitMQ' in said
    assert databases(servers) == sorted([*before, 'aiida-trial', 'aiida-trial'])
    assert 'is there' in run('aiida-insbench', *words, '--postgres')[1]
    code, said = run('verdi', '-p', 'trial', 'status')
    assert 'RabbitMQ v' in said
    script = tmp_path / 'store.py'
    script.write_text('from aiida.orm import Int, load_node\nprint(load_node(Int(7).store().pk))')
    code, said = run('verdi', '-p', 'trial', 'run', str(script))
    assert code == 0, said
    assert 'value: 7' in said

    code, said = run('aiida-insbench', *words, '--undo', '--yes', '--postgres-password', 'bad')
    assert code == 1
    assert 'password is wrong' in said
    code, said = run('aiida-insbench', *words, '--undo', '--yes')
    assert code == 0, said
    assert databases(servers) == before
    assert not (tmp_path / '.aiida' / 'repository' / 'trial').exists()


def test_without_rabbitmq_zeromq_is_taken_and_said(run):
    code, said = run(
        'aiida-insbench', 'setup', 'profile', '--postgres', '--dry-run', AIIDA_BROKER_PORT='9'
    )
    assert code == 0
    assert 'ZeroMQ, as no RabbitMQ answers' in said


def test_a_role_of_the_name_is_left_alone(run, servers, tmp_path):
    words = ('setup', 'profile', '--name', 'other')
    assert run('aiida-insbench', *words, '--postgres')[0] == 0
    elsewhere = tmp_path / 'elsewhere'
    (elsewhere / '.aiida').mkdir(parents=True)
    code, said = run('aiida-insbench', *words, '--postgres', AIIDA_PATH=str(elsewhere))
    assert code == 1
    assert 'has a role aiida-other already' in said
    assert 'aiida-other' in databases(servers)
    assert run('aiida-insbench', *words, '--undo', '--yes')[0] == 0
    assert 'aiida-other' not in databases(servers)
