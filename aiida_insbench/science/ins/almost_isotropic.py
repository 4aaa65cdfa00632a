r"""The ``almost-isotropic`` kernel: the closed form of CLIMAX, Abins and abinslib.

With :math:`G(\omega)` the displacement-weighted density of states of an atom, a tensor, and
:math:`U = \int G`, the average over directions is taken of each factor by itself:

.. math::

    S_1 = \frac{Q^2}{3}\,\mathrm{tr}\,G\;
          \exp\left[-\frac{Q^2}{5}\left(\mathrm{tr}\,U + 2\frac{G:U}{\mathrm{tr}\,G}\right)\right]

    S_2 = \frac{Q^4}{2}\,\frac{1}{15}\left[\mathrm{tr}\,G * \mathrm{tr}\,G + 2\,G * : G\right]
          \exp\left[-\frac{Q^2}{3}\mathrm{tr}\,U\right]

    S_n = \frac{Q^{2n}}{n!}\left(\frac{\mathrm{tr}\,G}{3}\right)^{*n}
          \exp\left[-\frac{Q^2}{3}\mathrm{tr}\,U\right], \quad n \ge 3

where :math:`*` convolves in energy and :math:`*:` also contracts the tensors. The prefactors of
orders 1 and 2 are exact averages of the displacements, their Debye–Waller factors are not: both are
exact for an isotropic atom only. :math:`S_2` sums over ordered pairs of modes, so that each pair of
different modes counts twice.

Energies in cm⁻¹, Q in Å⁻¹, displacements in Å².

Source: Mitchell et al., *Vibrational Spectroscopy with Neutrons* (2005), ch. 2; Dymkowski et al.,
*Physica B* 551, 443 (2018).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection
from typing import Any

import numpy as np
from scipy import fft

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import ComplexArray, FloatArray
from aiida_insbench.science.ins.census import MINIMUM_FREQUENCY
from aiida_insbench.science.ins.debye_waller import mean_square_displacement, occupation
from aiida_insbench.science.ins.density import (
    DisplacementDensity,
    displacement_density,
    share_between_bins,
)
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.kernel import ring_of
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.ring import Ring

#: What Abins does to order 2 and the formulas above do not: it combines modes of one q-point only,
#: counts overtones (a mode with itself) half, and leaves out pairs of one loss and one gain.
WITHIN_QPOINT, HALF_OVERTONES, LOSS_ONLY = 'within-qpoint', 'half-overtones', 'loss-only'
QUIRKS = (WITHIN_QPOINT, HALF_OVERTONES, LOSS_ONLY)
# How often the components xx, yy, zz, yz, xz, xy stand in the double contraction of two tensors.
_TWICE = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


def check_quirks(quirks: Collection[str]) -> frozenset[str]:
    """Check names of quirks; raises `InputError` naming those that are known."""
    unknown = sorted(set(quirks) - set(QUIRKS))
    if unknown:
        raise InputError(
            format_error(
                f'Unknown quirks: {", ".join(unknown)}.', fix=f'Known: {", ".join(QUIRKS)}.'
            )
        )
    return frozenset(quirks)


def almost_isotropic_orders(
    density: DisplacementDensity,
    *,
    grid: EnergyGrid,
    momentum_transfer: FloatArray,
    orders: int,
    tensor: FloatArray | None = None,
) -> FloatArray:
    """Orders of one atom's scattering function in the almost-isotropic approximation.

    Parameters
    ----------
    density : DisplacementDensity
        Of the atom, on bins as wide as the grid's.
    grid : EnergyGrid
        Energies asked for.
    momentum_transfer : ndarray, shape (n_banks, n_energies)
        Q in Å⁻¹ at the grid's energies, for each bank.
    orders : int
        Highest order N ≥ 1.
    tensor : ndarray, shape (3, 3), optional
        U in Å² for the Debye–Waller factors; by default that of `density`.

    Returns
    -------
    ndarray, shape (n_banks, orders, n_energies)
        S_n(Q(ω), ω) in 1/cm⁻¹, orders 1 to N.

    Raises
    ------
    InputError
        If the density's bins are not the grid's.
    """
    if density.bin_width != grid.bin_width:
        raise InputError(f'Bins of {density.bin_width} and {grid.bin_width} cm⁻¹ do not fit.')
    moved = density.tensor() if tensor is None else tensor
    squared = momentum_transfer**2
    ring = ring_of(density, grid=grid, orders=orders)
    transformed = fft.rfft(ring.place(density.loss, density.gain), axis=-1)
    result = np.zeros((squared.shape[0], orders, squared.shape[1]))
    result[:, 0] = _fundamentals(density, moved, squared, grid=grid)
    trace = transformed[:3].sum(axis=0)
    factor = np.exp(-squared * np.trace(moved) / 3)
    for order in range(2, orders + 1):
        spectrum = _pairs(transformed) if order == 2 else (trace / 3) ** order
        line = _read(ring, spectrum, grid)
        result[:, order - 1] = squared**order / math.factorial(order) * line * factor
    return result / grid.bin_width


def abins_second_order(
    modes: PhononModes,
    *,
    atom: int,
    temperature: float,
    grid: EnergyGrid,
    momentum_transfer: FloatArray,
    tensor: FloatArray,
    quirks: Collection[str],
    minimum_frequency: float = MINIMUM_FREQUENCY,
) -> FloatArray:
    """Order 2 of one atom with the peculiarities of Abins.

    Parameters
    ----------
    modes : PhononModes
        Modes on a mesh.
    atom : int
        Index of the atom.
    temperature : float
        In K.
    grid : EnergyGrid
        Energies asked for.
    momentum_transfer : ndarray, shape (n_banks, n_energies)
        Q in Å⁻¹.
    tensor : ndarray, shape (3, 3)
        U of the atom in Å², from all q-points.
    quirks : collection of str
        Of `QUIRKS`.
    minimum_frequency : float
        In cm⁻¹; modes below it are left out.

    Returns
    -------
    ndarray, shape (n_banks, n_energies)
        S_2(Q(ω), ω) in 1/cm⁻¹.
    """
    chosen = check_quirks(quirks)
    parts = _one_by_one(modes) if WITHIN_QPOINT in chosen else [(1.0, modes)]
    line = np.zeros(grid.last - grid.first + 1)
    options: dict[str, Any] = {
        'atom': atom,
        'temperature': temperature,
        'bin_width': grid.bin_width,
        'minimum_frequency': minimum_frequency,
    }
    for weight, part in parts:
        density = displacement_density(part, **options)
        if LOSS_ONLY in chosen:
            density = dataclasses.replace(density, gain=np.zeros_like(density.gain))
        ring = ring_of(density, grid=grid, orders=2)
        transformed = fft.rfft(ring.place(density.loss, density.gain), axis=-1)
        both = _read(ring, _pairs(transformed), grid)
        if HALF_OVERTONES in chosen:
            both = both - 0.5 * _overtones(part, grid=grid, **options)
        line += weight * both
    squared = momentum_transfer**2
    factor = np.exp(-squared * np.trace(tensor) / 3)
    return np.asarray(squared**2 / 2 * line * factor / grid.bin_width)


def _read(ring: Ring, spectrum: ComplexArray, grid: EnergyGrid) -> FloatArray:
    return ring.read(fft.irfft(spectrum, n=ring.length), first=grid.first, last=grid.last)


def _fundamentals(
    density: DisplacementDensity, tensor: FloatArray, squared: FloatArray, *, grid: EnergyGrid
) -> FloatArray:
    """Order 1 (banks, energies): the exponent follows the direction of motion in every bin.

    Where a density from velocities is nothing but noise it need not be positive, and G:U / tr G is
    anything. Of a positive G it lies between the smallest and the largest eigenvalue of U: these
    bounds change nothing of a sound density and keep noise from exploding in the exponential.
    """
    values = np.zeros((6, grid.last - grid.first + 1))
    steps = np.arange(density.loss.shape[1])
    for side, bins in ((density.loss, steps), (density.gain, -steps)):
        inside = (bins >= grid.first) & (bins <= grid.last)
        values[:, bins[inside] - grid.first] += side[:, inside]
    trace = values[:3].sum(axis=0)
    components = np.array([tensor[0, 0], tensor[1, 1], tensor[2, 2], tensor[1, 2], tensor[0, 2],
                           tensor[0, 1]])  # fmt: skip
    contracted = (_TWICE * components) @ values
    ratio = np.divide(contracted, trace, out=np.zeros_like(trace), where=trace > 0)
    smallest, *_, largest = np.linalg.eigvalsh(tensor)
    ratio = np.clip(ratio, max(float(smallest), 0.0), max(float(largest), 0.0))
    exponent = squared / 5 * (np.trace(tensor) + 2 * ratio)
    return np.asarray(squared / 3 * trace * np.exp(-exponent))


def _pairs(transformed: ComplexArray) -> ComplexArray:
    """Transform of the average over directions of (û·G·û) * (û·G·û)."""
    trace = transformed[:3].sum(axis=0)
    contracted = (_TWICE[:, None] * transformed**2).sum(axis=0)
    return np.asarray((trace**2 + 2 * contracted) / 15)


def _one_by_one(modes: PhononModes) -> list[tuple[float, PhononModes]]:
    return [
        (
            float(weight),
            dataclasses.replace(
                modes,
                frequencies=modes.frequencies[index : index + 1],
                eigenvectors=modes.eigenvectors[index : index + 1],
                weights=np.ones(1),
            ),
        )
        for index, weight in enumerate(modes.weights)
    ]


def _overtones(
    modes: PhononModes,
    *,
    atom: int,
    temperature: float,
    bin_width: float,
    minimum_frequency: float,
    grid: EnergyGrid,
) -> FloatArray:
    """Average over directions of (û·B·û)² of each mode with itself, at twice its frequency."""
    used = modes.frequencies >= minimum_frequency
    frequencies = modes.frequencies[used]
    vectors = modes.eigenvectors[:, :, atom][used]
    shares = np.broadcast_to(modes.weights[:, None], used.shape)[used]
    strength = mean_square_displacement(
        frequencies=frequencies,
        masses=np.full_like(frequencies, modes.masses[atom]),
        temperature=0.0,
    ) * (occupation(frequencies=frequencies, temperature=temperature) + 1)
    outer = np.einsum('ka,kb->kab', vectors, vectors.conj()).real * strength[:, None, None]
    trace = np.einsum('kaa->k', outer)
    average = shares**2 * (trace**2 + 2 * np.einsum('kab,kab->k', outer, outer)) / 15
    bins, parts = share_between_bins(2 * frequencies, bin_width=bin_width)
    line = np.zeros(grid.last - grid.first + 1)
    inside = (bins >= grid.first) & (bins <= grid.last)
    np.add.at(line, bins[inside] - grid.first, (np.tile(average, 2) * parts)[inside])
    return line
