"""Only what was started is ended; a program that fails shows its log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from processes import ServiceError, identity, running, session, start, stop


def test_started_once_and_ended_with_its_children(tmp_path):
    command = ['bash', '-c', 'sleep 100 & echo up; wait']

    def ready():
        return 'up' in (tmp_path / 'sleeper.log').read_text()

    assert start('sleeper', command, folder=tmp_path, ready=ready)
    pid = running(tmp_path / 'sleeper.pid')
    assert not start('sleeper', command, folder=tmp_path, ready=ready)
    assert running(tmp_path / 'sleeper.pid') == pid
    assert len(session(pid)) == 2
    assert stop(tmp_path / 'sleeper.pid')
    assert session(pid) == []
    assert not stop(tmp_path / 'sleeper.pid')


def test_a_later_process_of_the_same_id_is_left_alone(tmp_path):
    stranger = subprocess.Popen(['sleep', '100'])
    try:
        (tmp_path / 'old.pid').write_text(f'{stranger.pid} 1\n')
        assert running(tmp_path / 'old.pid') is None
        assert not stop(tmp_path / 'old.pid')
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize(
    ('script', 'why'),
    [('echo no such disk; exit 3', 'ended with 3'), ('echo slow; sleep 100', 'did not answer')],
)
def test_a_failure_shows_the_log_and_leaves_nothing(tmp_path, script, why):
    with pytest.raises(ServiceError, match=why) as raised:
        start('bad', ['bash', '-c', script], folder=tmp_path, ready=lambda: False, seconds=1)
    assert script.split(';')[0].removeprefix('echo ') in str(raised.value)
    assert not (tmp_path / 'bad.pid').exists()


def test_identity_of_what_is_gone():
    done = subprocess.Popen(['true'])
    done.wait()
    assert identity(done.pid) is None
    assert identity(os.getpid()) is not None
