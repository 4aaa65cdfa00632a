r"""Shift of a band with pressure and its error, from positions at several pressures.

A weighted straight line through :math:`\omega(P)`, the error of the pressure taken over to the axis
of energies by the slope,

.. math:: \sigma_i^2 = \sigma_{\omega,i}^2 + \left(\frac{d\omega}{dP}\right)^2\sigma_{P,i}^2

Energies in cm⁻¹, pressures in GPa, slopes in cm⁻¹/GPa; below zero is red.

References
----------
Orear, *Am. J. Phys.* 50, 912 (1982): least squares with errors in both, by the effective variance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError, format_error

_ROUNDS = 20  # of the effective variance; three are the rule
_SETTLED = 1e-10


@dataclass(frozen=True)
class BandSlope:
    """How a band shifts with pressure.

    Attributes
    ----------
    label : str
        Of the band; measured and predicted ones are matched by it.
    position : float
        At the lowest pressure, cm⁻¹.
    slope : float
        dω/dP, cm⁻¹/GPa.
    error : float or None
        Its standard error; None where none is stated.
    weight : float
        In the aggregate; intensity, for example.
    """

    label: str
    position: float
    slope: float
    error: float | None
    weight: float = 1.0

    def __post_init__(self) -> None:
        numbers = (self.position, self.slope, self.error or 0.0, self.weight)
        if not all(math.isfinite(one) for one in numbers):
            raise InputError(f'The band {self.label} has numbers that are not finite.')
        if (self.error or 0.0) < 0 or self.weight < 0:
            raise InputError(f'Error and weight of the band {self.label} must be ≥ 0.')


def band_slope(
    label: str,
    *,
    pressures: Sequence[float],
    positions: Sequence[float],
    errors: Sequence[float],
    pressure_errors: Sequence[float] | None = None,
    weight: float = 1.0,
) -> BandSlope:
    """Fit the shift of one band.

    Parameters
    ----------
    label : str
        Of the band.
    pressures, positions : sequence of float
        At least two, in GPa and cm⁻¹.
    errors : sequence of float
        Of the positions, > 0.
    pressure_errors : sequence of float, optional
        Of the pressures, ≥ 0.
    weight : float
        In the aggregate.

    Returns
    -------
    BandSlope
        Position on the line at the lowest pressure. The error is that of the errors given, or that
        of the scatter about the line where this is larger.

    Raises
    ------
    InputError
        If lengths differ, an error is not positive, or all pressures are the same.
    """
    x, y, sigma = (np.asarray(one, dtype=np.float64) for one in (pressures, positions, errors))
    dx = np.zeros_like(x) if pressure_errors is None else np.asarray(pressure_errors, dtype=float)
    if not x.shape == y.shape == sigma.shape == dx.shape or x.ndim != 1 or len(x) < 2:
        raise InputError(
            f'The band {label} needs a position and errors at each of two pressures or more.'
        )
    if not all(np.isfinite(one).all() for one in (x, y, sigma, dx)) or np.ptp(x) == 0:
        raise InputError(f'The band {label} needs finite numbers at different pressures.')
    if not (sigma > 0).all() or (dx < 0).any():
        raise InputError(
            format_error(
                f'Errors of the positions of the band {label} must be > 0.',
                reason='Without them no shift can be told from none.',
                fix='Give the error of the fit of the band, or a share of the resolution.',
            )
        )
    slope = float(np.polyfit(x, y, 1)[0])
    for _ in range(_ROUNDS):
        weights = 1 / (sigma**2 + (slope * dx) ** 2)
        centre = np.average(x, weights=weights)
        spread = float(weights @ (x - centre) ** 2)
        last, slope = slope, float(weights @ ((x - centre) * y) / spread)
        if abs(slope - last) <= _SETTLED * (1 + abs(slope)):
            break
    start = float(np.average(y, weights=weights) + slope * (x.min() - centre))
    rest = float(weights @ (y - start - slope * (x - x.min())) ** 2)
    freedoms = len(x) - 2
    # Birge's ratio: scatter beyond the errors widens them, scatter within does not narrow them
    scatter = max(1.0, rest / freedoms) if freedoms else 1.0
    return BandSlope(label, start, slope, math.sqrt(scatter / spread), weight)
