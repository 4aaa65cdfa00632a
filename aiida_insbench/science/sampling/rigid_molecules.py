r"""Whole molecules moved: carried along by a strained cell, shifted and turned, never deformed.

Under a deformation F of the cell the centre of mass c of a molecule goes to cF and its atoms to
:math:`cF + (x - c)`: bond lengths stay. Then each molecule is shifted by a Gaussian vector and
turned about its centre of mass by a Gaussian angle about an axis that is uniform on the sphere.
Lengths in Å, angles in degrees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from scipy.spatial.transform import Rotation

from aiida_insbench.science.errors import StructureError, format_error
from aiida_insbench.science.molecules import Molecule, find_molecules
from aiida_insbench.science.sampling.cells import FloatArray


def require_molecules(atoms: Atoms, *, name: str = 'structure') -> list[Molecule]:
    """Molecules of a crystal, refusing what is none.

    Raises
    ------
    StructureError
        If the bond graph has an endless part, or no two atoms are bonded.
    """
    molecules = find_molecules(atoms)
    if molecules is None:
        raise StructureError(
            format_error(
                f'`{name}` ({atoms.get_chemical_formula()}) is no molecular crystal: part of its '
                'bond graph is endless.',
                reason='A chain, layer or framework cannot move as a whole.',
                fix='Use `strain-rattle`, with `keep_bonds` for its X–H bonds.',
            )
        )
    if all(len(molecule.atoms) == 1 for molecule in molecules):
        raise StructureError(
            format_error(
                f'`{name}` ({atoms.get_chemical_formula()}) holds no molecule: no two atoms are '
                'bonded.',
                fix='Use `strain-rattle`.',
            )
        )
    return molecules


def strain_rigidly(
    *, atoms: Atoms, molecules: Sequence[Molecule], deformation: FloatArray
) -> Atoms:
    """Deform the cell and carry the molecules along by their centres of mass.

    Parameters
    ----------
    atoms : Atoms
        The crystal; left as it is.
    molecules : sequence of Molecule
        Of `atoms`, holding every atom once.
    deformation : ndarray, shape (3, 3)
        F; the new cell is cell @ F.

    Returns
    -------
    Atoms
        Each atom in the image it was in.
    """
    strained = atoms.copy()
    strained.set_cell(atoms.cell.array @ deformation, scale_atoms=False)
    masses = atoms.get_masses()
    for molecule in molecules:
        centre = np.average(molecule.positions, axis=0, weights=masses[molecule.atoms])
        # lattice vectors between where an atom is and where it makes its molecule whole
        shift = molecule.positions - atoms.positions[molecule.atoms]
        strained.positions[molecule.atoms] = (
            molecule.positions + centre @ deformation - centre - shift @ deformation
        )
    return strained


def move_molecules(
    *,
    atoms: Atoms,
    molecules: Sequence[Molecule],
    translation: float,
    rotation: float,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Random shift and turn of each molecule.

    Parameters
    ----------
    atoms : Atoms
        Gives the masses.
    molecules : sequence of Molecule
        Holding every atom once; only the shapes matter, so that the molecules of the unstrained
        crystal serve after `strain_rigidly`.
    translation : float
        Standard deviation of each component of a shift, Å.
    rotation : float
        Standard deviation of the angle, degrees.
    rng : Generator
        Gives seven numbers a molecule.

    Returns
    -------
    tuple (ndarray, ndarray), shapes (n_atoms, 3) and (n_atoms, 3, 3)
        Displacement of each atom in Å and the rotation of its molecule, for vectors as columns.
    """
    masses = atoms.get_masses()
    moves = np.zeros((len(atoms), 3))
    turns = np.zeros((len(atoms), 3, 3))
    for molecule in molecules:
        shift = translation * rng.standard_normal(3)
        axis = rng.standard_normal(3)
        angle = np.deg2rad(rotation * rng.standard_normal())
        turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
        centre = np.average(molecule.positions, axis=0, weights=masses[molecule.atoms])
        arms = molecule.positions - centre
        moves[molecule.atoms] = shift + arms @ turn.T - arms
        turns[molecule.atoms] = turn
    return moves, turns
