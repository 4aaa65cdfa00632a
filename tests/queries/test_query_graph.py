"""Walks through the graph against AiiDA's own; rows that are cut; names read without frames."""

import json

import pytest
from aiida.orm import Data, Node, QueryBuilder
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
from click.testing import CliRunner
from fake_nodes import dataset, frames, job, workchain
from provenance import Chain, pw_run

from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.cli import cmd_root
from aiida_insbench.data import DatasetData
from aiida_insbench.queries import (
    ancestors,
    calculations_of_dataset,
    called,
    lineage,
    pw_pks_behind,
)
from aiida_insbench.queries.frames import frame_ids
from aiida_insbench.queries.lineage import PW_PROCESS
from aiida_insbench.workflows.label import LabelWorkChain


def by_aiida(node):
    """Ancestors by AiiDA's own recursive query, which follows every path."""
    query = QueryBuilder().append(Node, filters={'id': node.pk}, tag='node')
    query.append(Node, with_descendants='node', project='id')
    return set(query.all(flat=True))


@pytest.fixture(scope='module')
def labelled():
    """Five frames, each labelled by a run called by a chain of work chains."""
    outer = workchain(LabelWorkChain)
    data = dataset(5, prefix='n')
    inputs = {}
    for frame in data.get_frames():
        name = frame.info['frame_id']
        base = workchain(PwBaseWorkChain, caller=outer, label=name)
        _, inputs[f'results__{name}'] = pw_run(caller=base)
    job(TrainCalculation, inputs=inputs, outputs={'dataset': data})
    return data, outer


def test_ancestors_are_those_of_aiida(labelled):
    data, _ = labelled
    chain = Chain()
    base = chain.trained(data)
    tuned = chain.trained(data, start=base, validation=data)
    spectrum = chain.spectrum(chain.constants(tuned))
    expected = by_aiida(spectrum)
    assert ancestors([spectrum.pk]) == expected
    assert len(expected) > 20
    assert ancestors([spectrum.creator.pk]) == by_aiida(spectrum.creator)


def test_ancestors_of_several_and_of_none(labelled):
    data, _ = labelled
    other = dataset(1).store()
    assert ancestors([data.pk, other.pk]) == by_aiida(data)
    assert ancestors([other.pk]) == set()
    assert ancestors([]) == set()


def test_a_calculation_without_inputs_is_an_ancestor():
    made = dataset(1)
    maker = job(TrainCalculation, outputs={'dataset': made})
    assert ancestors([made.pk]) == {maker.pk}


def test_called_over_all_levels(labelled):
    _, outer = labelled
    assert called([outer.pk]) == {node.pk for node in outer.called_descendants}
    assert len(called([outer.pk])) == 10
    assert called([]) == set()
    runs = [node.pk for node in outer.called_descendants if node.process_type == PW_PROCESS]
    assert pw_pks_behind(outer) == sorted(runs)
    assert len(runs) == 5


def test_inputs_of_a_work_chain_are_behind_it(labelled):
    data, _ = labelled
    node = workchain(LabelWorkChain, inputs={'pool': data})
    assert ancestors([node.pk]) == {data.pk} | by_aiida(data)
    assert QueryBuilder().append(Data, filters={'id': data.pk}).count() == 1


def test_lineage_and_frames_are_cut_where_asked(labelled):
    data, _ = labelled
    runner = CliRunner()
    for command in ('lineage', 'frames'):
        done = runner.invoke(cmd_root, ['query', command, str(data.pk), '--limit', '2'])
        assert done.exit_code == 0, done.output
        assert done.output.startswith('5 ')
        assert len(done.output.splitlines()) == 4
        assert '2 of 5 rows; --limit 0 shows all.' in done.output
        done = runner.invoke(
            cmd_root, ['query', command, str(data.pk), '--limit', '0', '--format', 'json']
        )
        assert len(json.loads(done.stdout)) == 5
        assert done.stderr == ''
    assert [run.purpose for run in lineage(data)] == [f'scf n_{n:03d}' for n in range(5)]


def test_names_are_read_as_ase_reads_them():
    """Also where another property of a frame speaks of names."""
    plain = dataset(3, prefix='plain')
    expected = ['plain_000', 'plain_001', 'plain_002']
    assert frame_ids(plain.get_text(), count=3) == expected
    made = frames(3, prefix='odd')
    made[1].info['note'] = 'copy of frame_id=other_7 here'
    made[2].info['xframe_id'] = 'no'
    odd = DatasetData(made, dft_level=plain.dft_level)
    assert 'frame_id=other_7' in odd.get_text()
    expected = [frame.info['frame_id'] for frame in odd.get_frames()]
    assert frame_ids(odd.get_text(), count=3) == expected


def test_unlabelled_frames_have_no_runs(labelled):
    pool = dataset(2, labelled=False)
    job(TrainCalculation, inputs={'dataset': labelled[0]}, outputs={'dataset': pool})
    assert calculations_of_dataset(pool) == {}
