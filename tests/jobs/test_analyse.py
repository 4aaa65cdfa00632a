"""The stage ``analyse`` on rutile crystals held together by Lennard-Jones forces."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import units
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from lj_rutile import (
    SCALES,
    analyse_three,
    forces_of,
    make_job,
    reference_frames,
    run_here,
    rutile,
    write_phonons,
)
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.science.errors import (
    ComputationError,
    DatasetError,
    InputError,
    JobFileError,
    StructureError,
)
from aiida_insbench.science.phonon_mesh import mesh_modes
from aiida_insbench.science.phonons import calculate_force_constants, save_force_constants
from aiida_insbench.science.supercells import build_phonopy
from aiida_insbench.science.thermal import thermal_functions


@pytest.fixture(scope='module')
def analysed(tmp_path_factory):
    return analyse_three(tmp_path_factory.mktemp('analyse'))


def test_unit_cell_frames_and_a_supercell_give_the_same_modes(analysed):
    """Γ modes are periodic: frozen phonons of one cell know all that a supercell knows."""
    block = analysed['potentials']['same']
    assert block['rms_error_all_cm1'] == pytest.approx(0.0, abs=0.5)
    assert sum(row['degeneracy'] for row in block['modes']) == 15
    assert block['verdict']['passed'] is True
    for row in block['modes']:
        assert row['reference_overlap'] > 0.99
        assert row['overlap'] > 0.95


def test_shifts_are_split_into_parts_that_add_up(analysed):
    for block in (*analysed['potentials'].values(), analysed['reference']):
        found = block['attribution']
        assert (found['from'], found['to'], found['reason']) == ('p_0000', 'p_1000', None)
        for row, mode in zip(found['modes'], block['modes'], strict=True):
            assert row['shift'] == pytest.approx(mode['shift'])
            assert sum(row['elements'].values()) + row['residual'] == pytest.approx(
                row['shift'], abs=1e-6
            )
            assert set(row['elements']) == {'H-H', 'H-Mg', 'Mg-Mg'}
            assert row['residual'] == pytest.approx(0, abs=0.05)


def test_parts_of_shifts_do_not_know_the_order_of_atoms(analysed):
    same, shuffled = (analysed['potentials'][name]['attribution'] for name in ('same', 'shuffled'))
    for first, second in zip(same['modes'], shuffled['modes'], strict=True):
        assert second['elements'] == pytest.approx(first['elements'], abs=0.05)


def test_gruneisen_parameters_and_errors_of_slopes(analysed):
    """Two volumes, all edges by 0.985: γ = −ln(ω₂/ω₁)/ln 0.985³."""
    for row in analysed['potentials']['same']['modes']:
        first, last = row['frequencies'].values()
        if first > 0 and last > 0:
            expected = -np.log(last / first) / (3 * np.log(0.985))
            assert row['gruneisen'] == pytest.approx(expected)
        assert row['slope_error'] is None
        assert row['motion'] == {}
        assert row['anomalous'] == (row['shift'] < -1.0)


def test_vibrational_pressure_or_why_there_is_none(analysed, tmp_path):
    for block in analysed['potentials'].values():
        found = block['vibrational_pressure']
        unstable = any(min(row['frequencies'].values()) < -1 for row in block['modes'])
        if unstable:
            assert 'unstable' in found['reason']
        elif found['reason'] is None:
            assert found['temperatures'] == [0.0, 300.0]
            assert all(len(values) == 2 for values in found['gpa'].values())
    scales = {'p_0000': 1.0}
    job = make_job(tmp_path, {'only': write_phonons(tmp_path, 'only', scales=scales)})
    only = run_here(tmp_path, job)['potentials']['only']['vibrational_pressure']
    assert 'second pressure' in only['reason'] or 'unstable' in only['reason']


def test_vibrational_pressure_of_known_gruneisen_parameters(tmp_path):
    """All force constants by (V/V₀)^(−2γ): γ of every mode is 1.5, and P V = γ E."""
    gruneisen, files, phonons = 1.5, {}, {}
    for label, edge in {'p_0000': 1.0, 'p_1000': 0.999, 'p_2000': 0.998}.items():
        cell = PhonopyAtoms(
            symbols=MAGNESIUM_HYDRIDE.symbols,
            cell=MAGNESIUM_HYDRIDE.cell * edge,
            scaled_positions=MAGNESIUM_HYDRIDE.scaled_positions,
        )
        phonon = spring_crystal(cell, MAGNESIUM_HYDRIDE_SPRINGS)
        phonon.force_constants = phonon.force_constants * edge ** (-6 * gruneisen)
        files[label] = f'{label}.yaml'
        save_force_constants(phonon=phonon, path=tmp_path / files[label])
        phonons[label] = phonon
    job = {**make_job(tmp_path, {'springs': files}), 'reference_phonons': files}
    result = run_here(tmp_path, job)
    block = result['potentials']['springs']
    assert result['reference']['vibrational_pressure'] == block['vibrational_pressure']
    for row in block['modes']:
        assert row['gruneisen'] == pytest.approx(gruneisen, abs=1e-3)
    found = block['vibrational_pressure']
    assert found['temperatures'] == [0.0, 300.0]
    phonon = phonons['p_1000']
    mesh = mesh_modes(phonon=phonon, mesh=(5, 5, 8))
    functions = thermal_functions(
        mesh.frequencies, mesh.weights, temperatures=np.array([0.0, 300.0])
    )
    energy = functions.free_energy + functions.temperatures * functions.entropy
    expected = gruneisen * energy / phonon.primitive.volume / units.GPa
    assert found['gpa']['p_1000'] == pytest.approx(expected, rel=1e-3)


def test_a_reference_of_force_constants_judges_as_frozen_phonons_do(analysed, tmp_path):
    """Γ modes do not know the supercell: 1×1×1 and 1×1×2 give what the frames gave."""
    phonons = {'same': write_phonons(tmp_path, 'same'), 'stiff': write_phonons(
        tmp_path, 'stiff', epsilon=0.0242)}  # fmt: skip
    for matrix in ((1, 1, 1), (1, 1, 2)):
        job = make_job(tmp_path, phonons)
        job['reference_phonons'] = write_phonons(tmp_path, f'dft{matrix[2]}', matrix=matrix)
        found = run_here(tmp_path, job)
        for row, expected in zip(
            found['reference']['modes'], analysed['reference']['modes'], strict=True
        ):
            assert row['frequencies'] == pytest.approx(expected['frequencies'], abs=0.5)
        assert found['potentials']['same']['verdict']['passed'] is True
        for row in found['potentials']['stiff']['modes']:
            for label, value in row['reference'].items():
                assert row['frequencies'][label] == pytest.approx(1.1 * value, abs=0.5)
        shifts = [row['shift'] for row in found['reference']['attribution']['modes']]
        assert shifts == pytest.approx(
            [row['shift'] for row in analysed['reference']['attribution']['modes']], abs=0.5
        )
        if matrix == (1, 1, 1):
            assert 'unit cell alone' in found['reference']['vibrational_pressure']['reason']


def test_two_references_are_refused(tmp_path):
    job = make_job(tmp_path, {'a': {'p_0000': 'none.yaml'}}, frames=reference_frames())
    with pytest.raises(JobFileError, match='Both'):
        run_here(tmp_path, {**job, 'reference_phonons': {'p_0000': 'none.yaml'}})


@pytest.mark.parametrize(
    ('setting', 'value'),
    [
        ('temperature', -1),
        ('temperature', 'warm'),
        ('temperature', True),
        ('symprec', 0),
        ('mesh', 2),
        ('mesh', 'x'),
    ],
)
def test_settings_without_sense_are_refused(tmp_path, setting, value):
    job = make_job(tmp_path, {'a': {'p_0000': 'none.yaml'}}, **{setting: value})
    with pytest.raises(JobFileError, match=setting):
        run_here(tmp_path, job)


def test_one_pressure_has_no_shift_to_split(tmp_path):
    scales = {'p_0000': 1.0}
    job = make_job(tmp_path, {'only': write_phonons(tmp_path, 'only', scales=scales)})
    assert run_here(tmp_path, job)['potentials']['only']['attribution'] is None


def test_order_of_atoms_does_not_matter(analysed):
    same, shuffled = analysed['potentials']['same'], analysed['potentials']['shuffled']
    for first, second in zip(same['modes'], shuffled['modes'], strict=True):
        assert second['frequencies'] == pytest.approx(first['frequencies'], abs=1e-3)
        assert second['participation'] == pytest.approx(first['participation'], abs=1e-4)
        assert second['reference_overlap'] == pytest.approx(first['reference_overlap'], abs=1e-4)


def test_forces_stronger_by_a_factor_give_frequencies_by_its_root(analysed):
    """ω ∝ √ε for Lennard-Jones forces, so shifts too: 1.1 times DFT's with ε 1.21 times."""
    for row in analysed['potentials']['stiff']['modes']:
        for label, value in row['reference'].items():
            assert row['frequencies'][label] == pytest.approx(1.1 * value, abs=0.5)


def test_labels_and_irreps(analysed):
    assert analysed['pressures'] == {'p_0000': 0.0, 'p_1000': 1.0}
    rows = analysed['potentials']['same']['modes']
    degenerate = [row['irrep'] for row in rows if row['degeneracy'] == 2]
    assert sorted(degenerate) == ['Eg', 'Eu', 'Eu', 'Eu']
    assert {row['irrep'] for row in rows if row['degeneracy'] == 1} >= {'A1g', 'A2g', 'B1g', 'B2g'}
    assert len(analysed['reference']['modes']) == len(rows)


def test_acoustic_modes_are_reported_apart(analysed):
    acoustic = analysed['potentials']['same']['acoustic_cm1']
    assert set(acoustic) == set(SCALES)
    assert max(acoustic.values()) < 1.0


def test_without_reference(tmp_path):
    phonons = {'alone': write_phonons(tmp_path, 'alone', matrix=(1, 1, 1))}
    result = run_here(tmp_path, make_job(tmp_path, phonons))
    assert result['reference'] is None
    assert result['potentials']['alone']['verdict']['passed'] is None
    json.dumps(result, allow_nan=False)


def test_settings_change_the_result(tmp_path):
    phonons = {'alone': write_phonons(tmp_path, 'alone', matrix=(1, 1, 1))}
    plain = run_here(tmp_path, make_job(tmp_path, phonons))
    blunt = run_here(tmp_path, make_job(tmp_path, phonons, flat=1e4, imaginary=1e4))
    directions = [row['direction'] for row in plain['potentials']['alone']['modes']]
    assert set(directions) != {'flat'}
    assert {row['direction'] for row in blunt['potentials']['alone']['modes']} == {'flat'}


def test_nothing_to_analyse(tmp_path):
    with pytest.raises(JobFileError, match='nothing to analyse'):
        run_here(tmp_path, make_job(tmp_path, {}))


def test_a_missing_file_and_a_missing_reference_are_named(tmp_path):
    with pytest.raises(InputError, match=r'lost\.yaml'):
        run_here(tmp_path, make_job(tmp_path, {'base': {'p_0000': 'lost.yaml'}}))
    job = make_job(tmp_path, {'base': {'p_0000': 'lost.yaml'}})
    with pytest.raises(JobFileError, match=r'nowhere\.extxyz'):
        run_here(tmp_path, {**job, 'reference': 'nowhere.extxyz'})


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda frames: frames[1:], 'one is needed'),
        (lambda frames: _every(frames, _move), 'not displaced from the reference structure'),
        (lambda frames: reference_frames({'p_0000': 1.01}), 'do not have the cell'),
        (lambda frames: _every(frames, _substitute), 'do not hold the atoms'),
        (lambda frames: _retag(frames, 9.0), 'reference_structures'),
    ],
)
def test_spoiled_reference_frames_are_refused(tmp_path, spoil, message):
    phonons = {'same': {'p_0000': 'never-read.yaml'}}
    job = make_job(tmp_path, phonons, frames=spoil(reference_frames()))
    with pytest.raises(DatasetError, match=message):
        run_here(tmp_path, job)


def _every(frames, change):
    for frame in frames:
        change(frame)
    return frames


def _move(frame):
    frame.positions += [0.05, 0.0, 0.0]


def _substitute(frame):
    frame.symbols[:2] = 'Ca'


def _retag(frames, pressure):
    for frame in frames:
        frame.info['target_pressure'] = pressure
    return frames


def test_another_setting_of_the_axes_is_refused(tmp_path):
    files = write_phonons(tmp_path, 'one', scales={'p_0000': 1.0}, matrix=(1, 1, 1))
    turned = rutile()
    turned.set_cell(turned.cell.array[[2, 0, 1]])
    turned.set_scaled_positions(rutile().get_scaled_positions()[:, [2, 0, 1]])
    phonon = calculate_force_constants(
        atoms=turned, calculator=forces_of(), supercell_matrix=np.eye(3, dtype=int)
    )
    save_force_constants(phonon=phonon, path=tmp_path / 'two.yaml')
    with pytest.raises(StructureError, match='one setting'):
        run_here(tmp_path, make_job(tmp_path, {'one': files, 'two': {'p_0000': 'two.yaml'}}))


def test_failures_say_where(tmp_path):
    """Force constants that break the acoustic sum rule: the message names the pressure."""
    files = write_phonons(tmp_path, 'one', scales={'p_0000': 1.0}, matrix=(1, 1, 1))
    phonon = build_phonopy(atoms=rutile(), supercell_matrix=np.eye(3, dtype=int))
    phonon.force_constants = np.einsum('ij,ab->ijab', np.diag(np.arange(1.0, 7.0)), np.eye(3))
    save_force_constants(phonon=phonon, path=tmp_path / files['p_0000'])
    with pytest.raises(ComputationError, match='p_0000'):
        run_here(tmp_path, make_job(tmp_path, {'one': files}))
