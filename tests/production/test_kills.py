"""Kill -9 of worker, supervisor, broker or job at random moments: the campaign ends as it would."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kills import DAEMON, Run, disturb, moments

MICRO = Path(__file__).parents[1] / 'campaign' / 'micro_campaign.py'
PHONONS = Path(__file__).with_name('micro_phonons.py')
KILLS = 5

needs_pw = pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed')


@pytest.fixture
def start():
    """Start a script in a folder; all of it is ended afterwards, and so is a failed one."""
    runs = []

    def begin(folder, script=MICRO, words=('short', 'watched')):
        runs.append(Run(folder, script, tuple(words)))
        return runs[-1]

    yield begin
    for made in runs:
        made.end()


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    """What comes of the campaign that nobody disturbs, and how many nodes it makes."""
    made = Run(tmp_path_factory.mktemp('undisturbed'), MICRO, ('short', 'watched'))
    try:
        found = made.outcome()
        assert found['exit_status'] == 0, found
        return found, made.nodes()
    finally:
        made.end()


@pytest.mark.full
@needs_pw
@pytest.mark.parametrize('kind', [*DAEMON, 'job'])
def test_five_kills_of_one_kind(tmp_path, start, undisturbed, kind, record_property):
    """In one run, or in more where one has come to its end while it was being mended."""
    expected, nodes = undisturbed
    seed, killed, said = 11 + [*DAEMON, 'job'].index(kind), [], []
    for number in range(KILLS):
        made = start(tmp_path / str(number))
        disturb(made, [kind] * (KILLS - len(killed)), nodes=nodes, seed=seed + 100 * number)
        found = made.outcome()
        made.end()
        killed += made.killed
        said += made.said
        assert found == expected
        if len(killed) == KILLS:
            break
    record_property('killed', killed)
    record_property('said', said)
    assert len(killed) == KILLS


@pytest.mark.real
def test_a_job_and_the_broker_killed(tmp_path, start):
    """Two kills of a job of phonons, quick enough to be looked at each time."""
    expected = start(tmp_path / 'undisturbed', PHONONS, ()).outcome()
    assert expected['jobs'] == [0], expected
    made = start(tmp_path / 'killed', PHONONS, ())
    rng = np.random.default_rng(5)
    made.wait_for_file('p_0000.json')
    assert made.kill('insbench-job', rng)
    assert made.kill('broker', rng)
    made.mend_as_told()
    found = made.outcome()
    assert len(made.killed) == 2
    assert found['jobs'] == [411, 0]
    assert found['spared'][1][0] == 'p_0000'
    assert found['frequencies'] == expected['frequencies']


def test_moments_are_random_but_in_order():
    kinds = ['worker'] * KILLS
    one = moments(kinds, 100, 1100, np.random.default_rng(1))
    assert one == sorted(one)
    assert all(150 <= moment <= 1000 for moment, _ in one)
    assert one != moments(kinds, 100, 1100, np.random.default_rng(2))
