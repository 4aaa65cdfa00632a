"""Follow modes across pressures and match those of two force fields, by eigenvector.

Modes are assigned by the weight they have in each other's near-degenerate sets (see
`aiida_insbench.science.mode_sets`). Inside a set the basis closest to the modes followed so far is
taken (orthogonal Procrustes problem), so that a crossing is followed through. Frequencies in cm⁻¹.

Source: Schönemann, *Psychometrika* 31, 1 (1966) for the rotation; Kuhn, *Naval Research Logistics*
2, 83 (1955) for the assignment, here `scipy.optimize.linear_sum_assignment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.mode_sets import (
    DEGENERACY_TOLERANCE,
    FloatArray,
    IntArray,
    ModeSet,
    clusters,
    near_degenerate,
    rigid_translations,
    split_acoustic,
    subspace_overlap,
)

__all__ = [
    'DEGENERACY_TOLERANCE',
    'FloatArray',
    'FollowedModes',
    'IntArray',
    'ModeSet',
    'follow',
    'match',
    'near_degenerate',
    'rigid_translations',
    'split_acoustic',
    'subspace_overlap',
]

#: Irreps with these first letters have one dimension (Mulliken): such modes are never merged.
_ONE_DIMENSIONAL = ('A', 'B')
_NEVER = 1e9


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
    return clusters(distances, order_by=sets[0].frequencies, width=tolerance)


def _averaging(groups: Sequence[IntArray]) -> FloatArray:
    size = sum(len(members) for members in groups)
    matrix: FloatArray = np.zeros((size, size))
    for members in groups:
        matrix[np.ix_(members, members)] = 1.0 / len(members)
    return matrix
