"""Spectra above a pressure, by what their potential has learnt; measured spectra."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from fake_nodes import dataset, force_constants, frames, job, structure
from provenance import Chain, spectrum

from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.cli import cmd_root
from aiida_insbench.data import DatasetData
from aiida_insbench.queries import learnt_by, measured_spectra, spectra_above


def run(*words):
    return CliRunner().invoke(cmd_root, ['query', *(str(word) for word in words)])


@pytest.fixture(scope='module')
def graph(aiida_profile):
    """Potentials that learnt at 0 GPa, at 1 GPa, at 1 GPa long ago, and nobody knows where."""
    aiida_profile.reset_storage()
    chain = Chain()
    low, high = chain.frames(), chain.frames(up_to=1.0)
    at_0 = chain.trained(low, label='at 0')
    at_1 = chain.trained(high, label='at 1')
    tuned = chain.trained(low, start=at_1, label='tuned')
    chosen = chain.trained(chain.frames(), validation=high, label='chosen')
    replayed = chain.trained(low, replay=high, label='replayed')
    foreign = chain.imported('foreign')
    of_foreign = chain.trained(low, start=foreign, label='of foreign')
    potentials = {
        node.label: node for node in (at_0, at_1, tuned, chosen, replayed, foreign, of_foreign)
    }
    spectra = {name: chain.spectrum(chain.constants(one)) for name, one in potentials.items()}
    for node in potentials.values():
        chain.spectrum(chain.constants(node), pressure=0.0)
    rebinned = chain.derived(spectra['at 0'])
    chain.spectrum(force_constants())  # of DFT
    relaxed = structure()
    job(
        PhononsCalculation,
        inputs={'potential': at_1},
        outputs={'structure__p_1000': relaxed},
    )
    at_3 = chain.spectrum(chain.constants(at_0, crystal=relaxed), pressure=3.0)
    spectrum(1.0, origin='measured').store()
    return SimpleNamespace(
        chain=chain, potentials=potentials, spectra=spectra, rebinned=rebinned, at_3=at_3
    )


def names(found):
    return [row.potential_label for row in found.rows]


def test_trained_at_0_only(graph):
    found = spectra_above(0.5)
    assert [row.pk for row in found.rows] == [
        graph.spectra['at 0'].pk,
        graph.spectra['chosen'].pk,
        graph.rebinned.pk,
        graph.at_3.pk,
    ]
    assert {row.potential for row in found.rows} == {
        graph.potentials[name].pk for name in ('at 0', 'chosen')
    }
    assert (found.n_trained_above, found.n_untold, found.n_without_potential) == (3, 2, 1)
    row = found.rows[1]
    assert (row.pressure, row.sample, row.instrument) == (1.0, 'MgH2', 'TOSCA')
    assert (row.learnt, row.validated, row.untold) == ((0.0,), (0.0, 1.0), ())


def test_earlier_training_and_replay_count(graph):
    """Both were trained on frames at 0 GPa last, and yet know 1 GPa."""
    assert {'tuned', 'replayed'}.isdisjoint(names(spectra_above(0.5)))
    found = spectra_above(0.5, trained_at_most=1.0)
    assert {'at 1', 'tuned', 'replayed'} < set(names(found))
    (row,) = [row for row in found.rows if row.potential_label == 'tuned']
    assert row.learnt == (0.0, 1.0)


def test_unknown_training_is_not_taken_for_none(graph):
    found = spectra_above(0.5, allow_untold=True)
    assert {'foreign', 'of foreign'} < set(names(found))
    (row,) = [row for row in found.rows if row.potential_label == 'of foreign']
    assert row.untold == (f'potential {graph.potentials["foreign"].pk}: frames not on record',)
    assert found.n_untold == 0


def test_pressures_are_above_not_at(graph):
    assert spectra_above(3.0).rows == ()
    assert {row.pressure for row in spectra_above(-1.0).rows} == {0.0, 1.0, 3.0}


def test_who_relaxed_the_crystal_does_not_count(graph):
    """Its crystal comes from a potential that learnt at 1 GPa; its vibrations do not."""
    (row,) = spectra_above(2.5).rows
    assert (row.pk, row.potential_label) == (graph.at_3.pk, 'at 0')


def test_frames_without_pressures_are_unknown(graph):
    bare = frames(2, prefix='bare')
    for frame in bare:
        del frame.info['target_pressure']
    level = dataset(1).dft_level
    made = graph.chain.trained(DatasetData(bare, dft_level=level))
    learnt = learnt_by()[made.pk]
    assert learnt.untold == (f'potential {made.pk}: `dataset` names no pressures',)
    assert (learnt.n_frames, learnt.pressures, learnt.parents) == (2, (), ())


def test_command(graph):
    done = run('spectra', '--pressure-above', 0.5)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].split() == [
        *('PK', 'P', '(GPa)', 'T', '(K)', 'sample', 'instrument', 'potential'),
        *('learnt', 'at', '(GPa)', 'chosen', 'at', '(GPa)'),
    ]
    assert f'{graph.potentials["at 0"].pk} at 0' in lines[1]
    assert '3 more above 0.5 GPa left out: their potential learnt above 0 GPa.' in done.output
    assert '--allow-unknown shows them' in done.output
    assert '1 more above 0.5 GPa left out: no potential made them.' in done.output
    assert '1 of these potentials had their weights chosen by validation frames' in done.output


def test_command_cuts_and_says_so(graph):
    done = run('spectra', '--pressure-above', 0.5, '--limit', 1, '--format', 'json')
    (row,) = json.loads(done.stdout)
    assert row['pk'] == graph.spectra['at 0'].pk
    assert row['learnt'] == [0.0]
    assert ' rows; --limit 0 shows all.' in done.stderr
    everything = run('spectra', '--pressure-above', 0.5, '--limit', 0, '--format', 'json')
    assert len(json.loads(everything.stdout)) == len(spectra_above(0.5).rows)
    assert 'rows;' not in everything.stderr


def test_command_refuses_nonsense(graph):
    done = run('spectra', '--pressure-above', 'nan')
    assert done.exit_code == 1
    assert 'Pressures are numbers in GPa.' in done.output
    assert run('spectra').exit_code == 2
    assert 'No such spectrum above 99 GPa.' in run('spectra', '--pressure-above', 99).output


@pytest.fixture
def measured(aiida_profile_clean):
    hashes = {'zinc': '1' * 64, 'Graphite': 'a' * 64}
    made = {}
    for sample, pressure in (('zinc', 0.0), ('Graphite', 1.5), ('Graphite', 0.0)):
        conditions = {'pressure_error': 0.1 * pressure}
        made[sample, pressure] = spectrum(
            pressure,
            origin='measured',
            sample=sample,
            doi='10.5286/x',
            file_hash=hashes[sample],
            details={'conditions': conditions},
        ).store()
    spectrum(1.0).store()
    return made


def test_measured(measured):
    rows = measured_spectra()
    assert [(row.sample, row.pressure) for row in rows] == [
        ('Graphite', 0.0), ('Graphite', 1.5), ('zinc', 0.0),
    ]  # fmt: skip
    row = rows[1]
    assert row.pk == measured['Graphite', 1.5].pk
    assert row.pressure_error == pytest.approx(0.15)
    assert (row.instrument, row.doi, row.file_hash) == ('TOSCA', '10.5286/x', 'a' * 64)
    assert [row.sample for row in measured_spectra(sample='graph')] == ['Graphite'] * 2
    assert measured_spectra(sample='copper') == []


def test_measured_command(measured):
    done = run('measured')
    assert '1.5 ± 0.15' in done.output
    # a hash of digits stays a text
    assert '111111111111' in done.output
    assert len(done.output.splitlines()) == 4
    (row,) = json.loads(run('measured', '--sample', 'zinc', '--format', 'json').stdout)
    assert row['file_hash'] == '1' * 64
    assert (
        'No measured spectrum of a sample called copper.'
        in run('measured', '--sample', 'copper').output
    )
    assert '2 of 3 rows; --limit 0 shows all.' in run('measured', '--limit', 2).output
