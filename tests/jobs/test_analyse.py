"""The stage ``analyse`` on rutile crystals held together by Lennard-Jones forces."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import make_supercell
from ase.calculators.lj import LennardJones
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.jobs.analyse import run
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import (
    ComputationError,
    DatasetError,
    InputError,
    JobFileError,
    StructureError,
)
from aiida_insbench.science.frames import write_frames
from aiida_insbench.science.phonon_mesh import mesh_modes
from aiida_insbench.science.phonons import calculate_force_constants, save_force_constants
from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames
from aiida_insbench.science.structures import atoms_to_dict
from aiida_insbench.science.supercells import build_phonopy
from aiida_insbench.science.thermal import thermal_functions

SCALES = {'p_0000': 1.0, 'p_1000': 0.985}


def rutile(scale: float = 1.0) -> Atoms:
    u = 0.304
    sites = [
        (0, 0, 0),
        (0.5, 0.5, 0.5),
        (u, u, 0),
        (1 - u, 1 - u, 0),
        (0.5 + u, 0.5 - u, 0.5),
        (0.5 - u, 0.5 + u, 0.5),
    ]
    cell = np.diag([4.45, 4.45, 3.0]) * scale
    return Atoms('Mg2H4', cell=cell, scaled_positions=sites, pbc=True)


def forces_of(epsilon: float = 0.02) -> LennardJones:
    return LennardJones(sigma=1.75, epsilon=epsilon, rc=4.0, smooth=True)


def write_phonons(folder, name, *, order=None, scales=SCALES, **options):
    crystals = {label: rutile(scale) for label, scale in scales.items()}
    if order is not None:
        crystals = {label: atoms[order] for label, atoms in crystals.items()}
    return write_crystals(folder, name, crystals, **options)


def write_crystals(folder, name, crystals, *, epsilon=0.02, matrix=(1, 1, 2)):
    files = {}
    for label, atoms in crystals.items():
        phonon = calculate_force_constants(
            atoms=atoms, calculator=forces_of(epsilon), supercell_matrix=np.diag(matrix)
        )
        files[label] = f'{name}.{label}.yaml'
        save_force_constants(phonon=phonon, path=folder / files[label])
    return files


def reference_frames(scales=SCALES) -> list[Atoms]:
    frames = frozen_phonon_frames(structures={key: rutile(value) for key, value in scales.items()})
    for frame in frames:
        calculated = frame.copy()
        calculated.calc = forces_of()
        frame.arrays['REF_forces'] = calculated.get_forces()
        frame.info['REF_energy'] = calculated.get_potential_energy()
        frame.info['REF_stress'] = np.zeros(6)
    return frames


def make_job(folder, phonons, *, frames=None, **settings):
    job = {'schema': 1, 'stage': 'analyse', 'phonons': phonons, 'settings': settings}
    job['reference'] = None
    if frames is not None:
        (folder / 'reference.extxyz').write_text(write_frames(frames))
        job['reference'] = 'reference.extxyz'
        job['reference_structures'] = {
            label: atoms_to_dict(rutile(scale)) for label, scale in SCALES.items()
        }
    return job


def run_here(folder, job):
    return run(job, folder, Progress(folder, 'analyse'))


@pytest.fixture(scope='module')
def analysed(tmp_path_factory):
    folder = tmp_path_factory.mktemp('analyse')
    shuffled = [3, 0, 5, 2, 1, 4]
    phonons = {
        'same': write_phonons(folder, 'same'),
        'shuffled': write_phonons(folder, 'shuffled', order=shuffled),
        'stiff': write_phonons(folder, 'stiff', epsilon=0.0242),
    }
    job = make_job(folder, phonons, frames=reference_frames())
    (folder / 'job.json').write_text(json.dumps(job))
    assert run_stage('analyse', folder / 'job.json') == 0
    return json.loads((folder / 'result.json').read_text())['result']


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


@pytest.fixture(scope='module')
def transformed(tmp_path_factory):
    """Three pressures; at the last one some crystals have another space group or a doubled cell."""
    folder = tmp_path_factory.mktemp('transformed')
    low = {'p_0000': rutile(1.0), 'p_1000': rutile(0.99)}
    crystals = {
        'dft': low | {'p_2000': rutile(0.98)},
        'stays': low | {'p_2000': rutile(0.98)},
        'turns': low | {'p_2000': turned(rutile(0.98))},
        'doubles': low | {'p_2000': make_supercell(rutile(0.98), np.diag([1, 1, 2]))},
        'other': {'p_0000': make_supercell(rutile(1.0), np.diag([1, 1, 2]))},
    }
    files = {
        name: write_crystals(folder, name, by_label, matrix=(1, 1, 1))
        for name, by_label in crystals.items()
    }
    dft = files.pop('dft')
    return run_here(folder, {**make_job(folder, files), 'reference_phonons': dft})


def turned(atoms):
    """H moved along (1, -1, 0) by 0.15 Å, which leaves Pnnm."""
    moved = atoms.copy()
    moved.positions[2:] += 0.106 * np.array([[1, -1, 0], [-1, 1, 0], [1, 1, 0], [-1, -1, 0]])
    return moved


def test_modes_are_followed_as_far_as_the_crystal_is_one(transformed):
    stays, turns = (transformed['potentials'][name] for name in ('stays', 'turns'))
    (only,) = stays['segments']
    assert only['labels'] == ['p_0000', 'p_1000', 'p_2000']
    assert (only['space_group'], only['n_atoms'], only['modes']) == ('P4_2/mnm (136)', 6, None)
    first, second = turns['segments']
    assert (first['labels'], second['labels']) == (['p_0000', 'p_1000'], ['p_2000'])
    assert second['space_group'] == 'Pnnm (58)'
    assert sum(row['degeneracy'] for row in second['modes']) == 15
    assert {tuple(row['frequencies']) for row in second['modes']} == {('p_2000',)}
    assert second['acoustic_cm1']['p_2000'] < 1
    for block in (turns, transformed['potentials']['doubles']):
        for row, whole in zip(block['modes'], stays['modes'], strict=True):
            assert row['frequencies'] == pytest.approx(
                {label: whole['frequencies'][label] for label in ('p_0000', 'p_1000')}
            )
            assert row['shift'] == pytest.approx(
                whole['frequencies']['p_1000'] - whole['frequencies']['p_0000']
            )
        assert block['attribution']['to'] == 'p_1000'
        assert set(block['rms_error_cm1']) == {'p_0000', 'p_1000'}
    assert transformed['pressures'] == {'p_0000': 0.0, 'p_1000': 1.0, 'p_2000': 2.0}
    json.dumps(transformed, allow_nan=False)


def test_a_crystal_that_transforms_where_dft_does_not_fails(transformed):
    assert transformed['potentials']['stays']['verdict']['passed'] is True
    for name, change in (
        ('turns', 'is Pnnm (58) instead of P4_2/mnm (136)'),
        ('doubles', 'has 12 atoms in its cell instead of 6'),
    ):
        verdict = transformed['potentials'][name]['verdict']
        assert verdict['passed'] is False
        assert verdict['sentences'][0] == (
            f'Modes are followed from 0 to 1 GPa only: at 2 GPa the crystal {change}.'
        )
        assert verdict['sentences'][1].endswith('in DFT P4_2/mnm (136) with 6 atoms.')


def test_another_crystal_than_dft_is_not_judged(transformed):
    block = transformed['potentials']['other']
    assert block['verdict']['passed'] is None
    assert 'their modes cannot be compared' in block['verdict']['sentences'][0]
    assert sum(row['degeneracy'] for row in block['modes']) == 33
    assert block['rms_error_all_cm1'] is None


def test_dft_may_transform_too(transformed, tmp_path):
    """Modes of both are followed up to there; where one transforms alone, that is said."""
    low = {'p_0000': rutile(1.0), 'p_1000': rutile(0.99)}
    both = low | {'p_2000': turned(rutile(0.98))}
    files = {
        name: write_crystals(tmp_path, name, crystals, matrix=(1, 1, 1))
        for name, crystals in {'dft': both, 'alike': both, 'stays': low | {
            'p_2000': rutile(0.98)}}.items()
    }  # fmt: skip
    dft = files.pop('dft')
    found = run_here(tmp_path, {**make_job(tmp_path, files), 'reference_phonons': dft})
    assert len(found['reference']['segments']) == 2
    assert found['potentials']['alike']['verdict']['passed'] is True
    stays = found['potentials']['stays']
    assert stays['verdict']['passed'] is False
    assert 'in DFT Pnnm (58)' in stays['verdict']['sentences'][0]
    assert set(stays['modes'][0]['frequencies']) == {'p_0000', 'p_1000', 'p_2000'}
    assert set(stays['modes'][0]['reference']) == {'p_0000', 'p_1000'}


def test_shifts_have_two_steps_where_the_strained_state_is_given(tmp_path):
    """Atoms keep their fractions from 0 to 1 GPa, so all of the shift is strain."""
    files = write_phonons(tmp_path, 'a')
    job = {**make_job(tmp_path, {'a': files, 'b': files}), 'strained': {'a': {
        'p_1000': files['p_1000']}, 'b': {'p_0000': files['p_0000']}}}  # fmt: skip
    found = run_here(tmp_path, job)['potentials']
    assert found['a']['attribution']['steps_reason'] is None
    for row in found['a']['attribution']['modes']:
        assert row['steps']['strain']['elements'] == pytest.approx(row['elements'])
        assert row['steps']['relaxation']['shift'] == pytest.approx(0, abs=1e-9)
    assert 'followed to p_1000' in found['b']['attribution']['steps_reason']


def test_strained_states_of_no_potential_are_refused(tmp_path):
    job = {**make_job(tmp_path, {'a': {'p_0000': 'none'}}), 'strained': {'b': {'p_0000': 'none'}}}
    with pytest.raises(JobFileError, match='`strained` names b'):
        run_here(tmp_path, job)


def test_modes_are_followed_over_a_mesh_where_one_is_asked_for(analysed, tmp_path):
    assert analysed['potentials']['same']['mesh'] is None
    files = write_phonons(tmp_path, 'same')
    dft = write_phonons(tmp_path, 'dft', matrix=(1, 1, 1))
    job = {**make_job(tmp_path, {'same': files}, mesh=[1, 1, 2]), 'reference_phonons': dft}
    result = run_here(tmp_path, job)
    assert 'unit cell alone' in result['reference']['mesh']['reason']
    mesh = result['potentials']['same']['mesh']
    assert (mesh['reason'], mesh['mesh'], mesh['labels']) == (None, [1, 1, 2], list(SCALES))
    gamma, edge = mesh['points']
    assert np.abs(edge['qpoint']) == pytest.approx([0, 0, 0.5])
    assert mesh['summary']['n_modes'] == 15 + 18
    rows = result['potentials']['same']['modes']
    for label in SCALES:
        wanted = [row['frequencies'][label] for row in rows for _ in range(row['degeneracy'])]
        assert sorted(gamma['frequencies'][label]) == pytest.approx(sorted(wanted), abs=0.1)
    assert result['settings']['mesh'] == [1, 1, 2]
    json.dumps(result, allow_nan=False)


def test_spread_of_a_committee(tmp_path):
    """ω ∝ √ε: three members with ε apart by known factors, one of which lacks a pressure."""
    factors = {'a': 1.0, 'b': 1.02, 'c': 0.97}
    files = {
        name: write_phonons(tmp_path, name, epsilon=0.02 * factor**2)
        for name, factor in factors.items()
    }
    del files['c']['p_1000']
    job = make_job(tmp_path, files, committees={'lj': ['a', 'b', 'c']})
    result = run_here(tmp_path, job)
    committee = result['committees']['lj']
    assert committee['missing'] == {'c': ['p_1000']}
    assert 'c lacks 1 GPa.' in committee['sentences']
    assert committee['left_out'] == {}
    for row in result['potentials']['a']['modes']:
        for label, used in (('p_0000', [1.0, 1.02, 0.97]), ('p_1000', [1.0, 1.02])):
            expected = abs(row['frequencies'][label]) * np.std(used, ddof=1)
            assert row['sigma'][label] == pytest.approx(expected, rel=0.02, abs=0.1)
        assert row['slope_sigma'] == pytest.approx(
            abs(row['slope']) * np.std([1.0, 1.02], ddof=1), rel=0.02, abs=0.1
        )
    assert all(row['sigma'] == {} for row in result['potentials']['b']['modes'])
    assert set(committee['unstable']) == {'a', 'b', 'c'}
    json.dumps(result, allow_nan=False)


def test_a_member_of_another_crystal_is_left_out(tmp_path):
    files = {
        'one': write_crystals(tmp_path, 'one', {'p_0000': rutile()}, matrix=(1, 1, 1)),
        'two': write_crystals(
            tmp_path,
            'two',
            {'p_0000': make_supercell(rutile(), np.diag([1, 1, 2]))},
            matrix=(1, 1, 1),
        ),
    }
    job = make_job(tmp_path, files, committees={'mixed': ['one', 'two']})
    committee = run_here(tmp_path, job)['committees']['mixed']
    assert committee['modes'] == []
    assert 'two is left out' in committee['sentences'][0]


@pytest.mark.parametrize(
    ('committees', 'message'),
    [
        ({'x': ['a', 'z']}, 'names z'),
        ({'x': ['a']}, 'two members'),
        ({'x': ['a', 'a']}, 'named once'),
        ({'x': ['a', 'b'], 'y': ['a', 'c']}, 'can be of one'),
        ({'x': 'ab'}, 'lists of potentials'),
        (['a', 'b'], 'lists of potentials'),
    ],
)
def test_committees_without_sense_are_refused(tmp_path, committees, message):
    files = {name: {'p_0000': 'none.yaml'} for name in 'abc'}
    with pytest.raises(JobFileError, match=message):
        run_here(tmp_path, make_job(tmp_path, files, committees=committees))


def test_deuterium_moves_modes_by_the_root_of_the_masses(analysed, tmp_path):
    """Everywhere alike, in DFT too: gerade modes are of H alone."""
    files = write_phonons(tmp_path, 'same')
    dft = write_phonons(tmp_path, 'dft', matrix=(1, 1, 1))
    job = {**make_job(tmp_path, {'same': files}, isotopes={'H': '2H'}), 'reference_phonons': dft}
    result = run_here(tmp_path, job)
    ratio = np.sqrt(1.00794 / 2.01410178)
    light = {row['irrep']: row for row in analysed['potentials']['same']['modes']}
    rows = {row['irrep']: row for row in result['potentials']['same']['modes']}
    for irrep in ('A1g', 'A2g', 'B1g', 'B2g', 'Eg'):
        for label, value in light[irrep]['frequencies'].items():
            assert rows[irrep]['frequencies'][label] == pytest.approx(ratio * value, rel=1e-3)
            assert rows[irrep]['reference'][label] == pytest.approx(ratio * value, rel=5e-3)
    assert result['settings']['isotopes'] == {'H': '2H'}
    block = result['potentials']['same']
    for row, split in zip(block['modes'], block['attribution']['modes'], strict=True):
        assert sum(split['elements'].values()) == pytest.approx(row['shift'], abs=0.05)
    assert sum(row['ins_weight']['p_0000'] for row in block['modes']) == pytest.approx(1)


def test_isotopes_of_a_site_are_found_in_any_order_of_atoms(tmp_path):
    """Atom 3 of the first crystal, wherever the others have it; and it is not atom 0."""
    order = [3, 0, 5, 2, 1, 4]
    files = {
        'first': write_phonons(tmp_path, 'first'),
        'shuffled': write_phonons(tmp_path, 'shuffled', order=order),
    }
    found = {}
    for atom in ('3', '0'):
        value = {'3': '2H', '0': '26Mg'}[atom]
        result = run_here(tmp_path, make_job(tmp_path, files, isotopes={atom: value}))
        first, shuffled = (result['potentials'][name]['modes'] for name in files)
        for one, other in zip(first, shuffled, strict=True):
            assert other['frequencies'] == pytest.approx(one['frequencies'], abs=1e-2)
            assert one['irrep'] == ''
        found[atom] = sum(row['degeneracy'] * row['frequencies']['p_0000'] ** 2 for row in first)
    assert found['3'] < 0.95 * found['0']


@pytest.mark.parametrize(
    ('isotopes', 'message'),
    [
        ({'X': '2H'}, "names 'X'"),
        ({'9': '2H'}, "names '9'"),
        ({'H': '3He'}, 'no isotope of H'),
        ({'H': '99H'}, 'no isotope 99H'),
        ('2H', 'by element or number'),
        ({'H': 2}, 'by element or number'),
    ],
)
def test_isotopes_without_sense_are_refused(tmp_path, isotopes, message):
    files = write_phonons(tmp_path, 'one', scales={'p_0000': 1.0}, matrix=(1, 1, 1))
    with pytest.raises(InputError, match=message):
        run_here(tmp_path, make_job(tmp_path, {'one': files}, isotopes=isotopes))


def test_isotopes_by_number_need_the_same_crystal(tmp_path):
    doubled = make_supercell(rutile(0.98), np.diag([1, 1, 2]))
    crystals = {'p_0000': rutile(), 'p_1000': doubled}
    files = write_crystals(tmp_path, 'doubles', crystals, matrix=(1, 1, 1))
    with pytest.raises(InputError, match='another crystal'):
        run_here(tmp_path, make_job(tmp_path, {'a': files}, isotopes={'3': '2H'}))
    found = run_here(tmp_path, make_job(tmp_path, {'a': files}, isotopes={'H': '2H'}))
    plain = run_here(tmp_path, make_job(tmp_path, {'a': files}))
    rows, light = (one['potentials']['a']['segments'][1]['modes'] for one in (found, plain))
    assert rows[-1]['frequencies']['p_1000'] < 0.8 * light[-1]['frequencies']['p_1000']


def test_longitudinal_modes_where_there_are_charges(analysed, tmp_path):
    same = analysed['potentials']['same']
    assert same['lo_to'] == {}
    assert same['lo_to_note'] == 'non-analytical correction: off (no Born charges)'
    files = {}
    for label, edge in SCALES.items():
        phonon = calculate_force_constants(
            atoms=rutile(edge), calculator=forces_of(), supercell_matrix=np.diag([1, 1, 2])
        )
        charges = np.array([2.0, 2.0, -1.0, -1.0, -1.0, -1.0])[:, None, None] * np.eye(3)
        phonon.nac_params = {'born': charges, 'dielectric': 4 * np.eye(3), 'factor': 14.399652}
        files[label] = f'charged.{label}.yaml'
        save_force_constants(phonon=phonon, path=tmp_path / files[label])
    block = run_here(tmp_path, make_job(tmp_path, {'charged': files}))['potentials']['charged']
    assert block['lo_to_note'] == 'non-analytical correction: on'
    for row, bare in zip(block['modes'], same['modes'], strict=True):
        assert row['frequencies'] == pytest.approx(bare['frequencies'], abs=0.05)
    for axes in block['lo_to'].values():
        assert set(axes) == {'a*', 'b*', 'c*'}
        for row in axes.values():
            assert len(row['split']) == 15
            assert max(row['split']) > 5
    json.dumps(block, allow_nan=False)


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
