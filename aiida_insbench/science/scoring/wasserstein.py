r"""Wasserstein's distance on the energy axis: by how far intensity has to be moved, in cm⁻¹.

.. math:: W_1 = \int \left|F(E) - G(E)\right| dE

with the running integrals F, G of two spectra, each divided by its area. In a window it is no more
than the window's width. Noise can bring intensities below zero; they are kept, as clipping would
add area where there is none: by duality :math:`W_1 = \sup \int f\,(d\mu - d\nu)` over all f of
slope ≤ 1, which has a meaning for such spectra too. The share of negative area is told.

Alone it is no score: it prefers a featureless spectrum to a right one that is slightly shifted.

References
----------
Ramdas, García Trillos & Cuturi, *Entropy* 19, 47 (2017): the distance on the line.
Villani, *Optimal Transport: Old and New* (2009), ch. 6: the Kantorovich–Rubinstein duality.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray


@dataclass(frozen=True)
class Transport:
    """Distance of two spectra.

    Attributes
    ----------
    distance : float
        cm⁻¹.
    capped : bool
        Whether the cap was reached.
    negative_share : float
        Larger of the two shares of area below zero.
    """

    distance: float
    capped: bool
    negative_share: float


def wasserstein(
    edges: FloatArray,
    first: FloatArray,
    second: FloatArray,
    *,
    second_edges: FloatArray | None = None,
    cap: float | None = None,
) -> Transport:
    """Distance of two spectra, intensity even within each bin.

    Parameters
    ----------
    edges : ndarray, shape (n + 1,)
        Of the bins, rising, cm⁻¹.
    first, second : ndarray, shape (n,) and (m,)
        Means over the bins, in any units.
    second_edges : ndarray, shape (m + 1,), optional
        Of the second spectrum; the same if not given.
    cap : float, optional
        Largest distance; the range of the first spectrum if not given.

    Returns
    -------
    Transport
        Distance, and how much intensity is negative.

    Raises
    ------
    InputError
        If an area is not positive.
    """
    theirs = edges if second_edges is None else second_edges
    points = np.union1d(edges, theirs)
    gap = _running(points, edges, first, 'first') - _running(points, theirs, second, 'second')
    distance = _area_of_modulus(points, gap)
    limit = float(edges[-1] - edges[0]) if cap is None else cap
    return Transport(
        distance=min(distance, limit),
        capped=distance > limit,
        negative_share=max(negative_share(edges, first), negative_share(theirs, second)),
    )


def negative_share(edges: FloatArray, values: FloatArray) -> float:
    """Share of the area below zero in the modulus of all, 0 … 1."""
    areas = values * np.diff(edges)
    total = float(np.abs(areas).sum())
    return float(-areas[areas < 0].sum() / total) if total > 0 else 0.0


def _running(points: FloatArray, edges: FloatArray, values: FloatArray, name: str) -> FloatArray:
    areas = np.concatenate(([0.0], np.cumsum(values * np.diff(edges))))
    if not areas[-1] > 0:
        raise InputError(
            format_error(
                f'The area of the {name} spectrum is {areas[-1]:.3g}.',
                reason='Areas are divided out, so they must be more than zero.',
                fix='Subtract less background, or choose another range.',
            )
        )
    return np.asarray(np.interp(points, edges, areas / areas[-1]))


def _area_of_modulus(points: FloatArray, values: FloatArray) -> float:
    """Integral of |f| for f straight between points, exactly where it crosses zero."""
    widths, left, right = np.diff(points), values[:-1], values[1:]
    plain = np.abs(left + right) / 2
    spread = np.abs(left) + np.abs(right)
    crossing = (left**2 + right**2) / (2 * np.where(spread > 0, spread, 1.0))
    return float(widths @ np.where(left * right < 0, crossing, plain))
