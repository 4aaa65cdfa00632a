r"""Functions of a distance as piecewise polynomials, as exact as double precision allows.

A radial network costs more at each pair than all the rest of a small MACE model; it is a function
of one number. Here it is written once as Chebyshev polynomials on equal pieces,

.. math:: f_c(r) = \sum_k C_{kc} T_k(t), \quad t \in [-1, 1] \text{ in each piece},

with pieces halved until the values between the nodes are met to `TOLERANCE` of the largest value;
derivatives, of the same polynomials, are then met to some 1e-12 of the largest one. Lengths in Å.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Polynomials in each piece.
TERMS = 16
#: Largest error of a value over the largest value.
TOLERANCE = 1e-14
_MOST_PIECES = 256
_CHECKED = 5


@dataclass(frozen=True)
class PiecewisePolynomials:
    """Functions of a distance between two ends.

    Attributes
    ----------
    low, high : float
        Ends, Å.
    coefficients : ndarray, shape (n_pieces, TERMS, n_channels)
        Of Chebyshev polynomials.
    """

    low: float
    high: float
    coefficients: FloatArray

    def terms(self, lengths: FloatArray) -> tuple[FloatArray, FloatArray, list[int]]:
        """Polynomials, their derivatives and the bounds of the pieces.

        Parameters
        ----------
        lengths : ndarray, shape (n_pairs,)
            Rising, Å; not below `low`.

        Returns
        -------
        values, slopes : ndarray, shape (n_pairs, TERMS)
            Slopes by Å.
        bounds : list of int
            Lengths ``bounds[p]:bounds[p + 1]`` lie in piece `p`.
        """
        pieces = len(self.coefficients)
        scale = pieces / (self.high - self.low)
        place = (lengths - self.low) * scale
        piece = np.minimum(place.astype(np.int64), pieces - 1)
        values, slopes = _chebyshev(2.0 * (place - piece) - 1.0)
        bounds = np.searchsorted(piece, np.arange(pieces + 1))
        return values.T, slopes.T * (2.0 * scale), bounds.tolist()


def piecewise_polynomials(
    function: Callable[[FloatArray], FloatArray], *, low: float, high: float
) -> PiecewisePolynomials | None:
    """Write functions of a distance as piecewise polynomials.

    Parameters
    ----------
    function : callable
        Takes lengths in Å, shape (n,), gives values, shape (n, n_channels).
    low, high : float
        Ends, Å.

    Returns
    -------
    PiecewisePolynomials or None
        None if `_MOST_PIECES` pieces are too few.
    """
    pieces = 8
    while pieces <= _MOST_PIECES:
        found = _fit(function, low, high, pieces)
        if _error(found, function) <= TOLERANCE:
            return found
        pieces *= 2
    return None


def _fit(
    function: Callable[[FloatArray], FloatArray], low: float, high: float, pieces: int
) -> PiecewisePolynomials:
    nodes = np.cos(np.pi * (np.arange(TERMS) + 0.5) / TERMS)
    values = function(_places(nodes, low, high, pieces)).reshape(pieces, TERMS, -1)
    transform = np.cos(np.pi * np.outer(np.arange(TERMS), np.arange(TERMS) + 0.5) / TERMS)
    transform *= 2.0 / TERMS
    transform[0] /= 2.0
    return PiecewisePolynomials(low, high, transform @ values)


def _places(nodes: FloatArray, low: float, high: float, pieces: int) -> FloatArray:
    """Lengths of nodes in [-1, 1] in every piece, piece after piece."""
    starts = np.arange(pieces)[:, None]
    found: FloatArray = low + (high - low) / pieces * (starts + (nodes + 1.0) / 2.0).ravel()
    return found


def _error(found: PiecewisePolynomials, function: Callable[[FloatArray], FloatArray]) -> float:
    nodes = np.linspace(-1.0, 1.0, _CHECKED + 2)[1:-1]
    pieces = len(found.coefficients)
    lengths = _places(nodes, found.low, found.high, pieces)
    expected = function(lengths).reshape(pieces, _CHECKED, -1)
    values = np.einsum('kn,pkc->pnc', _chebyshev(nodes)[0], found.coefficients)
    largest = np.abs(expected).max()
    return float(np.abs(values - expected).max() / (largest if largest > 0.0 else 1.0))


def _chebyshev(place: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chebyshev polynomials and their derivatives, shape (TERMS, n)."""
    values, slopes = np.empty((2, TERMS, len(place)))
    values[0], slopes[0] = 1.0, 0.0
    values[1], slopes[1] = place, 1.0
    for k in range(2, TERMS):
        values[k] = 2.0 * place * values[k - 1] - values[k - 2]
        slopes[k] = 2.0 * (values[k - 1] + place * slopes[k - 1]) - slopes[k - 2]
    return values, slopes
