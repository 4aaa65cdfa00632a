r"""Farthest-point choice: each time the frame that is farthest from all that were chosen before.

It is Gonzalez' greedy answer to the k-centre problem, to choose k points so that the largest
distance from any point to its nearest centre is smallest:
:math:`r_\mathrm{greedy} \le 2 r_\mathrm{best}` in any metric, and no polynomial algorithm promises
less unless P = NP. With frames known before, the bound is against the best addition to these. With
strata, which take turns, it does not hold.

Source: Gonzalez, *Theoretical Computer Science* **38**, 293 (1985).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aiida_insbench.science.errors import InputError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    order : list of int
        Indices in the order of choice.
    distances : list of float
        Distance of each to the nearest chosen or known before it; infinite if there was none, or
        none of its elements.
    nearest : ndarray, shape (n_points,)
        Distance of every point to the nearest chosen or known at the end.
    """

    order: list[int]
    distances: list[float]
    nearest: FloatArray


def farthest_points(
    *,
    distances_to: Callable[[int], FloatArray],
    candidates: Sequence[int],
    count: int,
    known: Sequence[int] = (),
    turns: Sequence[Sequence[int]] | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Choice:
    """Choose points, each farthest from those chosen before; of equals the first.

    Parameters
    ----------
    distances_to : callable
        Index of a point to the distances of all points, shape (n_points,).
    candidates : sequence of int
        Points that may be chosen.
    count : int
        How many.
    known : sequence of int
        Points that count as chosen before.
    turns : sequence of sequence of int, optional
        For each choice the candidates it is made among; see `take_turns`.
    seed : int
        Of the first choice if nothing is known; ≥ 0.
    report : callable, optional
        Called as ``report(done, total)`` after each choice.

    Raises
    ------
    InputError
        If there are too few candidates.
    """
    if not 1 <= count <= len(candidates):
        raise InputError(f'{count} of {len(candidates)} frames cannot be chosen.')
    nearest = np.full(len(distances_to(candidates[0])), np.inf)
    for index in known:
        np.minimum(nearest, distances_to(index), out=nearest)
    order: list[int] = []
    distances: list[float] = []
    taken = np.zeros(len(nearest), dtype=bool)
    for step in range(count):
        among = np.asarray(candidates if turns is None else turns[step])
        among = among[~taken[among]]
        if step == 0 and not len(known):
            pick = int(np.random.default_rng(seed).choice(among))
        else:
            pick = int(among[np.argmax(nearest[among])])
        order.append(pick)
        distances.append(float(nearest[pick]))
        taken[pick] = True
        np.minimum(nearest, distances_to(pick), out=nearest)
        if report is not None:
            report(step + 1, count)
    return Choice(order, distances, nearest)


def take_turns(sizes: Mapping[float, int], count: int) -> list[float]:
    """Say which stratum each of `count` choices comes from: the highest first, then down, again.

    Each stratum gets the same number to within one; what one cannot give, the others do.

    Parameters
    ----------
    sizes : mapping of float to int
        Candidates of each stratum.
    count : int
        At most the sum of `sizes`.

    Raises
    ------
    InputError
        If the strata hold fewer.
    """
    if count > sum(sizes.values()):
        raise InputError(f'{count} frames of {sum(sizes.values())} cannot be chosen.')
    left = {level: sizes[level] for level in sorted(sizes, reverse=True)}
    turns: list[float] = []
    while len(turns) < count:
        for level in left:
            if left[level] and len(turns) < count:
                left[level] -= 1
                turns.append(level)
    return turns
