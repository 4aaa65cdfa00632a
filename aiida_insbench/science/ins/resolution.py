"""Broadening by the instrument: Gaussians whose width follows the energy transfer.

Everything in cm⁻¹. The published models come from `resins`, whose own unit is meV; coefficients
of a polynomial can be given instead.

Source of TOSCA's model: Dymkowski et al., *Physica B* 551, 443 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import erf

from aiida_insbench.science.errors import InstrumentError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.instruments import Instrument
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

_REACH = 6.0  # standard deviations; 2e-9 of a Gaussian lies beyond and is put back by scaling


def published_resolution(instrument: Instrument, *, energy_transfer: FloatArray) -> FloatArray:
    """Standard deviation of an instrument's resolution by its model in `resins`.

    Parameters
    ----------
    instrument : Instrument
        Names the model.
    energy_transfer : ndarray, shape (n,)
        In cm⁻¹; below zero, or below the model's lowest energy, the width there is taken.

    Returns
    -------
    ndarray, shape (n,)
        In cm⁻¹.

    Raises
    ------
    InstrumentError
        If no published model is known to hold for the instrument.
    """
    if not instrument.resolution:
        raise InstrumentError(
            format_error(
                f'No verified resolution is known for {instrument.name}.',
                fix='Give `resolution` as coefficients of a polynomial in cm⁻¹, or none.',
            )
        )
    from resins.instrument import Instrument as ResinsInstrument

    source = instrument.resolution
    lowest = float(source.get('lowest_energy', 0.0))
    points = np.maximum(energy_transfer / MEV_TO_WAVENUMBER, lowest)[:, None]
    try:
        model = ResinsInstrument.from_default(
            source['instrument'], source['version']
        ).get_resolution_function(source['model'], **(source.get('settings') or {}))
        sigma = model.get_characteristics(points)['sigma'] * MEV_TO_WAVENUMBER
    except Exception as exc:  # errors of resins have no base of their own
        raise InstrumentError(
            format_error(
                f'resins has no resolution for {instrument.name} as it is set: {exc!r}.',
                fix='Choose another incident energy or chopper, or give `resolution` yourself.',
            )
        ) from exc
    return _check_sigma(np.asarray(sigma, dtype=np.float64))


def polynomial_resolution(
    coefficients: Sequence[float], *, energy_transfer: FloatArray
) -> FloatArray:
    r"""Standard deviation as a polynomial of energy transfer.

    .. math:: \sigma(\omega) = c_0 + c_1\omega + c_2\omega^2 + \ldots

    Parameters
    ----------
    coefficients : sequence of float
        For ω and σ in cm⁻¹, lowest power first.
    energy_transfer : ndarray, shape (n,)
        In cm⁻¹; below zero the width at zero is taken.

    Returns
    -------
    ndarray, shape (n,)
        In cm⁻¹.

    Raises
    ------
    InstrumentError
        If the width is not positive everywhere.
    """
    energies = np.maximum(energy_transfer, 0.0)
    return _check_sigma(np.polynomial.polynomial.polyval(energies, np.asarray(coefficients)))


def broaden(intensity: FloatArray, *, sigma: FloatArray, bin_width: float) -> FloatArray:
    r"""Replace the content of every bin by a Gaussian of the same area.

    The share of bin k that lands in bin k + d is

    .. math:: \tfrac12\left[\mathrm{erf}\frac{(d+\frac12)\Delta}{\sqrt2\,\sigma_k}
              - \mathrm{erf}\frac{(d-\frac12)\Delta}{\sqrt2\,\sigma_k}\right]

    so the area is kept, but for what leaves the range at its ends.

    Parameters
    ----------
    intensity : ndarray, shape (..., n)
        Per bin or per cm⁻¹.
    sigma : ndarray, shape (n,)
        Standard deviation of each bin in cm⁻¹.
    bin_width : float
        Δ in cm⁻¹.

    Returns
    -------
    ndarray, shape (..., n)
        Same unit as `intensity`.
    """
    size = intensity.shape[-1]
    reach = int(np.ceil(_REACH * sigma.max() / bin_width)) + 1
    edges = (np.arange(-reach, reach + 2) - 0.5) * bin_width
    shares = np.diff(erf(edges[:, None] / (np.sqrt(2) * sigma)), axis=0)
    shares /= shares.sum(axis=0)
    result = np.zeros_like(intensity)
    for offset in range(-min(reach, size - 1), min(reach, size - 1) + 1):
        source = slice(max(0, -offset), size - max(0, offset))
        target = slice(max(0, offset), size - max(0, -offset))
        result[..., target] += intensity[..., source] * shares[reach + offset, source]
    return result


def _check_sigma(sigma: FloatArray) -> FloatArray:
    if not (np.isfinite(sigma).all() and (sigma > 0).all()):
        raise InstrumentError(
            f'The resolution must be > 0 cm⁻¹ in the whole range; it reaches {np.min(sigma)}.'
        )
    return sigma
