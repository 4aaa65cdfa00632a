r"""Modes that mix with another on the way from one pressure to the next: avoided crossings.

Two modes of one symmetry whose frequencies approach do not cross but exchange their character. A
mode that finds little of itself at the next pressure has the rest in its partner: of the weights

.. math:: w_{gh} = \frac1{d_g}\sum_{a\in g,\,b\in h} |\langle e_a|e_b\rangle|^2

of a degenerate set g at one pressure in the sets h at the next, which add up to 1, the greatest
beside its own names it. (von Neumann & Wigner, *Physikalische Zeitschrift* 30, 467 (1929).)
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from aiida_insbench.science.modes import FloatArray, FollowedModes


def avoided_crossings(
    modes: FollowedModes, labels: Sequence[str], *, overlap: float
) -> list[dict[str, Any]]:
    """Sets of modes with little overlap from one pressure to the next, and their partners.

    Parameters
    ----------
    modes : FollowedModes
        At one pressure a label.
    labels : sequence of str
        Pressure labels, rising.
    overlap : float
        Below this a set counts as mixed.

    Returns
    -------
    list of dict
        ``index`` of the set, ``from`` and ``to`` (labels), ``overlap`` (own weight), ``partner``
        (index, None if there is no other set) and ``partner_overlap``, the least overlap first.
    """
    found: list[dict[str, Any]] = []
    for step, (start, end) in enumerate(itertools.pairwise(labels)):
        weights = _weights(modes, step)
        for index in np.flatnonzero(np.diag(weights) < overlap):
            others = weights[index].copy()
            others[index] = -1.0
            partner = int(others.argmax())
            alone = len(others) < 2
            found.append(
                {
                    'index': int(index),
                    'from': start,
                    'to': end,
                    'overlap': float(weights[index, index]),
                    'partner': None if alone else partner,
                    'partner_overlap': None if alone else float(others[partner]),
                }
            )
    return sorted(found, key=lambda row: float(row['overlap']))


def _weights(modes: FollowedModes, step: int) -> FloatArray:
    before, after = modes.sets[step].eigenvectors, modes.sets[step + 1].eigenvectors
    weight = np.abs(before.conj() @ after.T) ** 2
    share = np.array([[float(index in members) for index in range(len(weight))]
                      for members in modes.groups])  # fmt: skip
    sizes = share.sum(axis=1, keepdims=True)
    return np.asarray(share @ weight @ share.T / sizes)
