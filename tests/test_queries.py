"""Questions to a small graph: two labelled frames, a potential of the first, its spectrum."""

from types import SimpleNamespace

import numpy as np
import pytest
from aiida.orm import Dict
from aiida_quantumespresso.calculations.pw import PwCalculation
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
from click.testing import CliRunner
from fake_nodes import dataset, job, potential, structure, workchain

from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.cli.query import cmd_lineage
from aiida_insbench.data import SpectrumData
from aiida_insbench.queries import lineage, pw_calculations_behind
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


def test_command(graph):
    runner = CliRunner()
    done = runner.invoke(cmd_lineage, [str(graph.both.pk)])
    assert done.exit_code == 0, done.output
    assert f'2 pw.x calculations behind DatasetData<{graph.both.pk}>' in done.output
    assert 'scf r1_001' in done.output
    done = runner.invoke(cmd_lineage, [str(graph.both.pk), '--format', 'json'])
    assert '"purpose": "scf r1_000"' in done.output
