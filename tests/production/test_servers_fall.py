"""The database cut off, Slurm's controller killed: the job still comes to the same end."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name('phonons_on_servers.py')
SERVICES = Path(__file__).with_name('services.py')
PATIENCE = 600.0
AWAY = 10.0

pytestmark = pytest.mark.full


@pytest.fixture
def site(run, tmp_path):
    """Profile on PostgreSQL and RabbitMQ, computer with Slurm, code, one worker."""
    setup = ('aiida-insbench', 'setup')
    for words in (
        (*setup, 'profile', '--name', 'group', '--postgres'),
        (*setup, 'computer', 'here', '--slurm', '--work', tmp_path / 'work', '--partition', 'main',
         '--poll', 2),
        (*setup, 'codes', '--computer', 'here', '--only', 'insbench-job'),
        ('verdi', 'daemon', 'start', 1),
    ):  # fmt: skip
        code, said = run(*words)
        assert code == 0, said


@pytest.fixture
def submit(run, site):
    """Submit the job; its pk."""

    def begin():
        code, said = run('python', '-W', 'ignore', SCRIPT, 'submit', 'here')
        assert code == 0, said
        return said.split()[-1]

    return begin


@pytest.fixture
def ended(run):
    """Obey what `status` tells until the job has ended; what came of it, and what was told."""

    def wait(pk):
        deadline, told = time.monotonic() + PATIENCE, []
        while time.monotonic() < deadline:
            _, said = run('aiida-insbench', 'status', pk)
            if found := re.search(r'Remedy: `([^`]+)`', said):
                told.append(found.group(1))
                run(*found.group(1).split())
            elif re.search(rf'<{pk}> (finished|excepted|killed)', said):
                code, printed = run('python', '-W', 'ignore', SCRIPT, 'outcome', pk)
                assert code == 0, printed
                return json.loads(printed.splitlines()[-1]), told
            time.sleep(2)
        raise AssertionError(said)

    return wait


def wait_for_second_job(work):
    """Wait until the second job has finished its first pressure."""
    deadline = time.monotonic() + PATIENCE
    while len(list(work.rglob('p_0000.json'))) < 2:
        assert time.monotonic() < deadline, 'no pressure'
        time.sleep(0.05)


@pytest.fixture
def undisturbed(submit, ended):
    """Frequencies where nothing falls."""
    found, _ = ended(submit())
    assert found['jobs'] == [0], found
    return found['frequencies']


@pytest.mark.parametrize('moment', ['upload', 'job'])
def test_connections_to_the_database_are_cut(
    run, submit, ended, undisturbed, sql, tmp_path, moment
):
    pk = submit()
    if moment == 'job':
        wait_for_second_job(tmp_path / 'work')
    cut = sql(
        'select pg_terminate_backend(pid) from pg_stat_activity '
        "where datname like '%group%' and pid <> pg_backend_pid()"
    )
    assert 't' in cut
    found, told = ended(pk)
    assert told == ['aiida-insbench doctor --mend']
    assert found['exit_status'] == 0, run('verdi', 'process', 'report', pk)[1]
    assert found['frequencies'] == undisturbed


@pytest.fixture
def start_servers(servers):
    """Start what has fallen; at the end the node, which is drained for a job that came twice."""

    def start():
        folder = servers['INSBENCH_SERVICES']
        words = [sys.executable, SERVICES, 'start', '--folder', folder]
        assert subprocess.run(words, check=False).returncode == 0

    yield start
    start()


def test_controller_of_slurm_is_killed(
    submit, ended, undisturbed, servers, start_servers, tmp_path
):
    pk = submit()
    wait_for_second_job(tmp_path / 'work')
    folder = Path(servers['INSBENCH_SERVICES'])
    os.kill(int((folder / 'slurm' / 'slurmctld.pid').read_text().split()[0]), signal.SIGKILL)
    time.sleep(AWAY)
    start_servers()
    found, told = ended(pk)
    assert found['exit_status'] == 0, (found, told)
    assert found['frequencies'] == undisturbed
