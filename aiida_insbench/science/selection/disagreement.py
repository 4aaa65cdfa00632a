"""Frames on which a committee of potentials disagrees most.

A frame counts by its worst atom: the largest spread of a force in it, eV/Å, the spread being that
of `aiida_insbench.science.committee`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from aiida_insbench.science.committee import committee_spread
from aiida_insbench.science.parity import Properties

FloatArray = npt.NDArray[np.float64]


def force_disagreement(members: Sequence[Properties], *, counts: Sequence[int]) -> FloatArray:
    """Largest spread of a force in each frame.

    Parameters
    ----------
    members : sequence of Properties
        Of two potentials or more.
    counts : sequence of int
        Atoms of each frame, each ≥ 1.

    Returns
    -------
    ndarray, shape (n_frames,)
        In eV/Å.

    Raises
    ------
    DatasetError
        With fewer than two members.
    """
    atoms = np.linalg.norm(committee_spread(members).forces, axis=1)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int)
    return np.asarray(np.maximum.reduceat(atoms, starts))


def most_disputed(
    indices: Sequence[int], disagreement: Mapping[int, float], *, share: float, at_least: int
) -> list[int]:
    """Keep the upper share of frames by disagreement; of equals the first.

    Parameters
    ----------
    indices : sequence of int
        Frames.
    disagreement : mapping of int to float
        Of each.
    share : float
        From 0 to 1.
    at_least : int
        How many are kept anyway.
    """
    ranked = sorted(indices, key=lambda index: (-disagreement[index], index))
    return sorted(ranked[: max(at_least, math.ceil(share * len(ranked)))])
