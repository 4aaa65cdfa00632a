"""Questions to a small graph: two labelled frames, a potential of the first, its spectrum."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from aiida.orm import Bool, Dict, Int
from aiida_quantumespresso.calculations.pw import PwCalculation
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
from click.testing import CliRunner
from fake_nodes import dataset, job, potential, structure, workchain

from aiida_insbench.calculations.datasets import (
    filter_dataset,
    merge_datasets,
    split_dataset,
    strip_labels,
)
from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.cli.query import cmd_frames, cmd_lineage
from aiida_insbench.data import SpectrumData
from aiida_insbench.queries import calculations_of_dataset, lineage, pw_calculations_behind
from aiida_insbench.workflows.label import LabelWorkChain


def pw(name, *, status=0, caller=None, results=None):
    """A pw.x run and the parameters it put out; `name` is the frame it labelled."""
    base = workchain(PwBaseWorkChain, status, caller=caller, label=name)
    output = Dict(results if results is not None else {'energy': -5.0, 'wall_time_seconds': 2.0})
    node = job(
        PwCalculation,
        status,
        inputs={'structure': structure(), 'parameters': Dict({'CONTROL': {'calculation': 'scf'}})},
        outputs={'output_parameters': output},
        caller=base,
    )
    return node, output


@pytest.fixture(scope='module')
def graph():
    caller = workchain(LabelWorkChain)
    (first, first_results), (second, second_results) = (
        pw(name, caller=caller) for name in ('r1_000', 'r1_001')
    )
    labelled, both, trained = dataset(1), dataset(2), potential()
    # any calculation stands for the calcfunctions here: links are what counts
    job(TrainCalculation, inputs={'a': first_results}, outputs={'dataset': labelled})
    job(
        TrainCalculation,
        inputs={'a': first_results, 'b': second_results},
        outputs={'dataset': both},
    )
    job(TrainCalculation, inputs={'dataset': labelled}, outputs={'potential': trained})
    spectrum = SpectrumData(
        energy_transfer=np.arange(3.0), total=np.ones(3), instrument='TOSCA', pressure=1.0
    )
    job(InsCalculation, inputs={'potential': trained}, outputs={'spectrum': spectrum})
    return SimpleNamespace(
        first=first, second=second, labelled=labelled, both=both, potential=trained,
        spectrum=spectrum,
    )  # fmt: skip


def test_only_what_is_behind(graph):
    for node in (graph.labelled, graph.potential, graph.spectrum):
        assert [found.pk for found in pw_calculations_behind(node)] == [graph.first.pk]


def test_oldest_first_and_each_once(graph):
    found = [node.pk for node in pw_calculations_behind(graph.both)]
    assert found == [graph.first.pk, graph.second.pk]


def test_nothing_behind(graph):
    assert pw_calculations_behind(dataset(1).store()) == []
    assert pw_calculations_behind(graph.first.inputs.structure) == []


def test_rows(graph):
    (row,) = lineage(graph.spectrum)
    assert (row.pk, row.uuid) == (graph.first.pk, graph.first.uuid)
    assert (row.formula, row.n_atoms) == ('H4Mg2', 6)
    assert row.purpose == 'scf r1_000'
    assert (row.energy_ev, row.wall_time_seconds) == (-5.0, 2.0)
    assert row.as_dict()['purpose'] == 'scf r1_000'


def test_run_without_energy_is_listed_too():
    """A relaxation that failed in its first step, whose restart went on from its files."""
    failed, results = pw('p_0000_run_1', status=410, results={'wall_time_seconds': 3.0})
    made = dataset(1)
    job(TrainCalculation, inputs={'a': results}, outputs={'dataset': made})
    assert [row.pk for row in lineage(made)] == [failed.pk]


class TestCalculationsOfDataset:
    """Two sets of three frames, each frame labelled by a run of its own."""

    @staticmethod
    def labelled(prefix):
        node, runs, inputs = dataset(3, prefix=prefix), {}, {}
        for frame in node.get_frames():
            name = frame.info['frame_id']
            runs[name], inputs[f'results__{name}'] = pw(name)
        inputs['pool'] = dataset(3, prefix=prefix, labelled=False)
        job(TrainCalculation, inputs=inputs, outputs={'dataset': node})
        return node, {name: run.pk for name, run in runs.items()}

    @staticmethod
    def found(node):
        return {name: run.pk for name, run in calculations_of_dataset(node).items()}

    def test_through_split_filter_and_merge(self):
        (first, runs), (second, others) = self.labelled('a'), self.labelled('b')
        assert self.found(first) == runs
        parts = split_dataset(first, Int(1), Int(0))
        held = parts['validation'].get_frames()[0].info['frame_id']
        assert self.found(parts['validation']) == {held: runs[held]}
        kept = filter_dataset(second, Dict({'without': ['b_001']}))['dataset']
        both = merge_datasets(x=kept, y=parts['training'])
        expected = {**others, **runs}
        del expected['b_001'], expected[held]
        assert self.found(both) == expected
        assert {run.pk for run in pw_calculations_behind(both)} == {
            *runs.values(),
            *others.values(),
        }

    def test_renamed_frames_keep_their_runs(self):
        (first, runs), (second, others) = self.labelled('c'), self.labelled('c')
        both = merge_datasets(x=first, y=second, rename_repeated=Bool(True))
        expected = {**runs, **{f'y_{name}': pk for name, pk in others.items()}}
        assert self.found(both) == expected
        again = split_dataset(both, Int(2), Int(1))
        assert self.found(again['training']) | self.found(again['validation']) == expected

    def test_nothing_behind(self):
        assert calculations_of_dataset(dataset(2).store()) == {}
        node, _ = self.labelled('d')
        assert calculations_of_dataset(strip_labels(node)) == {}

    def test_command(self):
        node, runs = self.labelled('e')
        done = CliRunner().invoke(cmd_frames, [str(node.pk)])
        assert f'3 of 3 frames of DatasetData<{node.pk}> were labelled by pw.x' in done.output
        assert re.search(rf'e_001 +{runs["e_001"]} +H4Mg2 ', done.output)
        done = CliRunner().invoke(cmd_frames, [str(node.pk), '--format', 'json'])
        assert f'"pk": {runs["e_002"]}' in done.output


def test_command(graph):
    runner = CliRunner()
    done = runner.invoke(cmd_lineage, [str(graph.both.pk)])
    assert done.exit_code == 0, done.output
    assert f'2 pw.x calculations behind DatasetData<{graph.both.pk}>' in done.output
    assert 'scf r1_001' in done.output
    done = runner.invoke(cmd_lineage, [str(graph.both.pk), '--format', 'json'])
    assert '"purpose": "scf r1_000"' in done.output
