"""No process of a job of molecular dynamics outlives it, and the job goes on from what it left."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from md_jobs import go, record, same_numbers, write_job

from aiida_insbench.jobs.md_child import Child

#: With some seconds behind the first checkpoints.
LONG = {'ensembles': ['nvt', 'nve'], 'length': 0.4, 'chunk': 0.04}
linux = pytest.mark.skipif(sys.platform != 'linux', reason='looks into /proc')


@pytest.fixture(scope='module')
def long_whole(tmp_path_factory):
    """A job long enough to be killed in the middle, one run after the other."""
    folder = tmp_path_factory.mktemp('long_whole')
    go(folder, **LONG)
    return folder


def children_of(parent: int) -> list[int]:
    """Processes whose parent is this one, zombies aside."""
    found = []
    for place in Path('/proc').glob('[0-9]*'):
        try:
            state, owner = (place / 'stat').read_text().rpartition(')')[2].split()[:2]
        except OSError:
            continue
        if int(owner) == parent and state != 'Z':
            found.append(int(place.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def wait_for(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@linux
@pytest.mark.parametrize(('sign', 'code'), [(signal.SIGKILL, -9), (signal.SIGTERM, 12)])
def test_no_child_outlives_its_parent(tmp_path, long_whole, sign, code) -> None:
    """And the job goes on from what it left, one run after the other this time."""
    folder = tmp_path
    write_job(folder, **LONG, processes=2)
    words = [sys.executable, '-W', 'ignore', '-m', 'aiida_insbench.jobs', 'md']
    started = subprocess.Popen([*words, str(folder / 'job.json')])
    wait_for(lambda: len(list(folder.glob('md/*/checkpoint.npz'))) == 2, 60)
    victims = children_of(started.pid)
    assert len(victims) == 2
    for pid in victims:
        variables = Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
        assert {b'OMP_NUM_THREADS=1', b'MKL_NUM_THREADS=1'} <= set(variables)
    started.send_signal(sign)
    wait_for(lambda: not any(is_alive(pid) for pid in victims), 1.0)
    assert started.wait(10) == code
    if sign == signal.SIGTERM:
        told = json.loads((folder / 'error.json').read_text())
        assert told['type'] == 'InterruptedJobError'
    go(folder, **LONG)
    assert all(record(folder, label)['resumed_at'] > 0 for label in ('p_0000_nvt', 'p_0000_nve'))
    same_numbers(folder, long_whole, ['p_0000_nvt', 'p_0000_nve'])


def test_child_ends_in_the_middle_of_a_run_when_it_is_spoken_to_no_more(tmp_path) -> None:
    """By the end of its input alone, as on systems that tell children nothing of their parent."""
    child = Child(write_job(tmp_path, length=80.0, chunk=0.04), tmp_path)
    child.do('p_0000_nvt')
    assert child.hear()
    child._process.stdin.close()
    started = time.monotonic()
    while child.hear() is not None:
        pass
    assert time.monotonic() - started < 1.0
    assert child.wait() == 0


@linux
def test_child_ends_with_its_parent_while_its_input_stays_open(tmp_path) -> None:
    """By the system's word alone: this test holds the other end of the input."""
    program = (
        'import os, subprocess, sys, time\n'
        "words = [sys.executable, '-m', 'aiida_insbench.jobs.md_worker', str(os.getpid())]\n"
        'print(subprocess.Popen(words, stdout=subprocess.DEVNULL).pid, flush=True)\n'
        'time.sleep(60)\n'
    )
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
    with subprocess.Popen([sys.executable, '-c', program], **pipes) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(1.0)
        assert is_alive(pid)
        parent.kill()
        wait_for(lambda: not is_alive(pid), 1.0)
