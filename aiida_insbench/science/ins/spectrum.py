"""Powder spectra and the bands in them.

Energy transfers in cm⁻¹; intensities are cross-section times scattering function, σ S(Q(ω), ω), in
barn per cm⁻¹ and primitive cell, without k_f/k_i and without 1/4π.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from aiida_insbench.science.ins.arrays import FloatArray

UNITS = {
    'energy_transfer': 'cm^-1',
    'momentum_transfer': 'angstrom^-1',
    'intensity': 'barn / cm^-1 / primitive cell',
    'msd': 'angstrom^2',
}


@dataclass(frozen=True)
class PowderSpectrum:
    """Spectrum of a powder, in contributions.

    Parameters
    ----------
    energy_transfer : ndarray, shape (n_energies,)
        Bin centres in cm⁻¹.
    momentum_transfer : ndarray, shape (n_banks, n_energies)
        In Å⁻¹.
    contributions : ndarray, shape (n_banks, n_elements, n_orders, n_energies)
        In barn per cm⁻¹ and primitive cell; orders from 1, the elastic line is left out.
    banks : tuple of str
        Names of the banks.
    elements : tuple of str
        Chemical symbols.
    temperature : float
        In K.
    """

    energy_transfer: FloatArray
    momentum_transfer: FloatArray
    contributions: FloatArray
    banks: tuple[str, ...]
    elements: tuple[str, ...]
    temperature: float

    @property
    def n_orders(self) -> int:
        """Highest order held."""
        return int(self.contributions.shape[2])

    @property
    def total(self) -> FloatArray:
        """Mean over the banks of everything, shape (n_energies,)."""
        return np.asarray(self.contributions.mean(axis=0).sum(axis=(0, 1)))

    @property
    def by_order(self) -> FloatArray:
        """Mean over the banks by order, shape (n_orders, n_energies); row 0 is order 1."""
        return np.asarray(self.contributions.mean(axis=0).sum(axis=0))

    @property
    def by_element(self) -> dict[str, FloatArray]:
        """Mean over the banks by element."""
        parts = self.contributions.mean(axis=0).sum(axis=1)
        return dict(zip(self.elements, parts, strict=True))

    @property
    def by_bank(self) -> dict[str, FloatArray]:
        """Each bank's own spectrum; `total` is their mean."""
        return dict(zip(self.banks, self.contributions.sum(axis=(1, 2)), strict=True))


@dataclass(frozen=True)
class Band:
    """A maximum of a spectrum.

    Parameters
    ----------
    position : float
        In cm⁻¹, of the parabola through the highest bin and its neighbours.
    height : float
        Of that parabola, in the spectrum's unit.
    """

    position: float
    height: float


def find_bands(
    energy_transfer: FloatArray, intensity: FloatArray, *, prominence: float = 0.02
) -> tuple[Band, ...]:
    """Find the bands of a spectrum.

    Parameters
    ----------
    energy_transfer : ndarray, shape (n,)
        Evenly spaced, in cm⁻¹.
    intensity : ndarray, shape (n,)
        In any unit.
    prominence : float
        How far a band must rise above its surroundings, in parts of the highest intensity.

    Returns
    -------
    tuple of Band
        In order of position; empty if the spectrum is zero.
    """
    highest = float(np.max(intensity, initial=0.0))
    if highest <= 0:
        return ()
    peaks, _ = find_peaks(intensity, prominence=prominence * highest)
    width = float(energy_transfer[1] - energy_transfer[0])
    return tuple(_vertex(energy_transfer, intensity, int(peak), width) for peak in peaks)


def _vertex(energies: FloatArray, intensity: FloatArray, peak: int, width: float) -> Band:
    left, middle, right = intensity[peak - 1 : peak + 2]
    curvature = left - 2 * middle + right
    shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return Band(
        position=float(energies[peak] + shift * width),
        height=float(middle - 0.25 * (left - right) * shift),
    )
