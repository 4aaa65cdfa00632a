"""Near-copies among frames: alike by descriptors and by distances between atoms.

Two frames are copies if all three hold: the distance D of `environments` and that of their means
by element are below a tolerance; their compositions agree; and the sorted distances between atoms,
element pair by element pair, differ by less than a length (rms). The first is in units of the
pool's own spread, which may be wide; the last keeps it from joining frames that differ by more than
a label can tell. A repeated cell counts as a copy of the cell, and so does a mirror image: their
labels say the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.neighborlist import neighbor_list
from scipy.spatial import cKDTree

from aiida_insbench.science.selection.environments import Environments

FloatArray = npt.NDArray[np.float64]
#: Distances between atoms up to here are compared, Å.
REACH = 6.0
#: Directions of widest spread in which copies are looked for; more make the tree slower.
_TREE_DIMENSIONS = 6


@dataclass(frozen=True)
class Tolerance:
    """When two frames are copies.

    Attributes
    ----------
    distance : float
        Of descriptors, in standard deviations of the pool.
    length : float
        Rms difference of sorted distances between atoms, Å.
    """

    distance: float = 0.05
    length: float = 0.005


def find_duplicates(
    *, frames: Sequence[Atoms], environments: Environments, tolerance: Tolerance
) -> dict[int, int]:
    """Find frames that copy an earlier one which is no copy itself.

    Parameters
    ----------
    frames : sequence of Atoms
        In the order of preference: of copies the first is kept.
    environments : Environments
        Of the same frames.
    tolerance : Tolerance
        When two are copies.

    Returns
    -------
    dict of int to int
        Index of a copy to the index of the frame it copies.
    """
    means = environments.means()
    widest = np.argsort(-means.std(axis=0), kind='stable')[:_TREE_DIMENSIONS]
    within = tolerance.distance * math.sqrt(environments.n_elements)
    near = cKDTree(means[:, widest]).query_ball_point(means[:, widest], within)
    pairs = _PairDistances(frames)
    copies: dict[int, int] = {}
    for index, neighbours in enumerate(near):
        earlier = [
            one
            for one in sorted(neighbours)
            if one < index
            and one not in copies
            and np.linalg.norm(means[one] - means[index]) <= within
            and environments.distance(one, index) <= tolerance.distance
        ]
        # the dearest test last: a neighbour list for each frame
        kept = (one for one in earlier if pairs.alike(one, index, tolerance.length))
        first = next(kept, None)
        if first is not None:
            copies[index] = first
    return copies


class _PairDistances:
    """Sorted distances of frames by pair of elements, each computed when it is asked for."""

    def __init__(self, frames: Sequence[Atoms]) -> None:
        self._frames = frames
        self._known: dict[int, dict[tuple[int, int], FloatArray]] = {}

    def alike(self, first: int, second: int, length: float) -> bool:
        """Whether composition and distances of two frames agree."""
        if _composition(self._frames[first]) != _composition(self._frames[second]):
            return False
        one, other = self._of(first), self._of(second)
        if one.keys() != other.keys():
            return False
        repeat = math.lcm(len(self._frames[first]), len(self._frames[second]))
        for kind, mine in one.items():
            if not _same(
                np.repeat(mine, repeat // len(self._frames[first])),
                np.repeat(other[kind], repeat // len(self._frames[second])),
                length,
            ):
                return False
        return True

    def _of(self, index: int) -> dict[tuple[int, int], FloatArray]:
        if index not in self._known:
            frame = self._frames[index]
            first, second, apart = neighbor_list('ijd', frame, REACH)
            numbers = np.sort(np.stack([frame.numbers[first], frame.numbers[second]]), axis=0)
            kinds = np.unique(numbers, axis=1).T
            self._known[index] = {
                (int(a), int(b)): np.sort(apart[(numbers[0] == a) & (numbers[1] == b)])
                for a, b in kinds
            }
        return self._known[index]


def _composition(frame: Atoms) -> tuple[tuple[int, int], ...]:
    kinds, counts = np.unique(frame.numbers, return_counts=True)
    common = math.gcd(*counts.tolist())
    return tuple((int(k), int(n) // common) for k, n in zip(kinds, counts, strict=True))


def _same(one: FloatArray, other: FloatArray, length: float) -> bool:
    """Whether sorted distances agree; those that only one frame has must lie at the reach."""
    common = min(len(one), len(other))
    rest = np.concatenate([one[common:], other[common:]])
    if len(rest) and rest.min() < REACH - 5 * length:
        return False
    difference = one[:common] - other[:common]
    return bool(np.sum(difference**2) <= common * length**2)
