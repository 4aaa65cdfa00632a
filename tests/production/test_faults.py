"""Faults that really happen: the process recovers, or is paused and says how it goes on.

Nothing that was computed is lost or computed again.
"""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kills import Run
from micro_phonons import PRESSURES
from ssh_server import make_keys

MICRO = Path(__file__).with_name('micro_phonons.py')
LABELS = [f'p_{1000 * value:04.0f}' for value in PRESSURES]

pytestmark = [pytest.mark.real, pytest.mark.full]


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    """Frequencies of the job that nothing happens to."""
    made = Run(tmp_path_factory.mktemp('undisturbed'), MICRO)
    try:
        found = made.outcome()
    finally:
        made.end()
    assert found['jobs'] == [0], found
    return found['frequencies']


@pytest.fixture
def begin():
    """Start the script in a folder; all of it is ended afterwards."""
    runs = []

    def start(folder, *words):
        runs.append(Run(folder, MICRO, words))
        return runs[-1]

    yield start
    for made in runs:
        made.end()


def wait_for(condition, what, seconds=300.0):
    """Wait for something, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f'no {what} within {seconds:g} s'
        time.sleep(0.01)
    return found


def first_pressure(work):
    """Folder of the job that has finished a pressure."""
    return wait_for(
        lambda: next((path.parent for path in work.rglob('p_0000.json')), None), 'pressure'
    )


def paused(made):
    """What `status` says of the process that is paused; the pk to play is among it."""

    def look():
        said = made.command('aiida-insbench', 'status', str(made.pk()))
        return re.search(r'<(\d+)> is paused: (.*)', said.replace('\n', ' '))

    return wait_for(look, 'paused process')


@pytest.fixture
def disk(tmp_path):
    """A disk of 6 MB."""
    place = tmp_path / 'disk'
    place.mkdir()
    done = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=6m', 'none', str(place)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f'no disk can be mounted here: {done.stderr.strip()}')
    yield place
    subprocess.run(['umount', '--lazy', str(place)], check=True)


def fill(place):
    """Write until there is no room."""
    with (place / 'filler').open('wb', buffering=0) as handle:
        for size in (2**16, 2**12):
            try:
                while True:
                    handle.write(bytes(size))
            except OSError:
                continue


def test_full_disk(tmp_path, disk, begin, undisturbed):
    """Of a full disk the job itself can still say so; the process waits until there is room."""
    made = begin(tmp_path / 'run', f'work={disk}')
    first_pressure(disk)
    fill(disk)
    found = paused(made)
    assert int(found.group(1)) == made.pk()
    assert re.match(rf'The disk of {disk}/\S+ is full', found.group(2)), found.group(2)
    assert 'is paused: The disk' in made.command('aiida-insbench', 'doctor')
    (disk / 'filler').unlink()
    made.command('verdi', 'process', 'play', found.group(1))
    ended = made.outcome()
    assert ended['exit_status'] == 0, ended
    assert ended['jobs'] == [418, 0]
    assert ended['spared'][1][0] == 'p_0000'
    assert ended['frequencies'] == undisturbed


def free_port():
    with socket.socket() as made:
        made.bind(('127.0.0.1', 0))
        return made.getsockname()[1]


def test_computer_that_is_away(tmp_path, begin, undisturbed):
    """A closed port: the process is paused; once the computer is back, `play` lets it go on."""
    keys = tmp_path / 'keys'
    keys.mkdir()
    make_keys(keys)
    port = free_port()
    made = begin(tmp_path / 'run', f'port={port}', f'key={keys / "user"}')
    found = paused(made)
    assert 'Pausing after failed transport task: upload' in found.group(2)
    assert f'verdi process play {found.group(1)}' in found.group(2)
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name('ssh_server.py')), str(port), str(keys)]
    )
    try:
        wait_for(lambda: listens(port), 'SSH server')
        made.command('verdi', 'process', 'play', found.group(1))
        ended = made.outcome()
    finally:
        server.kill()
        server.wait()
    assert ended['exit_status'] == 0, ended
    assert ended['jobs'] == [0]
    assert ended['frequencies'] == undisturbed


def listens(port):
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=1):
            return True
    except OSError:
        return False


def test_told_to_end(tmp_path, begin, undisturbed):
    """SIGTERM, as schedulers send it at the end of the walltime: finished pressures are kept."""
    made = begin(tmp_path / 'run')
    first_pressure(tmp_path / 'run' / 'work')
    for process in made.processes('insbench-job'):
        process.send_signal(signal.SIGTERM)
    ended = made.outcome()
    assert ended['exit_status'] == 0, ended
    assert ended['jobs'] == [410, 0]
    assert ended['spared'][1][0] == 'p_0000'
    assert ended['frequencies'] == undisturbed
