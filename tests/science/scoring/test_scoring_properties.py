"""What a score must do whatever the spectra: its invariances, limits and orders."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scoring_spectra import BANDS, WINDOWS, bands, even_bins, measurement, simulation, uneven_bins

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.score import WORST, failed_score, score_spectrum, score_summary
from aiida_insbench.science.scoring.settings import FitSettings, ScoringSettings, WindowSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation

QUICK = settings(max_examples=12, deadline=None, derandomize=True)
FIXED = ScoringSettings(windows=WindowSettings(windows=WINDOWS))


def cost(measured, simulated, rules=FIXED):
    return score_summary(measured, simulated, rules).cost


@QUICK
@given(
    seed=st.integers(0, 1000),
    n_bands=st.integers(3, 15),
    growth=st.sampled_from([0.0, 0.004, 0.01]),
)
def test_zero_for_itself(seed, n_bands, growth):
    generator = np.random.default_rng(seed)
    chosen = [
        (generator.uniform(60, 960), generator.uniform(50, 500), generator.uniform(5, 15))
        for _ in range(n_bands)
    ]
    energies = uneven_bins(growth) if growth else even_bins()
    noisy = bands(energies, chosen=chosen) + generator.normal(0, 0.2, len(energies))
    error = np.full(len(energies), 0.2)
    score = score_spectrum(Measurement(energies, noisy, error), Simulation(energies, noisy))
    assert score.headline == pytest.approx(0.0, abs=1e-9)
    assert score.summary.shift == pytest.approx(0.0, abs=1e-9)
    assert score.summary.residual == pytest.approx(0.0, abs=1e-9)
    assert score.chi.value == pytest.approx(0.0, abs=1e-9)
    assert score.w1.distance == pytest.approx(0.0, abs=1e-7)


@QUICK
@given(shift=st.floats(-38, 38))
def test_a_shift_is_found_to_a_fraction_of_a_bin(shift):
    summary = score_summary(measurement(uneven_bins()), simulation(shift=shift), FIXED)
    assert summary.bias == pytest.approx(shift, abs=0.1)
    assert summary.shift == pytest.approx(abs(shift), abs=0.1)
    assert summary.residual < 0.01
    assert summary.cost == pytest.approx(abs(shift) / 40, abs=0.01)


@QUICK
@given(shift=st.floats(-35, 35))
def test_a_shift_within_its_window_is_its_wasserstein_distance(shift):
    """One band far from the ends of its window: every part of it is moved by δ."""
    alone = ((500.0, 800.0, 9.0),)
    window = WindowSettings(windows=((400.0, 600.0),))
    data, prediction = measurement(chosen=alone), simulation(chosen=alone, shift=shift)
    bare = score_spectrum(
        data, prediction, ScoringSettings(fit=FitSettings(background_order=None), windows=window)
    )
    assert bare.windows[0].w1 == pytest.approx(abs(shift), rel=0.002, abs=0.01)
    assert bare.w1.distance == pytest.approx(abs(shift), rel=0.002, abs=0.01)
    # a background that is fitted takes a little of the band with it
    usual = score_spectrum(data, prediction, ScoringSettings(windows=window))
    assert usual.windows[0].w1 == pytest.approx(abs(shift), rel=0.05, abs=0.1)


@QUICK
@given(
    factor=st.floats(1e-6, 1e6),
    shift=st.floats(-30, 30),
)
def test_units_of_intensity_do_not_matter(factor, shift):
    plain = cost(measurement(), simulation(shift=shift))
    assert cost(measurement(), simulation(shift=shift, scale=factor)) == pytest.approx(plain)
    assert cost(measurement(scale=factor), simulation(shift=shift)) == pytest.approx(plain)


@QUICK
@given(level=st.floats(0, 1), slope=st.floats(-1, 1), shift=st.floats(-30, 30))
def test_a_background_within_its_bounds_does_not_matter(level, slope, shift):
    """Up to a mean of 1 beside a mean signal of 3.2: below half of the measured intensity."""
    energies = even_bins()
    place = (energies - energies[0]) / (energies[-1] - energies[0])
    background = level * (1 + slope * (place - 0.5))
    spoilt = score_summary(measurement(background=background), simulation(shift=shift), FIXED)
    plain = score_summary(measurement(), simulation(shift=shift), FIXED)
    assert spoilt.cost == pytest.approx(plain.cost, abs=2e-3)
    assert spoilt.shift == pytest.approx(plain.shift, abs=0.02)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    shift=st.floats(-30, 30), smoothing=st.floats(0.5, 30), width=st.sampled_from([0.5, 2.0, 4.0])
)
def test_binning_does_not_matter(shift, smoothing, width):
    energies = even_bins(1.0, low=0.0, high=1100.0)
    values = bands(energies, shift=shift)
    spectrum = Simulation(energies, gaussian_filter1d(values, smoothing))
    fine = score_summary(measurement(even_bins(1.0)), spectrum, FIXED)
    for centres in (even_bins(width), uneven_bins(0.005)):
        other = score_summary(measurement(centres), spectrum, FIXED)
        assert other.residual == pytest.approx(fine.residual, abs=0.02)
        assert other.cost == pytest.approx(fine.cost, abs=0.03)
        assert other.w1 == pytest.approx(fine.w1, abs=0.5)


def spoilt(kind, seed=0):
    energies = even_bins(1.0, low=0.0, high=1100.0)
    values = bands(energies)
    if kind == 'featureless':
        return Simulation(energies, np.ones_like(values))
    if kind == 'smoothed':
        return Simulation(energies, gaussian_filter1d(values, 60.0))
    blocks = values.reshape(-1, 50)
    return Simulation(energies, np.random.default_rng(seed).permutation(blocks).ravel())


@pytest.mark.parametrize(
    ('kind', 'seed'),
    [('featureless', 0), ('smoothed', 0), ('shuffled', 0), ('shuffled', 1), ('shuffled', 2)],
)
def test_a_right_but_shifted_spectrum_is_far_better_than_a_wrong_one(kind, seed):
    """The order that Wasserstein's distance alone gets wrong for a smoothed spectrum."""
    assert cost(measurement(), simulation(shift=8.0)) == pytest.approx(0.2, abs=0.01)
    assert cost(measurement(), spoilt(kind, seed)) > 0.75


def test_featureless_is_the_worst():
    score = score_spectrum(measurement(), spoilt('featureless'), FIXED)
    assert score.headline == pytest.approx(WORST)
    assert score.fitted.rank_deficient
    assert 'cannot be told apart' in ' '.join(score.notes)


def test_cost_rises_with_noise():
    """Mean over six draws at each of five levels of noise in the simulation."""
    energies = even_bins(1.0, low=0.0, high=1100.0)
    generator = np.random.default_rng(7)
    means = [
        np.mean(
            [
                cost(
                    measurement(),
                    Simulation(
                        energies,
                        bands(energies) + generator.normal(0, level, len(energies)),
                    ),
                )
                for _ in range(6)
            ]
        )
        for level in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    ]
    assert means[0] < 1e-3
    assert (np.diff(means) > 0).all()


def test_cost_rises_with_noise_of_the_measurement():
    generator = np.random.default_rng(8)
    clean = measurement()
    means = []
    for level in (0.0, 1.0, 2.0, 4.0):
        draws = [
            cost(
                Measurement(
                    clean.energies,
                    clean.intensity + generator.normal(0, level, len(clean.energies)),
                    np.full(len(clean.energies), level),
                ),
                simulation(),
            )
            for _ in range(6)
        ]
        means.append(np.mean(draws))
    assert (np.diff(means) > 0).all()


@QUICK
@given(first=st.floats(0, 38), second=st.floats(0, 38))
def test_a_larger_shift_costs_more(first, second):
    small, large = sorted((first, second))
    if large - small > 0.5:
        assert cost(measurement(), simulation(shift=small)) < cost(
            measurement(), simulation(shift=-large)
        )


def test_a_spurious_band_costs_where_nothing_is_measured():
    """Windows without signal are not aligned, but what is predicted there counts."""
    chosen = BANDS[:7]
    windows = ScoringSettings(windows=WindowSettings(windows=WINDOWS))
    data = measurement(chosen=chosen, error=0.05)
    right = score_spectrum(data, simulation(chosen=chosen), windows)
    wrong = score_spectrum(data, simulation(chosen=BANDS), windows)
    assert right.headline < 1e-3
    assert right.summary.counts['no signal'] == 2
    assert [row.status for row in right.windows[4:]] == ['no signal', 'no signal']
    assert wrong.headline > 0.15
    assert wrong.summary.spurious_share == pytest.approx(wrong.headline, abs=0.02)
    assert 'none is measured' in ' '.join(wrong.notes)


def test_a_missing_band_costs_its_window():
    chosen = BANDS[:7]
    score = score_spectrum(measurement(), simulation(chosen=chosen), FIXED)
    assert [row.residual for row in score.windows[4:]] == [1.0, 1.0]
    area = [row.area for row in score.windows]
    assert score.headline == pytest.approx(sum(area[4:]) / sum(area), abs=0.02)


def test_what_is_measured_but_not_simulated_counts_as_wrong():
    energies = even_bins(1.0, low=0.0, high=700.0)
    score = score_spectrum(measurement(), Simulation(energies, bands(energies)), FIXED)
    assert [row.status for row in score.windows[4:]] == ['not simulated', 'not simulated']
    assert score.headline > 0.2
    limited = ScoringSettings(
        energy_range=(20.0, 660.0), windows=WindowSettings(windows=WINDOWS[:4])
    )
    assert cost(measurement(), Simulation(energies, bands(energies)), limited) < 1e-3


def test_a_mask_hides_what_is_under_it():
    data = measurement()
    mask = (data.energies > 240) & (data.energies < 340)
    spoilt_values = np.where(mask, np.nan, data.intensity)
    masked = Measurement(data.energies, spoilt_values, mask=mask)
    score = score_spectrum(masked, simulation(), FIXED)
    assert score.headline < 1e-3
    with pytest.raises(InputError, match='not finite'):
        Measurement(data.energies, spoilt_values)


def test_scores_are_json_and_settings_come_back():
    score = score_spectrum(measurement(error=0.1), simulation(shift=5.0), FIXED)
    plain = json.loads(json.dumps(score.to_dict(), allow_nan=False))
    assert plain['version'] == 'insbench-1'
    assert plain['headline'] == pytest.approx(0.125, abs=0.01)
    assert {row['group'] for row in plain['windows']} == {'lattice', 'skeletal', 'internal'}
    assert set(plain['groups']) == {'lattice', 'skeletal', 'internal'}
    stored = json.loads(json.dumps(FIXED.to_dict()))
    assert ScoringSettings.from_dict(stored) == FIXED
    with pytest.raises(InputError, match='Unknown settings of a score: widht'):
        ScoringSettings.from_dict({'windows': {'widht': 100.0}})


def test_a_failure_is_the_worst_score_with_its_reason():
    score = failed_score('dynamics', 'The run blew up after 120 steps.')
    assert score.headline == WORST
    assert score.to_dict()['failure'] == 'dynamics'
    assert 'blew up' in score.to_dict()['reason']
    with pytest.raises(InputError, match='reason'):
        failed_score('dynamics', ' ')
