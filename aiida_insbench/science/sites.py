"""Put the atoms of one crystal in the order of another, site by site.

Fractional coordinates compare sites at different pressures; distances are in Å.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from aiida_insbench.science.errors import StructureError, format_error

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int_]

#: Distance given to atoms of different elements, Å: far beyond any real one.
_UNLIKE = 1e9


def site_order(
    *,
    symbols: Sequence[str],
    fractional: FloatArray,
    other_symbols: Sequence[str],
    other_fractional: FloatArray,
    cell: FloatArray,
    tolerance: float = 0.7,
) -> IntArray:
    """Order in which another cell's atoms stand on the same crystal sites.

    Parameters
    ----------
    symbols, fractional : sequence of str, ndarray of shape (n_atoms, 3)
        The crystal whose order counts.
    other_symbols, other_fractional : sequence of str, ndarray of shape (n_atoms, 3)
        The same crystal, perhaps strained, its atoms perhaps in another order.
    cell : ndarray, shape (3, 3)
        Axes in Å, for distances.
    tolerance : float
        Greatest distance in Å between atoms taken for the same.

    Returns
    -------
    ndarray of int, shape (n_atoms,)
        ``other_fractional[order]`` stands on the sites of `fractional`.

    Raises
    ------
    StructureError
        If the cells hold other atoms, or an atom has no partner within `tolerance`.
    """
    if sorted(symbols) != sorted(other_symbols):
        raise StructureError(
            f'The cells hold different atoms: {sorted(symbols)} and {sorted(other_symbols)}.'
        )
    difference = fractional[:, None, :] - other_fractional[None, :, :]
    difference -= np.round(difference)
    distances = np.linalg.norm(difference @ cell, axis=2)
    unlike = np.asarray(symbols)[:, None] != np.asarray(other_symbols)[None, :]
    rows, order = linear_sum_assignment(np.where(unlike, _UNLIKE, distances))
    worst = int(distances[rows, order].argmax())
    if distances[worst, order[worst]] > tolerance:
        raise StructureError(
            format_error(
                f'Atom {worst} ({symbols[worst]}) is {distances[worst, order[worst]]:.2f} Å from '
                'its nearest partner in the other cell.',
                reason='Modes are compared site by site, so both cells must be the same crystal '
                'with the same origin and axes.',
                fix='Give the structures in the setting the potential was run with.',
            )
        )
    return np.asarray(order, dtype=int)
