"""Ranking, agreement and verdicts from scores that are made up."""

import pytest

from aiida_insbench.science.benchmark.agreement import rank_agreement
from aiida_insbench.science.benchmark.table import benchmark_table
from aiida_insbench.science.errors import InputError


def cell(headline, *, shift=2.0, residual=0.1, error=0.01):
    return {
        'headline': headline,
        'headline_error': error,
        'score': {'summary': {'shift': shift, 'residual': residual}},
    }


def target(name, kind='measured', pressure=0.0, blind=False):
    return {'name': name, 'kind': kind, 'pressure': pressure, 'blind': blind}


CELLS = [target('a'), target('b', pressure=1.5), target('dft_p_0000', kind='dft')]
SCORES = {
    'good': {'a': cell(0.1), 'b': cell(0.2), 'dft_p_0000': cell(0.05)},
    'poor': {'a': cell(0.3), 'b': cell(0.5, shift=25.0), 'dft_p_0000': cell(0.4, residual=0.5)},
    'dft': {'a': cell(0.12), 'b': cell(0.1)},
}


def table(scores=SCORES, failures=None, **more):
    found = {'good': {}, 'poor': {}} if failures is None else failures
    return benchmark_table(scores, cells=CELLS, failures=found, **more)


def test_ranked_best_first_and_dft_does_not_compete():
    found = table()
    assert [(one['name'], one['rank']) for one in found['ranked']] == [('good', 1), ('poor', 2)]
    assert found['ranked'][0]['mean'] == pytest.approx((0.1 + 0.2 + 0.05) / 3)
    assert found['dft'] == {'a': 0.12, 'b': 0.1}
    assert found['version'] == 'insbench-1'


def test_parts_of_errors_stand_beside_the_costs():
    parts = {'counting': {'cost': 0.01, 'shift': 0.2}, 'committee': {'cost': 0.03, 'shift': 1.0}}
    with_parts = {**cell(0.1), 'uncertainty': {'components': parts}}
    found = table({'good': {'a': with_parts}}, {'good': {}})
    assert found['errors'] == {'good': {'a': {'counting': 0.01, 'committee': 0.03}}}


def test_band_shifts_stand_beside_the_ranking():
    score = {
        'cost': 0.4, 'signs_right': 3, 'signs_known': 4, 'red_missed': ['453 cm⁻¹'],
        'rms_slope': 2.5, 'words': 'blue shifts right; red shift at 453 cm⁻¹ missed', 'bands': [],
    }  # fmt: skip
    found = table(shifts={'poor': {'raman': score}})
    assert found['ranked'] == table()['ranked']
    kept = found['pressure_scores']['poor']['raman']
    assert (kept['cost'], kept['signs_right'], kept['signs_known']) == (0.4, 3, 4)
    assert (
        'Measured band shifts (raman): blue shifts right; red shift at 453 cm⁻¹ missed; pressure '
        'score 0.40 (0 best, 1 worst).'
    ) in found['verdicts']['poor']
    assert not any('band shifts' in text for text in found['verdicts']['good'])


def test_failure_and_a_missing_row_are_the_worst():
    scores = {'good': SCORES['good'], 'bad': {'a': cell(0.0)}}
    failures = {'good': {}, 'bad': {'b': 'the crystal could not be relaxed'}}
    found = table(scores, failures)
    bad = found['ranked'][-1]
    assert bad['name'] == 'bad'
    assert bad['mean'] == pytest.approx(2 / 3)
    assert bad['failures']['b'] == 'the crystal could not be relaxed'
    assert 'missing' in bad['failures']['dft_p_0000']
    assert any('could not be relaxed' in text for text in found['verdicts']['bad'])


def test_potential_without_any_score_stays_in_the_list():
    found = table({'good': SCORES['good']}, {'good': {}, 'broken': dict.fromkeys('ab', 'broke')})
    assert [one['name'] for one in found['ranked']] == ['good', 'broken']
    assert found['ranked'][-1]['mean'] == 1.0


def test_verdict_says_how_far_a_potential_can_be_taken():
    verdicts = table()['verdicts']
    good, poor = '\n'.join(verdicts['good']), '\n'.join(verdicts['poor'])
    assert 'Transferable to 1.5 GPa by the measured spectrum' in good
    assert 'Farther from the measurement than DFT itself at 1.5 GPa' in good
    assert 'Transferable to 0 GPa by the measured spectrum; not to 1.5 GPa: mean shift 25.0' in poor
    assert "Does not reproduce DFT's spectrum at 0 GPa: mean shift 2.0 cm⁻¹, residual 0.50" in poor


def test_as_good_as_dft_within_errors():
    scores = {**SCORES, 'dft': {'a': cell(0.09), 'b': cell(0.19)}}
    assert any(
        'As near to the measurement as DFT itself' in text
        for text in table(scores)['verdicts']['good']
    )


def test_blind_targets_are_ranked_apart():
    cells = [target('a'), target('b', pressure=1.5, blind=True)]
    scores = {'x': {'a': cell(0.1), 'b': cell(0.9)}, 'y': {'a': cell(0.8), 'b': cell(0.3)}}
    found = benchmark_table(scores, cells=cells, failures={'x': {}, 'y': {}})
    assert [one['name'] for one in found['blind']] == ['y', 'x']
    assert found['blind'][0]['mean'] == pytest.approx(0.3)
    assert table()['blind'] is None


def test_agreement_with_frequency_errors():
    comparison = {
        'potentials': {
            name: {'ins_weighted_rms_error_all_cm1': error, 'verdict': {'sentences': [name]}}
            for name, error in (('good', 3.0), ('poor', 40.0))
        }
    }
    found = table(comparison=comparison)
    assert found['agreement'] == {
        'potentials': ['good', 'poor'],
        'spearman': pytest.approx(1.0),
        'same_order': True,
    }
    assert 'good' in found['verdicts']['good']


def test_rank_agreement_of_known_orders():
    costs = {'a': 0.1, 'b': 0.2, 'c': 0.3}
    turned = rank_agreement(costs, {'a': 3.0, 'b': 2.0, 'c': 1.0})
    assert turned['spearman'] == pytest.approx(-1.0)
    assert not turned['same_order']
    # Spearman's formula without ties: 1 − 6 Σd² / n(n² − 1)
    swapped = rank_agreement(costs, {'a': 2.0, 'b': 1.0, 'c': 3.0})
    assert swapped['spearman'] == pytest.approx(1 - 6 * 2 / 24)
    assert rank_agreement(costs, {'a': 1.0, 'b': None}) is None
    assert rank_agreement(costs, dict.fromkeys(costs, 1.0))['spearman'] is None


def test_wrong_tables_are_refused():
    with pytest.raises(InputError, match='needs a target'):
        benchmark_table({}, cells=[], failures={})
    with pytest.raises(InputError, match='same name: a'):
        benchmark_table({}, cells=[target('a'), target('a')], failures={})
    with pytest.raises(InputError, match='measured or dft'):
        benchmark_table({}, cells=[target('a', kind='guessed')], failures={})
    with pytest.raises(InputError, match='Unknown rules of the table: goood'):
        table(rules={'table': {'goood': 1}})
