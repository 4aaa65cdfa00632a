"""Mean and spread of a committee."""

import numpy as np
import pytest

from aiida_insbench.science.committee import committee_mean, committee_spread, spread_summary
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.parity import Properties


def member(value):
    forces = np.zeros((5, 3))
    forces[3] = [value, 2 * value, 2 * value]
    return Properties(np.array([value, 2 * value]), forces, np.full((2, 6), value))


def test_mean_and_sample_spread():
    """Of −1, 0 and 1 the sample standard deviation is 1, that of the population √(2/3)."""
    members = [member(value) for value in (-1.0, 0.0, 1.0)]
    assert committee_mean(members).energy == pytest.approx([0.0, 0.0])
    spread = committee_spread(members)
    assert spread.energy == pytest.approx([1.0, 2.0])
    summary = spread_summary(spread, counts=[2, 3])
    assert summary['largest_force_mev_a'] == pytest.approx(3000)
    assert summary['largest_force_frame'] == 1
    assert summary['mean_energy_mev_atom'] == pytest.approx(1000 * (1 / 2 + 2 / 3) / 2)
    assert summary['rms_forces_mev_a'] == pytest.approx(1000 * np.sqrt(9 / 15))


def test_members_that_agree_have_no_spread():
    assert committee_spread([member(1.0)] * 3).forces == pytest.approx(np.zeros((5, 3)))


def test_one_is_no_committee():
    with pytest.raises(DatasetError, match='two are needed'):
        committee_spread([member(1.0)])
