"""Maps of the scattering function over momentum and energy transfer.

Each row is a spectrum at constant Q. The resolution in energy is applied; that in Q is not, since
no published model of it is at hand. Points that no detector of the instrument reaches are marked.

Energies in cm⁻¹, Q in Å⁻¹, intensities in barn per cm⁻¹ and primitive cell.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.contributions import compute_contributions
from aiida_insbench.science.ins.instruments import accessible
from aiida_insbench.science.ins.resolution import broaden
from aiida_insbench.science.ins.simulation import Simulation
from aiida_insbench.science.ins.vibrations import Vibrations

_ROWS = 20  # computed at once


@dataclass(frozen=True)
class ScatteringMap:
    """σ S(Q, ω) of a powder.

    Parameters
    ----------
    momentum_transfer : ndarray, shape (n_q,)
        In Å⁻¹.
    energy_transfer : ndarray, shape (n_energies,)
        In cm⁻¹.
    total, order_1 : ndarray, shape (n_q, n_energies)
        All orders, and the first alone.
    accessible : ndarray of bool, shape (n_q, n_energies)
        Whether a detector of the instrument reaches the point.
    """

    momentum_transfer: FloatArray
    energy_transfer: FloatArray
    total: FloatArray
    order_1: FloatArray
    accessible: NDArray[np.bool_]


def map_rows(low: float, high: float, step: float) -> FloatArray:
    """Momentum transfers in Å⁻¹ from the lowest to the highest, that included if steps fit."""
    return np.asarray(low + step * np.arange(math.floor((high - low) / step + 1e-9) + 1))


def scattering_map(
    vibrations: Vibrations,
    simulation: Simulation,
    *,
    momentum_transfer: FloatArray,
    report: Callable[[str, int, int], None] | None = None,
) -> ScatteringMap:
    """Compute a map in the incoherent approximation.

    Parameters
    ----------
    vibrations : Vibrations
        On bins as wide as the simulation's.
    simulation : Simulation
        Instrument, energies and options.
    momentum_transfer : ndarray, shape (n_q,)
        Rising, > 0, in Å⁻¹.
    report : callable, optional
        Called as ``report('rows', done, total)``.

    Returns
    -------
    ScatteringMap
        On the energies asked for.

    Raises
    ------
    InputError
        If the momentum transfers do not rise or are not positive, or there are quirks.
    InstrumentError
        If the instrument is of indirect geometry.
    """
    rows = np.asarray(momentum_transfer, dtype=np.float64)
    if rows.ndim != 1 or not rows.size or rows[0] <= 0 or (np.diff(rows) <= 0).any():
        raise InputError('Momentum transfers of a map must be > 0 Å⁻¹ and rise.')
    if simulation.options.quirks:
        raise InputError('A map is computed without the quirks of Abins.')
    grid, wide = simulation.grid, simulation.wide
    reached = accessible(
        simulation.instrument, energy_transfer=grid.energies, momentum_transfer=rows
    )
    result = np.zeros((2, len(rows), len(wide.energies)))
    for start in range(0, len(rows), _ROWS):
        some = slice(start, start + _ROWS)
        transfers = np.repeat(rows[some, None], len(wide.energies), axis=1)
        values = compute_contributions(
            vibrations,
            grid=wide,
            momentum_transfer=transfers,
            largest=float(rows[some].max()),
            options=dataclasses.replace(simulation.options, coherent=False),
        ).values.sum(axis=1)
        result[:, some] = values.sum(axis=1), values[:, 0]
        if report:
            report('rows', min(start + _ROWS, len(rows)), len(rows))
    sigma = simulation.sigma(wide)
    if sigma is not None:
        result = broaden(result, sigma=sigma, bin_width=wide.bin_width)
    first = grid.first - wide.first
    total, order_1 = result[..., first : first + len(grid.energies)]
    return ScatteringMap(rows, grid.energies, total, order_1, reached)
