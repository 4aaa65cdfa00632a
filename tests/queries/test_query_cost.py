"""Core-hours behind nodes and processes, added up by hand."""

import json
from types import SimpleNamespace

import pytest
from aiida.orm import CalcFunctionNode, Dict
from aiida.schedulers.datastructures import JobInfo
from aiida_quantumespresso.calculations.pw import PwCalculation
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
from click.testing import CliRunner
from fake_nodes import dataset, job, potential, structure, workchain
from provenance import pw_run

from aiida_insbench.calculations.evaluate import EvaluateCalculation
from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.cli import cmd_root
from aiida_insbench.queries import cost_behind
from aiida_insbench.queries.cost import cores_of
from aiida_insbench.workflows.finetune import FinetuneWorkChain
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.train_base import TrainBaseWorkChain


def run(*words):
    return CliRunner().invoke(cmd_root, ['query', *(str(word) for word in words)])


@pytest.fixture(scope='module')
def graph(aiida_profile):
    """Two labelled frames, one from the cache; a training in two tries, the first of them lost."""
    label = workchain(LabelWorkChain)
    bases = [workchain(PwBaseWorkChain, caller=label, label=f'r1_{n}') for n in range(3)]
    _, first = pw_run(3600.0, caller=bases[0], ranks=2, threads=2)
    cached, second = pw_run(7200.0, caller=bases[1])
    cached.base.extras.set('_aiida_cached_from', 'the uuid of another')
    lost, _ = pw_run(None, caller=bases[2])
    data = dataset(2)
    job(TrainCalculation, inputs={'a': first, 'b': second}, outputs={'dataset': data})

    outer = workchain(FinetuneWorkChain, inputs={'training': {'train': {'dataset': data}}})
    base = workchain(TrainBaseWorkChain, caller=outer, label='seed_1')
    options = {'environment_variables': {'OMP_NUM_THREADS': '4'}}
    killed = job(TrainCalculation, 410, inputs={'dataset': data}, caller=base, options=options)
    info = JobInfo()
    info.wallclock_time_seconds = 1800
    killed.set_last_job_info(info)
    trained = potential()
    job(
        TrainCalculation,
        inputs={'dataset': data},
        outputs={
            'potential': trained,
            'output_parameters': Dict({'job': {'seconds': 900.0}}),
        },
        caller=base,
        options=options,
    )
    return SimpleNamespace(label=label, outer=outer, data=data, potential=trained, lost=lost)


def rows_of(node):
    return {(row.program, row.stage): row for row in cost_behind(node).rows}


def test_behind_data(graph):
    """1 h × 2 ranks × 2 threads; two from the cache; the frame whose run was lost is not there."""
    rows = rows_of(graph.data)
    row = rows['pw.x', 'label']
    assert (row.n_jobs, row.n_cached, row.n_untimed, row.n_polled) == (2, 1, 0, 0)
    assert (row.core_hours, row.saved_core_hours) == (4.0, 2.0)
    # what stands for collecting the labels here left no time
    assert rows['insbench-job', 'train'].n_untimed == 1


def test_behind_a_process(graph):
    """The try that was killed left no potential, but it took 0.5 h × 4 threads."""
    cost = cost_behind(graph.outer)
    rows = {(row.program, row.stage): row for row in cost.rows}
    row = rows['insbench-job', 'train']
    assert (row.n_jobs, row.n_polled, row.n_untimed) == (3, 1, 1)
    assert row.core_hours == pytest.approx(2.0 + 1.0)
    # what its frames took counts, too
    assert rows['pw.x', 'label'].core_hours == 4.0
    assert cost.total('core_hours') == pytest.approx(7.0)
    assert cost.as_dict()['total']['n_jobs'] == 5


def test_failed_tries_count_from_the_process_only(graph):
    assert rows_of(graph.potential)['insbench-job', 'train'].core_hours == pytest.approx(1.0)
    assert rows_of(graph.label)['pw.x', 'label'].n_jobs == 3
    assert rows_of(graph.label)['pw.x', 'label'].n_untimed == 1


def test_a_job_that_two_ways_lead_to_counts_once(graph):
    """The evaluation takes the frames and a potential trained on them."""
    errors = Dict({})
    job(
        EvaluateCalculation,
        inputs={'dataset': graph.data, 'potentials__a': graph.potential},
        outputs={'output_parameters': errors},
    )
    row = rows_of(errors)['pw.x', 'label']
    assert (row.n_jobs, row.core_hours) == (2, 4.0)


def test_a_job_alone_and_nothing_at_all(graph):
    (row,) = rows_of(graph.lost).values()
    assert (row.n_jobs, row.n_untimed, row.core_hours) == (1, 1, 0.0)
    assert cost_behind(structure().store()).rows == ()


def test_functions_and_other_programs():
    """A calcfunction costs nothing to speak of; a program nobody foresaw has its own name."""
    node = job(PwCalculation, outputs={'output_parameters': Dict({'wall_time_seconds': 36.0})})
    function = CalcFunctionNode().store()
    assert cost_behind(function).rows == ()
    (row,) = cost_behind(node).rows
    assert (row.program, row.stage) == ('pw.x', '')
    assert row.core_hours == pytest.approx(0.01)
    other = job(
        SimpleNamespace(build_process_type=lambda: 'aiida.calculations:other.thing', __name__='T')
    )
    (row,) = cost_behind(other).rows
    assert (row.program, row.n_untimed) == ('thing', 1)


@pytest.mark.parametrize(
    ('resources', 'threads', 'cores'),
    [
        ({'num_machines': 2, 'num_mpiprocs_per_machine': 8}, None, 16),
        ({'num_machines': 2, 'num_mpiprocs_per_machine': 8}, '2', 32),
        ({'tot_num_mpiprocs': 12, 'parallel_env': 'mpi'}, '1', 12),
        ({'num_machines': 1, 'num_mpiprocs_per_machine': 1, 'num_cores_per_mpiproc': 6}, None, 6),
        ({'num_machines': 2, 'num_mpiprocs_per_machine': 1, 'num_cores_per_machine': 64}, '4', 128),
        ({'num_machines': 1, 'num_mpiprocs_per_machine': 1}, '8,2', 8),
        ({'num_machines': 1, 'num_mpiprocs_per_machine': 4}, 'many', 4),
        (None, None, 1),
    ],
)
def test_cores(resources, threads, cores):
    assert cores_of(resources, threads) == cores


def test_command(graph):
    done = run('cost', graph.outer.pk)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == f'7.000 core-hours of 4 jobs behind WorkChainNode<{graph.outer.pk}>'
    assert lines[2].split() == ['pw.x', 'label', '2', '1', '4.000', '2.000']
    assert '1 jobs have no time on record; theirs is missing.' in done.output
    assert "1 jobs left no result; theirs is the scheduler's last answer" in done.output
    done = run('cost', graph.outer.pk, '--format', 'json')
    found = json.loads(done.stdout)
    assert found['total']['core_hours'] == pytest.approx(7.0)
    assert found['rows'][0]['program'] == 'pw.x'
    assert 'theirs is missing' in done.stderr
    done = run('cost', graph.outer.pk, '--limit', 1)
    assert '1 of 2 rows; --limit 0 shows all.' in done.output
    assert run('cost', 99999999).exit_code == 2
