"""Molecules of a crystal: the connected parts of its bond graph, each made whole.

Two atoms are bonded if they are closer than `TOLERANCE` times the sum of their covalent radii
(Cordero et al., *Dalton Trans.* 2008, 2832, as tabled by ASE). Lengths in Å.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Bonds stretched by a quarter still hold; hydrogen bonds (O–H···O from 1.4 Å) never count.
TOLERANCE = 1.25


@dataclass(frozen=True)
class Molecule:
    """One molecule.

    Attributes
    ----------
    atoms : ndarray of int, shape (n,)
        Indices in the crystal, rising.
    positions : ndarray, shape (n, 3)
        In Å, unwrapped so that every bond is whole.
    """

    atoms: IntArray
    positions: FloatArray


def find_molecules(atoms: Atoms, *, tolerance: float = TOLERANCE) -> list[Molecule] | None:
    """Find the molecules of a crystal.

    Parameters
    ----------
    atoms : Atoms
        Periodic or not.
    tolerance : float
        Factor on the sum of covalent radii.

    Returns
    -------
    list of Molecule or None
        By their first atom; None if a part of the bond graph is endless (a chain, layer or
        framework), which has no motion of its own as a whole.
    """
    bonds = _bonds(atoms, tolerance)
    cell = atoms.cell.array
    places: dict[int, IntArray] = {}
    molecules = []
    for seed in range(len(atoms)):
        if seed in places:
            continue
        members = _walk(seed, bonds, places)
        if members is None:
            return None
        chosen = np.array(sorted(members), dtype=np.int64)
        shifts = np.array([places[int(i)] for i in chosen])
        molecules.append(Molecule(chosen, atoms.positions[chosen] + shifts @ cell))
    return molecules


def is_molecular(atoms: Atoms) -> bool:
    """Whether a crystal is made of molecules: none of its parts is endless, not all are atoms."""
    molecules = find_molecules(atoms)
    return molecules is not None and any(len(one.atoms) > 1 for one in molecules)


def _bonds(atoms: Atoms, tolerance: float) -> list[list[tuple[int, IntArray]]]:
    """Neighbours of each atom: index and the cell they are in."""
    radii = tolerance * covalent_radii[atoms.numbers]
    first, second, shift = neighbor_list('ijS', atoms, cutoff=radii)
    bonds: list[list[tuple[int, IntArray]]] = [[] for _ in atoms]
    for i, j, cell in zip(first, second, shift, strict=True):
        bonds[int(i)].append((int(j), np.asarray(cell, dtype=np.int64)))
    return bonds


def _walk(
    seed: int, bonds: list[list[tuple[int, IntArray]]], places: dict[int, IntArray]
) -> list[int] | None:
    """Walk along bonds from `seed`; None if an atom is met in two cells."""
    places[seed] = np.zeros(3, dtype=np.int64)
    members, queue = [seed], deque([seed])
    while queue:
        here = queue.popleft()
        for there, shift in bonds[here]:
            place = places[here] + shift
            if there not in places:
                places[there] = place
                members.append(there)
                queue.append(there)
            elif not np.array_equal(places[there], place):
                return None
    return members
