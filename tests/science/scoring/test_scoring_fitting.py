"""The fit finds what was put in, stays within its bounds, and says where it meets them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_spectra import BANDS, bands, even_bins, measurement, simulation, uneven_bins

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.rebinning import RunningIntegral, bin_edges
from aiida_insbench.science.scoring.chi_square import chi_square
from aiida_insbench.science.scoring.fit_functions import attenuation, bernstein
from aiida_insbench.science.scoring.fitting import fit
from aiida_insbench.science.scoring.least_squares import bounded_least_squares
from aiida_insbench.science.scoring.settings import FitSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation

CELL = ((110.0, 300.0, 15.0), (200.0, 500.0, 25.0), (285.0, 400.0, 12.0))


def cell_spectrum():
    return simulation(chosen=CELL)


@pytest.mark.parametrize('smoothing', [0.0, 40.0])
@pytest.mark.parametrize('centres', [even_bins(), uneven_bins()])
def test_scale_background_and_cell_come_back(smoothing, centres):
    edges = bin_edges(centres)
    place = (centres - centres[0]) / (centres[-1] - centres[0])
    values = 0.7 * bands(centres) + 0.4 * bands(centres, chosen=CELL) + 0.2 + 0.3 * place
    found = fit(
        Measurement(centres, values),
        simulation(),
        FitSettings(smoothing=smoothing),
        cell=cell_spectrum(),
    )
    assert found.value('scale') == pytest.approx(0.7, rel=5e-3)
    assert found.value('cell') == pytest.approx(0.4, rel=2e-2)
    assert found.value('background 0') == pytest.approx(0.2, abs=0.02)
    assert found.value('background 1') == pytest.approx(0.5, abs=0.02)
    assert all(one.at_bound is None for one in found.values)
    assert not found.rank_deficient
    total = values @ np.diff(edges)
    assert found.shares['background'] == pytest.approx(0.35 * (edges[-1] - edges[0]) / total, 0.02)
    assert found.total == pytest.approx(values, abs=0.15)


def test_values_stay_within_their_bounds_and_say_so():
    centres = even_bins()
    data = Measurement(centres, bands(centres) + 2.0 * bands(centres, chosen=CELL) + 10.0)
    rules = FitSettings(cell_range=(0.0, 0.5), background_share=(0.0, 0.1))
    found = fit(data, simulation(), rules, cell=cell_spectrum())
    assert found.value('cell') == pytest.approx(0.5)
    assert {one.name: one.at_bound for one in found.values}['cell'] == 'upper'
    assert found.shares['background'] <= 0.1 + 1e-9
    assert 'The cell is at its upper bound' in ' '.join(found.sentences())
    free = fit(
        data,
        simulation(),
        FitSettings(cell_range=(0.0, 5.0), background_share=(0.0, 0.9)),
        cell=cell_spectrum(),
    )
    assert free.value('cell') == pytest.approx(2.0, rel=0.03)


def test_absorption_comes_back():
    centres = even_bins()
    values = 0.7 * attenuation(centres, 0.3, 32.0) * bands(centres)
    for allowed, expected in ((1.0, 0.3), (0.1, 0.1)):
        found = fit(
            Measurement(centres, values),
            simulation(),
            FitSettings(transmission=allowed, background_order=None, smoothing=0.0),
        )
        assert found.value('transmission') == pytest.approx(expected, abs=0.02)
    assert found.values[-1].at_bound == 'upper'
    with_none = fit(Measurement(centres, values), simulation(), FitSettings())
    assert 'transmission' not in [one.name for one in with_none.values]


def test_attenuation_by_hand():
    """At 25.3 meV of incident energy the share left is exp(−τ)."""
    energy = 25.3 * 8.065543937349209 - 32.0
    assert attenuation(np.array([energy]), 0.5, 32.0) == pytest.approx([np.exp(-0.5)])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(order=st.integers(0, 4), low=st.floats(-10, 10), span=st.floats(1, 1000))
def test_polynomials_are_positive_and_add_up_to_one(order, low, span):
    values = bernstein(np.linspace(low, low + span, 37), order, low=low, high=low + span)
    assert values.shape == (37, order + 1)
    assert (values >= -1e-12).all()
    assert values.sum(axis=1) == pytest.approx(np.ones(37))


def test_errors_are_those_of_repeated_measurements():
    generator = np.random.default_rng(5)
    clean = measurement(error=1.0, background=0.5)
    rows = []
    for _ in range(150):
        values = clean.intensity + generator.normal(0, 1.0, len(clean.energies))
        found = fit(Measurement(clean.energies, values, clean.error), simulation(), FitSettings())
        rows.append([one.value for one in found.values])
    scatter = np.std(rows, axis=0, ddof=1)
    told = [one.error for one in fit(clean, simulation(), FitSettings()).values]
    assert told == pytest.approx(scatter, rel=0.25)


def test_a_shifted_spectrum_nearly_keeps_its_scale():
    """Bin by bin, bands that miss each other pull the scale down."""
    smoothed = fit(measurement(), simulation(shift=12.0), FitSettings())
    plain = fit(measurement(), simulation(shift=12.0), FitSettings(smoothing=0.0))
    assert smoothed.value('scale') == pytest.approx(1.0, abs=0.12)
    assert plain.value('scale') < 0.7


def test_no_overlap_is_an_error_that_names_the_ranges():
    far = Simulation(even_bins(1.0, low=2000.0, high=3000.0), np.ones(1000))
    with pytest.raises(InputError, match=r'2000 to 3000.*20 to 1010.*Check the unit'):
        fit(measurement(), far, FitSettings())
    in_mev = Simulation(np.linspace(0.5, 20.0, 40), np.ones(40))
    with pytest.raises(InputError, match='meV or cm⁻¹'):
        fit(measurement(), in_mev, FitSettings())
    with pytest.raises(InputError, match='cell does not overlap'):
        fit(measurement(), simulation(), FitSettings(), cell=far)
    with pytest.raises(InputError, match='not more than zero'):
        fit(measurement(), Simulation(even_bins(), np.zeros(990)), FitSettings())


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'background_order': 7}, '0 to 4'),
        ({'scale_range': (-1.0, 2.0)}, 'below zero'),
        ({'cell_range': (1.0, 0.5)}, 'rising'),
        ({'smoothing': -1.0}, 'smoothing'),
        ({'transmission': 0.0}, 'transmission'),
        ({'model_floor': float('nan')}, 'model_floor'),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        FitSettings(**options)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'energies': even_bins()[::-1]}, 'must rise'),
        ({'intensity': np.ones(5)}, 'one intensity an energy'),
        ({'error': -np.ones(990)}, 'must be ≥ 0'),
        ({'error': np.full(990, np.nan)}, 'not finite'),
        ({'mask': np.ones(990, dtype=bool)}, 'leaves nothing'),
        ({'resolution': np.zeros(990)}, 'resolution must be > 0'),
        ({'intensity': -np.ones(990)}, 'add up to more than zero'),
        ({'bin_edges': np.arange(991.0)}, 'enclose each'),
    ],
)
def test_bad_measurements_are_refused(changes, message):
    plain = {'energies': even_bins(), 'intensity': bands(even_bins())}
    with pytest.raises(InputError, match=message):
        Measurement(**(plain | changes))


def test_chi_square_by_hand():
    """Bins that all miss by 2, counting error 1 and model error 0.5·4 = 2: 4/5 each."""
    centres = even_bins()
    data = Measurement(centres, np.full(990, 6.0), np.ones(990))
    fitted = fit(
        data,
        Simulation(even_bins(1.0, low=0.0, high=1100.0), np.full(1100, 4.0)),
        FitSettings(background_order=None, scale_range=(0.1, 0.6667), smoothing=0.0),
    )
    assert fitted.total == pytest.approx(np.full(990, 4.0), rel=1e-3)
    found = chi_square(data, fitted, relative=0.5, floor=1e-6)
    assert found.value == pytest.approx(990 * 4 / 5, rel=1e-3)
    assert found.freedoms == 990
    assert chi_square(data, fitted, relative=0.0, floor=1e-6).value == pytest.approx(3960, 1e-3)


def test_chi_square_of_noise_is_one_by_freedom():
    generator = np.random.default_rng(11)
    clean = measurement(error=0.5)
    noisy = Measurement(
        clean.energies, clean.intensity + generator.normal(0, 0.5, 990), clean.error
    )
    fitted = fit(noisy, simulation(), FitSettings())
    assert chi_square(noisy, fitted, relative=0.0, floor=1e-6).reduced == pytest.approx(1, abs=0.15)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100), width=st.floats(0.3, 30))
def test_rebinning_keeps_areas(seed, width):
    generator = np.random.default_rng(seed)
    centres = uneven_bins(0.01)
    values = generator.uniform(0, 5, len(centres))
    running = RunningIntegral(centres, values)
    edges = np.arange(running.edges[0], running.edges[-1] - width, width)
    means = running.means(edges)
    assert (means >= -1e-9).all()
    assert means @ np.diff(edges) == pytest.approx(running.upto(edges[-1:])[0])
    assert running.means(running.edges) == pytest.approx(values)


def test_beyond_its_ends_a_spectrum_goes_on_as_it_ends():
    running = RunningIntegral(np.array([0.5, 1.5, 2.5]), np.array([2.0, 1.0, 3.0]))
    assert running.means(np.array([-4.0, -1.0, 0.0, 3.0, 5.0])) == pytest.approx([2, 2, 2, 3])


@pytest.mark.parametrize('centres', [[1.0], [1.0, 1.0], [2.0, 1.0]])
def test_bins_must_rise(centres):
    with pytest.raises(InputError, match='rising'):
        bin_edges(np.array(centres))


def test_bands_of_the_tests_are_what_they_say():
    assert bands(even_bins(1.0, low=0.0, high=1100.0)).sum() == pytest.approx(
        sum(area for _, area, _ in BANDS), rel=1e-9
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10000), copies=st.booleans())
def test_bounded_least_squares_are_no_worse_than_any_corner_or_draw(seed, copies):
    """Also where one column is the sum of two others."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(12, 4))
    if copies:
        matrix[:, 3] = matrix[:, 0] + matrix[:, 1]
    target = generator.normal(size=12)
    lower, upper = np.array([-0.2, -0.1, 0.0, -1.0]), np.array([0.1, 0.3, 0.2, 0.4])
    found = bounded_least_squares(matrix, target, lower=lower, upper=upper)
    assert ((lower <= found) & (found <= upper)).all()
    best = np.linalg.norm(matrix @ found - target)
    draws = generator.uniform(lower, upper, (500, 4))
    corners = np.where(generator.uniform(size=(100, 4)) < 0.5, lower, upper)
    others = np.linalg.norm(np.vstack((draws, corners)) @ matrix.T - target, axis=1)
    assert best <= others.min() + 1e-5
