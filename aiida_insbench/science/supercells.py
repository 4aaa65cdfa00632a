"""Phonopy objects in this package's conventions, which phonopy's defaults do not share.

- **Supercell matrix**: rows are the supercell's axes in the unit cell's axes, as in ASE's
  ``make_supercell``. phonopy's is its transpose; only this module knows.
- **Primitive cell**: the unit cell given (``primitive_matrix`` identity), so that atoms keep their
  order.
"""

from __future__ import annotations

import warnings

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy
from phonopy.harmonic.force_constants import compact_fc_to_full_fc, full_fc_to_compact_fc
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.kpoints import check_supercell_matrix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def build_phonopy(*, atoms: Atoms, supercell_matrix: ArrayLike, symprec: float = 1e-4) -> Phonopy:
    """Phonopy object of a crystal, in this package's conventions.

    Parameters
    ----------
    atoms : Atoms
        The unit cell. Masses set on it (isotopes) are kept, else phonopy's table holds.
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    symprec : float
        Tolerance of positions for the symmetry, Å.

    Raises
    ------
    StructureError
        If the supercell matrix is not 3×3 integers with a positive determinant.
    """
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        positions=atoms.positions,
        masses=atoms.get_masses() if atoms.has('masses') else None,
    )
    with warnings.catch_warnings():
        # a 2×1×1 cell of a tetragonal crystal is meant: its symmetry is `same_point_group`'s matter
        warnings.filterwarnings('ignore', message='.*Point group symmetries of supercell')
        return Phonopy(
            cell,
            supercell_matrix=check_supercell_matrix(supercell_matrix).T,
            primitive_matrix=np.eye(3),
            symprec=symprec,
            is_symmetry=True,
        )


def same_point_group(phonon: Phonopy) -> bool:
    """Whether the supercell has all point-group operations of the unit cell."""
    supercell, unit = phonon.symmetry, phonon.primitive_symmetry
    return len(supercell.pointgroup_operations) == len(unit.pointgroup_operations)


def supercell_matrix_of(phonon: Phonopy) -> IntArray:
    """Supercell matrix in this package's convention, rows are the supercell's axes."""
    return np.array(phonon.supercell_matrix, dtype=np.int64).T.copy()


def unit_cell_of(phonon: Phonopy) -> Atoms:
    """Unit cell of a Phonopy object, with its masses."""
    return to_ase(phonon.unitcell)


def supercell_of(phonon: Phonopy) -> Atoms:
    """Undisplaced supercell of a Phonopy object, in phonopy's order of atoms, with masses."""
    return to_ase(phonon.supercell)


def full_force_constants(phonon: Phonopy) -> FloatArray:
    """Force constants of every pair of the supercell, shape (n_supercell, n_supercell, 3, 3)."""
    force_constants = np.asarray(phonon.force_constants, dtype=float)
    if force_constants.shape[0] == force_constants.shape[1]:
        return force_constants
    return np.asarray(compact_fc_to_full_fc(phonon.primitive, force_constants), dtype=float)


def compact_force_constants(phonon: Phonopy) -> FloatArray:
    """Force constants of the unit cell's atoms, shape (n_unit_cell, n_supercell, 3, 3)."""
    force_constants = np.asarray(phonon.force_constants, dtype=float)
    if force_constants.shape[0] != force_constants.shape[1]:
        return force_constants
    return np.asarray(full_fc_to_compact_fc(phonon.primitive, force_constants), dtype=float)


def to_ase(cell: PhonopyAtoms) -> Atoms:
    """ASE's picture of a phonopy cell, with its masses."""
    return Atoms(
        cell.symbols, cell=cell.cell, positions=cell.positions, masses=cell.masses, pbc=True
    )


def require_force_constants(phonon: Phonopy) -> None:
    """Raise `InputError` for a Phonopy object that has no force constants."""
    if phonon.force_constants is None:
        raise InputError('The Phonopy object has no force constants.')
