"""Potentials beside each other: frames, errors, verdicts, scores."""

import json
from types import SimpleNamespace

import pytest
from aiida.orm import Dict
from click.testing import CliRunner
from fake_nodes import job, workchain
from provenance import Chain

from aiida_insbench.calculations.evaluate import EvaluateCalculation
from aiida_insbench.cli import cmd_root
from aiida_insbench.queries import potential_scores
from aiida_insbench.workflows.validate import ValidateWorkChain


class Benchmark:
    """Stands for the work chain by its name alone."""

    @staticmethod
    def build_process_type():
        return 'aiida.workflows:insbench.benchmark'


def run(*words):
    return CliRunner().invoke(cmd_root, ['query', *(str(word) for word in words)])


def evaluated(data, potentials, errors):
    table = {name: {'rmse_forces_mev_a': value} for name, value in errors.items()}
    job(
        EvaluateCalculation,
        inputs={'dataset': data, 'potentials': potentials},
        outputs={'output_parameters': Dict({'potentials': table})},
    )


def validated(node, *, passed):
    workchain(
        ValidateWorkChain,
        inputs={'potential': node},
        outputs={'verdict': Dict({'passed': passed}).store()},
    )


def benchmarked(potentials, means):
    names = sorted(means, key=means.get)
    ranked = [
        {'name': name, 'rank': place, 'mean': means[name], 'error': 0.1}
        for place, name in enumerate(names, start=1)
    ]
    ranking = Dict({'ranked': ranked}).store()
    return workchain(Benchmark, inputs={'potentials': potentials}, outputs={'ranking': ranking})


@pytest.fixture(scope='module')
def graph(aiida_profile):
    """A base, a potential fine-tuned from it, one that was only imported."""
    aiida_profile.reset_storage()
    chain = Chain()
    learnt, more, held_out = chain.frames(), chain.frames(up_to=1.0), chain.frames(up_to=1.0)
    base = chain.trained(learnt, label='base', validation=more)
    tuned = chain.trained(more, label='tuned', start=base)
    bare = chain.imported('bare').store()
    both = {'base': base, 'tuned': tuned}
    evaluated(held_out, both, {'base': 20.0, 'tuned': 9.0})
    evaluated(held_out, both, {'base': 30.0, 'tuned': 12.0})
    # newer, but on frames that were learnt
    evaluated(more, {'tuned': tuned}, {'tuned': 1.0})
    evaluated(learnt, both, {'base': 2.0, 'tuned': 3.0})
    validated(base, passed=True)
    validated(base, passed=False)
    validated(tuned, passed=True)
    benchmarked({'a': tuned}, {'a': 0.05})
    newest = benchmarked({**both, 'x': bare}, {'base': 0.5, 'tuned': 0.25, 'x': 0.9, 'dft': 0.1})
    return SimpleNamespace(
        chain=chain, base=base, tuned=tuned, bare=bare, more=more, learnt=learnt, newest=newest
    )


def test_rows(graph):
    base, tuned, bare = potential_scores()
    assert [row.pk for row in (base, tuned, bare)] == [graph.base.pk, graph.tuned.pk, graph.bare.pk]
    assert (base.label, base.elements, base.n_frames) == ('base', 'H Mg', 1)
    assert (base.learnt, base.parent, base.untold) == ((0.0,), None, ())
    assert (tuned.learnt, tuned.parent, tuned.n_frames) == ((0.0, 1.0), graph.base.pk, 2)
    assert (bare.learnt, bare.n_frames) == ((), 0)
    assert bare.untold == (f'potential {graph.bare.pk}: frames not on record',)


def test_error_is_the_newest_on_frames_that_no_training_saw(graph):
    base, tuned, bare = potential_scores()
    assert (base.force_rmse, base.force_rmse_on) == (30.0, 'held out')
    assert (tuned.force_rmse, tuned.force_rmse_on) == (12.0, 'held out')
    assert (bare.force_rmse, bare.force_rmse_on) == (None, '')


def test_newest_verdict_and_benchmark(graph):
    base, tuned, bare = potential_scores()
    assert (base.passed, tuned.passed, bare.passed) == (False, True, None)
    assert (tuned.score, tuned.score_error, tuned.rank) == (0.25, 0.1, 2)
    assert (bare.score, bare.rank, bare.n_ranked) == (0.9, 4, 4)
    assert {row.benchmark for row in (base, tuned, bare)} == {graph.newest.pk}


def test_sorted_the_best_first_and_those_without_last(graph):
    def order(sort):
        return [row.label for row in potential_scores(sort=sort)]

    assert order('score') == ['tuned', 'base', 'bare']
    assert order('force') == ['tuned', 'base', 'bare']
    assert order('pk') == ['base', 'tuned', 'bare']


def test_command(graph):
    done = run('potentials', '--sort', 'score')
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[1].split() == [
        *(str(graph.tuned.pk), 'tuned', 'H', 'Mg', '2', '0', '1', str(graph.base.pk)),
        *('12.0', 'held', 'out', 'passed', '0.25', '±', '0.10', '2', 'of', '4'),
        str(graph.newest.pk),
    ]
    assert lines[3].split()[:3] == [str(graph.bare.pk), 'bare', 'H']
    assert ' ? ' in lines[3]
    done = run('potentials', '--format', 'json', '--limit', 2)
    assert [row['label'] for row in json.loads(done.stdout)] == ['base', 'tuned']
    assert '2 of 3 rows; --limit 0 shows all.' in done.stderr


def test_frames_of_its_own_are_told_apart(graph):
    """Errors on validation frames, or on those learnt, by itself or its parent, say so."""
    chosen = graph.chain.frames()
    node = graph.chain.trained(
        graph.chain.frames(), label='late', validation=chosen, start=graph.base
    )

    def found():
        (row,) = [row for row in potential_scores() if row.pk == node.pk]
        return row.force_rmse, row.force_rmse_on

    evaluated(graph.learnt, {'late': node}, {'late': 1.0})
    assert found() == (1.0, 'training')
    evaluated(chosen, {'late': node}, {'late': 2.0})
    assert found() == (2.0, 'validation')
    evaluated(graph.learnt, {'late': node}, {'late': 0.5})
    assert found() == (2.0, 'validation')


def test_an_empty_profile(aiida_profile_clean):
    assert potential_scores(sort='score') == []
    assert 'No potential.' in run('potentials').output
    done = run('potentials', '--format', 'json')
    assert json.loads(done.stdout) == []
