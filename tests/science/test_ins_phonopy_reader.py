"""Euphonic on phonopy's files with supercells that are no multiples of the axes."""

from __future__ import annotations

import numpy as np
import pytest
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, save_crystal, spring_crystal
from phonopy.file_IO import write_FORCE_CONSTANTS
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.mode_files import open_modes

CAESIUM_CHLORIDE = PhonopyAtoms(
    symbols=['Cs', 'Cl'],
    cell=np.diag([4.1, 4.6, 3.9]),
    scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]],
)
CAESIUM_CHLORIDE_SPRINGS = {3.7: (1.2, 0.1), 3.95: (0.9, 0.05), 4.2: (0.4, 0.02)}
#: Axes in columns. The second turns by 90° when transposed, which puts every atom of strained CsCl
#: on the site of another: no cell origin is wrong, and all frequencies are.
MATRICES = {
    'sheared': [[2, 0, 0], [1, 2, 0], [0, 0, 2]],
    'turned': [[2, -2, 0], [2, 2, 0], [0, 0, 2]],
}
CRYSTALS = {
    'CsCl': (CAESIUM_CHLORIDE, CAESIUM_CHLORIDE_SPRINGS),
    'MgH2': (MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS),
}


def commensurate(matrix):
    """Some q-points of the supercell's own: q·(axis) whole for every axis of it."""
    return np.array([[1, 0, 0], [1, -1, 0], [1, 0, 1], [1, 1, 1]]) @ np.linalg.inv(matrix)


def frequencies(phonon, points):
    return np.sort(phonon.run_qpoints(points).frequencies * get_physical_units().THzToCm)


@pytest.mark.parametrize('matrix', MATRICES)
@pytest.mark.parametrize('crystal', CRYSTALS)
def test_modes_are_those_of_phonopy(tmp_path, matrix, crystal):
    cell, springs = CRYSTALS[crystal]
    phonon = spring_crystal(cell, springs, supercell=np.array(MATRICES[matrix]))
    source = open_modes(save_crystal(phonon, tmp_path / 'skew.yaml'), mesh=(2, 2, 2))
    points = commensurate(np.array(MATRICES[matrix]))
    found = np.sort(source.at(points).frequencies.to('1/cm').magnitude)
    assert found == pytest.approx(frequencies(phonon, points), abs=0.01)


def test_points_between_are_those_of_a_plain_supercell(tmp_path):
    cell, springs = CRYSTALS['CsCl']
    points = np.array([[0.21, 0.13, 0.04], [-0.17, 0.4, 0.31]])
    plain = frequencies(spring_crystal(cell, springs, supercell=(3, 3, 3)), points)
    for name, matrix in MATRICES.items():
        phonon = spring_crystal(cell, springs, supercell=np.array(matrix))
        source = open_modes(save_crystal(phonon, tmp_path / f'{name}.yaml'), mesh=(2, 2, 2))
        found = np.sort(source.at(points).frequencies.to('1/cm').magnitude)
        assert found == pytest.approx(plain, rel=0.02)


def test_force_constants_may_lie_beside(tmp_path):
    cell, springs = CRYSTALS['MgH2']
    phonon = spring_crystal(cell, springs, supercell=np.array(MATRICES['sheared']))
    phonon.save(filename=str(tmp_path / 'skew.yaml'), settings={'force_constants': False})
    write_FORCE_CONSTANTS(phonon.force_constants, filename=str(tmp_path / 'FORCE_CONSTANTS'))
    points = commensurate(np.array(MATRICES['sheared']))
    source = open_modes(tmp_path / 'skew.yaml', mesh=(2, 2, 2))
    found = np.sort(source.at(points).frequencies.to('1/cm').magnitude)
    assert found == pytest.approx(frequencies(phonon, points), abs=0.01)


def test_a_matrix_of_another_supercell_is_refused(tmp_path):
    cell, springs = CRYSTALS['CsCl']
    phonon = spring_crystal(cell, springs, supercell=np.array(MATRICES['sheared']))
    path = save_crystal(phonon, tmp_path / 'skew.yaml')
    text = path.read_text()
    assert '- [   1,   2,   0 ]' in text
    path.write_text(text.replace('- [   1,   2,   0 ]', '- [   1,   2,   2 ]'))
    with pytest.raises(InputError, match='not that of its lattice'):
        open_modes(path, mesh=(2, 2, 2))
