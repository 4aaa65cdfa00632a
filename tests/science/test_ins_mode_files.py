"""Modes from the files people have; what is no such file is named."""

import shutil

import numpy as np
import pytest
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, save_crystal, spring_crystal

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.census import take_census
from aiida_insbench.science.ins.mode_files import (
    open_modes,
    read_modes,
)
from aiida_insbench.science.ins.qpoint_mesh import mesh_of_spacing

MESH = (2, 2, 3)


@pytest.fixture(scope='module')
def phonon():
    return spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)


@pytest.fixture(scope='module')
def crystal_file(phonon, tmp_path_factory):
    return save_crystal(phonon, tmp_path_factory.mktemp('crystal') / 'crystal.yaml')


@pytest.fixture(scope='module')
def expected(crystal_file):
    return read_modes(crystal_file, mesh=MESH)


def assert_same(found, expected):
    assert found.symbols == expected.symbols
    assert np.sort(found.frequencies.ravel()) == pytest.approx(
        np.sort(expected.frequencies.ravel()), abs=0.01
    )


def test_force_constants_in_the_file(crystal_file, expected):
    assert_same(read_modes(crystal_file, mesh=MESH), expected)


def test_force_constants_of_euphonic(crystal_file, expected, tmp_path):
    from euphonic import ForceConstants

    constants = ForceConstants.from_phonopy(
        path=str(crystal_file.parent), summary_name=crystal_file.name
    )
    constants.to_json_file(str(tmp_path / 'constants.json'))
    assert_same(read_modes(tmp_path / 'constants.json', mesh=MESH), expected)


def test_forces_beside_the_file(phonon, expected, tmp_path):
    """FORCE_SETS of the spring crystal, from which phonopy makes its force constants again."""
    from phonopy import Phonopy
    from phonopy.file_IO import write_FORCE_SETS

    plain = Phonopy(
        phonon.unitcell, supercell_matrix=phonon.supercell_matrix, primitive_matrix=np.eye(3)
    )
    plain.generate_displacements(distance=0.01, is_plusminus=True)
    full = full_force_constants(phonon)
    plain.forces = [
        -np.einsum('ijab,jb->ia', full, cell.positions - plain.supercell.positions)
        for cell in plain.supercells_with_displacements
    ]
    plain.save(filename=str(tmp_path / 'params.yaml'), settings={'force_sets': False})
    without_displacements(tmp_path)
    with pytest.raises(InputError, match='there is no FORCE_SETS'):
        read_modes(tmp_path / 'bare.yaml', mesh=MESH)
    write_FORCE_SETS(plain.dataset, filename=str(tmp_path / 'FORCE_SETS'))
    assert_same(read_modes(tmp_path / 'params.yaml', mesh=MESH), expected)


def full_force_constants(phonon):
    from phonopy.harmonic.force_constants import compact_fc_to_full_fc

    return compact_fc_to_full_fc(phonon.primitive, phonon.force_constants)


def without_displacements(folder):
    import yaml

    data = yaml.safe_load((folder / 'params.yaml').read_text())
    del data['displacements']
    (folder / 'bare.yaml').write_text(yaml.safe_dump(data))


def test_modes_of_a_molecule(shared_data):
    path = shared_data / 'reference_calc' / 'abinslib_ethanol' / 'ethanol_qpoint_phonon_modes.json'
    modes = read_modes(path)
    assert modes.frequencies.shape == (3, 27)
    assert not modes.gamma_only
    assert modes.weights == pytest.approx([0.25, 0.25, 0.5])
    assert modes.frequencies.max() == pytest.approx(3700, abs=150)
    census = take_census(modes)
    assert (census.n_translations, census.n_near_zero, census.n_imaginary) == (9, 0, 0)
    assert max(census.left_out.values()) < 1e-6


def test_graphite_from_its_force_sets(shared_data):
    """VASP forces of 8 supercells; the stretch of graphite lies near 1580 cm⁻¹."""
    folder = shared_data / 'ins_measured' / 'vision' / 'graphite' / 'DFT' / '2-phonons'
    modes = read_modes(folder / 'phonopy_params.yaml', mesh=(1, 1, 1))
    assert set(modes.symbols) == {'C'}
    assert 1500 < modes.frequencies.max() < 1680


def test_castep_modes_and_force_constants(shared_data):
    folder = shared_data / 'reference_calc' / 'euphonic' / 'castep_files'
    modes = read_modes(folder / 'NaH' / 'NaH.phonon')
    assert set(modes.symbols) == {'Na', 'H'}
    silicon = read_modes(folder / 'Si2-sc-skew' / 'Si2-sc-skew.castep_bin', mesh=(2, 2, 2))
    assert 480 < silicon.frequencies.max() < 540


@pytest.mark.parametrize(
    ('name', 'content', 'named'),
    [
        ('nowhere.yaml', None, r'nowhere\.yaml: no such file'),
        ('notes.txt', 'x', 'of no kind known'),
        ('other.yaml', 'a: 1', 'no YAML file of phonopy'),
        ('broken.yaml', 'phonopy: {', r'broken\.yaml cannot be read'),
        ('other.json', '{}', 'holds nothing of Euphonic'),
        ('crystal.json', '{"__euphonic_class__": "Crystal"}', 'holds Crystal'),
        ('broken.json', '{', r'broken\.json is no JSON'),
        ('broken.phonon', 'BEGIN header', r'broken\.phonon is cut short'),
        ('broken.castep_bin', '\0\0', r'broken\.castep_bin cannot be read'),
    ],
)
def test_what_is_no_such_file_is_named(tmp_path, name, content, named):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=named):
        read_modes(tmp_path / name, mesh=MESH)


def test_file_that_is_cut_short_is_named(crystal_file, tmp_path):
    text = crystal_file.read_text()
    (tmp_path / 'cut.yaml').write_text(text[: len(text) * 2 // 3])
    with pytest.raises(InputError, match=r'cut\.yaml'):
        read_modes(tmp_path / 'cut.yaml', mesh=MESH)


def test_force_constants_need_a_mesh(crystal_file):
    with pytest.raises(InputError, match='give a `mesh`'):
        read_modes(crystal_file)


def test_mesh_follows_the_spacing(crystal_file):
    cell = 2 * np.pi * np.linalg.inv(np.diag([4.0, 4.0, 10.0])).T
    assert mesh_of_spacing(cell, 0.5) == (4, 4, 2)
    assert mesh_of_spacing(cell, 100.0) == (1, 1, 1)
    with pytest.raises(InputError, match='must be > 0'):
        mesh_of_spacing(cell, 0.0)
    assert len(read_modes(crystal_file, spacing=0.7).weights) >= 4


def test_json_may_come_from_another_folder(crystal_file, tmp_path, monkeypatch):
    shutil.copy(crystal_file, tmp_path / 'here.yaml')
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    assert read_modes(Path('here.yaml'), mesh=(1, 1, 1)).frequencies.shape[1] == 18


def test_force_constants_of_another_cell_are_refused(tmp_path):
    """FORCE_CONSTANTS, then FORCE_SETS, of a supercell that the YAML file does not have."""
    from phonopy.file_IO import write_FORCE_CONSTANTS, write_FORCE_SETS

    mine, other = (
        spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, supercell=cells)
        for cells in ((1, 1, 2), (2, 1, 2))
    )
    mine.save(filename=str(tmp_path / 'c.yaml'), settings={'force_constants': False})
    write_FORCE_CONSTANTS(other.force_constants, filename=str(tmp_path / 'FORCE_CONSTANTS'))
    with pytest.raises(InputError, match=r'\[6, 24\](.|\n)*compatible'):
        read_modes(tmp_path / 'c.yaml', mesh=MESH)
    (tmp_path / 'FORCE_CONSTANTS').unlink()
    other.generate_displacements(distance=0.01)
    other.forces = [np.zeros((24, 3)) for _ in other.supercells_with_displacements]
    write_FORCE_SETS(other.dataset, filename=str(tmp_path / 'FORCE_SETS'))
    with pytest.raises(InputError, match='forces on 24 atoms, but the supercell has 12'):
        read_modes(tmp_path / 'c.yaml', mesh=MESH)


@pytest.mark.parametrize('sum_rule', ['realspace', 'reciprocal'])
def test_the_acoustic_sum_rule_can_be_imposed(tmp_path, sum_rule):
    """An atom held at its place by 0.05 eV/Å² besides: the crystal cannot move as a whole."""
    held = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, supercell=(1, 1, 2))
    constants = held.force_constants.copy()
    for row, atom in enumerate(held.primitive.p2s_map):
        constants[row, atom] += 0.05 * np.eye(3)
    held.force_constants = constants
    path = save_crystal(held, tmp_path / 'c.yaml')
    gamma = np.zeros((1, 3))
    plain, imposed = (
        open_modes(path, mesh=(1, 1, 1), sum_rule=rule).at(gamma).frequencies.to('meV').magnitude
        for rule in (None, sum_rule)
    )
    assert plain[0, 0] > 3
    assert np.abs(imposed[0, :3]).max() < 0.01
    assert imposed[0, 3:] == pytest.approx(plain[0, 3:], rel=0.1)


def test_unknown_sum_rules_are_named(crystal_file):
    with pytest.raises(InputError, match='must be one of'):
        open_modes(crystal_file, mesh=MESH, sum_rule='optical')
