"""Wasserstein's distance and matched peaks: closed forms and independent code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from scoring_spectra import BANDS, bands, even_bins, measurement, simulation

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.rebinning import bin_edges
from aiida_insbench.science.scoring.fitting import fit
from aiida_insbench.science.scoring.peaks import match_peaks, peak_positions, score_peaks
from aiida_insbench.science.scoring.settings import FitSettings, PeakSettings
from aiida_insbench.science.scoring.spectra import Measurement
from aiida_insbench.science.scoring.wasserstein import negative_share, wasserstein

QUICK = settings(max_examples=20, deadline=None, derandomize=True)
EDGES = np.arange(0.0, 201.0)


def boxes(seed, low=0.0):
    return np.random.default_rng(seed).uniform(low, 1.0, 200)


@QUICK
@given(shift=st.floats(-40, 40), seed=st.integers(0, 50))
def test_a_moved_spectrum_is_as_far_as_it_is_moved(shift, seed):
    """Whatever the spectrum: W1 of a translation is its length."""
    values = boxes(seed)
    found = wasserstein(EDGES, values, values, second_edges=EDGES + shift)
    assert found.distance == pytest.approx(abs(shift), rel=1e-9, abs=1e-9)
    assert not found.capped


@QUICK
@given(seeds=st.tuples(*[st.integers(0, 100)] * 3), factor=st.floats(1e-3, 1e3))
def test_it_is_a_distance(seeds, factor):
    one, two, three = (boxes(seed) for seed in seeds)

    def between(first, second):
        return wasserstein(EDGES, first, second).distance

    assert between(one, factor * one) == pytest.approx(0, abs=1e-9)
    assert between(one, two) == pytest.approx(between(two, one))
    assert between(one, three) <= between(one, two) + between(two, three) + 1e-9


@QUICK
@given(seeds=st.tuples(st.integers(0, 100), st.integers(101, 200)))
def test_it_agrees_with_scipy(seeds):
    """scipy has points where we have bins: the same up to a part of a bin."""
    one, two = (boxes(seed) for seed in seeds)
    centres = (EDGES[1:] + EDGES[:-1]) / 2
    assert wasserstein(EDGES, one, two).distance == pytest.approx(
        wasserstein_distance(centres, centres, one, two), rel=0.05, abs=0.02
    )


def test_it_is_capped():
    first, second = np.zeros(200), np.zeros(200)
    first[5], second[190] = 1.0, 1.0
    assert wasserstein(EDGES, first, second).distance == pytest.approx(185)
    found = wasserstein(EDGES, first, second, cap=150.0)
    assert (found.distance, found.capped) == (150.0, True)


def test_negative_noise_is_told_and_adds_no_area():
    """Noise of mean zero moves the distance less than clipping at zero would."""
    generator = np.random.default_rng(2)
    clean = bands(even_bins(), chosen=BANDS[:3])
    noisy = clean + generator.normal(0, 0.5, 990)
    edges = bin_edges(even_bins())
    found = wasserstein(edges, noisy, clean)
    assert found.negative_share == pytest.approx(negative_share(edges, noisy))
    assert 0.05 < found.negative_share < 0.5
    clipped = wasserstein(edges, np.maximum(noisy, 0.0), clean)
    assert found.distance < 0.3 * clipped.distance


def test_an_empty_spectrum_has_no_distance():
    with pytest.raises(InputError, match='area of the second'):
        wasserstein(EDGES, boxes(1), np.zeros(200))


def test_positions_of_peaks_to_a_fraction_of_a_bin():
    centres = even_bins(4.0)
    chosen = ((300.7, 300.0, 12.0), (501.9, 200.0, 12.0))
    values = bands(centres, chosen=chosen)
    found = peak_positions(centres, values, np.full(len(centres), 1.0))
    assert found == pytest.approx([300.7, 501.9], abs=0.4)
    assert len(peak_positions(centres, values, np.full(len(centres), 8.0))) == 1


def matched(mine, theirs, tolerance=10.0, pieces=((0.0, 1000.0),), seed=0, n_null=100):
    mine = np.asarray(mine, dtype=float)
    return match_peaks(
        mine,
        np.asarray(theirs, dtype=float),
        tolerance=np.full(len(mine), tolerance),
        pieces=np.array(pieces),
        n_null=n_null,
        seed=seed,
    )


def test_most_pairs_come_before_the_nearest():
    """Greedy matching takes 108 for 105 and leaves 112 without a partner."""
    found = matched([105.0, 117.0], [98.0, 108.0])
    assert found.pairs == ((105.0, 98.0), (117.0, 108.0))
    assert found.f1 == 1.0


def test_recall_and_precision_by_hand():
    found = matched([100.0, 200.0, 300.0, 400.0], [104.0, 296.0, 350.0])
    assert found.recall == pytest.approx(2 / 4)
    assert found.precision == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(4 / 7)
    assert found.mean_distance == pytest.approx(4.0)
    nothing = matched([100.0], [])
    assert (nothing.f1, nothing.precision, nothing.excess) == (0.0, 0.0, 0.0)


def test_random_peaks_match_by_chance_as_often_as_they_must():
    """One peak and one guess in 1000 cm⁻¹ meet within ±20 with a chance of 4 %."""
    found = matched([500.0], [900.0], tolerance=20.0, n_null=5000)
    assert found.null_f1 == pytest.approx(0.04, abs=0.008)
    assert found.excess == pytest.approx(-0.04 / 0.96, abs=0.01)
    again = matched([500.0], [900.0], tolerance=20.0, n_null=5000)
    assert again == found
    halves = matched([500.0], [900.0], tolerance=20.0, pieces=((0, 200), (450, 750)), n_null=5000)
    assert halves.null_f1 == pytest.approx(40 / 500, abs=0.012)


def test_random_peaks_win_nothing():
    generator = np.random.default_rng(4)
    excess = [
        matched(generator.uniform(0, 1000, 15), generator.uniform(0, 1000, 15), 20.0, seed=seed)
        for seed in range(40)
    ]
    assert np.mean([one.excess for one in excess]) == pytest.approx(0, abs=0.06)
    assert np.mean([one.f1 for one in excess]) > 0.25


def test_peaks_of_spectra():
    data = measurement()
    right = score_peaks(data, fit(data, simulation(shift=2.0), FitSettings()), PeakSettings())
    wrong = score_peaks(data, fit(data, simulation(shift=30.0), FitSettings()), PeakSettings())
    assert len(right.measured) == len(BANDS)
    assert (right.recall, right.precision, right.excess) == (1.0, 1.0, 1.0)
    assert right.mean_distance == pytest.approx(2.0, abs=0.3)
    assert wrong.excess < 0.4
    wide = score_peaks(
        data, fit(data, simulation(shift=30.0), FitSettings()), PeakSettings(n_widths=4.0)
    )
    assert wide.f1 > wrong.f1


def test_without_a_resolution_peaks_are_not_matched():
    plain = measurement()
    data = Measurement(plain.energies, plain.intensity)
    assert score_peaks(data, fit(data, simulation(), FitSettings()), PeakSettings()) is None
    with pytest.raises(InputError, match='no measured peak'):
        matched([], [100.0])
