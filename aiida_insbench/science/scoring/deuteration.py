r"""Fraction of deuterium in a sample, fitted between stated bounds.

A sample that is deuterated in part is taken as a mixture of two, x of it with all hydrogen as
deuterium:

.. math:: s_x(E) = (1 - x)\,s_\mathrm{H}(E) + x\,s_\mathrm{D}(E),

both simulated spectra of the same number of cells in absolute units. That is exact for a mixture
of two powders; for a mixture of whole molecules it leaves out what one kind does to lattice modes
of the other, and for isotopes at random within molecules modes that hold both. As hydrogen scatters
ten times as much as deuterium (82.0 against 7.6 barn, Sears, *Neutron News* 3(3), 26 (1992)), a few
per cent of it show in a deuterated sample, which is why x must be free.

x is that of the least misfit of `fitting.fit`, where scale and background are free, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.scoring.fitting import fit
from aiida_insbench.science.scoring.settings import FitSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation

#: Its name among fitted values.
NAME = 'deuterium fraction'
_NEAR = 1e-3
_EXACT = 1e-4


@dataclass(frozen=True)
class Deuteration:
    """A fitted fraction.

    Attributes
    ----------
    value, lower, upper : float
        Fraction and its bounds, 0 to 1.
    at_bound : str or None
        ``lower``, ``upper`` or None.
    """

    value: float
    lower: float
    upper: float
    at_bound: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, as other fitted values; its counting error is not known."""
        return {'name': NAME, 'error': None, **asdict(self)}


def fit_deuteration(
    measured: Measurement,
    hydrogenous: Simulation,
    deuterated: Simulation,
    settings: FitSettings,
    *,
    bounds: tuple[float, float],
) -> Deuteration:
    """Fit the fraction.

    Parameters
    ----------
    measured : Measurement
        Data.
    hydrogenous, deuterated : Simulation
        Of the same number of cells, in the same absolute unit.
    settings : FitSettings
        What else is free.
    bounds : (float, float)
        Of the fraction.

    Raises
    ------
    InputError
        As `fit`, or if the spectra cover different ranges.
    """
    low, high = bounds

    def misfit(fraction: float) -> float:
        return fit(measured, mixed(hydrogenous, deuterated, fraction), settings).misfit

    search = minimize_scalar(misfit, bounds=bounds, method='bounded', options={'xatol': _EXACT})
    # the search never reaches its ends
    best = min((low, float(search.x), high), key=misfit)
    near = _NEAR * (high - low)
    at_bound = 'lower' if best - low <= near else 'upper' if high - best <= near else None
    return Deuteration(value=best, lower=low, upper=high, at_bound=at_bound)


def mixed(hydrogenous: Simulation, deuterated: Simulation, fraction: float) -> Simulation:
    """Spectrum of a mixture, on the bins of the first; raises `InputError` beyond the second's."""
    edges = hydrogenous.running.edges
    inside = deuterated.covers(edges)
    if not inside.all():
        theirs = deuterated.running.edges
        raise InputError(
            format_error(
                f'The deuterated spectrum goes from {theirs[0]:.0f} to {theirs[-1]:.0f} cm⁻¹, the '
                f'hydrogenous one from {edges[0]:.0f} to {edges[-1]:.0f} cm⁻¹.',
                fix='Simulate both over the same range.',
            )
        )
    return Simulation(
        hydrogenous.energies,
        (1 - fraction) * np.asarray(hydrogenous.intensity)
        + fraction * deuterated.running.means(edges),
    )


def mixed_over_pressure(
    hydrogenous: Mapping[float, Simulation], deuterated: Mapping[float, Simulation], fraction: float
) -> dict[float, Simulation]:
    """Mixtures at the pressures, in GPa, at which there are both."""
    return {
        pressure: mixed(one, deuterated[pressure], fraction)
        for pressure, one in hydrogenous.items()
        if pressure in deuterated
    }
