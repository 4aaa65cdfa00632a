r"""Distance between frames: Hausdorff's, over the environments of atoms of the same element.

With :math:`x_a` the descriptor of atom a, in units of the rms deviation of the descriptors of all
atoms of its element from their mean,

.. math:: D(A, B) = \max_e \max\Bigl(\max_{a\in A_e}\min_{b\in B_e} |x_a - x_b|,
                    \max_{b\in B_e}\min_{a\in A_e} |x_a - x_b|\Bigr)

So D = 1 says: one of the frames holds an atom that is a standard deviation of the pool away from
every atom of its element in the other. There is one unit for all features of an element: a unit
for each would count those that only noise moves as much as those that follow the volume. A mean
over the atoms would dilute an unusual atom by their number; the maximum does not. A strain moves
all atoms, and is seen as well. D does not change when a frame is rotated, translated, its atoms
renumbered or its cell repeated, as the descriptors do not and sets know no multiplicity. It is a
(pseudo-)metric, the maximum of metrics: the bound of `farthest_points` holds. Frames of different
elements are infinitely far apart.

Source: Hausdorff, *Grundzüge der Mengenlehre* (1914), ch. VIII § 6; of environments: De, Bartók,
Csányi, Ceriotti, *Phys. Chem. Chem. Phys.* **18**, 13754 (2016), whose best-match kernel keeps
multiplicities.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
#: A spread below this share of the largest feature is rounding only.
_NO_SPREAD = 1e-9
#: Distances held in memory at once.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Environments:
    """Scaled descriptors of the atoms of many frames.

    Attributes
    ----------
    features : ndarray, shape (n_atoms of all frames, n_features)
        As `scaled_features` gives them, frame after frame.
    numbers : ndarray, shape (n_atoms of all frames,)
        Atomic numbers.
    counts : ndarray, shape (n_frames,)
        Atoms of each frame, each ≥ 1.
    """

    features: FloatArray
    numbers: IntArray
    counts: IntArray

    def distances_to(self, index: int) -> FloatArray:
        """Distance D of every frame to one of them, shape (n_frames,); see the module."""
        found = np.zeros(len(self.counts))
        for part in self._parts.values():
            np.maximum(found, part.distances_to(index, len(found)), out=found)
        return found

    def distance(self, first: int, second: int) -> float:
        """Distance D of two frames."""
        return max(part.distance(first, second) for part in self._parts.values())

    def means(self) -> FloatArray:
        """Mean over the atoms of each element, shape (n_frames, n_elements × n_features).

        Elements that a frame lacks give zeros.
        """
        columns = []
        for part in self._parts.values():
            mean = np.zeros((len(self.counts), self.features.shape[1]))
            sums = np.add.reduceat(part.features, part.starts, axis=0)
            mean[part.frames] = sums / part.sizes[:, None]
            columns.append(mean)
        return np.concatenate(columns, axis=1)

    @functools.cached_property
    def n_elements(self) -> int:
        """Elements that occur."""
        return len(self._parts)

    @functools.cached_property
    def _parts(self) -> dict[int, _OneElement]:
        owners = np.repeat(np.arange(len(self.counts)), self.counts)
        parts = {}
        for number in np.unique(self.numbers):
            rows = np.flatnonzero(self.numbers == number)
            frames, starts, sizes = np.unique(owners[rows], return_index=True, return_counts=True)
            parts[int(number)] = _OneElement(self.features[rows], frames, starts, sizes)
        return parts


@dataclass(frozen=True)
class _OneElement:
    """Atoms of one element: features, the frames that hold it, where they start, how many."""

    features: FloatArray
    frames: IntArray
    starts: IntArray
    sizes: IntArray

    def rows(self, index: int) -> FloatArray | None:
        """Features of a frame's atoms of the element; None if it has none."""
        place = int(np.searchsorted(self.frames, index))
        if place == len(self.frames) or self.frames[place] != index:
            return None
        return self.features[self.starts[place] : self.starts[place] + self.sizes[place]]

    def distance(self, index: int, other: int) -> float:
        """Distance of two frames."""
        one, two = self.rows(index), self.rows(other)
        if one is None or two is None:
            return 0.0 if one is two else np.inf
        apart = cdist(one, two)
        return float(max(apart.min(axis=1).max(), apart.min(axis=0).max()))

    def distances_to(self, index: int, n_frames: int) -> FloatArray:
        """Distance of all frames to one."""
        target = self.rows(index)
        if target is None:
            lacking = np.zeros(n_frames)
            lacking[self.frames] = np.inf
            return lacking
        found = np.full(n_frames, np.inf)
        ends = self.starts + self.sizes
        for some in self._blocks(len(target)):
            first = self.starts[some.start]
            apart = cdist(self.features[first : ends[some.stop - 1]], target)
            offsets = self.starts[some] - first
            there = np.maximum.reduceat(apart.min(axis=1), offsets)
            back = np.minimum.reduceat(apart, offsets, axis=0).max(axis=1)
            found[self.frames[some]] = np.maximum(there, back)
        return found

    def _blocks(self, width: int) -> Iterator[slice]:
        """Runs of whole frames, each of few enough atoms."""
        most = max(1, _BLOCK // width)
        begin = 0
        while begin < len(self.frames):
            ends = self.starts + self.sizes - self.starts[begin]
            end = max(begin + 1, int(np.searchsorted(ends, most, side='right')))
            yield slice(begin, end)
            begin = end


def scaled_features(features: FloatArray, numbers: IntArray) -> FloatArray:
    """Scale descriptors so that distances count standard deviations, element by element.

    Parameters
    ----------
    features : ndarray, shape (n_atoms of all frames, n_features)
        In any unit.
    numbers : ndarray, shape (n_atoms of all frames,)
        Atomic numbers.

    Returns
    -------
    ndarray, shape (n_atoms of all frames, n_features)
        Of each element the mean is 0 and the mean square length of a row 1; all 0 if its atoms
        are all alike.
    """
    scaled = np.zeros_like(features, dtype=float)
    for number in np.unique(numbers):
        rows = numbers == number
        apart = features[rows] - features[rows].mean(axis=0)
        spread = np.sqrt(np.mean(np.sum(apart**2, axis=1)))
        if spread > _NO_SPREAD * np.abs(features[rows]).max(initial=0.0):
            scaled[rows] = apart / spread
    return scaled
