"""A round of data on silicon: relaxed, drawn, selected, labelled and split by the real programs."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from aiida.common import LinkType
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.orm import Bool, CalcJobNode, Dict, Int, List, Str, StructureData, TrajectoryData
from aiida.plugins import CalculationFactory
from ase.build import bulk
from small_mace import mace_model

from aiida_insbench.calculations.trajectories import frames_of_trajectories
from aiida_insbench.cli.site import find_pseudos, prepare_pseudos
from aiida_insbench.data import DatasetData, PotentialData
from aiida_insbench.queries import calculations_of_dataset, pw_calculations_behind
from aiida_insbench.science.potentials import potential_from_mace
from aiida_insbench.workflows.dataset import DatasetWorkChain

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed'),
    pytest.mark.filterwarnings('ignore'),
]

UNIT = np.eye(3, dtype=int).tolist()
DOUBLE = np.diag([2, 1, 1]).tolist()
OVERRIDES = {
    'kpoints_mesh': [2, 2, 2],
    'max_concurrent': 2,
    'first_round': {
        'validation_frames': 1,
        'cells': [{'supercell_matrix': UNIT, 'share': 1.0}],
        'settings': {'rattle': {'default': [0.02, 0.05]}},
    },
    'dataset': {'frames': 4, 'pool_per_frame': 2, 'volume_range': [0.99, 1.01]},
}


@pytest.fixture(scope='module')
def silicon_potential():
    model = mace_model(atomic_numbers=[14], num_elements=1, atomic_energies=np.array([[-100.0]]))
    return PotentialData.from_potential(potential_from_mace(model, provenance={})).store()


def builder(pw, job_code, *, pressures=(0.0, 2.0), **options):
    return DatasetWorkChain.get_builder_from_protocol(
        pw,
        job_code,
        StructureData(ase=bulk('Si', a=5.6)),
        list(pressures),
        pseudos=prepare_pseudos(find_pseudos(['Si.pz-vbc.UPF'])),
        cutoffs=(12.0, 48.0),
        protocol='fast',
        **{'overrides': OVERRIDES, **options},
    )


def drawn_elsewhere(count=3, *, prefix='mine', pressure=0.0):
    """Frames of silicon that need no relaxation and no sampling."""
    frames = []
    for index in range(count):
        atoms = bulk('Si', a=5.4)
        atoms.rattle(0.05, seed=index)
        atoms.info = {
            'frame_id': f'{prefix}_{index:03d}',
            'method': 'imported',
            'target_pressure': pressure,
            'supercell_matrix': np.eye(3, dtype=int),
        }
        frames.append(atoms)
    return DatasetData(frames)


def only_labels(pw, job_code, pool, **changes):
    """A round without relaxation, sampling and selection."""
    made = builder(pw, job_code)
    for name in ('relax', 'methods', 'sample', 'select'):
        delattr(made, name)
    made.pools = {'elsewhere': pool}
    for name, value in changes.items():
        made[name] = value
    return made


def pw_runs(node):
    kind = CalculationFactory('quantumespresso.pw').build_process_type()
    return [
        one
        for one in node.called_descendants
        if isinstance(one, CalcJobNode) and one.process_type == kind
    ]


def volume_per_atom(frame):
    return frame.get_volume() / len(frame)


class TestWholeRound:
    @pytest.fixture(scope='class')
    def done(self, pw, job_code):
        pytest.importorskip('dscribe')
        made = builder(pw, job_code, held_out_pressures=[2.0])
        made.methods['atom'] = Dict({'method': 'isolated-atoms', 'settings': {'box': 7.0}})
        outputs, node = run_get_node(made)
        assert node.is_finished_ok, node.exit_message
        return outputs, node

    def test_counts(self, done):
        outputs, _ = done
        assert outputs['selection']['n_pool'] == 8
        assert len(outputs['selection']['chosen']) == 4
        assert outputs['pool'].n_frames == 5
        assert outputs['dataset'].n_frames == 5
        assert outputs['dataset'].failed == {}
        assert outputs['preflight']['frames'] == 5

    def test_held_out_pressure_is_the_test(self, done):
        outputs, _ = done
        parts = {name: outputs[name] for name in ('training', 'validation', 'test')}
        assert {name: part.n_frames for name, part in parts.items()} == {
            'training': 2,  # an atom and a crystal
            'validation': 1,
            'test': 2,
        }
        assert parts['test'].target_pressures == [2.0]
        assert parts['training'].methods == {'isolated-atom': 1, 'strain-rattle': 1}
        names = [f.info['frame_id'] for part in parts.values() for f in part.get_frames()]
        assert sorted(names) == sorted(f.info['frame_id'] for f in outputs['dataset'].get_frames())

    def test_frames_stand_about_the_relaxed_cells(self, done):
        """Within the volume range of 1 %; the cell given, 5 to 10 % larger, is forgotten."""
        outputs, _ = done
        relaxed = {label: node.get_ase() for label, node in outputs['structure'].items()}
        volumes = {label: volume_per_atom(atoms) for label, atoms in relaxed.items()}
        # 2 GPa at a bulk modulus of 95 GPa: 2 %
        assert volumes['p_2000'] / volumes['p_0000'] == pytest.approx(0.98, abs=0.006)
        assert volumes['p_0000'] < 0.97 * volume_per_atom(bulk('Si', a=5.6))
        for frame in outputs['pool'].get_frames():
            if len(frame) > 1:
                label = f'p_{1000 * frame.info["target_pressure"]:04.0f}'
                assert volume_per_atom(frame) == pytest.approx(volumes[label], rel=0.0101)

    def test_every_run_behind_the_training_is_found(self, done):
        outputs, node = done
        runs = calculations_of_dataset(outputs['training'])
        frames = {one.info['frame_id']: one for one in outputs['training'].get_frames()}
        assert set(runs) == set(frames)
        for name, run in runs.items():
            np.testing.assert_allclose(
                run.inputs.structure.get_ase().positions, frames[name].positions, atol=1e-6
            )
        behind = {run.pk for run in pw_calculations_behind(outputs['training'])}
        assert behind == {run.pk for run in pw_runs(node)}  # relaxations and all labels

    def test_links_are_named(self, done):
        _, node = done
        links = node.base.links.get_outgoing(link_type=LinkType.CALL_WORK).all()
        assert sorted(link.link_label for link in links) == [
            'labelling', 'relaxation', 'sample_atom', 'sample_rattled', 'selection'
        ]  # fmt: skip

    @pytest.mark.full
    def test_again_with_caching_runs_no_pw(self, done):
        outputs, node = done
        made = DatasetWorkChain.get_builder_restart(node)
        with enable_caching():
            again, second = run_get_node(made)
        assert second.is_finished_ok, second.exit_message
        assert len(pw_runs(second)) == len(pw_runs(node))
        assert all(run.base.caching.is_created_from_cache for run in pw_runs(second))
        for name in ('dataset', 'training', 'validation', 'test'):
            assert again[name].get_text() == outputs[name].get_text()


@pytest.mark.full
def test_selection_by_the_descriptors_of_a_potential(pw, job_code, silicon_potential):
    """Pools given, and a dry run: what would be labelled differs from what is known."""
    made = builder(pw, job_code, potential=silicon_potential)
    pool = drawn_elsewhere(5)
    del made.methods, made.sample
    made.pools = {'elsewhere': pool}
    made.known = DatasetData(pool.get_frames()[:1])
    made.select.select.count = Int(2)
    made.validation_frames = Int(1)
    made.label.dry_run = Bool(True)
    outputs, node = run_get_node(made)
    assert node.is_finished_ok, node.exit_message
    assert set(outputs) == {'pool', 'preflight', 'selection'}
    assert not pw_runs(node)  # nor a relaxation: no frames are drawn about relaxed crystals
    chosen = {frame.info['frame_id'] for frame in outputs['pool'].get_frames()}
    assert len(chosen) == 2
    assert 'mine_000' not in chosen
    assert outputs['preflight']['frames'] == 2


class TestCommittee:
    """Two potentials: the modes they dispute are drawn, and of a run the frames."""

    @pytest.fixture(scope='class')
    def done(self, pw, job_code):
        committee = {}
        for name, scale in (('seed_1', 0.7), ('seed_2', 0.9)):
            model = mace_model(
                atomic_numbers=[14],
                num_elements=1,
                atomic_energies=np.array([[-100.0]]),
                atomic_inter_scale=[scale],
            )
            made = PotentialData.from_potential(potential_from_mace(model, provenance={}))
            committee[name] = made.store()
        run = run_of_silicon(wild=7)
        made = builder(pw, job_code, pressures=[0.0], committee=committee)
        made.pools = {
            'md': frames_of_trajectories(Int(10), List(DOUBLE), Str('md1'), p_0000_nvt=run)
        }
        made.methods = {
            'd': Dict(
                {
                    'method': 'disputed-modes',
                    'cells': [{'supercell_matrix': UNIT, 'count': 2}],
                    'settings': {'temperature': 60, 'frequency_floor': 80, 'strain': 0.0},
                }
            )
        }
        made.relaxed = {'p_0000': StructureData(ase=bulk('Si', a=5.4))}
        made.select.select.count = Int(2)
        made.select.select.settings = Dict({'weights': 'neutron', 'diverse': False})
        made.validation_frames = Int(1)
        made.label.dry_run = Bool(True)
        outputs, node = run_get_node(made)
        assert node.is_finished_ok, node.exit_message
        return outputs, node

    def test_the_wildest_frame_of_the_run_is_asked_for(self, done):
        outputs, _ = done
        rows = sorted(outputs['selection']['chosen'], key=lambda row: -row['disagreement_mev_a'])
        assert (rows[0]['frame_id'], rows[0]['pool']) == ('md1_p_0000_nvt_7', 'md')
        assert rows[0]['disagreement_mev_a'] > rows[1]['disagreement_mev_a'] > 0
        assert outputs['selection']['n_pool'] == 12
        assert outputs['pool'].target_pressures == [0.0]
        assert outputs['preflight']['frames'] == 2

    def test_the_committee_goes_to_both(self, done):
        _, node = done
        jobs = {one.process_label: one for one in node.called_descendants}
        for name in ('SampleCalculation', 'SelectCalculation'):
            assert set(jobs[name].inputs.potentials) == {'seed_1', 'seed_2'}
        details = jobs['SampleCalculation'].outputs.output_parameters['details']
        assert details['committee'] == ['seed_1', 'seed_2']
        assert details['spectrum_spread']['p_0000'] > 0


def run_of_silicon(count=10, *, wild):
    """A run in a doubled cell, with one frame far from rest."""
    atoms = bulk('Si', a=5.4) * (2, 1, 1)
    moves = np.random.default_rng(1).normal(0, 0.02, (count, len(atoms), 3))
    moves[wild] *= 6
    node = TrajectoryData()
    node.set_trajectory(
        symbols=atoms.get_chemical_symbols(),
        positions=atoms.positions + moves,
        cells=np.array([atoms.cell.array] * count),
        times=0.1 * np.arange(count),
    )
    return node


class TestFailures:
    def test_a_relaxation_that_fails(self, pw, job_code):
        made = builder(pw, job_code, pressures=[0.0])
        made.relax.settings = Dict({'CONTROL': {'nstep': 1}})
        made.relax.pw_base.max_iterations = Int(1)
        outputs, node = run_get_node(made)
        assert node.exit_status == 411
        assert node.exit_message.startswith('Relaxation <')
        assert 'pool' not in outputs

    def test_a_split_that_cannot_be_is_found_before_the_labels(self, pw, job_code):
        made = only_labels(pw, job_code, drawn_elsewhere(2), validation_frames=Int(2))
        outputs, node = run_get_node(made)
        assert node.exit_status == 412
        assert 'The drawn frames cannot be split: 2 validation frames' in node.exit_message
        assert outputs['pool'].n_frames == 2
        assert not pw_runs(node)

    def test_labels_that_fail(self, pw, job_code):
        made = only_labels(pw, job_code, drawn_elsewhere(2))
        parameters = made.label.pw_base.pw.parameters.get_dict()
        parameters['SYSTEM']['input_dft'] = 'nonsense'
        made.label.pw_base.pw.parameters = Dict(parameters)
        made.label.pw_base.on_unhandled_failure = Str('abort')
        outputs, node = run_get_node(made)
        assert node.exit_status == 411
        assert node.exit_message.startswith('Labelling <')
        assert '0 of 2 frames labelled' in node.exit_message
        assert set(outputs) == {'pool', 'preflight'}
