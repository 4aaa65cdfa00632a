"""Directions of a powder: quadrature over the sphere.

Source: Lebedev & Laikov, *Doklady Mathematics* 59, 477 (1999), as `scipy.integrate.lebedev_rule`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy.integrate import lebedev_rule
from scipy.special import factorial

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray, IntArray

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


class QuadratureError(NamedTuple):
    """Estimated error of a sphere quadrature for one atom."""

    height: float
    """Largest difference of a line's weight, as a share of the highest line."""
    area: float
    """Sum of the differences of all lines, as a share of their sum."""


def quadrature_error(
    tensor: FloatArray, *, momentum_transfer: float, points: int, orders: int = 12
) -> QuadratureError:
    r"""Estimate what a rule errs by for one atom.

    The lines of an atom in a harmonic well have the weights

    .. math:: \left\langle e^{-Q^2\hat u\cdot U\cdot\hat u}\,
              \frac{(Q^2 U_a (\hat u\cdot a)^2)^n}{n!}\right\rangle_{\hat u}

    with the principal axes a and values U_a of its displacement tensor; for the area quanta of
    several axes are combined besides. They are compared with those of the finest rule.

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
    QuadratureError
        Of the highest line and of the area.
    """
    return _Well(tensor, momentum_transfer, orders).error(points)


def enough_directions(
    tensor: FloatArray, *, momentum_transfer: float, tolerance: float
) -> tuple[int, QuadratureError]:
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
    error : QuadratureError
        Its estimated error.
    """
    well = _Well(tensor, momentum_transfer)
    for points in DIRECTIONS[2:-1]:
        if well.height_error(points) <= tolerance:
            break
    return points, well.error(points)


class Quadrature:
    """Chooses directions for the atoms of a crystal, and keeps how far they err.

    Parameters
    ----------
    largest : float
        Largest Q in Å⁻¹.
    tolerance : float
        Largest error, as a share of an atom's highest line.
    points : int or None
        The same rule for all atoms; None: for each atom as few directions as `tolerance` lets.
    """

    def __init__(self, *, largest: float, tolerance: float, points: int | None) -> None:
        self.points_by_label: dict[str, int] = {}
        self.error = 0.0
        self.area_error = 0.0
        self._largest = largest
        self._tolerance = tolerance
        self._points = points

    def choose(
        self, *tensors: FloatArray, label: str, share: float
    ) -> tuple[FloatArray, FloatArray]:
        """Directions and weights for atoms with `share` of the area.

        They suffice for each of `tensors`: that of the modes, and that of the Debye–Waller factor
        where it is another.
        """
        if self._points is None:
            found = [
                enough_directions(
                    tensor, momentum_transfer=self._largest, tolerance=self._tolerance
                )
                for tensor in tensors
            ]
            points, error = max(found)
        else:
            points = self._points
            error = max(
                quadrature_error(tensor, momentum_transfer=self._largest, points=points)
                for tensor in tensors
            )
        self.points_by_label[label] = max(points, self.points_by_label.get(label, 0))
        self.error = max(error.height, self.error)
        self.area_error += share * error.area
        return sphere_rule(points)


class _Well:
    """Lines of an atom in a harmonic well, by rules of any number of directions."""

    def __init__(self, tensor: FloatArray, momentum_transfer: float, orders: int = 12) -> None:
        values, self._axes = np.linalg.eigh(tensor)
        self._exponents = momentum_transfer**2 * values
        self._counts = np.arange(orders + 1)
        self._fine = self._heights(DIRECTIONS[-1])

    def height_error(self, points: int) -> float:
        """Of the lines n = 1 … orders of the three axes, as a share of the highest."""
        difference = np.abs(self._heights(points) - self._fine)
        return float(difference.max() / max(self._fine.max(), 1e-300))

    def error(self, points: int) -> QuadratureError:
        """Of those, and of the area of all lines, quanta of several axes among them."""
        coarse, fine = self._areas(points), self._areas(DIRECTIONS[-1])
        area = float(np.abs(coarse - fine).sum() / max(fine.sum(), 1e-300))
        return QuadratureError(self.height_error(points), area)

    def _heights(self, points: int) -> FloatArray:
        decay, powers = self._lines(points)
        return np.asarray(np.einsum('d,dan->an', decay, powers[:, :, 1:]))

    def _areas(self, points: int) -> FloatArray:
        """Weights of all combinations of quanta, up to `orders` together."""
        decay, powers = self._lines(points)
        first, second, third = _combinations(len(self._counts) - 1)
        return np.asarray(
            decay @ (powers[:, 0, first] * powers[:, 1, second] * powers[:, 2, third])
        )

    def _lines(self, points: int) -> tuple[FloatArray, FloatArray]:
        """Weighted decay of each direction and λⁿ/n! of each axis, shape (n_directions, 3, n)."""
        directions, weights = sphere_rule(points)
        parts = self._exponents * (directions @ self._axes) ** 2
        powers = parts[:, :, None] ** self._counts / factorial(self._counts)
        return weights * np.exp(-parts.sum(axis=1)), powers


@functools.cache
def _combinations(orders: int) -> IntArray:
    """Quanta of three axes, 1 to `orders` together, shape (3, n)."""
    quanta = np.indices((orders + 1,) * 3).reshape(3, -1)
    together = quanta.sum(axis=0)
    return np.asarray(quanta[:, (together > 0) & (together <= orders)])
