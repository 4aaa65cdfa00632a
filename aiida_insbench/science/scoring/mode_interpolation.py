"""A simulated spectrum at any pressure, by modes that were followed across a few pressures.

Frequencies and intensities of each mode go through the simulated pressures by a monotone cubic (a
straight line for two), then the lines are broadened. So a band moves; between spectra themselves it
would fade out here and in there. Frequencies and energies in cm⁻¹, pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.interpolate import PchipInterpolator

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.resolution import broaden
from aiida_insbench.science.scoring.spectra import Simulation

_REACH = 6.0  # standard deviations from which lines outside the range are carried in


def check_within(pressure: float, pressures: FloatArray) -> None:
    """Refuse to go beyond the simulated pressures.

    Raises
    ------
    InputError
        If the pressure is not between the lowest and the highest.
    """
    low, high = float(pressures.min()), float(pressures.max())
    slack = 1e-9 * max(1.0, abs(high))
    if not low - slack <= pressure <= high + slack:
        raise InputError(
            format_error(
                f'{pressure:g} GPa is outside the simulated pressures, {low:g} to {high:g} GPa.',
                reason='Frequencies are interpolated, not extrapolated.',
                fix='Simulate a pressure beyond it.',
            )
        )


@dataclass(frozen=True)
class ModeInterpolation:
    """One-phonon spectrum of followed modes; call it with a pressure.

    Parameters
    ----------
    pressures : ndarray, shape (n_pressures,)
        Rising, at least two, GPa.
    frequencies : ndarray, shape (n_pressures, n_modes)
        Of the same mode in each column, on any q-points; a mode at or below zero (imaginary) has no
        intensity.
    intensities : ndarray, shape (n_pressures, n_modes)
        Area of each line, ≥ 0.
    grid : EnergyGrid
        Of the spectrum.
    sigma : ndarray, shape (n_energies,)
        Standard deviation of the resolution on the grid.
    rest : callable, optional
        Gives what is not of one phonon at a pressure, on the same grid.

    Raises
    ------
    InputError
        If shapes do not fit, pressures do not rise, or numbers are not finite.
    """

    pressures: FloatArray
    frequencies: FloatArray
    intensities: FloatArray
    grid: EnergyGrid
    sigma: FloatArray
    rest: Callable[[float], Simulation] | None = None

    def __post_init__(self) -> None:
        count = len(self.pressures)
        if count < 2 or not (np.diff(self.pressures) > 0).all():
            raise InputError('Modes are interpolated between at least two rising pressures.')
        if (
            np.ndim(self.frequencies) != 2
            or np.shape(self.frequencies) != np.shape(self.intensities)
            or len(self.frequencies) != count
            or np.shape(self.sigma) != np.shape(self.grid.energies)
        ):
            raise InputError(
                f'Shapes do not fit: {count} pressures, frequencies {np.shape(self.frequencies)}, '
                f'intensities {np.shape(self.intensities)}, resolution {np.shape(self.sigma)}.'
            )
        if not (np.isfinite(self.frequencies).all() and np.isfinite(self.intensities).all()):
            raise InputError('Frequencies and intensities must be finite.')
        if (self.intensities < 0).any() or not (self.sigma > 0).all():
            raise InputError('Intensities must be ≥ 0 and the resolution > 0.')

    @cached_property
    def _curves(self) -> tuple[PchipInterpolator, PchipInterpolator]:
        return (
            PchipInterpolator(self.pressures, self.frequencies, axis=0),
            PchipInterpolator(self.pressures, self.intensities, axis=0),
        )

    def lines(self, pressure: float) -> tuple[FloatArray, FloatArray]:
        """Frequencies and areas of all modes at a pressure, each of shape (n_modes,).

        Raises
        ------
        InputError
            If the pressure is outside the simulated ones.
        """
        check_within(pressure, self.pressures)
        place = float(np.clip(pressure, self.pressures[0], self.pressures[-1]))
        frequencies, intensities = (np.asarray(curve(place)) for curve in self._curves)
        return frequencies, np.where(frequencies > 0, intensities, 0.0)

    def __call__(self, pressure: float) -> Simulation:
        """Spectrum at a pressure.

        Raises
        ------
        InputError
            If the pressure is outside the simulated ones.
        """
        intensity = broadened_lines(*self.lines(pressure), grid=self.grid, sigma=self.sigma)
        if self.rest is not None:
            rest = self.rest(pressure)
            if not np.array_equal(rest.energies, self.grid.energies):
                raise InputError('The rest of the spectrum must be on the same grid as the modes.')
            intensity = intensity + rest.intensity
        return Simulation(self.grid.energies, intensity)


def broadened_lines(
    frequencies: FloatArray, areas: FloatArray, *, grid: EnergyGrid, sigma: FloatArray
) -> FloatArray:
    """Lines on a grid, each a Gaussian of the resolution's width at its energy.

    A line is shared by the two bins next to it so that its mean energy is kept: bands move by less
    than a bin.

    Parameters
    ----------
    frequencies, areas : ndarray, shape (n_lines,)
        Positions and areas.
    grid : EnergyGrid
        Even bins.
    sigma : ndarray, shape (n_energies,)
        Standard deviation of the resolution.

    Returns
    -------
    ndarray, shape (n_energies,)
        Per cm⁻¹.
    """
    width = grid.bin_width
    pad = int(np.ceil(_REACH * float(sigma.max()) / width)) + 1
    size = len(sigma) + 2 * pad
    places = np.asarray(frequencies) / width - (grid.first - pad)
    inside = (places >= 0) & (places < size - 1)
    lower = np.floor(places[inside]).astype(np.int64)
    upper_share = places[inside] - lower
    kept = np.asarray(areas)[inside]
    bins = np.bincount(lower, kept * (1 - upper_share), size)
    bins += np.bincount(lower + 1, kept * upper_share, size)
    wide = np.pad(sigma, pad, mode='edge')
    return np.asarray(broaden(bins / width, sigma=wide, bin_width=width)[pad:-pad])
