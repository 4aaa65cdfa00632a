r"""Why a mode shifts: the change of its squared frequency, pair of atoms by pair of atoms.

For a mode followed from one state (1) to another (2), with eigenvectors of the mass-weighted
dynamical matrices at Γ,

.. math:: (\omega_2^2 - \omega_1^2)\; e_1^\dagger e_2 = e_1^\dagger (D_2 - D_1)\, e_2

holds exactly, whatever the size of the change: :math:`D_1` acts to the left, :math:`D_2` to the
right. (:math:`e^T\Delta D\,e` is the limit of small changes only.) With :math:`x = e_1/\sqrt m`,
:math:`y = e_2/\sqrt m` and the acoustic sum rule :math:`\Phi_{ii} = -\sum_{J\ne i}\Phi_{iJ}` the
right side is a sum over pairs,

.. math:: e_1^\dagger\,\Delta D\, e_2 = \sum_i\sum_{J\ne i} x_i^\dagger\,\Delta\Phi_{iJ}\,(y_J -
y_i)

where J runs over the atoms of the supercell and y_J is that of its image in the unit cell. Terms of
one atom with itself, which would count the neighbours' change as its own, do not appear, nor do
rigid translations. Over a degenerate set both sides are summed over its members, which makes them
independent of the basis if the two sets are rotated alike.

The sum is linear in ΔΦ: a path from 1 to 2 through a third state, the cell of 2 with the inner
coordinates of 1 say, splits it further, with the same x and y.

Force constants in eV/Å², masses in atomic mass units, frequencies in cm⁻¹.

Source: the identity follows from the two eigenvalue equations; its limit of small changes is
Hellmann's and Feynman's theorem, Feynman, *Physical Review* 56, 340 (1939). Acoustic sum rule: Born
& Huang, *Dynamical Theory of Crystal Lattices* (1954), § 23.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from phonopy import Phonopy

from aiida_insbench.science.errors import ComputationError, InputError, format_error
from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.modes import FloatArray, IntArray, ModeSet, subspace_overlap
from aiida_insbench.science.molecules import find_molecules

#: Sets that overlap less are not the same mode: the identity would divide by next to nothing.
LEAST_OVERLAP = 0.3
#: Edges of the distance shells in Å where none are given.
SHELLS = (1.3, 2.0, 2.7, 3.5, 4.5, 6.0)
#: Atoms of the two states may differ by this in fractions of the supercell and be the same.
_SAME_SITE = 0.1
INTRA, INTER = 'intramolecular', 'intermolecular'


@dataclass(frozen=True)
class Attribution:
    r"""Parts of the shift of one mode, or of the mean of a degenerate set.

    Parts are in cm⁻¹ of the shift: a part of the change of ω², over
    :math:`e_1^\dagger e_2\,(\omega_1+\omega_2)`. They add up to `shift`.

    Parameters
    ----------
    frequencies : (float, float)
        Before and after, in cm⁻¹, negative for imaginary modes.
    shift : float
        Change of the frequency in cm⁻¹; of an imaginary mode that of its signed frequency.
    overlap : float
        Subspace overlap of the two eigenvectors or sets, 0 to 1.
    residual : float
        What the parts miss of the shift, in cm⁻¹: the force constants break the acoustic sum rule
        or the modes are not theirs.
    bonding : mapping from str to float
        ``intramolecular`` and ``intermolecular``; empty where there are no molecules.
    elements : mapping from str to float
        By pair of elements, such as ``C-H``.
    shells : mapping from str to float
        By distance of the pair, such as ``1.3-2.0``, in Å.
    """

    frequencies: tuple[float, float]
    shift: float
    overlap: float
    residual: float
    bonding: Mapping[str, float]
    elements: Mapping[str, float]
    shells: Mapping[str, float]


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


def attribute(
    frame: PairFrame,
    change: FloatArray,
    *,
    first: ModeSet,
    second: ModeSet,
    members: IntArray,
    shells: tuple[float, ...] = SHELLS,
    parts_of: FloatArray | None = None,
) -> Attribution:
    """Split the shift of a mode, or of the mean of a degenerate set.

    Parameters
    ----------
    frame : PairFrame
        Of the first state.
    change : ndarray, shape (n_atoms, n_supercell, 3, 3)
        ΔΦ of the whole change, from `change_of_force_constants`.
    first, second : ModeSet
        Modes at Γ of the two states, row i the same mode in each and near-degenerate sets rotated
        alike, as `aiida_insbench.science.modes.follow` gives them.
    members : ndarray of int, shape (d,)
        Modes of the set.
    shells : tuple of float
        Rising edges of the distance shells in Å.
    parts_of : ndarray, optional
        ΔΦ of one step of the change, to be split instead; its parts add up to that step's share,
        and `residual` is that of the whole.

    Returns
    -------
    Attribution
        Parts in cm⁻¹.

    Raises
    ------
    ComputationError
        If the sets overlap too little, or the frequencies cancel.
    """
    before, after = first.eigenvectors[members], second.eigenvectors[members]
    overlap = subspace_overlap(before, after)
    inner = float(np.real(np.einsum('km,km->', before.conj(), after))) / len(members)
    if overlap < LEAST_OVERLAP or abs(inner) < LEAST_OVERLAP:
        raise ComputationError(
            format_error(
                f'The modes of the two states overlap by {overlap:.2f} only.',
                reason='They are not one mode, so there is no shift to explain.',
                fix='Compute a state between the two.',
            )
        )
    frequencies = tuple(float(one.frequencies[members].mean()) for one in (first, second))
    shift = frequencies[1] - frequencies[0]
    scale = _per_wavenumber(first, second, members, inner, frame.factor, shift)
    pairs = scale * pair_terms(frame, change, before, after)
    residual = shift - float(pairs.sum())
    if parts_of is not None:
        pairs = scale * pair_terms(frame, parts_of, before, after)
    return Attribution(
        frequencies=(frequencies[0], frequencies[1]),
        shift=shift,
        overlap=overlap,
        residual=residual,
        bonding=_by_bonding(frame, pairs),
        elements=_by_elements(frame, pairs),
        shells=_by_shells(frame, pairs, shells),
    )


def explain_shifts(
    states: tuple[Phonopy, Phonopy],
    modes: tuple[ModeSet, ModeSet],
    groups: Sequence[IntArray],
    *,
    shells: tuple[float, ...] = SHELLS,
) -> dict[str, Any]:
    """Split the shifts of all modes between two states, JSON-ready.

    Parameters
    ----------
    states : (Phonopy, Phonopy)
        With force constants.
    modes : (ModeSet, ModeSet)
        Of the two states, as for `attribute`, atoms in the states' order.
    groups : sequence of ndarray of int
        Degenerate sets.
    shells : tuple of float
        Edges of distance shells in Å.

    Returns
    -------
    dict
        ``modes``: for each group the fields of `Attribution`, or ``reason`` why there is none;
        ``reason``: why there are none at all, or None.
    """
    try:
        change = change_of_force_constants(*states)
    except InputError as exc:
        return {'modes': [], 'reason': str(exc)}
    frame = pair_frame(states[0])
    rows: list[dict[str, Any]] = []
    for index, members in enumerate(groups):
        try:
            found = attribute(
                frame, change, first=modes[0], second=modes[1], members=members, shells=shells
            )
        except ComputationError as exc:
            rows.append({'index': index, 'reason': str(exc)})
            continue
        rows.append({'index': index, 'reason': None, **dataclasses.asdict(found)})
    return {'modes': rows, 'reason': None}


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


def _per_wavenumber(
    first: ModeSet,
    second: ModeSet,
    members: IntArray,
    inner: float,
    factor: float,
    shift: float,
) -> float:
    """Turns parts of e₁†ΔDe₂, in eV/(Å² u), into parts of the shift in cm⁻¹.

    For degenerate sets Σ(ω₂² − ω₁²) e₁†e₂ stands for the mean.
    """
    unit = float(eigenvalues_to_wavenumbers(np.array([1.0]), factor=factor)[0])
    squares = [np.sign(one.frequencies[members]) * one.frequencies[members] ** 2
               for one in (first, second)]  # fmt: skip
    products = np.real(
        np.einsum('km,km->k', first.eigenvectors[members].conj(), second.eigenvectors[members])
    )
    whole = float(((squares[1] - squares[0]) * products).mean()) / unit**2
    mean = abs(float(squares[1].mean() - squares[0].mean()))
    if abs(whole) < 1e-12 or mean < 1e-9:
        # nothing shifts: parts cancel, and are put in wavenumbers by the mean frequency
        middle = sum(float(np.abs(one.frequencies[members]).mean()) for one in (first, second))
        if middle < 1e-6:
            raise ComputationError('A mode of frequency zero in both states has no shift.')
        return unit**2 / (inner * middle)
    return shift / whole


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
