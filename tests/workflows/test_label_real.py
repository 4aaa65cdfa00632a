"""Frames of crystals, supercells, molecules and atoms through pw.x; lanes, failures, repairs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from aiida.common import LinkType
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.orm import Bool, Float, InstalledCode, Int, List
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.units import GPa

from aiida_insbench.cli.site import find_pseudos, prepare_pseudos
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY
from aiida_insbench.workflows.label import LabelWorkChain, runs_by_frame

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed'),
    pytest.mark.filterwarnings('ignore'),
]

UNIT = np.eye(3, dtype=int)
#: Twice the cell, along the sum and the difference of two axes.
SHEARED = np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
PSEUDOS = ('Si.pz-vbc.UPF', 'H.pz-vbc.UPF')

#: Stands in for pw.x: does what a test asks for to the run it recognises, else runs the program.
WRAPPER = """#!/bin/bash
input=aiida.in
if grep -q '{mark}' $input 2> /dev/null; then
  {action}
fi
exec {program} "$@"
"""


def frame(atoms, identity, *, matrix=UNIT, **entries):
    made = make_supercell(atoms, matrix) if len(atoms) > 1 else atoms.copy()
    made.info = {
        'frame_id': identity,
        'method': 'strain-rattle',
        'target_pressure': 0.0,
        'seed': 1,
        'supercell_matrix': np.array(matrix),
        **entries,
    }
    return made


def silicon(identity, *, seed=0, matrix=UNIT):
    """Silicon; with a seed strained and rattled, so that no symmetry is left."""
    made = frame(bulk('Si', a=5.43), identity, matrix=matrix)
    if seed:
        rng = np.random.default_rng(seed)
        made.set_cell(made.cell.array @ (np.eye(3) + 0.01 * rng.normal(size=(3, 3))), True)
        made.positions += 0.05 * rng.normal(size=(len(made), 3))
    return made


def wrapped(pw, folder: Path, *, mark: str, action: str):
    """A code that does `action` where the input holds `mark`."""
    program = folder / 'pw.x'
    program.write_text(WRAPPER.format(mark=mark, action=action, program=pw.filepath_executable))
    program.chmod(0o755)
    return InstalledCode(
        label='pw-wrapped',
        computer=pw.computer,
        filepath_executable=str(program),
        default_calc_job_plugin='quantumespresso.pw',
    ).store()


def builder(code, frames, *, mesh=(2, 2, 2), overrides=None, **inputs):
    made = LabelWorkChain.get_builder_from_protocol(
        code,
        DatasetData(frames),
        pseudos=prepare_pseudos(find_pseudos(PSEUDOS)),
        cutoffs=(12.0, 48.0),
        protocol='fast',
        overrides={'kpoints_mesh': list(mesh), **(overrides or {})},
    )
    for name, value in inputs.items():
        made[name] = value
    return made


def label(*args, **kwargs):
    return run_get_node(builder(*args, **kwargs))


def runs(node):
    lanes = node.base.links.get_outgoing(link_type=LinkType.CALL_WORK).all_nodes()
    return runs_by_frame(lanes)


class TestEverySortOfFrame:
    @pytest.fixture(scope='class')
    def done(self, pw):
        h2 = Atoms('H2', cell=[5.0, 5.1, 5.2], positions=[[0, 0, 0], [0, 0, 0.77]], pbc=True)
        hydrogen = Atoms('H', cell=[5.0, 5.1, 5.2], pbc=True)
        gas = {'gas_phase': True}
        frames = [
            silicon('r1_000'),
            silicon('r1_001', matrix=SHEARED),
            silicon('r1_002', seed=1),
            frame(h2, 'mol_000', **gas),
            frame(hydrogen, 'atom_000', **gas),
        ]
        return label(pw, frames, max_concurrent=Int(3))

    def test_all_are_labelled(self, done):
        outputs, node = done
        assert node.is_finished_ok, node.exit_message
        made = {frame.info['frame_id']: frame for frame in outputs['dataset'].get_frames()}
        assert list(made) == ['r1_000', 'r1_001', 'r1_002', 'mol_000', 'atom_000']
        assert outputs['dataset'].failed == {}
        assert np.abs(made['r1_002'].arrays[FORCES_KEY]).max() > 0.1
        assert np.abs(made['r1_000'].arrays[FORCES_KEY]).max() < 1e-3

    def test_a_sheared_supercell_has_the_energy_of_its_unit_cell(self, done):
        """No mesh of it is 2×2×2 of the unit cell; the list of points onto which that folds is."""
        outputs, node = done
        energies, stresses = {}, {}
        for one in outputs['dataset'].get_frames()[:2]:
            energies[one.info['frame_id']] = one.info[ENERGY_KEY] / len(one)
            stresses[one.info['frame_id']] = np.asarray(one.info[STRESS_KEY]) / GPa
        assert energies['r1_001'] == pytest.approx(energies['r1_000'], abs=2e-5)
        np.testing.assert_allclose(stresses['r1_001'], stresses['r1_000'], atol=2e-3)
        run = runs(node)['r1_001']
        assert run.inputs.kpoints.get_kpoints().shape == (4, 3)
        assert run.inputs.pw.parameters['SYSTEM']['nosym'] is True

    def test_hydrogen_is_an_atom_with_a_spin_and_a_molecule_without(self, done):
        """H2 is bound by some 4.5 eV against two atoms with their spin (LDA: 4.9 eV)."""
        outputs, node = done
        made = {frame.info['frame_id']: frame for frame in outputs['dataset'].get_frames()}
        bound = 2 * made['atom_000'].info[ENERGY_KEY] - made['mol_000'].info[ENERGY_KEY]
        assert 4.0 < bound < 5.5
        results = runs(node)['atom_000'].outputs.output_parameters
        assert results['total_magnetization'] == pytest.approx(1.0, abs=1e-3)
        assert results['number_of_k_points'] == 1

    def test_lanes_and_levels_on_record(self, done):
        outputs, node = done
        lanes = node.base.links.get_outgoing(link_type=LinkType.CALL_WORK).all()
        assert [link.link_label for link in lanes] == ['lane_000', 'lane_001', 'lane_002']
        assert sum(len(link.node.inputs.frames) for link in lanes) == 5
        level = outputs['dataset'].dft_level
        assert level['kpoints_mesh'] == [2, 2, 2]
        # half of a reciprocal axis of the primitive cell, a little more where it is strained
        assert level['kpoints_distance'] == pytest.approx(
            2 * np.pi * np.sqrt(3) / 5.43 / 2, rel=0.05
        )
        assert 'nosym' not in level['parameters']['SYSTEM']

    def test_estimate_counts_what_pw_counted(self, done):
        outputs, node = done
        found = outputs['preflight']
        results = runs(node)['r1_002'].outputs.output_parameters
        assert found['electrons'] == 16  # of four atoms
        assert found['k_points'] == results['number_of_k_points'] == 8
        assert set(found['seconds_by_frame']) == set(runs(node))
        assert found['warnings'] == []

    def test_caching_runs_no_pw_again(self, done, pw):
        outputs, node = done
        with enable_caching():
            again, second = run_get_node(node.get_builder_restart())
        assert second.is_finished_ok
        assert all(
            run.called[0].base.caching.is_created_from_cache for run in runs(second).values()
        )
        assert again['dataset'].get_text() == outputs['dataset'].get_text()


class TestFailures:
    def test_a_frame_beyond_repair_is_reported_and_the_others_kept(self, pw, tmp_path):
        frames = [silicon(f'r1_{index:03d}', seed=index + 1) for index in range(3)]
        mark = f'{frames[1].positions[1, 0]:.10f}'[:-4]
        code = wrapped(pw, tmp_path, mark=mark, action='echo broken >&2; exit 3')
        outputs, node = label(code, frames, minimum_success_fraction=Float(0.6))
        assert node.is_finished_ok, node.exit_message
        dataset = outputs['dataset']
        assert [one.info['frame_id'] for one in dataset.get_frames()] == ['r1_000', 'r1_002']
        assert set(dataset.failed) == {'r1_001'}
        assert 'PwBaseWorkChain<' in dataset.failed['r1_001']
        outputs, node = label(code, frames, minimum_success_fraction=Float(0.9))
        assert node.exit_status == 411
        assert '2 of 3 frames labelled, 2.7 needed' in node.exit_message
        assert 'dataset' not in outputs

    def test_pw_killed_from_outside_is_run_again(self, pw, tmp_path):
        once = tmp_path / 'killed'
        code = wrapped(
            pw,
            tmp_path,
            mark='calculation',
            action=f'if mkdir {once} 2> /dev/null; then kill -9 $$; fi',
        )
        _, node = label(code, [silicon('r1_000', seed=1)])
        assert node.is_finished_ok, node.exit_message
        assert once.is_dir()
        assert len(runs(node)['r1_000'].called) == 2

    def test_too_few_iterations_are_repaired(self, pw):
        outputs, node = label(
            pw,
            [silicon('r1_000', seed=1)],
            overrides={'pw': {'ELECTRONS': {'electron_maxstep': 4}}},
        )
        assert node.is_finished_ok, node.exit_message
        statuses = [run.exit_status for run in runs(node)['r1_000'].called]
        assert statuses[0] == 410
        assert statuses[-1] == 0
        direct, _ = label(pw, [silicon('r1_000', seed=1)])
        one, other = (found['dataset'].get_frames()[0] for found in (outputs, direct))
        assert one.info[ENERGY_KEY] == pytest.approx(other.info[ENERGY_KEY], abs=1e-6)


class TestDryRun:
    def test_only_an_estimate(self, pw):
        outputs, node = label(pw, [silicon('r1_000', seed=1)], dry_run=Bool(True))
        assert node.is_finished_ok
        assert set(outputs) == {'preflight'}
        assert not node.base.links.get_outgoing(link_type=LinkType.CALL_WORK).all()
        assert outputs['preflight']['core_hours'] > 0


def test_labelled_frames_can_be_labelled_at_another_level(pw):
    first, _ = label(pw, [silicon('r1_000', seed=1)])
    made = LabelWorkChain.get_builder_from_protocol(
        pw,
        first['dataset'],
        pseudos=prepare_pseudos(find_pseudos(PSEUDOS)),
        cutoffs=(16.0, 64.0),
        protocol='fast',
    )
    made.kpoints_mesh = List([2, 2, 2])
    second, node = run_get_node(made)
    assert node.is_finished_ok
    energies = [found['dataset'].get_frames()[0].info[ENERGY_KEY] for found in (first, second)]
    assert energies[1] < energies[0] - 0.01  # more plane waves: lower
