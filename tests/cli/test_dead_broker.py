"""What a killed broker or supervisor leaves behind is seen for what it is."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from aiida.engine.daemon.client import get_daemon_client
from aiida.manage import get_config, get_manager

from aiida_insbench.cli import health

LEFT = ('broker.sockets', 'broker.pid', 'broker.status')


@pytest.fixture
def service(aiida_profile) -> Path:
    """The folder of the profile's broker, as SIGKILL leaves it."""
    paths = get_config().filepaths(get_manager().get_profile())
    folder = Path(paths['broker_service']['dir'])
    folder.mkdir(parents=True, exist_ok=True)
    for name in LEFT:
        (folder / name).write_text('aiida-zeromq-broker 1')
    yield folder
    for name in LEFT:
        (folder / name).unlink(missing_ok=True)


def test_files_of_a_dead_broker_go(service: Path) -> None:
    (service / 'broker.log').write_text('kept')
    health._forget_dead_broker()
    assert [path.name for path in service.iterdir()] == ['broker.log']


def test_files_of_a_living_broker_stay(service: Path, monkeypatch) -> None:
    monkeypatch.setattr(health, 'own_processes', lambda kind: ['one'])
    health._forget_dead_broker()
    assert {path.name for path in service.iterdir()} >= set(LEFT)


@pytest.fixture
def pid_file(aiida_profile) -> Path:
    """Where the supervisor of the profile's daemon writes its process id."""
    path = Path(get_daemon_client().circus_pid_file)
    kept = path.read_text() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path
    path.unlink(missing_ok=True)
    if kept is not None:
        path.write_text(kept)


def test_pid_of_a_killed_supervisor_is_no_daemon(pid_file: Path) -> None:
    ended = subprocess.Popen([sys.executable, '-c', ''])
    ended.wait()
    pid_file.write_text(str(ended.pid))
    assert not health.check_daemon().running


def test_pid_taken_by_another_program_is_no_daemon(pid_file: Path) -> None:
    pid_file.write_text(str(os.getpid()))
    assert not health.check_daemon().running


def test_pid_of_a_supervisor_is_a_daemon(pid_file: Path) -> None:
    words = [sys.executable, '-c', 'import time; time.sleep(60)', 'start-circus']
    with subprocess.Popen(words) as supervisor:
        pid_file.write_text(str(supervisor.pid))
        assert health.check_daemon().running
        supervisor.kill()


def test_streamer_without_its_supervisor_is_left_over(aiida_profile) -> None:
    """One whose parent is a supervisor stays."""
    streamer = 'from circus import stats; import time; time.sleep(60)'
    parent = (
        'import subprocess, sys; one = subprocess.Popen([sys.executable, "-c", sys.argv[2]]); '
        'print(one.pid, flush=True); one.wait()'
    )
    environment = {**os.environ, 'AIIDA_PATH': str(get_config().dirpath)}
    with (
        subprocess.Popen([sys.executable, '-c', streamer], env=environment) as orphan,
        subprocess.Popen(
            [sys.executable, '-c', parent, 'start-circus', streamer],
            env=environment, stdout=subprocess.PIPE, text=True,
        ) as supervisor,
    ):  # fmt: skip
        watched = psutil.Process(int(supervisor.stdout.readline()))
        found = [process.pid for process in health.orphaned_streamers()]
        watched.kill()
        orphan.kill()
    assert orphan.pid in found
    assert watched.pid not in found
