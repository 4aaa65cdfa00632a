r"""Coherent one-phonon scattering of a powder.

At momentum transfer Q the coherent part of order 1 is, per primitive cell,

.. math:: \sigma S(Q,\omega) = 4\pi\left\langle\sum_j \left|\sum_i b_i
          \sqrt{\frac{\hbar}{2m_i\omega_{qj}}}\,(Q\cdot e_{qj,i})\, e^{iQ\cdot r_i}
          e^{-Q\cdot U_i\cdot Q/2}\right|^2 \left[(n_{qj}+1)\,\delta(\omega-\omega_{qj}) +
          n_{qj}\,\delta(\omega+\omega_{qj})\right]\right\rangle_{\hat Q}

with the modes at q = Q, averaged over spheres of constant \|Q\|. Between spheres it is interpolated
to the Q(ω) of each bank. Structure factors and interpolation are Euphonic's.

Energies in cm⁻¹, Q in Å⁻¹, intensities in barn per cm⁻¹ and primitive cell.

Source: Squires, *Introduction to the Theory of Thermal Neutron Scattering* (1978), ch. 3; Dove,
*Structure and Dynamics* (2003), ch. 9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.debye_waller import occupation
from aiida_insbench.science.ins.density import share_between_bins
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.interpolation import InterpolatedModes
from aiida_insbench.science.ins.isotopes import scatterer
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

_BARN = 1e-3 * 4 * np.pi  # from mbarn of b² to barn of 4πb²


def coherent_one_phonon(
    source: InterpolatedModes,
    *,
    tensors: FloatArray,
    temperature: float,
    grid: EnergyGrid,
    momentum_transfer: FloatArray,
    highest_frequency: float,
    minimum_frequency: float,
    points: int,
    spacing: float,
    report: Callable[[str, int, int], None] | None = None,
) -> FloatArray:
    """Coherent part of order 1 along the paths of all banks.

    Parameters
    ----------
    source : InterpolatedModes
        Where modes at any q come from; its mesh has no part in this.
    tensors : ndarray, shape (n_atoms, 3, 3)
        Mean-square displacements U of the Debye–Waller factors in Å².
    temperature : float
        In K.
    grid : EnergyGrid
        Energies.
    momentum_transfer : ndarray, shape (n_banks, n_energies)
        Q in Å⁻¹.
    highest_frequency : float
        Of all modes, in cm⁻¹: there is nothing beyond.
    minimum_frequency : float
        In cm⁻¹; modes below it are left out.
    points : int
        Directions on each sphere, half of them for each of the two results.
    spacing : float
        Of the spheres' radii, in Å⁻¹.
    report : callable, optional
        Called as ``report('spheres', done, total)``.

    Returns
    -------
    ndarray, shape (2, n_banks, n_energies)
        By one half of the directions and by the other: their mean is the result, half their
        difference its statistical error.
    """
    reached = np.abs(grid.energies) <= highest_frequency + grid.bin_width
    result = np.zeros((2, *momentum_transfer.shape))
    if not reached.any():
        return result
    steps = momentum_transfer[:, reached] / spacing
    spheres = np.arange(np.floor(steps.min()), np.ceil(steps.max()) + 1)
    spheres = spheres[spheres > 0]
    damping = _debye_waller(source.force_constants.crystal, tensors, temperature)
    directions = sphere_points(points)
    for done, number in enumerate(spheres, start=1):
        nearness = np.maximum(0.0, 1 - np.abs(momentum_transfer / spacing - number))
        nearness[:, ~reached] = 0.0
        if nearness.any():
            lines = _sphere(
                source, number * spacing * directions, damping, temperature, grid,
                minimum_frequency,
            )  # fmt: skip
            result += nearness * lines[:, None, :]
        if report:
            report('spheres', done, len(spheres))
    return result


def sphere_points(count: int) -> FloatArray:
    """Evenly spread unit vectors, shape (count, 3): Euphonic's golden sphere."""
    from euphonic.sampling import golden_sphere

    return np.array(list(golden_sphere(count)))


def _sphere(
    source: InterpolatedModes,
    vectors: FloatArray,
    damping: Any,
    temperature: float,
    grid: EnergyGrid,
    minimum_frequency: float,
) -> FloatArray:
    """Average over Cartesian `vectors` Q, of even and odd ones apart, shape (2, n_energies)."""
    crystal = source.force_constants.crystal
    cell = crystal.cell_vectors.to('angstrom').magnitude
    qpoints = vectors @ cell.T / (2 * np.pi)
    modes = source.at(qpoints)
    strengths = modes.calculate_structure_factor(
        scattering_lengths=_lengths(crystal), dw=damping
    ).structure_factors.to('mbarn').magnitude  # fmt: skip
    frequencies = modes.frequencies.to('meV').magnitude * MEV_TO_WAVENUMBER
    used = frequencies >= minimum_frequency
    halves = np.broadcast_to(np.arange(len(vectors))[:, None] % 2, used.shape)[used]
    weights = strengths[used] * crystal.n_atoms * _BARN
    thermal = occupation(frequencies=frequencies[used], temperature=temperature)
    bins, shares = share_between_bins(frequencies[used], bin_width=grid.bin_width)
    lines = np.zeros((2, grid.last - grid.first + 1))
    for sign, amplitude in ((1, thermal + 1), (-1, thermal)):
        places = sign * bins - grid.first
        inside = (places >= 0) & (places < lines.shape[1])
        values = np.tile(weights * amplitude, 2) * shares
        np.add.at(lines, (np.tile(halves, 2)[inside], places[inside]), values[inside])
    counts = np.array([(len(vectors) + 1) // 2, len(vectors) // 2])
    return np.asarray(lines / counts[:, None] / grid.bin_width)


def _lengths(crystal: Any) -> dict[str, Any]:
    from euphonic import ureg

    labels = {str(label) for label in crystal.atom_type}
    return {label: scatterer(label).length * ureg('fm') for label in labels}


def _debye_waller(crystal: Any, tensors: FloatArray, temperature: float) -> Any:
    from euphonic import DebyeWaller, ureg

    return DebyeWaller(
        crystal,
        tensors / 2 * ureg('angstrom**2'),
        temperature * ureg('K'),
    )
