r"""Pairs of atoms that may come too close: a neighbour list with a skin, exact, seldom made anew.

The list of pairs within reach + skin holds every pair within reach as long as

.. math:: \min(\sigma_\mathrm{min}(F), 1)\,(\mathrm{reach} + \mathrm{skin}) - 2\max_i|u_i|
          \ge \mathrm{reach}

with F the deformation of the cell and u the displacements beside it since the list was made, the
mean taken off: the vector of a pair is v·F + u_j − u_i (Verlet, *Phys. Rev.* **159**, 98 (1967),
here for cells that change). It holds images in cells smaller than the reach, and what it finds does
not depend on when it was made, so that runs resume exactly.

Lengths in Å; positions not wrapped.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from aiida_insbench.science.dynamics.bond_graph import (
    BondGraph,
    bond_limits,
    may_bond,
    one_way,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Pair = tuple[int, int, int, int, int]

_SKIN = 2.0
#: Atoms near each other in the reference must come this much closer to count as newly bonded:
#: secondary bonds (I···I) stand at the edge.
_CLOSER = 0.85


class ClosePairs:
    """Contacts and new bonds of a crystal in motion.

    Parameters
    ----------
    reference : Atoms
        Crystal at rest.
    graph : BondGraph
        Its bonds, which are not new.
    bond_fraction, contact_fraction : float
        Of the sum of covalent radii.
    """

    def __init__(
        self, reference: Atoms, graph: BondGraph, *, bond_fraction: float, contact_fraction: float
    ) -> None:
        self._atoms = reference.copy()
        self._reference = reference
        self._fractions = contact_fraction, bond_fraction
        self._bonding = may_bond(reference) | graph.molecular
        self._old = _codes(graph.first, graph.second, graph.shifts, len(reference))
        self._radii = covalent_radii[reference.numbers]
        self._reach = self._reaches(np.arange(len(reference)), np.arange(len(reference))).max()
        self._make(reference.positions, reference.cell.array)

    def distances(self, positions: FloatArray, cell: FloatArray) -> FloatArray:
        """Distances of the listed pairs, made anew if need be, shape (n_pairs,)."""
        if not self._holds(positions, cell):
            self._make(positions, cell)
        vectors = positions[self._second] - positions[self._first] + self._shifts @ cell
        return np.asarray(np.sqrt((vectors**2).sum(axis=1)))

    def contacts(self, distances: FloatArray) -> Iterator[tuple[Pair, float, float]]:
        """Pairs closer than allowed, distance and limit."""
        return self._below(distances, self._contact)

    def new_bonds(self, distances: FloatArray) -> Iterator[tuple[Pair, float, float]]:
        """Pairs as close as bonded ones that are not in the reference, distance and limit."""
        return self._below(distances, self._new)

    def _below(
        self, distances: FloatArray, limits: FloatArray
    ) -> Iterator[tuple[Pair, float, float]]:
        for k in np.flatnonzero(distances < limits):
            a, b, c = self._shifts[k].tolist()
            pair = int(self._first[k]), int(self._second[k]), a, b, c
            yield pair, float(distances[k]), float(limits[k])

    def _holds(self, positions: FloatArray, cell: FloatArray) -> bool:
        deformation = self._inverse @ cell
        moved = positions - self._positions @ deformation
        moved -= moved.mean(axis=0)
        least = min(np.linalg.svd(deformation, compute_uv=False)[-1], 1.0)
        largest = np.sqrt((moved**2).sum(axis=1).max())
        return bool(least * (self._reach + _SKIN) - 2 * largest >= self._reach)

    def _reaches(self, first: IntArray, second: IntArray) -> FloatArray:
        """Distance within which anything may be wrong with pairs."""
        contact, bond = self._fractions
        limits = bond_limits(self._reference, first, second, bond_fraction=bond)
        near = contact * (self._radii[first] + self._radii[second])
        return np.where(self._bonding[first] & self._bonding[second], limits, near)

    def _make(self, positions: FloatArray, cell: FloatArray) -> None:
        """List the pairs about positions as they are."""
        self._positions, self._inverse = positions.copy(), np.linalg.inv(cell)
        atoms = self._atoms
        atoms.set_cell(cell)
        atoms.positions[:] = positions
        *pairs, distances = neighbor_list('ijSd', atoms, self._reach + _SKIN)
        keep = one_way(*pairs) & (distances < self._reaches(*pairs[:2]) + _SKIN)
        first, second, shifts = (array[keep] for array in pairs)
        self._first, self._second, self._shifts = first, second, shifts
        contact, bond = self._fractions
        self._contact = contact * (self._radii[first] + self._radii[second])
        rest = self._reference.positions
        vectors = rest[second] - rest[first] + shifts @ self._reference.cell.array
        apart = _CLOSER * np.linalg.norm(vectors, axis=1)
        new = np.minimum(bond_limits(atoms, first, second, bond_fraction=bond), apart)
        new[~(self._bonding[first] & self._bonding[second])] = 0.0
        new[np.isin(_codes(first, second, shifts, len(atoms)), self._old)] = 0.0
        self._new = new


def _codes(first: IntArray, second: IntArray, shifts: IntArray, n_atoms: int) -> IntArray:
    """One number for each pair; atoms do not leave by more than 500 cells."""
    code = first.astype(np.int64) * n_atoms + second
    for axis in range(3):
        code = code * 1024 + shifts[:, axis] + 512
    return code
