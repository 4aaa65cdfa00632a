r"""Bonds that must hold in molecular dynamics, and the units they make of a crystal.

Which pairs of atoms count as bonded:

- two non-metals (and the metalloids B, Si, Ge, As) closer than a multiple of the sum of their
  covalent radii (Cordero et al., *Dalton Trans.* 2008, 2832). Their bonds are directed and cost
  several eV: O–H in brucite, Si–Si in silicon, all bonds of a sulphate. Breaking one is an event.
- in a molecular crystal all bonds within molecules, those of metals too: a complex is one molecule.

Bonds of metals elsewhere are ionic or metallic: coordination numbers there come from packing, and
neighbours near the edge of the shell come and go while nothing happens (Mg–H in MgH2, Cu–Cu). They
are no bonds here; atoms leaving their sites and coming too close tell what goes wrong.

Units are the connected parts of this graph: atoms and ions, molecules, frameworks. What a unit
does within itself (a methyl group that turns, a ring that flips) is sound as long as its bonds
hold; what must not happen is that its centre leaves its site.

Lengths in Å.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import covalent_radii
from ase.formula import Formula
from ase.neighborlist import neighbor_list
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from aiida_insbench.science.molecules import find_molecules

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Bonds = tuple[IntArray, IntArray, IntArray]

#: Elements whose bonds with each other are covalent.
COVALENT = frozenset(Formula('HHeBCNOFNeSiPSClArGeAsSeBrKrIXe'))
#: Whatever the radii (0.62 Å for H–H): within this two atoms are on the way to a bond.
_SHORTEST = 1.0


@dataclass(frozen=True)
class BondGraph:
    """Bonds of a reference crystal, each once, and its units.

    Attributes
    ----------
    first, second : ndarray of int, shape (n_bonds,)
        Atoms.
    shifts : ndarray of int, shape (n_bonds, 3)
        Cell of the second atom relative to that of the first.
    lengths : ndarray, shape (n_bonds,)
        In Å.
    units : ndarray of int, shape (n_atoms,)
        Number of the unit of each atom.
    names : tuple of str
        Formula of each unit.
    spacing : ndarray, shape (n_units,)
        Distance to the nearest other unit: of the centres of mass or, where a part is endless, of
        the closest atoms; infinite where all is one framework.
    molecular : bool
        Whether the crystal is made of molecules, so that bonds of metals count.
    """

    first: IntArray
    second: IntArray
    shifts: IntArray
    lengths: FloatArray
    units: IntArray
    names: tuple[str, ...]
    spacing: FloatArray
    molecular: bool


def bond_graph(atoms: Atoms, *, bond_fraction: float) -> BondGraph:
    """Find bonds and units.

    Parameters
    ----------
    atoms : Atoms
        Reference crystal, periodic.
    bond_fraction : float
        Of the sum of covalent radii.
    """
    molecules = find_molecules(atoms, tolerance=bond_fraction)
    molecular = molecules is not None and any(len(one.atoms) > 1 for one in molecules)
    reach = bond_fraction * covalent_radii[atoms.numbers].max() * 2
    first, second, shifts, lengths = neighbor_list('ijSd', atoms, max(reach, _SHORTEST))
    bonded = lengths < bond_limits(atoms, first, second, bond_fraction=bond_fraction)
    if not molecular:
        bonded &= may_bond(atoms)[first] & may_bond(atoms)[second]
    bonded &= one_way(first, second, shifts)
    bonds = first[bonded], second[bonded], shifts[bonded]
    units = _components(len(atoms), *bonds[:2])
    names = tuple(
        atoms[np.flatnonzero(units == unit)].get_chemical_formula('hill')
        for unit in range(units.max() + 1)
    )
    spacing = _spacing(atoms, units, bonds)
    return BondGraph(*bonds, lengths[bonded], units, names, spacing, molecular)


def may_bond(atoms: Atoms) -> npt.NDArray[np.bool_]:
    """Which atoms make covalent bonds, shape (n_atoms,)."""
    return np.array([symbol in COVALENT for symbol in atoms.symbols])


def bond_limits(
    atoms: Atoms, first: IntArray, second: IntArray, *, bond_fraction: float
) -> FloatArray:
    """Distance below which pairs of atoms are bonded, shape (n_pairs,)."""
    radii = covalent_radii[atoms.numbers]
    return np.asarray(np.maximum(bond_fraction * (radii[first] + radii[second]), _SHORTEST))


def one_way(first: IntArray, second: IntArray, shifts: IntArray) -> npt.NDArray[np.bool_]:
    """Which of a list of pairs to keep so that each appears once, images of an atom included."""
    sign = shifts @ np.array([1_000_000, 1_000, 1])
    return np.asarray((first < second) | ((first == second) & (sign > 0)))


def _components(n_atoms: int, first: IntArray, second: IntArray) -> IntArray:
    links = coo_array((np.ones(len(first)), (first, second)), shape=(n_atoms, n_atoms))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _spacing(atoms: Atoms, units: IntArray, bonds: Bonds) -> FloatArray:
    """Distance of each unit to the nearest other one; images of itself are others too."""
    places = _places(len(atoms), units, bonds)
    n_units = int(units.max()) + 1
    if places is None:
        nearest = _nearest(atoms, units)
    else:
        whole, masses = atoms.positions + places @ atoms.cell.array, atoms.get_masses()
        sums = [np.bincount(units, masses * whole[:, axis], n_units) for axis in range(3)]
        centres = np.transpose(sums) / np.bincount(units, masses, n_units)[:, None]
        crystal = Atoms(numbers=np.ones(n_units), positions=centres, cell=atoms.cell, pbc=True)
        nearest = _nearest(crystal, None)
    return nearest


def _places(n_atoms: int, units: IntArray, bonds: Bonds) -> IntArray | None:
    """Cells in which the atoms of each unit are next to each other; None if a unit is endless."""
    first, second, shifts = bonds
    places = np.zeros((n_atoms, 3), dtype=np.int64)
    step = {}
    for i, j, shift in zip(first.tolist(), second.tolist(), shifts, strict=True):
        step[i, j], step[j, i] = shift, -shift
    links = coo_array((np.ones(len(first)), (first, second)), shape=(n_atoms, n_atoms)).tocsr()
    for seed in np.unique(units, return_index=True)[1]:
        order, before = breadth_first_order(links, seed, directed=False)
        for atom in order[1:].tolist():
            places[atom] = places[before[atom]] + step[int(before[atom]), atom]
    met = places[second] == places[first] + shifts
    return places if bool(met.all()) else None


def _nearest(crystal: Atoms, owner: IntArray | None) -> FloatArray:
    """Distance to the nearest point of another owner, by owner; infinite where all have one."""
    points = np.arange(len(crystal)) if owner is None else owner
    nearest = np.full(int(points.max()) + 1, np.inf)
    if owner is not None and len(nearest) == 1:
        return nearest
    cutoff = 4.0
    while not np.isfinite(nearest).all():
        first, second, distances = neighbor_list('ijd', crystal, cutoff)
        other = (points[first] != points[second]) | (owner is None)
        np.minimum.at(nearest, points[first[other]], distances[other])
        cutoff *= 1.5
    return nearest
