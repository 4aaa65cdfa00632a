"""Distances of spectra against analytic ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from aiida_insbench.science.campaign.spread import (
    committee_distances,
    distance_by_label,
    spectrum_distance,
)
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.spectra import Simulation

ENERGIES = np.arange(0.0, 1000.0, 1.0)


def band(center: float, width: float = 8.0, scale: float = 1.0) -> Simulation:
    return Simulation(ENERGIES, scale * np.exp(-0.5 * ((ENERGIES - center) / width) ** 2))


@given(st.floats(-80, 80), st.floats(0.1, 10))
def test_a_shifted_band_is_as_far_as_it_is_shifted(shift, scale):
    found, _ = spectrum_distance(band(500.0), band(500.0 + shift, scale=scale))
    assert found == pytest.approx(abs(shift), abs=1e-3)


def test_the_same_spectrum_has_no_distance_and_others_share_nothing():
    assert spectrum_distance(band(300.0), band(300.0, scale=3.0)) == pytest.approx((0.0, 0.0))
    assert spectrum_distance(band(200.0), band(800.0))[1] == pytest.approx(100.0)


def test_shift_is_the_wasserstein_distance_of_scipy():
    rng = np.random.default_rng(3)
    a, b = rng.random(len(ENERGIES)), rng.random(len(ENERGIES))
    expected = wasserstein_distance(ENERGIES, ENERGIES, a, b)
    found, _ = spectrum_distance(Simulation(ENERGIES, a), Simulation(ENERGIES, b))
    # weights of the first and last bin are halved by no one
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_committee_is_the_mean_of_its_pairs_and_says_who_is_missing():
    members = {
        'seed_1': {'p_0000': band(500.0), 'p_1000': band(520.0)},
        'seed_2': {'p_0000': band(503.0), 'p_1000': band(520.0)},
        'seed_3': {'p_0000': band(506.0)},
    }
    found = committee_distances(members, ['p_0000', 'p_1000', 'p_2000'])
    assert found['p_0000']['shift_cm1'] == pytest.approx((3 + 6 + 3) / 3, abs=1e-3)
    assert found['p_1000']['shift_cm1'] == pytest.approx(0.0, abs=1e-9)
    assert found['p_1000']['missing'] == ['seed_3']
    assert found['p_2000'] == {
        'shift_cm1': None,
        'area_percent': None,
        'missing': ['seed_1', 'seed_2', 'seed_3'],
    }


def test_only_common_pressures_are_compared():
    found = distance_by_label({'p_0000': band(10.0)}, {'p_1000': band(10.0)})
    assert found == {}


def test_other_energies_and_empty_spectra_are_refused():
    with pytest.raises(InputError, match='same energies'):
        spectrum_distance(band(10.0), Simulation(ENERGIES[:-1], ENERGIES[:-1]))
    with pytest.raises(InputError, match='no intensity'):
        spectrum_distance(band(10.0), Simulation(ENERGIES, np.zeros_like(ENERGIES)))
