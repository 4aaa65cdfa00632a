"""Directions of a powder: quadrature over the sphere.

Source: Lebedev & Laikov, *Doklady Mathematics* 59, 477 (1999), as `scipy.integrate.lebedev_rule`.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import lebedev_rule

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray

# Number of points of each rule and the degree up to which it is exact. The rules of 74, 230 and
# 266 points are left out for their negative weights.
_DEGREES = {
    6: 3,
    14: 5,
    26: 7,
    38: 9,
    50: 11,
    86: 15,
    110: 17,
    146: 19,
    170: 21,
    194: 23,
    302: 29,
    350: 31,
    434: 35,
    590: 41,
    770: 47,
    974: 53,
}
DIRECTIONS = tuple(_DEGREES)


def sphere_rule(points: int) -> tuple[FloatArray, FloatArray]:
    r"""Lebedev rule for functions even under inversion.

    .. math:: \frac{1}{4\pi}\int f(\hat u)\,d\Omega \approx \sum_k w_k f(\hat u_k)

    Parameters
    ----------
    points : int
        Number of points on the whole sphere, one of `DIRECTIONS`.

    Returns
    -------
    directions : ndarray, shape (points / 2, 3)
        Unit vectors, one of each pair û and −û.
    weights : ndarray, shape (points / 2,)
        Sum 1.

    Raises
    ------
    InputError
        If there is no rule of so many points.
    """
    if points not in _DEGREES:
        raise InputError(
            format_error(
                f'There is no sphere quadrature of {points} directions.',
                fix=f'Choose from {", ".join(map(str, DIRECTIONS))}.',
            )
        )
    vectors, weights = lebedev_rule(_DEGREES[points])
    x, y, z = np.where(np.abs(vectors) < 1e-12, 0.0, vectors)
    upper = (z > 0) | ((z == 0) & ((y > 0) | ((y == 0) & (x > 0))))
    return np.ascontiguousarray(vectors.T[upper]), 2 * weights[upper] / (4 * np.pi)
