"""Directions of a powder: quadrature over the sphere.

Source: Lebedev & Laikov, *Doklady Mathematics* 59, 477 (1999), as `scipy.integrate.lebedev_rule`.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy.integrate import lebedev_rule
from scipy.special import factorial

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
    return _computed_rule(points)


@functools.cache
def _computed_rule(points: int) -> tuple[FloatArray, FloatArray]:
    vectors, weights = lebedev_rule(_DEGREES[points])
    x, y, z = np.where(np.abs(vectors) < 1e-12, 0.0, vectors)
    upper = (z > 0) | ((z == 0) & ((y > 0) | ((y == 0) & (x > 0))))
    rule = np.ascontiguousarray(vectors.T[upper]), 2 * weights[upper] / (4 * np.pi)
    for array in rule:
        array.flags.writeable = False  # one copy serves all callers
    return rule


def quadrature_error(
    tensor: FloatArray, *, momentum_transfer: float, points: int, orders: int = 12
) -> float:
    r"""Estimate what a rule errs by for one atom, as a share of its highest line.

    The lines of an atom in a harmonic well have the weights

    .. math:: \left\langle e^{-Q^2\hat u\cdot U\cdot\hat u}\,
              \frac{(Q^2 U_a (\hat u\cdot a)^2)^n}{n!}\right\rangle_{\hat u}

    with the principal axes a and values U_a of its displacement tensor. They are compared with
    those of the finest rule.

    Parameters
    ----------
    tensor : ndarray, shape (3, 3)
        Mean-square displacements U in Å².
    momentum_transfer : float
        Largest Q in Å⁻¹.
    points : int
        One of `DIRECTIONS`.
    orders : int
        Up to which n.

    Returns
    -------
    float
        Largest difference of a weight over the largest weight.
    """
    coarse, fine = (
        _line_weights(tensor, momentum_transfer, sphere_rule(n), orders)
        for n in (points, DIRECTIONS[-1])
    )
    return float(np.abs(coarse - fine).max() / max(fine.max(), 1e-300))


def enough_directions(
    tensor: FloatArray, *, momentum_transfer: float, tolerance: float
) -> tuple[int, float]:
    """Choose the smallest rule that errs by no more than `tolerance`, by `quadrature_error`.

    Parameters
    ----------
    tensor : ndarray, shape (3, 3)
        Mean-square displacements U in Å².
    momentum_transfer : float
        Largest Q in Å⁻¹.
    tolerance : float
        Share of the highest line.

    Returns
    -------
    points : int
        One of `DIRECTIONS`, from 26 up; the finest but one if none is enough.
    error : float
        Its estimated error.
    """
    error = np.inf
    for points in DIRECTIONS[2:-1]:
        error = quadrature_error(tensor, momentum_transfer=momentum_transfer, points=points)
        if error <= tolerance:
            break
    return points, float(error)


def _line_weights(
    tensor: FloatArray, momentum_transfer: float, rule: tuple[FloatArray, FloatArray], orders: int
) -> FloatArray:
    """Weights of the lines n = 1 … orders of three axes, shape (3, orders)."""
    directions, weights = rule
    values, axes = np.linalg.eigh(tensor)
    parts = momentum_transfer**2 * values * (directions @ axes) ** 2
    decay = weights * np.exp(-parts.sum(axis=1))
    counts = np.arange(1, orders + 1)
    powers = parts[:, :, None] ** counts / factorial(counts)
    return np.asarray(np.einsum('d,dan->an', decay, powers))
