"""Spread of the modes of a committee: by hand, whatever the order and basis of members."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_modes import LEVELS, MASSES, STABLE, orthonormal_basis, scrambled, spread_levels

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.mode_committee import add_spread, committee_modes, committee_rows
from aiida_insbench.science.shifts import mode_series, mode_table

LABELS = ('p_0000', 'p_1000', 'p_2000')


def member(levels, *, seed=0, shifts=None, labels=LABELS, symbols=('Mg', 'Mg', 'H', 'H', 'H')):
    """Levels that move by `shifts` (cm⁻¹/GPa), in an order and with bases of the member's own."""
    shifts = [0.0] * len(levels) if shifts is None else shifts
    sets = {}
    for place, label in enumerate(LABELS):
        if label in labels:
            moved = [
                (value + slope * place, size)
                for (value, size), slope in zip(levels, shifts, strict=True)
            ]
            frequencies = np.concatenate([[0.0, 0.01, -0.01], spread_levels(moved)])
            sets[label] = scrambled(frequencies, orthonormal_basis(5), seed + 10 * place)
    return mode_series(
        sets,
        pressures={label: float(place) for place, label in enumerate(LABELS) if label in labels},
        symbols=symbols,
        masses=MASSES,
    )


@settings(max_examples=20)
@given(
    seed=st.integers(0, 100),
    offsets=st.lists(st.lists(st.floats(-8, 8), min_size=7, max_size=7), min_size=1, max_size=4),
    slopes=st.lists(st.lists(st.floats(-3, 3), min_size=7, max_size=7), min_size=4, max_size=4),
)
def test_spread_is_the_standard_deviation_of_matched_modes(seed, offsets, slopes):
    """Members scrambled on purpose: eigenvectors tell which mode is which."""
    offsets = [[0.0] * 7, *offsets]
    slopes = [[0.0] * 7, *slopes][: len(offsets)]
    members = {
        f'member_{number}': member(
            [(value + off, size) for (value, size), off in zip(STABLE, row, strict=True)],
            seed=seed + number,
            shifts=shift,
        )
        for number, (row, shift) in enumerate(zip(offsets, slopes, strict=True))
    }
    rows = committee_rows(committee_modes(members))
    order = np.argsort([value for value, _ in STABLE])
    assert len(rows) == 7
    for row, level in zip(rows, order, strict=True):
        starts = np.array([one[level] for one in offsets])
        steps = np.array([one[level] for one in slopes])
        for place, label in enumerate(LABELS):
            values = starts + steps * place
            assert row['sigma'][label] == pytest.approx(values.std(ddof=1), abs=1e-6)
            assert row['mean'][label] == pytest.approx(STABLE[level][0] + values.mean(), abs=1e-6)
        assert row['slope_sigma'] == pytest.approx(steps.std(ddof=1), abs=1e-6)
        assert row['slope_mean'] == pytest.approx(steps.mean(), abs=1e-6)
        assert row['overlap'] == pytest.approx(1.0)


def test_members_that_swap_two_levels_are_matched_by_what_moves():
    """306 and 477 cm⁻¹ change places: a spread of 121, not of zero."""
    swapped = list(STABLE)
    swapped[2], swapped[3] = (STABLE[3][0], 2), (STABLE[2][0], 2)
    rows = committee_rows(committee_modes({'a': member(STABLE), 'b': member(swapped, seed=3)}))
    assert rows[2]['sigma']['p_0000'] == pytest.approx(171 / np.sqrt(2))
    assert rows[1]['sigma']['p_0000'] == pytest.approx(0, abs=1e-6)


def test_a_red_shift_within_the_spread_is_not_anomalous():
    """−5 cm⁻¹/GPa, exact to every member: 2σ of the slopes is 2 or 14."""
    for other, anomalous in ((-6.4142, True), (-15.0, False)):
        shifts = [0.0] * 7
        first = member(STABLE, shifts=[*shifts[:3], -5.0, *shifts[4:]])
        second = member(STABLE, seed=4, shifts=[*shifts[:3], other, *shifts[4:]])
        rows = mode_table(first)
        assert rows[3]['anomalous'] is True
        assert (rows[3]['sigma'], rows[3]['slope_sigma']) == ({}, None)
        add_spread(rows, committee_rows(committee_modes({'a': first, 'b': second})), first)
        assert rows[3]['slope_sigma'] == pytest.approx(abs(other + 5) / np.sqrt(2), rel=1e-4)
        assert rows[3]['anomalous'] is anomalous
        assert rows[0]['anomalous'] is False


def test_missing_pressures_and_imaginary_modes_are_named():
    found = committee_modes(
        {
            'whole': member(STABLE),
            'short': member(STABLE, seed=2, labels=LABELS[:2]),
            'soft': member(LEVELS, seed=3),
        }
    )
    assert found.missing == {'short': ['p_2000']}
    assert found.unstable == {'soft': list(LABELS)}
    rows = committee_rows(found)
    assert rows[0]['sigma']['p_0000'] == pytest.approx(np.std([150, 150, -120], ddof=1))
    assert rows[0]['sigma']['p_2000'] == pytest.approx(np.std([150, -120], ddof=1))
    assert rows[0]['slope_sigma'] == pytest.approx(0, abs=1e-6)
    short = {'a': member(STABLE), 'b': member(STABLE, labels=LABELS[:1])}
    alone = committee_rows(committee_modes(short))
    assert set(alone[0]['sigma']) == {'p_0000'}
    assert alone[0]['slope_sigma'] is None


def test_a_committee_is_of_two_and_of_one_crystal():
    with pytest.raises(InputError, match='two members'):
        committee_modes({'a': member(STABLE)})
    other = member(STABLE, symbols=('Ca', 'Mg', 'H', 'H', 'H'))
    with pytest.raises(InputError, match='another crystal'):
        committee_modes({'a': member(STABLE), 'b': other})
