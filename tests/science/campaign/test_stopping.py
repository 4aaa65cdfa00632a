"""Each reason to stop, and what contradicts itself."""

from __future__ import annotations

import math

import pytest

from aiida_insbench.science.campaign import stopping
from aiida_insbench.science.campaign.stopping import StoppingRules, decide, excess
from aiida_insbench.science.errors import InputError

RULES = StoppingRules(tolerance_shift=5.0, tolerance_area=10.0, most_rounds=4)


def at(excesses, rules=RULES, **others):
    given = {'n_frames': 40, 'next_frames': 10, 'core_hours': 1.0, **others}
    return decide(excesses, rules, **given)


def test_excess_is_the_worst_ratio_of_all_pressures():
    distances = {
        'p_0000': {'shift_cm1': 2.0, 'area_percent': 15.0, 'missing': []},
        'p_1000': {'shift_cm1': 6.0, 'area_percent': 3.0, 'missing': []},
    }
    assert excess(distances, RULES) == pytest.approx(1.5)
    distances['p_1000']['missing'] = ['seed_2']
    assert math.isinf(excess(distances, RULES))
    assert math.isinf(excess({}, RULES))


def test_goes_on_while_it_gets_better():
    assert not at([3.0]).stop
    assert not at([3.0, 2.0, 1.2]).stop


def test_stops_when_converged_but_not_before_the_least_rounds():
    assert at([3.0, 0.9]).reason == stopping.CONVERGED
    patient = StoppingRules(least_rounds=2)
    assert not at([0.9], patient).stop
    assert at([0.9, 0.8], patient).reason == stopping.CONVERGED


@pytest.mark.parametrize(
    ('excesses', 'rules', 'others', 'reason'),
    [
        ([3.0, 2.5, 2.2, 2.0], RULES, {}, stopping.ROUNDS),
        ([3.0], StoppingRules(most_frames=49), {}, stopping.FRAMES),
        ([3.0], StoppingRules(most_core_hours=1.0), {}, stopping.CORE_HOURS),
        ([3.0, 2.9, 2.8], RULES, {}, stopping.NO_PROGRESS),
        ([math.inf, math.inf, math.inf], RULES, {}, stopping.NO_PROGRESS),
        ([3.0], RULES, {'asked': True}, stopping.ASKED),
    ],
)
def test_reasons(excesses, rules, others, reason):
    decision = at(excesses, rules, **others)
    assert decision.stop
    assert decision.reason == reason
    assert decision.sentence


def test_one_bad_round_is_no_standstill():
    assert not at([3.0, 3.5]).stop
    assert not at([3.0, 3.5, 2.0]).stop


def test_all_contradictions_come_in_one_message():
    with pytest.raises(InputError) as caught:
        StoppingRules.from_dict(
            {'tolerance_shift': 0, 'most_rounds': 0, 'most_frames': -1, 'colour': 'red'}
        )
    for word in ('tolerance_shift', 'most_rounds', 'most_frames', 'colour'):
        assert word in str(caught.value)
    with pytest.raises(InputError, match='least_rounds'):
        StoppingRules.from_dict({'least_rounds': 3, 'most_rounds': 2})
