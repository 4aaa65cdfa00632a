"""Bands of a spectrum: its maxima and their heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import find_peaks

from aiida_insbench.science.ins.arrays import FloatArray


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
