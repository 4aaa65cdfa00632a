r"""Pairs of atoms of a crystal, terms of its dynamical matrix by pair, and their sums.

:math:`x_i^\dagger\,\Delta\Phi_{iJ}\,(y_J - y_i)` for each atom i of the unit cell and J of the
supercell, summed by elements, by distance, and inside and between molecules. Force constants in
eV/Å², masses in atomic mass units, lengths in Å.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from phonopy import Phonopy

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.modes import FloatArray, IntArray
from aiida_insbench.science.molecules import find_molecules

#: Edges of the distance shells in Å where none are given.
SHELLS = (1.3, 2.0, 2.7, 3.5, 4.5, 6.0)
#: Atoms of the two states may differ by this in fractions of the supercell and be the same.
_SAME_SITE = 0.1
INTRA, INTER = 'intramolecular', 'intermolecular'


@dataclass(frozen=True)
class PairFrame:
    """Pairs of a unit cell's atoms with those of its supercell, and what they are.

    Parameters
    ----------
    images : ndarray of int, shape (n_supercell,)
        Atom of the unit cell each one is an image of.
    homes : ndarray of int, shape (n_atoms,)
        Number in the supercell of each atom of the unit cell.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.
    symbols : tuple of str
        Of the unit cell's atoms.
    distances : ndarray, shape (n_atoms, n_supercell)
        To the nearest image, in Å.
    bonded : ndarray of bool, shape (n_atoms, n_supercell), or None
        Whether the pair is of one molecule; None where there are no molecules.
    factor : float
        Turns the root of an eigenvalue into THz.
    """

    images: IntArray
    homes: IntArray
    masses: FloatArray
    symbols: tuple[str, ...]
    distances: FloatArray
    bonded: IntArray | None
    factor: float


def pair_frame(phonon: Phonopy) -> PairFrame:
    """Find the pairs of a crystal with force constants.

    Parameters
    ----------
    phonon : Phonopy
        Its molecules are looked for in the supercell.
    """
    primitive, cell = phonon.primitive, phonon.supercell
    homes = np.asarray(primitive.p2s_map, dtype=int)
    images = np.array([primitive.p2p_map[atom] for atom in primitive.s2p_map], dtype=int)
    atoms = Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
    distances = np.array([atoms.get_distances(home, range(len(atoms)), mic=True) for home in homes])
    return PairFrame(
        images=images,
        homes=homes,
        masses=np.asarray(primitive.masses, dtype=float),
        symbols=tuple(primitive.symbols),
        distances=distances,
        bonded=_bonded(atoms, homes),
        factor=float(phonon.unit_conversion_factor),
    )


def change_of_force_constants(first: Phonopy, second: Phonopy) -> FloatArray:
    """ΔΦ of two states of one crystal, shape (n_atoms, n_supercell, 3, 3), in eV/Å².

    Raises
    ------
    InputError
        If the two are not one crystal in one setting and one supercell.
    """
    for phonon in (first, second):
        if phonon.force_constants is None:
            raise InputError('A state without force constants cannot be compared.')
    if not np.array_equal(first.supercell_matrix, second.supercell_matrix):
        raise InputError(
            format_error(
                'The two states have different supercells: '
                f'{first.supercell_matrix.tolist()} and {second.supercell_matrix.tolist()}.',
                fix='Compute both in one supercell.',
            )
        )
    if first.supercell.symbols != second.supercell.symbols:
        raise InputError('The two states do not hold the same atoms in the same order.')
    moved = first.supercell.scaled_positions - second.supercell.scaled_positions
    moved -= np.rint(moved)
    farthest = float(np.abs(moved - moved.mean(axis=0)).max())
    if farthest > _SAME_SITE:
        raise InputError(
            f'An atom is {farthest:.2f} of the supercell away from its place in the other state: '
            'these are not two states of one crystal in one setting.'
        )
    return _compact(second) - _compact(first)


def pair_terms(
    frame: PairFrame, change: FloatArray, before: FloatArray, after: FloatArray
) -> FloatArray:
    r"""Terms :math:`\frac1d\sum_k x_{k,i}^\dagger\,\Delta\Phi_{iJ}\,(y_{k,J} - y_{k,i})`.

    Parameters
    ----------
    frame : PairFrame
        Pairs.
    change : ndarray, shape (n_atoms, n_supercell, 3, 3)
        ΔΦ in eV/Å².
    before, after : ndarray, shape (d, 3 n_atoms)
        Eigenvectors of the members of a set.

    Returns
    -------
    ndarray, shape (n_atoms, n_supercell)
        In eV/(Å² u); zero for an atom with itself.
    """
    root = np.sqrt(frame.masses)[:, None]
    size = len(frame.masses)
    left = before.reshape(len(before), size, 3) / root
    right = after.reshape(len(after), size, 3) / root
    difference = right[:, None, frame.images] - right[:, :, None]
    terms = np.einsum('kia,iJab,kiJb->iJ', left.conj(), change, difference, optimize=True)
    return np.asarray(terms.real / len(before))


def sums_of_pairs(
    frame: PairFrame, pairs: FloatArray, *, shells: tuple[float, ...] = SHELLS
) -> dict[str, dict[str, float]]:
    """Sums of terms of pairs by what the pairs are.

    Parameters
    ----------
    frame : PairFrame
        Pairs.
    pairs : ndarray, shape (n_atoms, n_supercell)
        A number a pair, in any unit.
    shells : tuple of float
        Rising edges of the distance shells in Å.

    Returns
    -------
    dict
        ``bonding`` (`INTRA` and `INTER`; empty where there are no molecules), ``elements``
        (``C-H``), ``shells`` (``1.3-2``); each adds up to the sum over all pairs.

    Raises
    ------
    InputError
        If the edges do not rise from above 0.
    """
    return {
        'bonding': _by_bonding(frame, pairs),
        'elements': _by_elements(frame, pairs),
        'shells': _by_shells(frame, pairs, shells),
    }


def _by_bonding(frame: PairFrame, pairs: FloatArray) -> dict[str, float]:
    if frame.bonded is None:
        return {}
    inside = float(pairs[frame.bonded.astype(bool)].sum())
    return {INTRA: inside, INTER: float(pairs.sum()) - inside}


def _by_elements(frame: PairFrame, pairs: FloatArray) -> dict[str, float]:
    symbols = np.array(frame.symbols)
    known = sorted(set(frame.symbols))
    sums = {}
    for index, one in enumerate(known):
        for other in known[index:]:
            chosen = (symbols == one)[:, None] & (symbols[frame.images] == other)[None, :]
            if one != other:
                chosen |= (symbols == other)[:, None] & (symbols[frame.images] == one)[None, :]
            sums[f'{one}-{other}'] = float(pairs[chosen].sum())
    return sums


def _by_shells(frame: PairFrame, pairs: FloatArray, edges: tuple[float, ...]) -> dict[str, float]:
    if list(edges) != sorted(set(edges)) or not edges or edges[0] <= 0:
        raise InputError(f'Edges of shells must rise from above 0 Å, not {edges}.')
    place = np.searchsorted(np.array(edges), frame.distances)
    names = [f'0-{edges[0]:g}']
    names += [f'{low:g}-{high:g}' for low, high in itertools.pairwise(edges)]
    names.append(f'{edges[-1]:g}-')
    return {name: float(pairs[place == index].sum()) for index, name in enumerate(names)}


def _compact(phonon: Phonopy) -> FloatArray:
    constants = np.asarray(phonon.force_constants, dtype=float)
    if constants.shape[0] == constants.shape[1] != len(phonon.primitive):
        constants = constants[np.asarray(phonon.primitive.p2s_map)]
    return constants


def _bonded(atoms: Atoms, homes: IntArray) -> IntArray | None:
    molecules = find_molecules(atoms)
    if molecules is None:
        return None
    number = np.empty(len(atoms), dtype=int)
    for index, molecule in enumerate(molecules):
        number[molecule.atoms] = index
    return np.asarray(number[homes][:, None] == number[None, :])
