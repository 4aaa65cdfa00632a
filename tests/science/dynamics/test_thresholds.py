"""Limits of the checks of molecular dynamics: what is refused, and why."""

import math
from dataclasses import asdict

import pytest

from aiida_insbench.science.dynamics.thresholds import Thresholds, read_thresholds
from aiida_insbench.science.errors import InputError


def test_defaults_are_sound_and_read_back() -> None:
    assert read_thresholds({}) == Thresholds()
    assert read_thresholds(asdict(Thresholds())) == Thresholds()


def test_what_is_given_is_taken() -> None:
    read = read_thresholds({'max_drift': 2, 'volume_ratio': [0.5, 3]})
    assert read == Thresholds(max_drift=2.0, volume_ratio=(0.5, 3.0))


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ({'max_drifts': 1.0}, 'Unknown thresholds: max_drifts; known are bond_break'),
        ({'max_drift': '0.1'}, "`max_drift` is '0.1'; give a finite number"),
        ({'max_drift': True}, 'finite number'),
        ({'max_drift': math.nan}, 'finite number'),
        ({'max_drift': -0.1}, '`max_drift` is -0.1; it must be above 0'),
        ({'temperature_explosion': 1.0}, 'must be above 1'),
        ({'temperature_tolerance': 1.5}, 'must be below 1'),
        ({'bond_lifetime': -1}, '-1 ps; it cannot be negative'),
        ({'site_lifetime': -1}, 'cannot be negative'),
        ({'min_distance_fraction': 0}, 'must be above 0'),
        ({'min_distance_fraction': 1.25}, 'is not below `bond_fraction`'),
        ({'bond_fraction': 0.5}, 'Every bond would be a collapse'),
        ({'bond_stretch': 1.7}, 'broken before it is stretched'),
        ({'bond_stretch': 0.9}, 'must be above 1'),
        ({'volume_ratio': 0.9}, r'give two numbers: \[low, high\]'),
        ({'volume_ratio': [0.9]}, 'two numbers'),
        ({'volume_ratio': [0.9, None]}, 'finite number'),
        ({'volume_ratio': [1.2, 0.9]}, r'`volume_ratio` is \[1.2, 0.9\]'),
        ({'volume_ratio': [1.1, 1.2]}, 'The reference itself'),
        ({'volume_ratio': [-0.1, 1.2]}, 'between 0 and 1'),
        ({'site_fraction': 1.0}, 'must be below 1'),
    ],
)
def test_refused(given: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_thresholds(given)
