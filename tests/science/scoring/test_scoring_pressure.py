"""The pressure score: sign first, and the fits and differences it stands on."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_spectra import WINDOWS, bands, even_bins, simulation

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.band_slopes import BandSlope, band_slope
from aiida_insbench.science.scoring.difference_spectra import score_difference
from aiida_insbench.science.scoring.pressure_score import score_shifts
from aiida_insbench.science.scoring.settings import ScoringSettings, WindowSettings
from aiida_insbench.science.scoring.spectra import Measurement

QUICK = settings(max_examples=40, deadline=None, derandomize=True)
SLOPES = st.floats(0.5, 50)


def one(measured, predicted, error=0.1, predicted_error=0.0, **options):
    return score_shifts(
        [BandSlope('a', 300.0, measured, error)],
        [BandSlope('a', 310.0, predicted, predicted_error)],
        **options,
    ).bands[0]


@QUICK
@given(measured=SLOPES, right=SLOPES, wrong=SLOPES)
def test_a_wrong_sign_costs_more_than_any_magnitude(measured, right, wrong):
    for sign in (1, -1):
        good = one(sign * measured, sign * right)
        bad = one(sign * measured, -sign * wrong)
        assert good.sign_right
        assert not bad.sign_right
        assert 0 <= good.cost < 0.5 < bad.cost <= 1


@QUICK
@given(measured=SLOPES, predicted=SLOPES)
def test_a_red_shift_missed_costs_more_than_a_blue_one(measured, predicted):
    red, blue = one(-measured, predicted), one(measured, -predicted)
    assert red.cost > blue.cost
    assert red.words == 'red shift missed, predicted blue'
    assert blue.words == 'blue shift predicted red'
    assert one(-measured, 0.0).cost > one(measured, 0.0).cost > 0.5
    assert one(-measured, 0.0).cost < red.cost
    assert one(-measured, 0.0).words == 'red shift missed'
    assert one(measured, 0.0).words == 'blue shift not seen'


@QUICK
@given(measured=st.floats(-1.9, 1.9), predicted=st.floats(-50, 50))
def test_a_shift_within_its_error_cannot_be_missed_in_sign(measured, predicted):
    found = one(measured, predicted, error=1.0)
    assert not found.significant
    assert found.sign_right is None
    assert found.cost < 0.5
    assert 'not judged' in found.words


@QUICK
@given(slope=st.floats(-50, 50), error=st.floats(0.01, 5))
def test_what_is_as_measured_costs_nothing(slope, error):
    assert one(slope, slope, error=error).cost == 0.0


@QUICK
@given(first=st.floats(0, 30), second=st.floats(0, 30))
def test_magnitudes_cost_more_the_further_they_are_off(first, second):
    small, large = sorted((first, second))
    assert one(10.0, 10.0 + small).cost <= one(10.0, 10.0 + large).cost


def test_magnitude_by_hand():
    """d = 5, σ = 1: ½·4/(4 + 10)."""
    assert one(10.0, 15.0, error=1.0).cost == pytest.approx(0.5 * 4 / 14)
    assert one(10.0, 15.0, error=0.6, predicted_error=0.8).cost == pytest.approx(0.5 * 4 / 14)
    assert one(10.0, 15.0, error=1.0).words == 'blue as measured'
    assert one(10.0, 35.0, error=1.0).words == 'blue as measured, of the wrong size'


def test_a_small_slope_predicted_exactly_is_not_flat():
    assert one(-0.1, -0.1, error=0.01).cost == 0.0
    assert one(-1.0, -0.15, error=0.01).words == 'red shift missed'


def test_errors_that_are_not_stated_are_assumed():
    found = score_shifts([BandSlope('a', 300.0, 0.8, None)], [BandSlope('a', 300.0, -3.0, None)])
    assert found.bands[0].error_assumed
    assert not found.bands[0].significant
    sure = score_shifts(
        [BandSlope('a', 300.0, 0.8, None)], [BandSlope('a', 300.0, -3.0, None)], assumed_error=0.1
    )
    assert sure.bands[0].sign_right is False


def test_aggregate_is_weighted_and_its_table_complete():
    measured = [
        BandSlope('lattice', 180.0, -15.0, 2.0, weight=3.0),
        BandSlope('rock', 720.0, 4.0, 0.5),
        BandSlope('stretch', 1400.0, 8.0, 0.5),
    ]
    predicted = [BandSlope('rock', 730.0, 4.0, 0.0), BandSlope('lattice', 190.0, 6.0, 0.0)]
    found = score_shifts(measured, predicted)
    assert [band.cost for band in found.bands] == [1.0, 0.0, 1.0]
    assert [band.words for band in found.bands][1:] == ['blue as measured', 'not predicted']
    assert found.cost == pytest.approx((3 * 1 + 0 + 1) / 5)
    assert (found.signs_right, found.signs_known) == (1, 3)
    assert found.red_missed == ('lattice',)
    assert found.rms_slope == pytest.approx(np.sqrt(3 * 21**2 / 4))
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert len(plain['bands']) == 3


@pytest.mark.parametrize(
    ('measured', 'predicted', 'options', 'message'),
    [
        ([], [], {}, 'needs a measured band'),
        ([('a', 0.0)], [], {}, 'weight > 0'),
        ([('a', 1.0), ('a', 1.0)], [], {}, 'measured bands a come more than once'),
        ([('a', 1.0)], [('b', 1.0), ('b', 1.0)], {}, 'predicted bands b'),
        ([('a', 1.0)], [], {'flat': 0.0}, '`flat`'),
    ],
)
def test_bad_tables_are_refused(measured, predicted, options, message):
    rows = [
        [BandSlope(label, 300.0, 1.0, 0.1, weight) for label, weight in table]
        for table in (measured, predicted)
    ]
    with pytest.raises(InputError, match=message):
        score_shifts(*rows, **options)


def test_bad_bands_are_refused():
    with pytest.raises(InputError, match='not finite'):
        BandSlope('a', 300.0, np.nan, 0.1)
    with pytest.raises(InputError, match='≥ 0'):
        BandSlope('a', 300.0, 1.0, -0.1)


def test_slopes_are_those_of_weighted_least_squares():
    x, sigma = np.array([0.0, 0.5, 1.0, 1.5]), np.array([0.5, 1.0, 0.7, 2.0])
    y = 300 - 12 * x + np.array([0.1, -0.2, 0.1, 0.3])
    found = band_slope('a', pressures=x, positions=y, errors=sigma)
    (slope, start), covariance = np.polyfit(x, y, 1, w=1 / sigma, cov='unscaled')
    assert found.slope == pytest.approx(slope)
    assert found.position == pytest.approx(start)
    assert found.error == pytest.approx(np.sqrt(covariance[0, 0]))


def test_errors_of_the_pressure_widen_those_of_the_slope():
    """Two points, 1 GPa apart, of slope −20: σ² = 2·(1² + (20·0.1)²)."""
    options = {'pressures': [0.0, 1.0], 'positions': [300.0, 280.0], 'errors': [1.0, 1.0]}
    assert band_slope('a', **options).error == pytest.approx(np.sqrt(2))
    wide = band_slope('a', **options, pressure_errors=[0.1, 0.1])
    assert wide.error == pytest.approx(np.sqrt(10))
    assert wide.slope == pytest.approx(-20)


def test_scatter_beyond_the_errors_counts():
    found = band_slope(
        'a', pressures=[0, 1, 2, 3], positions=[300, 310, 300, 310], errors=[0.1] * 4
    )
    assert found.error > 2.0


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'errors': [0.0, 1.0]}, 'must be > 0'),
        ({'pressures': [1.0, 1.0]}, 'different pressures'),
        ({'positions': [300.0]}, 'two pressures or more'),
        ({'pressure_errors': [-0.1, 0.1]}, 'must be > 0'),
    ],
)
def test_bad_positions_are_refused(changes, message):
    plain = {'pressures': [0.0, 1.0], 'positions': [300.0, 290.0], 'errors': [1.0, 1.0]}
    with pytest.raises(InputError, match=message):
        band_slope('a', **(plain | changes))


RULES = ScoringSettings(windows=WindowSettings(windows=WINDOWS))


def at_pressure(shift, error=0.0):
    centres = even_bins()
    return Measurement(centres, bands(centres, shift=shift) + 1.0, np.full(990, error))


def difference(predicted, error=0.0, cells=('clamp 3', 'clamp 3')):
    return score_difference(
        (at_pressure(0.0, error), at_pressure(6.0, error)),
        (simulation(), simulation(shift=predicted)),
        RULES,
        cells=cells,
    )


def test_differences_of_spectra_show_the_sign():
    right, small, wrong = (difference(shift) for shift in (6.0, 4.0, -6.0))
    assert right.cost == pytest.approx(0.0, abs=1e-3)
    assert 0.01 < small.cost < 0.4
    assert wrong.cost == pytest.approx(1.0)
    assert all(row.correlation < -0.5 for row in wrong.rows if row.status == 'scored')
    json.dumps(right.to_dict(), allow_nan=False)
    drawn = right.overlay
    assert drawn['simulated'] == pytest.approx(drawn['target'], abs=1e-2 * drawn['target'].max())


def test_no_change_predicted_is_the_worst():
    assert difference(0.0).cost == pytest.approx(1.0)


def test_differences_within_noise_are_not_scored():
    found = difference(6.0, error=50.0)
    assert {row.status for row in found.rows} == {'no signal'}
    assert found.cost is None


def test_differences_need_the_same_cell_and_bins():
    with pytest.raises(InputError, match='same cell'):
        difference(6.0, cells=('clamp 3', 'clamp 4'))
    centres = even_bins(2.0)
    with pytest.raises(InputError, match='same bins'):
        score_difference(
            (at_pressure(0.0), Measurement(centres, bands(centres))),
            (simulation(), simulation()),
            RULES,
            cells=('a', 'a'),
        )
