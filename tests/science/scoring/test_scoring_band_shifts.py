"""Measured band shifts against modes: which mode a band is, and what a missed red shift costs."""

from dataclasses import replace

import pytest

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.measured.band_shifts import BandShift
from aiida_insbench.science.scoring.band_assignment import (
    ShiftSettings,
    assign,
    score_modes,
    shift_words,
)


def band(frequency, slope, *, error=0.3, technique='INS', label='', temperature=10.0):
    return BandShift(frequency, slope, error, temperature, technique, label)


def mode(index, frequency, slope, *, irrep='', reference=None, weight=0.1, sigma=None):
    return {
        'index': index,
        'irrep': irrep,
        'frequencies': {'p_0000': frequency, 'p_1000': frequency + slope},
        'slope': slope,
        'slope_error': 5.0,  # of a curved line: no error of what is predicted
        'slope_sigma': sigma,
        'ins_weight': {'p_0000': weight},
        'reference': {} if reference is None else {'p_0000': reference},
    }


BANDS = [band(300.0, 6.0), band(453.0, -2.0), band(900.0, 9.0)]


def indices(bands, modes, **settings):
    found = assign(bands, modes, ShiftSettings(**settings))
    return [None if one is None else one['index'] for one in found]


def test_right_slopes_cost_nothing_and_are_told():
    modes = [mode(0, 305.0, 6.1), mode(1, 450.0, -2.1), mode(2, 910.0, 8.9)]
    score, assigned = score_modes(BANDS, modes)
    assert score.cost == 0.0
    assert [one['index'] for one in assigned] == [0, 1, 2]
    assert shift_words(score.to_dict()) == 'blue shifts right; red shift right'


def test_a_red_shift_predicted_blue_costs_most():
    modes = [mode(0, 305.0, 6.1), mode(1, 450.0, 2.0), mode(2, 910.0, 8.9)]
    score, _ = score_modes(BANDS, modes)
    assert score.cost == pytest.approx(1 / 3)
    assert score.red_missed == ('453 cm⁻¹',)
    assert shift_words(score.to_dict()) == 'blue shifts right; red shift at 453 cm⁻¹ missed'
    wrong_size = [mode(0, 305.0, 6.1), mode(1, 450.0, -9.0), mode(2, 910.0, 8.9)]
    assert score_modes(BANDS, wrong_size)[0].cost < score.cost


def test_a_potential_without_modes_has_the_worst_score():
    score, assigned = score_modes(BANDS, [])
    assert score.cost == 1.0
    assert assigned == [None] * 3
    assert score.red_missed == ('453 cm⁻¹',)


def test_bands_go_to_different_modes():
    """Both are nearest to mode 0; together they are best at 0 and 1."""
    near = [band(300.0, 1.0), band(310.0, 1.0)]
    assert indices(near, [mode(0, 304.0, 1.0), mode(1, 322.0, 1.0)]) == [0, 1]


def test_sources_do_not_compete_for_a_mode():
    twice = [band(300.0, 1.0), band(302.0, 1.2, technique='Raman')]
    assert indices(twice, [mode(0, 301.0, 1.0)]) == [0, 0]


def test_modes_go_by_their_reference_where_it_is_known():
    """A potential 60 cm⁻¹ too soft: by its own frequencies the wrong mode would be taken."""
    soft = [mode(0, 300.0 - 60.0, 6.0, reference=300.0), mode(1, 300.0, -2.0, reference=360.0)]
    assert indices([band(300.0, 6.0)], soft) == [0]
    plain = [{**one, 'reference': {}} for one in soft]
    assert indices([band(300.0, 6.0)], plain) == [1]


def test_far_modes_are_not_taken():
    modes = [mode(0, 340.0, 6.0)]
    assert indices([band(300.0, 6.0)], modes) == [None]
    assert indices([band(300.0, 6.0)], modes, reach=0.2) == [0]


def test_irreps_and_neutrons_choose():
    modes = [mode(0, 300.0, 6.0, irrep='Eu', weight=0.0), mode(1, 315.0, 2.0, irrep='B1g')]
    assert indices([band(300.0, 6.0)], modes) == [1]  # neutrons do not see the nearer one
    assert indices([band(300.0, 6.0, technique='IR')], modes) == [0]
    assert indices([band(300.0, 6.0, technique='Raman', label='B1g')], modes) == [1]


def test_spread_of_a_committee_is_forgiven():
    (sure, _), (unsure, _) = (
        score_modes([band(300.0, 6.0)], [mode(0, 300.0, 9.0, sigma=sigma)]) for sigma in (None, 3.0)
    )
    assert unsure.cost < sure.cost
    assert unsure.bands[0].predicted_error == 3.0


def test_alike_bands_keep_apart():
    alike = [band(300.0, 6.0), band(300.0, 5.0, technique='Raman'), band(300.0, 4.0)]
    alike = [replace(one, line=line) for line, one in enumerate(alike)]
    score, _ = score_modes(alike, [])
    assert len({one.label for one in score.bands}) == 3


def test_settings_are_checked():
    with pytest.raises(InputError, match='Unknown settings of band shifts: raech'):
        ShiftSettings.from_dict({'raech': 0.1})
    with pytest.raises(InputError, match='must be > 0'):
        ShiftSettings.from_dict({'flat': 0.0})
