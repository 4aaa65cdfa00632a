"""Broadening by the instrument: Gaussians whose width follows the energy transfer.

Everything in cm⁻¹. The published models are polynomials or come from `resins`, whose own unit is
meV; coefficients of your own can be given instead.

Source of TOSCA's model: Dymkowski et al., *Physica B* 551, 443 (2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import erf

from aiida_insbench.science.errors import InstrumentError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.instruments import POLYNOMIAL, Instrument
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

_INCIDENT = 'e_init'  # of resins
_REACH = 6.0  # standard deviations; 2e-9 of a Gaussian lies beyond and is put back by scaling


def published_resolution(
    instrument: Instrument,
    *,
    energy_transfer: FloatArray,
    overrides: Mapping[str, Any] | None = None,
) -> FloatArray:
    """Standard deviation of an instrument's resolution by its published model.

    Parameters
    ----------
    instrument : Instrument
        Names a model of `resins`, or has a polynomial of its own.
    energy_transfer : ndarray, shape (n,)
        In cm⁻¹; below zero, or below the model's lowest energy, the width there is taken.
    overrides : mapping, optional
        Settings of the `resins` model to change, such as ``chopper_package``,
        ``chopper_frequency`` in Hz or ``monochromator``; ``model`` takes another model of the same
        instrument. The incident energy stays that of the banks.

    Returns
    -------
    ndarray, shape (n,)
        In cm⁻¹.

    Raises
    ------
    InstrumentError
        If no published model is known to hold for the instrument, or an override is not one of the
        model's; the message lists those.
    """
    source = instrument.resolution
    if not source:
        raise InstrumentError(
            format_error(
                f'No verified resolution is known for {instrument.name}.',
                fix='Give `resolution` as coefficients of a polynomial in cm⁻¹, or none.',
            )
        )
    if POLYNOMIAL in source:
        if overrides:
            raise InstrumentError(
                format_error(
                    f'{", ".join(map(str, overrides))} cannot be set for {instrument.name}.',
                    reason='Its resolution is a polynomial, which has no settings.',
                    fix='Give `resolution` as coefficients of your own.',
                )
            )
        return polynomial_resolution(source[POLYNOMIAL], energy_transfer=energy_transfer)
    from resins.instrument import Instrument as ResinsInstrument

    points = np.maximum(
        energy_transfer / MEV_TO_WAVENUMBER, float(source.get('lowest_energy', 0.0))
    )
    try:
        family = ResinsInstrument.from_default(source['instrument'], source['version'])
        model, settings = _chosen(instrument, family, overrides or {})
        function = family.get_resolution_function(model, **settings)
        sigma = function.get_characteristics(points[:, None])['sigma'] * MEV_TO_WAVENUMBER
    except InstrumentError:
        raise
    except Exception as exc:  # errors of resins have no base of their own
        raise InstrumentError(
            format_error(
                f'resins has no resolution for {instrument.name} as it is set: {exc!r}.',
                fix='Choose another incident energy, chopper or model, or give `resolution` '
                'yourself.',
            )
        ) from exc
    return _check_sigma(np.asarray(sigma, dtype=np.float64))


def _chosen(
    instrument: Instrument, family: Any, overrides: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Model and settings, checked: resins ignores settings that it does not know."""
    changes = dict(overrides)
    if _INCIDENT in changes:
        raise InstrumentError(
            format_error(
                'The incident energy of a resolution is that of the banks.',
                fix='Choose it as `incident_energy` of the instrument.',
            )
        )
    model = changes.pop('model', instrument.resolution['model'])
    if model not in family.all_available_models:
        raise _not_allowed(instrument, 'model', model, family.all_available_models)
    settings = {**(instrument.resolution.get('settings') or {}), **changes}
    allowed = _allowed_settings(family, model)
    if _INCIDENT not in allowed:  # set for every direct geometry
        settings.pop(_INCIDENT, None)
    for name, value in settings.items():
        if name not in allowed:
            raise InstrumentError(
                format_error(
                    f'The model {model} of {instrument.name} has no setting {name!r}.',
                    fix=f'It has {", ".join(sorted(set(allowed) - {_INCIDENT})) or "none"}.',
                )
            )
        options = allowed[name]
        if options is not None and value not in options:
            raise _not_allowed(instrument, name, value, options)
    return model, settings


def _allowed_settings(family: Any, model: str) -> dict[str, Sequence[Any] | None]:
    """Values of each setting of a model; None where resins itself checks a range, or nothing."""
    names = set(family.get_model_signature(model).parameters) - {'model_name', '_'}
    allowed: dict[str, Sequence[Any] | None] = dict.fromkeys(names)
    for name, rule in family.get_model_data(model).restrictions.items():
        if not isinstance(rule, list):
            allowed[name] = sorted(rule)
        elif len(rule) == 3:  # two numbers are a range, three one with steps
            allowed[name] = range(*rule)
    return {**allowed, **family.possible_options_for_model(model)}


def _not_allowed(
    instrument: Instrument, name: str, value: object, allowed: Iterable[Any]
) -> InstrumentError:
    return InstrumentError(
        format_error(
            f'`{name}` of the resolution of {instrument.name} cannot be {value!r}.',
            fix=f'Choose from {", ".join(str(item) for item in allowed)}.',
        )
    )


def usual_resolution(instrument: Instrument) -> str | list[float]:
    """`published` where there is such a model, else a wide guess: σ = 5 cm⁻¹ + 2 % of ω.

    It sets margins and the scale on which spectra are compared, nothing that is given out.
    """
    return 'published' if instrument.resolution else [5.0, 0.02]


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
