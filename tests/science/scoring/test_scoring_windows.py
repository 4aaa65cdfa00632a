"""Windows and their alignment."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_spectra import BANDS, WINDOWS, bands, even_bins, measurement, simulation, uneven_bins

from aiida_insbench.science.errors import ComputationError, InputError
from aiida_insbench.science.scoring.alignment import WindowData, align
from aiida_insbench.science.scoring.fitting import fit
from aiida_insbench.science.scoring.score import score_summary, with_windows
from aiida_insbench.science.scoring.settings import FitSettings, ScoringSettings, WindowSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation
from aiida_insbench.science.scoring.window_scores import by_group, score_windows, summarise
from aiida_insbench.science.scoring.windows import find_windows

RULES = WindowSettings(windows=WINDOWS)


@pytest.mark.parametrize('centres', [even_bins(), uneven_bins(0.01)])
def test_automatic_cuts_go_between_bands(centres):
    windows = find_windows(measurement(centres), WindowSettings())
    assert len(windows) in (6, 7)
    for window in windows[1:]:
        level = bands(np.array([window.low - 1, window.low, window.low + 1])).max()
        assert level < 0.1 * bands(even_bins()).max()
    for before, after in pairwise(windows):
        assert before.high == after.low
    assert all(100 < window.high - window.low < 260 for window in windows)


def test_windows_hang_on_the_measurement_alone():
    rows = [
        [
            (row.low, row.high, row.area)
            for row in score_windows(
                measurement(), one, fit(measurement(), one, FitSettings()), WindowSettings()
            )
        ]
        for one in (simulation(), simulation(shift=25.0), simulation(chosen=BANDS[3:]))
    ]
    for other in rows[1:]:
        assert np.array(other) == pytest.approx(np.array(rows[0]), rel=1e-6)


def test_coarse_bins_get_wider_windows():
    coarse = find_windows(measurement(even_bins(18.0)), WindowSettings())
    assert all(window.high - window.low > 8 * 18 for window in coarse)


def test_groups_follow_their_limits():
    names = [window.group for window in find_windows(measurement(), RULES)]
    assert names == ['lattice'] + 3 * ['skeletal'] + 2 * ['internal']
    own = WindowSettings(windows=WINDOWS, groups=(('low', 500.0), ('high', None)))
    assert [window.group for window in find_windows(measurement(), own)] == (
        3 * ['low'] + 3 * ['high']
    )


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'windows': ((100.0, 200.0), (150.0, 300.0))}, 'overlap at 150'),
        ({'windows': ((2000.0, 2100.0),)}, 'no measured bin'),
        ({'windows': ()}, 'is empty'),
    ],
)
def test_bad_windows_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        find_windows(measurement(), WindowSettings(**options))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'scale_factor': 0.5}, 'scale_factor'),
        ({'min_bins': 3}, 'min_bins'),
        ({'line_share': -1.0}, 'line_share'),
        ({'groups': (('a', 300.0), ('b', 200.0), ('c', None))}, 'rising'),
        ({'groups': (('a', 300.0),)}, 'last of them None'),
    ],
)
def test_bad_limits_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        WindowSettings(**options)


def window_data(values, centres, factor=1.0):
    edges = np.concatenate((centres - 0.5, [centres[-1] + 0.5]))
    return WindowData(
        edges[:-1], edges[1:], values, np.zeros_like(values), np.full_like(values, factor)
    )


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 100), factor=st.floats(0.6, 1.6), start=st.floats(-1, 1))
def test_residual_is_one_less_squared_correlation(seed, factor, start):
    """Pearson's r of the structures, where nothing is at a bound; independent of scale and line."""
    generator = np.random.default_rng(seed)
    centres = np.arange(400.5, 500.0)
    theirs = 20 + bands(centres, chosen=((440.0, 200.0, 8.0), (470.0, 150.0, 6.0)))
    mine = factor * theirs + generator.normal(0, 0.3, len(centres)) + start * (centres - 400) / 100
    data = window_data(mine, centres)
    found = align(data, Simulation(centres, theirs).running, WindowSettings(max_shift=1e-6))
    line = np.polynomial.polynomial.polyfit
    rest = [
        one - np.polynomial.polynomial.polyval(centres, line(centres, one, 1))
        for one in (mine, theirs)
    ]
    r = np.corrcoef(*rest)[0, 1]
    assert found.residual == pytest.approx(1 - r**2, rel=1e-3, abs=1e-9)


def test_a_scale_at_its_bound_is_told():
    centres = np.arange(400.5, 500.0)
    theirs = Simulation(centres, bands(centres, chosen=((450.0, 200.0, 8.0),)))
    data = window_data(5.0 * theirs.intensity, centres)
    found = align(data, theirs.running, WindowSettings())
    assert found.scale == pytest.approx(2.0)
    assert 'scale' in found.at_bound
    assert found.residual == pytest.approx((3 / 5) ** 2, rel=0.05)


def test_a_shift_beyond_the_limit_is_not_found():
    centres = np.arange(300.5, 600.0)
    far = Simulation(centres, bands(centres, chosen=((510.0, 200.0, 8.0),)))
    data = window_data(bands(centres, chosen=((450.0, 200.0, 8.0),)), centres)
    found = align(data, far.running, WindowSettings())
    assert abs(found.shift) <= 40
    assert found.residual > 0.6


def test_nothing_to_align_is_an_error():
    centres = np.arange(400.5, 500.0)
    flat = Simulation(centres, np.ones_like(centres))
    with pytest.raises(ComputationError, match='without structure'):
        align(window_data(np.zeros_like(centres), centres), flat.running, WindowSettings())


def test_summary_weighs_by_area():
    data, prediction = measurement(), simulation(shift=10.0)
    rows = score_windows(data, prediction, fit(data, prediction, FitSettings()), RULES)
    total = summarise(rows)
    areas = np.array([row.area for row in rows])
    assert total.cost == pytest.approx(areas @ [row.cost for row in rows] / areas.sum())
    assert total.bias == pytest.approx(areas @ [row.shift for row in rows] / areas.sum())
    assert total.aligned_share == 1.0
    groups = by_group(rows, RULES)
    assert list(groups) == ['lattice', 'skeletal', 'internal']
    assert sum(group.area for group in groups.values()) == pytest.approx(total.area)


def test_nothing_but_noise_is_an_error():
    generator = np.random.default_rng(3)
    centres = even_bins()
    data = Measurement(centres, 5 + generator.normal(0, 1, 990), np.ones(990))
    with pytest.raises(InputError, match='No window'):
        score_windows(data, simulation(), fit(data, simulation(), FitSettings()), RULES)


def test_windows_can_be_frozen():
    rules = with_windows(measurement(), ScoringSettings())
    assert rules.windows.windows is not None
    plain = score_summary(measurement(), simulation(shift=5.0), ScoringSettings())
    frozen = score_summary(measurement(), simulation(shift=5.0), rules)
    assert frozen.cost == pytest.approx(plain.cost, abs=1e-9)
