"""Failures, rankings, uncertainties, anchors and frequency errors."""

import json

import numpy as np
import pytest
from scoring_spectra import WINDOWS, bands, even_bins, measurement, simulation

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.anchors import (
    REFERENCE,
    AnchorSettings,
    anchors_to_dict,
    make_anchors,
    score_anchors,
    where_on_scale,
)
from aiida_insbench.science.scoring.failures import imaginary_failure
from aiida_insbench.science.scoring.freq_errors import weighted_frequency_errors
from aiida_insbench.science.scoring.ranking import CellScore, rank_potentials
from aiida_insbench.science.scoring.score import WORST
from aiida_insbench.science.scoring.settings import ScoringSettings, WindowSettings
from aiida_insbench.science.scoring.spectra import Measurement
from aiida_insbench.science.scoring.uncertainty import uncertainty

RULES = ScoringSettings(windows=WindowSettings(windows=WINDOWS))


def test_imaginary_modes_are_a_failure_only_if_dft_has_none():
    stable, soft = np.array([100.0, 200.0]), np.array([-120.0, 200.0])
    own = imaginary_failure(soft, stable)
    assert own.headline == WORST
    assert own.failure == 'imaginary modes'
    assert own.reason == '1 imaginary mode, down to 120i cm⁻¹, and the DFT reference has none.'
    assert imaginary_failure(soft, np.array([-80.0, 210.0])) is None
    assert imaginary_failure(stable, soft) is None
    assert imaginary_failure(np.array([-2.0, 200.0]), stable) is None
    assert 'no DFT reference' in imaginary_failure(soft, None).reason
    with pytest.raises(InputError, match='finite'):
        imaginary_failure(np.array([np.nan]), stable)


def test_an_instability_elsewhere_than_that_of_dft_is_a_failure():
    dft = np.array([[100.0, 200.0], [-80.0, 210.0], [20.0, 220.0]])
    same = np.array([[90.0, 200.0], [-150.0, 210.0], [-30.0, 220.0]])
    assert imaginary_failure(same, dft) is None
    elsewhere = np.array([[-60.0, 200.0], [-80.0, 210.0], [20.0, 220.0]])
    assert 'down to 60i cm⁻¹, at q-points where' in imaginary_failure(elsewhere, dft).reason
    assert imaginary_failure(elsewhere, dft, soft=150.0) is None


def test_ranking_counts_what_is_missing_as_the_worst():
    scores = {
        'good': {'0 GPa': CellScore(0.1), '1 GPa': CellScore(0.2)},
        'lazy': {'0 GPa': CellScore(0.0)},
        'bad': {'0 GPa': CellScore(0.6), '1 GPa': CellScore(WORST, failure='MD blew up')},
    }
    ranked = rank_potentials(scores)
    assert [one.name for one in ranked] == ['good', 'lazy', 'bad']
    assert [one.rank for one in ranked] == [1, 2, 3]
    assert ranked[1].mean == pytest.approx(0.5)
    assert 'missing' in ranked[1].failures['1 GPa']
    assert ranked[2].failures == {'1 GPa': 'MD blew up'}
    json.dumps([one.to_dict() for one in ranked], allow_nan=False)


def test_what_cannot_be_told_apart_ties():
    scores = {
        'a': {'x': CellScore(0.20, 0.01)},
        'b': {'x': CellScore(0.22, 0.01)},
        'c': {'x': CellScore(0.30, 0.01)},
        'd': {'x': CellScore(0.30, 0.01)},
    }
    ranked = {one.name: one for one in rank_potentials(scores)}
    assert [ranked[name].rank for name in 'abcd'] == [1, 1, 3, 3]
    assert ranked['a'].tied_with == ('b',)
    assert ranked['c'].tied_with == ('d',)
    strict = rank_potentials(scores, significance=1e-6)
    assert [one.rank for one in strict] == [1, 2, 3, 3]


def test_cells_have_weights():
    scores = {
        'a': {'x': CellScore(0.0, 0.03), 'y': CellScore(1.0, 0.04)},
        'b': {'x': CellScore(1.0), 'y': CellScore(0.0)},
    }
    ranked = rank_potentials(scores, weights={'x': 3.0, 'y': 1.0})
    assert [one.name for one in ranked] == ['a', 'b']
    assert ranked[0].mean == pytest.approx(0.25)
    assert ranked[0].error == pytest.approx(np.hypot(0.09, 0.04) / 4)


def test_what_changes_all_alike_ties_none():
    """A wrong pressure makes both worse by the same; their order does not hang on it."""
    shared = {'pressure': (0.05, 0.06)}
    error = np.sqrt(np.mean(np.square(shared['pressure'])))
    scores = {name: {'x': CellScore(cost, error)} for name, cost in (('a', 0.20), ('b', 0.24))}
    assert rank_potentials(scores)[1].rank == 1
    paired = {
        name: {'x': CellScore(one['x'].headline, error, common=shared)}
        for name, one in scores.items()
    }
    first, second = rank_potentials(paired)
    assert (first.rank, second.rank) == (1, 2)
    assert (first.tied_with, second.tied_with) == ((), ())
    assert second.error == pytest.approx(error)


def test_sources_that_are_not_shared_still_tie():
    own, shared = 0.03, (0.04, -0.04)
    error = np.hypot(own, 0.04)
    scores = {
        name: {'x': CellScore(cost, error, common={'pressure': shared})}
        for name, cost in (('a', 0.20), ('b', 0.28), ('c', 0.30))
    }
    ranked = {one.name: one for one in rank_potentials(scores)}
    # the difference has the error √2 · 0.03 = 0.042
    assert ranked['a'].tied_with == ('b',)
    assert ranked['c'].rank == 2


def test_opposite_changes_tie_more_than_independent_ones():
    scores = {
        'a': {'x': CellScore(0.20, 0.04, common={'pressure': (0.04, -0.04)})},
        'b': {'x': CellScore(0.33, 0.04, common={'pressure': (-0.04, 0.04)})},
    }
    assert rank_potentials(scores)[0].tied_with == ('b',)
    independent = {name: {'x': CellScore(one['x'].headline, 0.04)} for name, one in scores.items()}
    assert rank_potentials(independent)[0].tied_with == ()


def test_counts_redrawn_alike_are_paired():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.01, 0.05, 40)
    error = draws.std(ddof=1)
    scores = {
        name: {'x': CellScore(cost, error, common={'counting': tuple(draws + offset)})}
        for name, cost, offset in (('a', 0.20, 0.0), ('b', 0.22, 0.002))
    }
    assert rank_potentials(scores)[0].tied_with == ()


@pytest.mark.parametrize(
    ('scores', 'weights', 'message'),
    [
        ({}, None, 'at least one potential'),
        ({'a': {'x': CellScore(0.1)}}, {'x': 0.0}, 'must be > 0'),
        ({'a': {'z': CellScore(0.1)}}, {'x': 1.0}, 'z belong to no cell'),
    ],
)
def test_bad_lists_are_refused(scores, weights, message):
    with pytest.raises(InputError, match=message):
        rank_potentials(scores, weights=weights)


@pytest.mark.parametrize('options', [(1.2,), (-0.1,), (0.5, -1.0), (float('nan'),)])
def test_bad_headlines_are_refused(options):
    with pytest.raises(InputError, match='headline must be'):
        CellScore(*options)


def test_frequency_errors_by_hand():
    """√((3·1² + 1·5²)/4) and (3·1 − 1·5)/4; modes without intensity do not count."""
    found = weighted_frequency_errors(
        np.array([101.0, 195.0, 390.0]), np.array([100.0, 200.0, 300.0]), np.array([3.0, 1.0, 0.0])
    )
    assert found.rms == pytest.approx(np.sqrt(7))
    assert found.mean == pytest.approx(-0.5)
    assert (found.worst, found.worst_reference, found.n_modes) == (90.0, 300.0, 3)
    json.dumps(found.to_dict())


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'weights': np.ones(3)}, 'one shape'),
        ({'weights': np.array([-1.0, 1.0])}, '≥ 0'),
        ({'weights': np.zeros(2)}, '≥ 0'),
        ({'reference': np.array([np.nan, 1.0])}, 'finite'),
    ],
)
def test_bad_frequencies_are_refused(changes, message):
    plain = {'frequencies': np.ones(2), 'reference': np.ones(2), 'weights': np.ones(2)}
    with pytest.raises(InputError, match=message):
        weighted_frequency_errors(**(plain | changes))


def noisy(level=1.0, seed=1):
    centres = even_bins(4.0)
    generator = np.random.default_rng(seed)
    values = bands(centres) + generator.normal(0, level, len(centres))
    return Measurement(centres, values, np.full(len(centres), level))


def test_the_bootstrap_gives_the_scatter_of_repeated_measurements():
    """Its error of the shift against that of 40 measurements drawn anew."""
    told = uncertainty(noisy(), simulation(shift=6.0), RULES, seed=0, draws=40)
    repeated = uncertainty(
        measurement(even_bins(4.0), error=1.0), simulation(shift=6.0), RULES, seed=9, draws=40
    )
    assert told.shift == pytest.approx(repeated.shift, rel=0.5)
    assert 0 < told.cost < 0.1
    assert told.components['counting'].bias > 0
    assert set(told.components) == {'counting'}


def test_the_bootstrap_grows_with_errors_and_repeats_itself():
    small = uncertainty(noisy(0.5), simulation(), RULES, seed=3, draws=12)
    large = uncertainty(noisy(2.0), simulation(), RULES, seed=3, draws=12)
    assert large.residual > 2 * small.residual
    assert uncertainty(noisy(0.5), simulation(), RULES, seed=3, draws=12) == small


def test_components_add_up_in_squares():
    data = measurement(even_bins(2.0))
    found = uncertainty(
        data,
        simulation(shift=4.0),
        RULES,
        seed=0,
        committee=[simulation(shift=shift) for shift in (2.0, 4.0, 6.0)],
        spectrum_at=lambda pressure: simulation(shift=10.0 * pressure),
        pressure=0.4,
        pressure_error=0.1,
        coarser=[simulation(shift=4.0), simulation(shift=4.6)],
    )
    assert set(found.components) == {'committee', 'pressure', 'convergence'}
    assert found.components['committee'].shift == pytest.approx(2.0, abs=0.1)
    assert found.components['pressure'].shift == pytest.approx(1.0, abs=0.05)
    assert found.components['convergence'].shift == pytest.approx(0.6, abs=0.05)
    assert found.shift == pytest.approx(np.sqrt(4 + 1 + 0.36), abs=0.1)
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'draws': 1}, 'at least two draws'),
        ({'committee': [simulation()]}, 'at least two members'),
        ({'spectrum_at': lambda _: simulation()}, 'needs the pressure'),
        ({'coarser': [simulation()], 'convergence': 1.0}, 'two sources of one error'),
        ({'convergence': -1.0}, '≥ 0 %'),
    ],
)
def test_bad_sources_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        uncertainty(noisy(), simulation(), RULES, seed=0, **({'draws': 2} | options))


def test_anchors_give_a_number_its_scale():
    reference = simulation(shift=2.0)
    anchors = score_anchors(measurement(), RULES, reference=reference)
    costs = {name: one.cost for name, one in anchors.items()}
    assert list(costs) == ['itself', 'shifted by 8', 'smoothed by 60', 'shuffled', REFERENCE]
    assert costs['itself'] == pytest.approx(0, abs=1e-9)
    assert costs['shifted by 8'] == pytest.approx(0.2, abs=0.01)
    assert costs[REFERENCE] == pytest.approx(0.05, abs=0.01)
    assert min(costs['smoothed by 60'], costs['shuffled']) > 0.75
    assert where_on_scale(0.1, anchors) == (
        '0.10: worse than "DFT reference", better than "shifted by 8".'
    )
    assert 'no better than any anchor' in where_on_scale(1.0, anchors)
    del anchors['itself']
    assert 'better than every anchor' in where_on_scale(0.01, anchors)
    json.dumps(anchors_to_dict(anchors), allow_nan=False)
    with pytest.raises(InputError, match='no anchor'):
        where_on_scale(0.1, {})


def test_anchors_follow_their_settings():
    data = measurement()
    usual = make_anchors(data, AnchorSettings())
    other = make_anchors(data, AnchorSettings(smoothing=20.0, shift=3.0, block=100.0, seed=1))
    assert list(other) == ['itself', 'shifted by 3', 'smoothed by 20', 'shuffled']
    assert not np.array_equal(usual['shuffled'].intensity, other['shuffled'].intensity)
    again = make_anchors(data, AnchorSettings())
    assert np.array_equal(usual['shuffled'].intensity, again['shuffled'].intensity)
    for name in ('smoothed by 60', 'shuffled'):
        assert usual[name].running.total == pytest.approx(usual['itself'].running.total, rel=0.05)
    with pytest.raises(InputError, match='must be > 0'):
        AnchorSettings(smoothing=0.0)


def test_anchors_bridge_a_mask():
    plain = measurement()
    mask = (plain.energies > 370) & (plain.energies < 495)
    values = np.where(mask, np.nan, plain.intensity)
    data = Measurement(plain.energies, values, mask=mask)
    anchors = score_anchors(data, ScoringSettings())
    assert anchors['itself'].cost == pytest.approx(0, abs=1e-9)
    assert anchors['shifted by 8'].shift == pytest.approx(8.0, abs=0.1)
