"""Spectra on other bins or in other units of energy."""

from __future__ import annotations

import numpy as np

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
