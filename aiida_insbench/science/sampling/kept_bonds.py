r"""Rattling that keeps X–H bonds: hydrogen rides on its heavy neighbour and moves sideways.

An X–H bond is 10 to 100 times stiffer along its length than across, so that a Gaussian
displacement of H spends nearly all its force on the bond. Here the heavy atom X moves as any other,
and with it H, whose bond vector b becomes

.. math:: b' = |b|\,(1 + \sigma_b\xi)\,\frac{b + s}{|b + s|}, \qquad s \perp b

with ξ a standard Gaussian and s Gaussian with the σ of hydrogen in each of its two directions: H
moves sideways as far as by a Gaussian rattle, while the length has a relative spread of σ_b alone.
Measured on benzene (`docs/topics/sampling.md`). Lengths in Å.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from aiida_insbench.science.errors import InputError, StructureError, format_error
from aiida_insbench.science.molecules import TOLERANCE
from aiida_insbench.science.sampling.cells import FloatArray, IntArray

#: Relative spread of the X–H length. 2 % of 1 Å is a quarter of the zero-point motion of a stretch
#: at 3000 cm⁻¹ (0.08 Å), and a force of 0.6 eV/Å at its 30 eV/Å².
BOND_SPREAD = 0.02

Rattle = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class KeptBonds:
    """Bonds of hydrogens that have exactly one neighbour, which is heavier.

    Attributes
    ----------
    hydrogens, partners : ndarray of int, shape (n,)
        Indices of H and of what it rides on.
    vectors : ndarray, shape (n, 3)
        From partner to H, Å.
    free : int
        Hydrogens with no or several neighbours, or bonded to hydrogen: rattled as other atoms.
    """

    hydrogens: IntArray
    partners: IntArray
    vectors: FloatArray
    free: int


def find_kept_bonds(atoms: Atoms) -> KeptBonds:
    """Find the X–H bonds to keep, by `aiida_insbench.science.molecules`' rule.

    Parameters
    ----------
    atoms : Atoms
        Periodic or not. A hydride, whose H has several metal neighbours, has no such bond.
    """
    radii = (TOLERANCE * covalent_radii[atoms.numbers]).tolist()
    first, second, vector = neighbor_list('ijD', atoms, radii)
    single = np.flatnonzero((atoms.numbers == 1) & (np.bincount(first, minlength=len(atoms)) == 1))
    rows = np.array([np.flatnonzero(first == atom)[0] for atom in single], dtype=np.int64)
    rows = rows[atoms.numbers[second[rows]] != 1] if len(rows) else rows
    return KeptBonds(
        hydrogens=np.asarray(first[rows], dtype=np.int64),
        partners=np.asarray(second[rows], dtype=np.int64),
        vectors=-np.asarray(vector[rows], dtype=float).reshape(-1, 3),
        free=int((atoms.numbers == 1).sum()) - len(rows),
    )


def require_kept_bonds(atoms: Atoms, *, name: str = 'structure') -> KeptBonds:
    """`find_kept_bonds`, refusing a crystal that has none.

    Raises
    ------
    StructureError
        If no hydrogen has one heavier neighbour.
    """
    bonds = find_kept_bonds(atoms)
    if len(bonds.hydrogens) == 0:
        raise StructureError(
            format_error(
                f'`{name}` has no X–H bond to keep.',
                reason=f'None of its {bonds.free} hydrogens has exactly one neighbour within '
                f'{TOLERANCE} of the sum of covalent radii.',
                fix='Leave out `keep_bonds`.',
            )
        )
    return bonds


def draw_sigmas(rattle: Rattle, *, rng: np.random.Generator) -> dict[str, float]:
    """Draw a frame's σ of each element between its two bounds, Å, in the elements' order."""
    return {element: rng.uniform(*rattle[element]) for element in sorted(rattle)}


def bonded_displacements(
    *,
    symbols: list[str],
    bonds: KeptBonds,
    vectors: FloatArray,
    sigmas: Mapping[str, float],
    bond_spread: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Random displacements of all atoms with the lengths of bonds kept.

    Parameters
    ----------
    symbols : list of str, length n_atoms
        Chemical symbols.
    bonds : KeptBonds
        Which atoms are bound.
    vectors : ndarray, shape (n_bonds, 3)
        The bonds as they are before the displacement, Å: turned or not from ``bonds.vectors``.
    sigmas : mapping of str to float
        Standard deviation by element, Å.
    bond_spread : float
        Standard deviation of the relative length of a bond.
    rng : Generator
        Gives 3 n_atoms + n_bonds numbers.

    Returns
    -------
    ndarray, shape (n_atoms, 3)
        In Å.
    """
    per_atom = np.array([sigmas[symbol] for symbol in symbols])
    moves: FloatArray = rng.standard_normal((len(symbols), 3)) * per_atom[:, None]
    stretch = 1 + bond_spread * rng.standard_normal(len(bonds.hydrogens))
    lengths = np.linalg.norm(vectors, axis=1)
    along = vectors / lengths[:, None]
    own = moves[bonds.hydrogens]
    sideways = own - along * np.einsum('ia,ia->i', own, along)[:, None]
    bent = vectors + sideways
    bent *= (lengths * stretch / np.linalg.norm(bent, axis=1))[:, None]
    moves[bonds.hydrogens] = moves[bonds.partners] + bent - vectors
    return moves


def check_rattle(rattle: Rattle, *, elements: set[str]) -> None:
    """Refuse amplitudes out of range, of unknown elements, or not of exactly `elements`.

    Raises
    ------
    InputError
        If bounds are not 0 ≤ low ≤ high < 1 Å.
    StructureError
        If elements lack or are too many.
    """
    for element, (smallest, largest) in rattle.items():
        if not 0 <= smallest <= largest < 1.0:
            raise InputError(
                f'`rattle.{element}` is [{smallest}, {largest}]; give [low, high] in Å, below 1.'
            )
    if elements != set(rattle):
        raise StructureError(
            format_error(
                f'`rattle` is given for {sorted(rattle)}, the crystal holds {sorted(elements)}.',
                fix='Give one [low, high] for each element.',
            )
        )


def check_bond_spread(value: float) -> None:
    """Refuse a spread that is no small share.

    Raises
    ------
    InputError
        If it is not from 0 to 0.2.
    """
    if not 0 <= value <= 0.2:
        raise InputError(f'`bond_spread` is {value}; give a share of the length from 0 to 0.2.')
