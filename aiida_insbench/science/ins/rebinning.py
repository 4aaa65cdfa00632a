"""Spectra on other bins or in other units of energy."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

_PER_WAVENUMBER = {'1/cm': 1.0, 'meV': 1 / MEV_TO_WAVENUMBER}


def rebin(
    energy_transfer: FloatArray,
    values: FloatArray,
    *,
    bin_width: float | None = None,
    unit: str = '1/cm',
    density: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Put values in evenly spaced bins on other bins or in another unit of energy.

    Areas are kept: a new bin takes of each old one the part that lies in it.

    Parameters
    ----------
    energy_transfer : ndarray, shape (n,)
        Bin centres in cm⁻¹, evenly spaced.
    values : ndarray, shape (..., n)
        Per cm⁻¹, or means over bins if not `density`.
    bin_width : float, optional
        In `unit`; the old width if not given.
    unit : {'1/cm', 'meV'}
        Of the new axis.
    density : bool
        Whether values are per unit of energy.

    Returns
    -------
    axis : ndarray, shape (m,)
        Bin centres in `unit`; only bins that lie wholly in the old range.
    values : ndarray, shape (..., m)
        Per `unit` if `density`.

    Raises
    ------
    InputError
        If the unit is unknown, the old bins are not even, or the width is not positive or less than
        the old one, or no new bin fits.
    """
    if unit not in _PER_WAVENUMBER:
        raise InputError(f'`unit` must be one of {tuple(_PER_WAVENUMBER)}, not {unit!r}.')
    factor = _PER_WAVENUMBER[unit]
    axis = np.asarray(energy_transfer) * factor
    old = (axis[-1] - axis[0]) / (len(axis) - 1)
    if not np.allclose(np.diff(axis), old, rtol=1e-6):
        raise InputError('only evenly spaced bins can be rebinned.')
    width = old if bin_width is None else float(bin_width)
    if not (np.isfinite(width) and width >= old * (1 - 1e-9)):
        raise InputError(f'`bin_width` must be at least the old {old:g} {unit}, not {width}.')
    start, end = axis[0] - old / 2, axis[-1] + old / 2
    first, last = np.ceil(start / width + 0.5 - 1e-9), np.floor(end / width - 0.5 + 1e-9)
    if last < first:
        raise InputError(f'no bin of {width:g} {unit} fits in {start:g} to {end:g} {unit}.')
    centres = np.arange(first, last + 1) * width + 0.0  # no −0
    edges = np.concatenate((centres - width / 2, [centres[-1] + width / 2]))
    running = np.concatenate(
        (np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)), axis=-1
    )
    places = np.clip((edges - start) / old, 0, len(axis))
    lower = np.minimum(np.floor(places).astype(int), len(axis) - 1)
    at_edges = running[..., lower] + (places - lower) * (
        running[..., lower + 1] - running[..., lower]
    )
    means = np.diff(at_edges, axis=-1) * old / width
    return centres, np.asarray(means / factor if density else means)


def bin_edges(centres: FloatArray) -> FloatArray:
    """Edges of bins, even or not, from their centres: half-way between neighbours.

    The outer edges are as far from their centres as the inner edges of the same bins.

    Parameters
    ----------
    centres : ndarray, shape (n,)
        Rising.

    Returns
    -------
    ndarray, shape (n + 1,)
        In the unit of the centres.

    Raises
    ------
    InputError
        If there are fewer than two centres, or they do not rise.
    """
    centres = np.asarray(centres, dtype=np.float64)
    if centres.ndim != 1 or len(centres) < 2 or not (np.diff(centres) > 0).all():
        raise InputError('Bin centres must be at least two rising numbers.')
    inner = (centres[1:] + centres[:-1]) / 2
    return np.concatenate(([2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]))


class RunningIntegral:
    """Integral of a spectrum up to an energy, from which means over any other bins follow.

    Between the edges of the old bins it is a monotone cubic, so areas of old bins are kept
    exactly, a positive spectrum stays positive, and intensity is smooth under a shift of the axis.
    Beyond its ends a spectrum is taken to go on as in its outermost bins.

    Parameters
    ----------
    energies : ndarray, shape (n,)
        Bin centres, rising, bins even or not.
    values : ndarray, shape (n,)
        Means over the bins, finite.

    Raises
    ------
    InputError
        If the energies do not rise.

    References
    ----------
    Fritsch & Butland, *SIAM J. Sci. Stat. Comput.* 5, 300 (1984), for the monotone cubic.
    """

    def __init__(self, energies: FloatArray, values: FloatArray) -> None:
        self.edges = bin_edges(energies)
        self.values = np.asarray(values, dtype=np.float64)
        areas = np.concatenate(([0.0], np.cumsum(self.values * np.diff(self.edges))))
        self.total = float(areas[-1])
        self._inside = PchipInterpolator(self.edges, areas)

    def upto(self, energies: FloatArray) -> FloatArray:
        """Integral from the lower end of the range up to each energy, same shape."""
        low, high = self.edges[0], self.edges[-1]
        inside = self._inside(np.clip(energies, low, high))
        below = np.minimum(energies - low, 0.0) * self.values[0]
        above = np.maximum(energies - high, 0.0) * self.values[-1]
        return np.asarray(inside + below + above)

    def means(self, edges: FloatArray) -> FloatArray:
        """Means over the bins between edges along the last axis, shape (..., n_edges − 1)."""
        return np.asarray(np.diff(self.upto(edges), axis=-1) / np.diff(edges, axis=-1))
