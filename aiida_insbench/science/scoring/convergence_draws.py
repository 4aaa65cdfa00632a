r"""Simulated spectra spoilt by as much as their own convergence leaves open.

A simulation says how far it is off in per cent of its area,

.. math:: \delta = 100\,\frac{\int |S - S_\infty|\,dE}{\int S\,dE}

(`aiida_insbench.science.ins.convergence`), not where. What is not known is drawn:

.. math:: S'(E) = S(E)\,(1 + a f(E)), \qquad
          \int |a f S|\,dE = \frac{\delta}{100} \int S\,dE

with f piecewise linear between normal random numbers one resolution apart, as no instrument lets
anything narrower through. The intensity itself scales the difference: a mesh that is too coarse
puts lines too high and too low where lines are, and nothing where there are none. The parts of δ
(mesh, bins, directions, orders) have different causes and are added as squares.

The draws are a convention of this protocol, stated here; no published one was found. Energies in
cm⁻¹.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.spectra import Simulation


def total_percent(errors: Mapping[str, float | None]) -> float | None:
    """Root of the sum of squares of the errors of a simulation, in per cent of its area.

    Parameters
    ----------
    errors : mapping of str to float or None
        By cause; None where a cause was not judged.

    Returns
    -------
    float or None
        None if no cause was judged.
    """
    known = [value for value in errors.values() if value is not None and math.isfinite(value)]
    return math.sqrt(sum(value**2 for value in known)) if known else None


def spoilt_by(
    simulated: Simulation,
    percent: float,
    *,
    energies: FloatArray,
    resolution: FloatArray,
    seed: int,
    draws: int,
) -> list[Simulation]:
    """Draw spectra that differ from one by a share of its area.

    Parameters
    ----------
    simulated : Simulation
        What is spoilt.
    percent : float
        δ, ≥ 0.
    energies, resolution : ndarray, shape (n,)
        Standard deviation of the instrument's resolution at energies, cm⁻¹; that of the nearest
        one is taken beyond.
    seed, draws : int
        Of the random numbers, and how many spectra.

    Returns
    -------
    list of Simulation
        On the bins of `simulated`.

    Raises
    ------
    InputError
        If `percent` is negative or not finite, or there is no draw.
    """
    if not (math.isfinite(percent) and percent >= 0 and draws >= 1):
        raise InputError(
            f'An error of convergence is ≥ 0 % and drawn at least once: {percent}, {draws}.'
        )
    generator = np.random.default_rng(seed)
    places = _in_resolutions(simulated.energies, energies, resolution)
    knots = np.arange(math.ceil(places[-1]) + 2)
    area = float(np.abs(simulated.intensity) @ np.gradient(simulated.energies))
    found = []
    for _ in range(draws):
        part = simulated.intensity * np.interp(places, knots, generator.normal(size=len(knots)))
        size = float(np.abs(part) @ np.gradient(simulated.energies))
        factor = percent / 100 * area / size if size > 0 else 0.0
        found.append(Simulation(simulated.energies, simulated.intensity + factor * part))
    return found


def _in_resolutions(grid: FloatArray, energies: FloatArray, resolution: FloatArray) -> FloatArray:
    """Distance from the first bin, counted in widths of the resolution."""
    width = np.interp(grid, energies, resolution)
    steps = np.diff(grid) * (1 / width[1:] + 1 / width[:-1]) / 2
    return np.concatenate(([0.0], np.cumsum(steps)))
