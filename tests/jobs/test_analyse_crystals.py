"""Crystals that change: segments, strained states and isotopes in the stage ``analyse``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import make_supercell
from lj_rutile import (
    analyse_three,
    make_job,
    run_here,
    rutile,
    write_crystals,
    write_phonons,
)

from aiida_insbench.science.errors import (
    InputError,
    JobFileError,
)


@pytest.fixture(scope='module')
def analysed(tmp_path_factory):
    return analyse_three(tmp_path_factory.mktemp('analyse'))


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
