"""Force constants made invariant: symfc's projector as an independent code, and what must hold."""

import numpy as np
import pytest
import symfc  # noqa: F401 - it raises the recursion limit: not while hypothesis runs
from ase import Atoms
from ase.spacegroup import crystal

from aiida_insbench.science.finite_displacements import displaced_supercells, impose_invariances
from aiida_insbench.science.supercells import build_phonopy, full_force_constants

RUTILE = ([(0, 0, 0), (0.304, 0.304, 0)], ['Mg', 'H'], 136, [4.5, 4.5, 3.0, 90, 90, 90])
BRUCITE = (
    [(0, 0, 0), (1 / 3, 2 / 3, 0.22), (1 / 3, 2 / 3, 0.43)],
    ['Mg', 'O', 'H'],
    164,
    [3.14, 3.14, 4.75, 90, 90, 120],
)
ETHANOL = (
    [(0.1, 0.2, 0.3), (0.27, 0.31, 0.4), (0.4, 0.05, 0.15)],
    ['C', 'O', 'H'],
    7,
    [5.4, 6.9, 8.3, 90, 102, 90],
)
ROOT_THREE = [[1, -1, 0], [1, 2, 0], [0, 0, 2]]


def made_up(case, matrix):
    """Finite-difference force constants of forces drawn at random: no physics helps."""
    basis, symbols, group, cell = case
    atoms = crystal(symbols, basis=basis, spacegroup=group, cellpar=cell)
    atoms = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    phonon = build_phonopy(atoms=atoms, supercell_matrix=np.array(matrix))
    supercells = displaced_supercells(phonon=phonon)
    rng = np.random.default_rng(1)
    phonon.forces = rng.normal(size=(len(supercells), len(supercells[0]), 3))
    phonon.produce_force_constants(calculate_full_force_constants=False)
    return phonon


CASES = pytest.mark.parametrize(
    ('case', 'matrix'),
    [
        (RUTILE, np.diag([2, 2, 3])),
        (RUTILE, np.diag([2, 1, 1])),
        (BRUCITE, np.diag([3, 3, 1])),
        (BRUCITE, ROOT_THREE),
        (ETHANOL, np.diag([2, 1, 1])),
    ],
    ids=['rutile', 'rutile, of lower symmetry', 'brucite', 'brucite, turned', 'monoclinic'],
)


@CASES
@pytest.mark.filterwarnings('ignore:.*Point group symmetries')
def test_symfc_projects_onto_the_same(case, matrix):
    ours, theirs = made_up(case, matrix), made_up(case, matrix)
    before = full_force_constants(ours)
    impose_invariances(ours)
    theirs.symmetrize_force_constants(use_symfc_projector=True)
    found, scale = full_force_constants(ours), np.abs(before).max()
    assert np.abs(found - before).max() > 0.01 * scale
    assert found == pytest.approx(full_force_constants(theirs), abs=1e-12 * scale)


@CASES
def test_pairs_translations_and_repetition(case, matrix):
    phonon = made_up(case, matrix)
    impose_invariances(phonon)
    found = full_force_constants(phonon)
    scale = np.abs(found).max()
    assert found == pytest.approx(found.transpose(1, 0, 3, 2), abs=1e-12 * scale)
    assert np.abs(found.sum(axis=1)).max() < 1e-11 * scale
    impose_invariances(phonon)
    assert full_force_constants(phonon) == pytest.approx(found, abs=1e-12 * scale)
