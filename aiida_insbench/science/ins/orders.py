r"""How many phonons: Poisson weights of the orders.

At momentum transfer Q along û an atom exchanges n phonons with the probability
:math:`e^{-\lambda}\lambda^n/n!`, :math:`\lambda = 2W = Q^2\,\hat u\cdot U\cdot\hat u`, so
orders are needed as far as Q²U reaches.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc

from aiida_insbench.science.errors import ConvergenceError, InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray

MOST_ORDERS = 200
"""Where an automatic choice gives up."""


def missing_weight(exponents: FloatArray, weights: FloatArray, *, orders: int) -> float:
    r"""Share of scattering beyond an order.

    .. math:: \sum_k w_k \sum_{n > N} e^{-\lambda_k}\frac{\lambda_k^n}{n!}

    Parameters
    ----------
    exponents : ndarray
        λ of atoms and directions.
    weights : ndarray
        Of the same shape; their sum is 1.
    orders : int
        N.

    Returns
    -------
    float
        Between 0 and 1.
    """
    return float(np.sum(weights * gammainc(orders + 1, exponents)))


def needed_orders(
    exponents: FloatArray, weights: FloatArray, *, tolerance: float, max_order: int | None
) -> int:
    """Smallest number of orders that misses less than `tolerance`, at most `max_order`.

    Parameters
    ----------
    exponents, weights : ndarray
        As in `missing_weight`.
    tolerance : float
        Largest share missing.
    max_order : int or None
        Limit; None for no other limit than `MOST_ORDERS`.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    InputError
        If `tolerance` is not between 0 and 1, or `max_order` is below 1.
    ConvergenceError
        If there is no limit and `MOST_ORDERS` do not suffice.
    """
    if not 0 < tolerance < 1:
        raise InputError(f'`tolerance` must lie between 0 and 1, not {tolerance}.')
    if max_order is not None and max_order < 1:
        raise InputError(f'`max_order` must be at least 1, not {max_order}.')
    for orders in range(1, (max_order or MOST_ORDERS) + 1):
        if missing_weight(exponents, weights, orders=orders) < tolerance:
            return orders
    if max_order is not None:
        return max_order
    left = missing_weight(exponents, weights, orders=MOST_ORDERS)
    raise ConvergenceError(
        format_error(
            f'{MOST_ORDERS} orders still miss {left:.2g} of the scattering.',
            reason=f'Q²U reaches {exponents.max():.0f}: the crystal is too soft for this range.',
            fix='Lower the energy range or give `max_order`.',
        )
    )
