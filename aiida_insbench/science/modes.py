r"""Follow Γ modes across pressures and match those of two force fields, by eigenvector.

Frequencies in cm⁻¹, negative for imaginary modes. Eigenvectors are those of the mass-weighted
dynamical matrix at Γ, orthonormal, one row a mode, cartesian components in one atom order.

Degenerate modes have no eigenvectors of their own, only a subspace, and two modes that cross can
come so close that a program mixes them. Overlaps are therefore taken with subspaces: with
:math:`P_B` the projector on a set *B* of near-degenerate modes, a mode *e* lives in *B* with the
weight :math:`\langle e|P_B|e\rangle`, and two sets overlap by
:math:`\mathrm{tr}(P_A P_B)/\max(d_A, d_B)`. Inside *B* the basis closest to the modes followed so
far is taken (orthogonal Procrustes problem), so that a crossing is followed through.

Source: Schönemann, *Psychometrika* 31, 1 (1966) for the rotation; Kuhn, *Naval Research Logistics*
2, 83 (1955) for the assignment, here `scipy.optimize.linear_sum_assignment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

from aiida_insbench.science.errors import ComputationError, format_error

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int_]

#: Modes whose frequencies lie within this width (cm⁻¹) are compared as one subspace.
DEGENERACY_TOLERANCE = 1.5
#: Irreps with these first letters have one dimension (Mulliken): such modes are never merged.
_ONE_DIMENSIONAL = ('A', 'B')
_NEVER = 1e9


@dataclass(frozen=True)
class ModeSet:
    """Γ modes of one crystal at one pressure.

    Attributes
    ----------
    frequencies : ndarray, shape (n_modes,)
        In cm⁻¹, negative for imaginary modes.
    eigenvectors : ndarray, shape (n_modes, 3 n_atoms)
        Orthonormal rows, mass-weighted, real or complex.
    irreps : tuple of str
        Label of each mode, empty where unknown.
    """

    frequencies: FloatArray
    eigenvectors: NDArray[Any]
    irreps: tuple[str, ...]

    def __post_init__(self) -> None:
        n_modes = len(self.frequencies)
        if self.eigenvectors.shape[:1] != (n_modes,) or len(self.irreps) != n_modes:
            raise ComputationError(
                f'{n_modes} frequencies, eigenvectors of shape {self.eigenvectors.shape} and '
                f'{len(self.irreps)} irreps do not fit together.'
            )
        gram = self.eigenvectors.conj() @ self.eigenvectors.T
        error = float(np.abs(gram - np.eye(n_modes)).max(initial=0.0))
        if error > 1e-4:
            raise ComputationError(f'Eigenvectors are not orthonormal: error {error:.1e}.')

    def rotated(self, members: IntArray, rotation: NDArray[Any]) -> ModeSet:
        """Return the modes with another basis inside one near-degenerate set.

        Parameters
        ----------
        members : ndarray of int, shape (d,)
            The modes of the set.
        rotation : ndarray, shape (d, d)
            Unitary; row *i* holds the new mode *i* in the old ones. Its squared frequency is the
            Rayleigh quotient, its irrep that of the old mode it holds most of.
        """
        weights = np.abs(rotation) ** 2
        frequencies, vectors = (
            self.frequencies.copy(),
            self.eigenvectors.astype(np.result_type(self.eigenvectors, rotation)),
        )
        squares = weights @ _signed_square(self.frequencies[members])
        frequencies[members] = np.sign(squares) * np.sqrt(np.abs(squares))
        vectors[members] = rotation @ self.eigenvectors[members]
        irreps = list(self.irreps)
        for new, old in zip(members, members[weights.argmax(axis=1)], strict=True):
            irreps[new] = self.irreps[old]
        return ModeSet(frequencies, vectors, tuple(irreps))

    def taken(self, order: IntArray) -> ModeSet:
        """Return the modes in another order, or some of them."""
        return ModeSet(
            self.frequencies[order],
            self.eigenvectors[order],
            tuple(self.irreps[index] for index in order),
        )


@dataclass(frozen=True)
class FollowedModes:
    """The same modes at a list of pressures.

    Attributes
    ----------
    sets : tuple of ModeSet
        One a pressure; row *i* is the same mode in each.
    groups : tuple of ndarray of int
        Modes degenerate at every pressure, in order of frequency at the first.
    """

    sets: tuple[ModeSet, ...]
    groups: tuple[IntArray, ...]

    def frequencies(self, group: int) -> FloatArray:
        """Mean frequency of a group at each pressure, cm⁻¹, shape (n_pressures,)."""
        return np.array([one.frequencies[self.groups[group]].mean() for one in self.sets])

    def overlap(self, group: int) -> float:
        """Smallest subspace overlap of a group from one pressure to the next; 1 if only one."""
        members = self.groups[group]
        steps = [
            subspace_overlap(first.eigenvectors[members], second.eigenvectors[members])
            for first, second in zip(self.sets, self.sets[1:], strict=False)
        ]
        return min(steps, default=1.0)

    def irrep(self, group: int) -> str:
        """Label most often given to the modes of a group over all pressures, or empty."""
        labels = [one.irreps[index] for one in self.sets for index in self.groups[group]]
        known = sorted(label for label in labels if label)
        return max(known, key=known.count) if known else ''


def subspace_overlap(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Overlap of two subspaces, tr(P_A P_B) / max(d_A, d_B), between 0 and 1.

    Parameters
    ----------
    first, second : ndarray, shapes (d_A, n) and (d_B, n)
        Orthonormal rows.
    """
    weight = float((np.abs(first.conj() @ second.T) ** 2).sum())
    return weight / max(len(first), len(second))


def near_degenerate(
    frequencies: FloatArray, *, tolerance: float = DEGENERACY_TOLERANCE
) -> list[IntArray]:
    """Sets of modes no wider than `tolerance`, closest modes first (complete linkage).

    Parameters
    ----------
    frequencies : ndarray, shape (n_modes,)
        In cm⁻¹.
    tolerance : float
        Greatest difference inside a set, cm⁻¹.

    Returns
    -------
    list of ndarray of int
        Indices of each set, in order of frequency.
    """
    distances = np.abs(np.subtract.outer(frequencies, frequencies))
    return _clusters(distances, frequencies, tolerance)


def split_acoustic(
    modes: ModeSet, masses: FloatArray, *, tolerance: float = DEGENERACY_TOLERANCE
) -> tuple[ModeSet, ModeSet]:
    r"""Tell acoustic from optical modes by their overlap with rigid translations.

    The weight of a mode in the translations is :math:`\sum_\alpha |\langle t_\alpha|e\rangle|^2`
    with :math:`t_{\alpha,i\beta} = \delta_{\alpha\beta}\sqrt{m_i/M}`. Frequencies are not looked
    at: a soft optical mode may lie below a noisy acoustic one. Where both are near-degenerate,
    their set is first rotated into pure translations and the rest.

    Parameters
    ----------
    modes : ModeSet
        All 3 n_atoms modes at Γ.
    masses : ndarray, shape (n_atoms,)
        In any one unit.
    tolerance : float
        Width of a near-degenerate set, cm⁻¹.

    Returns
    -------
    optical, acoustic : ModeSet
        3 n_atoms − 3 modes and 3 modes, in the order given.

    Raises
    ------
    ComputationError
        If no three modes are more than half translation, as when the acoustic sum rule is
        violated.
    """
    translations = rigid_translations(masses)
    for members in near_degenerate(modes.frequencies, tolerance=tolerance):
        inside = modes.eigenvectors[members].conj() @ translations.T
        weights = (np.abs(inside) ** 2).sum(axis=1)
        if len(members) > 1 and ((weights > 0.01) & (weights < 0.99)).any():
            _, basis = np.linalg.eigh(inside @ inside.conj().T)
            modes = modes.rotated(members, basis.T)
    weights = (np.abs(modes.eigenvectors.conj() @ translations.T) ** 2).sum(axis=1)
    acoustic = np.sort(np.argsort(-weights, kind='stable')[:3])
    if weights[acoustic].min() < 0.5:
        raise ComputationError(
            format_error(
                'No three modes at Γ are rigid translations: the third best is '
                f'{weights[acoustic].min():.2f} translation.',
                reason='The force constants violate the acoustic sum rule.',
                fix='Symmetrise them.',
            )
        )
    optical = np.setdiff1d(np.arange(len(weights)), acoustic)
    return modes.taken(optical), modes.taken(acoustic)


def rigid_translations(masses: FloatArray) -> FloatArray:
    """Mass-weighted unit vectors of the three rigid translations, shape (3, 3 n_atoms)."""
    root = np.sqrt(masses / masses.sum())
    translations: FloatArray = np.einsum('i,ab->aib', root, np.eye(3)).reshape(3, -1)
    return translations


def follow(sets: Sequence[ModeSet], *, tolerance: float = DEGENERACY_TOLERANCE) -> FollowedModes:
    """Follow modes from each pressure to the next.

    Parameters
    ----------
    sets : sequence of ModeSet
        One a pressure, in order, all with as many modes of as many atoms.
    tolerance : float
        Width of a near-degenerate set, cm⁻¹.

    Returns
    -------
    FollowedModes
        Modes in the order of the first pressure; basis inside near-degenerate sets rotated.

    Raises
    ------
    ComputationError
        If there is no set, or they differ in shape.
    """
    if not sets:
        raise ComputationError('There are no modes to follow.')
    shapes = {one.eigenvectors.shape for one in sets}
    if len(shapes) > 1:
        raise ComputationError(f'Modes of different crystals cannot be followed: {sorted(shapes)}.')
    followed = [sets[0]]
    for one in sets[1:]:
        followed.append(_aligned(followed[-1], one, tolerance))
    return FollowedModes(tuple(followed), tuple(_common_groups(followed, tolerance)))


def match(
    candidate: FollowedModes, reference: FollowedModes, pairs: Sequence[tuple[int, int]]
) -> tuple[IntArray, FloatArray]:
    """Match each mode of a potential to one of the reference, the same at all pressures.

    Parameters
    ----------
    candidate, reference : FollowedModes
        With as many modes of as many atoms.
    pairs : sequence of (int, int)
        Indices of the candidate's and the reference's sets at the same pressure.

    Returns
    -------
    indices : ndarray of int, shape (n_modes,)
        Mode of the reference for each mode of the candidate.
    overlaps : ndarray, shape (n_groups,)
        For each group of the candidate, the smallest subspace overlap with its match over the
        pressures.

    Raises
    ------
    ComputationError
        If there is no common pressure or the shapes differ.
    """
    if not pairs:
        raise ComputationError('Potential and reference have no pressure in common.')
    weight: FloatArray = np.zeros((len(candidate.sets[0].irreps), len(reference.sets[0].irreps)))
    for mine, other in pairs:
        a, b = candidate.sets[mine].eigenvectors, reference.sets[other].eigenvectors
        if a.shape != b.shape:
            raise ComputationError(f'Modes of shapes {a.shape} and {b.shape} cannot be matched.')
        weight += np.abs(a.conj() @ b.T) ** 2
    average = _averaging(candidate.groups) @ weight @ _averaging(reference.groups)
    _, indices = linear_sum_assignment(-average)
    overlaps = [
        min(
            subspace_overlap(
                candidate.sets[mine].eigenvectors[members],
                reference.sets[other].eigenvectors[indices[members]],
            )
            for mine, other in pairs
        )
        for members in candidate.groups
    ]
    return np.asarray(indices, dtype=int), np.asarray(overlaps, dtype=float)


def _aligned(before: ModeSet, after: ModeSet, tolerance: float) -> ModeSet:
    """Return `after` in the order of `before`, near-degenerate sets rotated to it."""
    sets = near_degenerate(after.frequencies, tolerance=tolerance)
    products = before.eigenvectors.conj() @ after.eigenvectors.T
    weight = np.abs(products) ** 2
    for members in sets:
        # Every mode of a set has the weight of the whole set: which one is taken is arbitrary.
        weight[:, members] = weight[:, members].sum(axis=1, keepdims=True)
    _, order = linear_sum_assignment(-weight)
    for members in sets:
        if len(members) > 1:
            targets = np.array([int(np.flatnonzero(order == index)[0]) for index in members])
            left, _, right = np.linalg.svd(products[np.ix_(targets, members)])
            after = after.rotated(members, (left @ right).conj())
    return after.taken(np.asarray(order, dtype=int))


def _common_groups(sets: Sequence[ModeSet], tolerance: float) -> list[IntArray]:
    """Modes that are degenerate at every pressure and of one irrep of more than one dimension."""
    distances = np.max(
        [np.abs(np.subtract.outer(one.frequencies, one.frequencies)) for one in sets], axis=0
    )
    labels = np.array(sets[0].irreps, dtype=str)
    known = labels != ''
    different = known[:, None] & known[None, :] & (labels[:, None] != labels[None, :])
    single = np.char.startswith(labels, _ONE_DIMENSIONAL[0]) | np.char.startswith(
        labels, _ONE_DIMENSIONAL[1]
    )
    distances[different | single[:, None] | single[None, :]] = _NEVER
    np.fill_diagonal(distances, 0.0)
    return _clusters(distances, sets[0].frequencies, tolerance)


def _clusters(distances: FloatArray, order_by: FloatArray, tolerance: float) -> list[IntArray]:
    if len(order_by) < 2:
        return [np.arange(len(order_by))] if len(order_by) else []
    tree = linkage(squareform(distances, checks=False), method='complete')
    labels = fcluster(tree, t=tolerance, criterion='distance')
    found = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return sorted(found, key=lambda members: float(order_by[members].mean()))


def _averaging(groups: Sequence[IntArray]) -> FloatArray:
    size = sum(len(members) for members in groups)
    matrix: FloatArray = np.zeros((size, size))
    for members in groups:
        matrix[np.ix_(members, members)] = 1.0 / len(members)
    return matrix


def _signed_square(frequencies: FloatArray) -> FloatArray:
    return np.asarray(np.sign(frequencies) * frequencies**2)
