"""Fraction of deuterium: found in mixtures that are known, kept between its bounds."""

import numpy as np
import pytest
from scoring_spectra import BANDS, bands, even_bins, simulation

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.deuteration import (
    NAME,
    fit_deuteration,
    mixed,
    mixed_over_pressure,
)
from aiida_insbench.science.scoring.settings import FitSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation

SETTINGS = FitSettings()
#: Lower by √2, and a fifteenth of the intensity: bound cross-sections and masses of H and D.
HEAVY = tuple((place / np.sqrt(2), area / 15, width) for place, area, width in BANDS)
LIGHT_SPECTRUM, HEAVY_SPECTRUM = simulation(), simulation(chosen=HEAVY)


def measured(fraction, *, noise=0.0, seed=0):
    """Counts of a mixture on a flat background."""
    energies = even_bins(2.0)
    clean = (1 - fraction) * bands(energies) + fraction * bands(energies, chosen=HEAVY)
    scaled = 50 * clean / clean.max() + 4
    error = noise * np.sqrt(scaled)
    drawn = np.random.default_rng(seed).normal(scaled, error)
    return Measurement(energies, drawn, error if noise else None)


def fitted(fraction, *, bounds=(0.0, 1.0), **options):
    return fit_deuteration(
        measured(fraction, **options), LIGHT_SPECTRUM, HEAVY_SPECTRUM, SETTINGS, bounds=bounds
    )


@pytest.mark.parametrize('fraction', [0.2, 0.7, 0.95])
def test_a_known_mixture_is_found(fraction):
    found = fitted(fraction)
    assert found.value == pytest.approx(fraction, abs=0.005)
    assert found.at_bound is None


def test_counting_noise_moves_it_little():
    values = [fitted(0.95, noise=0.3, seed=seed).value for seed in range(4)]
    assert np.mean(values) == pytest.approx(0.95, abs=0.01)
    assert np.std(values) < 0.02


@pytest.mark.parametrize(('fraction', 'bound'), [(0.5, 'lower'), (1.0, 'upper')])
def test_it_stays_between_its_bounds(fraction, bound):
    found = fitted(fraction, bounds=(0.8, 0.9))
    assert found.at_bound == bound
    assert found.value == pytest.approx({'lower': 0.8, 'upper': 0.9}[bound], abs=1e-4)


def test_it_is_listed_as_other_fitted_values():
    row = fitted(0.7).to_dict()
    assert row['name'] == NAME
    assert set(row) == {'name', 'value', 'lower', 'upper', 'error', 'at_bound'}


def test_areas_of_a_mixture_add_up():
    light, heavy = (one.intensity.sum() for one in (LIGHT_SPECTRUM, HEAVY_SPECTRUM))
    found = mixed(LIGHT_SPECTRUM, HEAVY_SPECTRUM, 0.25).intensity.sum()
    assert found == pytest.approx(0.75 * light + 0.25 * heavy, rel=1e-9)


def test_coarser_bins_of_the_second_are_put_on_those_of_the_first():
    coarse = simulation(chosen=HEAVY, width=4.0)
    found = mixed(LIGHT_SPECTRUM, coarse, 1.0)
    assert found.energies == pytest.approx(LIGHT_SPECTRUM.energies)
    assert found.intensity.sum() == pytest.approx(HEAVY_SPECTRUM.intensity.sum(), rel=1e-6)


def test_a_range_that_is_too_short_is_named():
    short = Simulation(HEAVY_SPECTRUM.energies[:500], HEAVY_SPECTRUM.intensity[:500])
    with pytest.raises(InputError, match='deuterated spectrum goes from 0 to 500 cm'):
        mixed(LIGHT_SPECTRUM, short, 0.5)


def test_only_pressures_with_both_are_mixed():
    found = mixed_over_pressure(
        {0.0: LIGHT_SPECTRUM, 1.0: LIGHT_SPECTRUM}, {1.0: HEAVY_SPECTRUM}, 0.5
    )
    assert list(found) == [1.0]
