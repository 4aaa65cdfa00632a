"""Made-up spectra for tests of scores: Gaussian bands, as means over bins of any width."""

import numpy as np
from scipy.special import erf

from aiida_insbench.science.ins.rebinning import bin_edges
from aiida_insbench.science.scoring.spectra import Measurement, Simulation

#: Positions, areas and standard deviations in cm⁻¹, in groups with room between them.
BANDS = (
    (95.0, 400.0, 8.0),
    (130.0, 250.0, 7.0),
    (270.0, 500.0, 8.0),
    (310.0, 200.0, 8.0),
    (430.0, 300.0, 9.0),
    (560.0, 400.0, 9.0),
    (595.0, 150.0, 9.0),
    (720.0, 450.0, 10.0),
    (760.0, 200.0, 10.0),
    (905.0, 350.0, 11.0),
)
WINDOWS = (
    (40.0, 195.0),
    (195.0, 370.0),
    (370.0, 495.0),
    (495.0, 660.0),
    (660.0, 830.0),
    (830.0, 990.0),
)


def even_bins(width=1.0, low=20.0, high=1010.0):
    """Centres of even bins."""
    return np.arange(low, high, width) + width / 2


def uneven_bins(growth=0.004, low=20.0, high=1010.0):
    """Centres of bins that widen with energy, as those of a time-of-flight spectrometer."""
    edges = [low]
    while edges[-1] < high:
        edges.append(edges[-1] + max(0.7, growth * edges[-1]))
    edges = np.array(edges)
    return (edges[1:] + edges[:-1]) / 2


def bands(energies, *, shift=0.0, scale=1.0, chosen=BANDS):
    """Means over bins of Gaussian bands, exact."""
    edges = bin_edges(energies)
    total = np.zeros(len(edges))
    for position, area, sigma in chosen:
        total += area / 2 * erf((edges - position - shift) / (np.sqrt(2) * sigma))
    return scale * np.diff(total) / np.diff(edges)


def simulation(*, shift=0.0, scale=1.0, chosen=BANDS, width=1.0):
    """Simulated bands on even bins over a wide range."""
    energies = even_bins(width, low=0.0, high=1100.0)
    return Simulation(energies, bands(energies, shift=shift, scale=scale, chosen=chosen))


def measurement(energies=None, *, error=None, background=0.0, **options):
    """Measured bands without noise."""
    energies = even_bins() if energies is None else energies
    values = bands(energies, **options) + background
    sigma = None if error is None else np.full(len(energies), float(error))
    return Measurement(energies, values, sigma, resolution=2.5 + 0.005 * energies)
