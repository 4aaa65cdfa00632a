r"""What the disagreement of a committee is worth as an error, by frames it had not seen.

Members that were trained alike are wrong alike, so their distance from each other is no error. The
frames labelled in a round were seen by no member before; there the distance of forces from each
other and from DFT can both be computed. With the root-mean-square distance D of two members and
E of a member from DFT, over all atoms,

.. math:: \alpha = E / D

turns a distance between members into the error to be expected: a member is α times as far from DFT
as members are from each other. It is the factor for which both have the same root mean square
(rescaling of uncertainties: Musil, Willatt, Langovoy, Ceriotti, *J. Chem. Theory Comput.* 15, 906
(2019), who take the mean of squared ratios, which atoms with an accidentally small spread rule).

How good it is: Spearman's rank correlation of distance and error over atoms, and errors in fifths
of atoms by distance, which should rise as the distance does. Forces in eV/Å.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray

_FIFTHS = 5


def calibrate(members: Mapping[str, FloatArray], truth: FloatArray) -> dict[str, Any]:
    """Compare the distance of members from each other with that from DFT.

    Parameters
    ----------
    members : mapping of str to ndarray, shape (n_atoms, 3)
        Forces of two members or more, eV/Å.
    truth : ndarray, shape (n_atoms, 3)
        Forces of DFT on the same atoms.

    Returns
    -------
    dict
        ``factor`` (α; None where all members agree exactly), ``rank_correlation`` (None where it
        is undefined), ``n_atoms``, ``rms_distance_mev_a``, ``rms_error_mev_a``, ``fifths``: of
        atoms by distance, ``distance_mev_a`` and ``error_mev_a`` of each.

    Raises
    ------
    InputError
        With fewer than two members, or shapes that differ.
    """
    if len(members) < 2:
        raise InputError('A committee of one has no distance to be calibrated.')
    if any(np.shape(one) != np.shape(truth) for one in members.values()):
        raise InputError('Members and DFT must have forces on the same atoms.')
    pairs = [a - b for a, b in combinations([np.asarray(one) for one in members.values()], 2)]
    distance = _rms_by_atom(pairs)
    error = _rms_by_atom([np.asarray(one) - truth for one in members.values()])
    whole = float(_root_mean_square(distance))
    return {
        'factor': float(_root_mean_square(error)) / whole if whole > 0 else None,
        'rank_correlation': _rank_correlation(distance, error),
        'n_atoms': len(distance),
        'rms_distance_mev_a': 1000 * whole,
        'rms_error_mev_a': 1000 * float(_root_mean_square(error)),
        'fifths': _fifths(distance, error),
    }


def _rms_by_atom(differences: list[FloatArray]) -> FloatArray:
    return np.asarray(np.sqrt(np.mean([(one**2).sum(axis=1) for one in differences], axis=0)))


def _root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _rank_correlation(distance: FloatArray, error: FloatArray) -> float | None:
    if len(distance) < 3 or np.ptp(distance) == 0 or np.ptp(error) == 0:
        return None
    return float(spearmanr(distance, error).statistic)


def _fifths(distance: FloatArray, error: FloatArray) -> list[dict[str, float]]:
    if len(distance) < 2 * _FIFTHS:
        return []
    order = np.argsort(distance, kind='stable')
    return [
        {
            'distance_mev_a': 1000 * _root_mean_square(distance[part]),
            'error_mev_a': 1000 * _root_mean_square(error[part]),
        }
        for part in np.array_split(order, _FIFTHS)
    ]
