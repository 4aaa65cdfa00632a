"""Mutated files through every reader; each in a process of its own, which a library may end."""

import json
import subprocess
import sys
from pathlib import Path

import fuzz
import pytest
from fuzz import seeded
from mutations import STRUCTURED, TEXT, mutated
from readers import READERS, Reader
from seeds import one

from aiida_insbench.science.errors import InputError

pytestmark = pytest.mark.filterwarnings('ignore')
PROGRAM = Path(__file__).with_name('fuzz.py')
#: Cases of each reader in ``make test-full``, more than 10 000 in all; jobs take longest.
CASES = {name: 120 if name.startswith('job-') else 600 for name in READERS}
QUICK = 15


def run(*names, cases, first=0):
    """Outcomes by reader; a process that ends otherwise than by itself is a failure."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *names, '--cases', str(cases), '--first', str(first)],
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"reader"')]
    found = {outcome['reader']: outcome for outcome in map(json.loads, lines)}
    assert done.returncode in (0, 1), done.stderr[-2000:]
    assert set(found) == set(names), done.stderr[-2000:]
    return found


def test_some_cases_of_every_reader():
    found = run(*READERS, cases=QUICK)
    assert {name: outcome['faults'] for name, outcome in found.items() if outcome['faults']} == {}
    assert sum(outcome['cases'] for outcome in found.values()) == QUICK * len(READERS)


@pytest.mark.full
@pytest.mark.parametrize('name', READERS)
def test_many_cases(name):
    outcome = run(name, cases=CASES[name])[name]
    assert outcome['faults'] == []
    assert outcome['cases'] == CASES[name]
    # mutations that break everything would test nothing but the first line of a reader
    assert outcome['read'] > 0
    assert outcome['refused'] > 0


def test_there_are_enough_cases():
    assert sum(CASES.values()) >= 10_000


@pytest.mark.parametrize('name', READERS)
def test_sound_files_are_read(name, tmp_path):
    """What is changed was sound before (one of them needs a choice that is not made here)."""
    if name.startswith('job-'):
        pytest.skip('jobs have tests of their own')
    needs_choice = {'spectra-on-tosca': {'mantid.txt'}}.get(name, set())
    for seed in READERS[name].seeds():
        if seed.target not in needs_choice:
            READERS[name].read(fuzz._laid_out(tmp_path, seed.files), seed.target)


def test_a_case_can_be_made_again():
    data = b'1 2 3\n4 5 6\n' * 10
    made = [mutated(seeded('1:x:7'), data, TEXT) for _ in range(2)]
    assert made[0] == made[1] != data
    assert mutated(seeded('1:x:8'), data, TEXT) != made[0]


def endless(*_):
    while True:
        pass


@pytest.mark.parametrize(
    ('read', 'kind'),
    [
        (lambda *_: 1 / 0, 'ZeroDivisionError'),
        (lambda *_: bytearray(5 << 30), 'too much memory'),
        (endless, 'too long'),
    ],
)
def test_what_goes_wrong_is_seen(read, kind, tmp_path, monkeypatch):
    """A reader that fails, fills the memory or never ends is a fault, and so is a bare message."""
    monkeypatch.setattr(fuzz, 'SECONDS', 0.5)
    reader = Reader('x', lambda: (one('a', b'1'),), read, STRUCTURED)
    outcome = fuzz.fuzz(reader, cases=range(1), folder=tmp_path)
    assert [fault['kind'] for fault in outcome.faults] == [kind]


def test_vague_and_endless_messages_are_faults(tmp_path):
    for text, kind in (('bad', 'vague message'), ('that is wrong', 'refused')):

        def read(*_, text=text):
            raise InputError(text)

        reader = Reader('x', lambda: (one('a', b'1'),), read, TEXT)
        assert fuzz.run_case(reader, tmp_path, 'a')[0] == kind
