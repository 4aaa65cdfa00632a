r"""A simulated spectrum at any pressure where modes cannot be followed: by its quantiles.

Between the spectra at two neighbouring pressures the energies of equal running integral are
interpolated,

.. math:: F_t^{-1}(u) = (1 - t)\,F_0^{-1}(u) + t\,F_1^{-1}(u),

so bands move. It is a fallback: bands that cross, or whose areas change, exchange intensity.
Energies in cm⁻¹, pressures in GPa.

References
----------
Read, *Nucl. Instrum. Methods A* 425, 357 (1999): linear interpolation of histograms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.mode_interpolation import check_within
from aiida_insbench.science.scoring.spectra import Simulation

_RAMP = 1e-12  # of the area, so that energies without intensity have quantiles too


@dataclass(frozen=True)
class QuantileInterpolation:
    """Spectra at a few pressures; call it with any between.

    Parameters
    ----------
    pressures : ndarray, shape (n_pressures,)
        Rising, at least two, GPa.
    spectra : sequence of Simulation
        One a pressure, nowhere negative; the result is on the bins of the first.

    Raises
    ------
    InputError
        If numbers do not fit, pressures do not rise, or a spectrum is negative or empty.
    """

    pressures: FloatArray
    spectra: Sequence[Simulation]

    def __post_init__(self) -> None:
        if len(self.pressures) < 2 or not (np.diff(self.pressures) > 0).all():
            raise InputError('Spectra are interpolated between at least two rising pressures.')
        if len(self.spectra) != len(self.pressures):
            raise InputError(
                f'{len(self.spectra)} spectra do not fit {len(self.pressures)} pressures.'
            )
        for pressure, spectrum in zip(self.pressures, self.spectra, strict=True):
            if (spectrum.intensity < 0).any() or not spectrum.running.total > 0:
                raise InputError(f'The spectrum at {pressure:g} GPa is negative or empty.')

    def __call__(self, pressure: float) -> Simulation:
        """Spectrum at a pressure.

        Raises
        ------
        InputError
            If the pressure is outside the simulated ones.
        """
        check_within(pressure, self.pressures)
        upper = int(np.clip(np.searchsorted(self.pressures, pressure), 1, len(self.spectra) - 1))
        start, end = self.pressures[upper - 1], self.pressures[upper]
        share = float(np.clip((pressure - start) / (end - start), 0.0, 1.0))
        first, second = self.spectra[upper - 1], self.spectra[upper]
        target = self.spectra[0]
        edges = target.running.edges
        area = (1 - share) * first.running.total + share * second.running.total
        running = np.interp(edges, *_quantiles(first, second, share)) * area
        return Simulation(target.energies, np.diff(running) / np.diff(edges))


def _quantiles(
    first: Simulation, second: Simulation, share: float
) -> tuple[FloatArray, FloatArray]:
    """Energies and running integrals, from 0 to 1, of the spectrum between."""
    levels = [_levels(one) for one in (first, second)]
    every = np.union1d(*levels)
    energies = [
        np.interp(every, level, one.running.edges)
        for level, one in zip(levels, (first, second), strict=True)
    ]
    return (1 - share) * energies[0] + share * energies[1], every


def _levels(spectrum: Simulation) -> FloatArray:
    edges = spectrum.running.edges
    areas = np.concatenate(([0.0], np.cumsum(spectrum.intensity * np.diff(edges))))
    ramp = np.linspace(0.0, _RAMP, len(edges))
    return np.asarray((areas / areas[-1] + ramp) / (1 + _RAMP))
