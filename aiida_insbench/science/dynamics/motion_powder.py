"""Spectrum of a powder from classical densities of states of its atoms.

What `aiida_insbench.science.dynamics.gaussian_quantum` does with velocities, when these have become
densities already: a run is kept as one tensor per site and energy, from which spectra of any
instrument and temperature follow. Theory and limits are told there.

Energies in cm⁻¹, Q in Å⁻¹; intensities in barn per cm⁻¹ and primitive cell.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from aiida_insbench.science.dynamics.classical_ins import check_simulation, remaining_sigma
from aiida_insbench.science.dynamics.motion_density import (
    MotionDensity,
    QuantumDensity,
    quantum_density,
)
from aiida_insbench.science.dynamics.run import FloatArray
from aiida_insbench.science.errors import ConvergenceError, InputError, format_error
from aiida_insbench.science.ins.census import ModeCensus
from aiida_insbench.science.ins.contributions import Contributions, compute_contributions
from aiida_insbench.science.ins.debye_waller import isotropic_displacements
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.options import EXACT
from aiida_insbench.science.ins.powder import PowderResult
from aiida_insbench.science.ins.simulation import Simulation
from aiida_insbench.science.ins.spectrum import PowderSpectrum
from aiida_insbench.science.ins.vibrations import Vibrations

_LOWEST = 3.0  # standard deviations of the window
_MISSING, _BIAS = 0.02, 0.02
_NONLINEAR = (
    'The kernel `almost-isotropic` is not linear in the density of states: between bands, where '
    'that is noise, its order 1 may be anything; take `exact`.'
)


@dataclass(frozen=True)
class Motions:
    """Classical densities of states of all sites of a run.

    Attributes
    ----------
    densities : tuple of MotionDensity
        One for each site; their ``atoms`` are indices into `labels`.
    labels : tuple of str, length n_atoms
        Kinds of atoms with their cross-sections, isotopes say.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.
    total_mass : float
        Of the whole supercell.
    resolution : float
        σ of the window, cm⁻¹.
    timestep : float or None
        Of the run's integrator in fs, to undo its shift of frequencies.
    n_cells : int
        Primitive cells that `labels` make up.
    n_copies : int
        Copies of a primitive cell in the run.
    """

    densities: tuple[MotionDensity, ...]
    labels: tuple[str, ...]
    masses: FloatArray
    total_mass: float
    resolution: float
    timestep: float | None
    n_cells: int
    n_copies: int


@dataclass(frozen=True)
class MotionPowder:
    """A spectrum.

    Attributes
    ----------
    result : PowderResult
        As the harmonic one.
    states : float
        Share of the degrees of freedom between the lowest and the highest energy used.
    broadening_bias : float
        Estimate of what the window adds to mean-square displacements, as a share, the largest of
        all sites.
    """

    result: PowderResult
    states: float
    broadening_bias: float


def motion_powder(
    motions: Motions, simulation: Simulation, *, minimum: float | None = None
) -> MotionPowder:
    """Spectrum on an instrument from densities of states.

    Parameters
    ----------
    motions : Motions
        Of a solid.
    simulation : Simulation
        Instrument, temperature of the spectrum, energies, options. What the window has broadened
        already is taken off its resolution; of order n the window is wider by √n.
    minimum : float, optional
        Energies of modes below are left out, cm⁻¹; by default 3 σ, at least the simulation's
        `minimum_frequency`.

    Raises
    ------
    InputError
        If the window is finer than a bin or an option belongs to modes only.
    ConvergenceError
        If too many orders would be needed, or noise makes a mean-square displacement negative.
    """
    check_simulation(simulation, motions.n_cells)
    if motions.resolution < simulation.bin_width:
        raise InputError(
            f'`resolution`, {motions.resolution:g} cm⁻¹, must be at least a bin, '
            f'{simulation.bin_width:g}.'
        )
    lowest = max(_LOWEST * motions.resolution, simulation.options.minimum_frequency)
    minimum = lowest if minimum is None else minimum
    densities = [_quantum(one, motions, simulation, minimum) for one in motions.densities]
    vibrations = _vibrations(motions, densities, simulation, minimum)
    result = _powder(vibrations, simulation, motions)
    weights = np.array([len(motion.atoms) for motion in motions.densities], dtype=float)
    states = float(weights @ [one.states for one in densities] / weights.sum())
    bias = max(one.broadening_bias for one in densities)
    highest = min(motion.grid.energies[-1] for motion in motions.densities)
    kernel = (_NONLINEAR,) if simulation.options.kernel != EXACT else ()
    warnings = (*kernel, *result.warnings, *_warnings(states, bias, minimum, highest))
    return MotionPowder(dataclasses.replace(result, warnings=warnings), states, bias)


def resampled(motion: MotionDensity, bin_width: float) -> MotionDensity:
    """The same density at closer energies.

    A density broadened by σ is smooth: cubic splines through points σ/4 apart err by less than
    1e-4 of a line's height.

    Parameters
    ----------
    motion : MotionDensity
        On bins of its own.
    bin_width : float
        Wanted in cm⁻¹; where that is wider than the density's own, nothing is done.
    """
    if bin_width >= motion.grid.bin_width:
        return motion
    seen = motion.grid.energies
    grid = EnergyGrid(bin_width, 0, int(seen[-1] / bin_width + 1e-9))
    # even in energy: nothing bends at zero
    spline = CubicSpline(seen, motion.tensor, axis=1, bc_type=('clamped', 'not-a-knot'))
    return dataclasses.replace(motion, grid=grid, tensor=spline(grid.energies))


def _quantum(
    motion: MotionDensity, motions: Motions, simulation: Simulation, minimum: float
) -> QuantumDensity:
    return quantum_density(
        resampled(motion, simulation.bin_width),
        temperature=simulation.temperature,
        minimum=minimum,
        resolution=motions.resolution,
        mass_share=motion.mass / motions.total_mass,
        timestep=motions.timestep,
        bin_width=simulation.bin_width,
    )


def _powder(vibrations: Vibrations, simulation: Simulation, motions: Motions) -> PowderResult:
    wide = simulation.wide
    contributions = compute_contributions(
        vibrations,
        grid=wide,
        momentum_transfer=simulation.momentum_transfer(wide),
        largest=simulation.largest_momentum_transfer(),
        options=simulation.options,
    )
    sigma, warnings = remaining_sigma(simulation.sigma(wide), wide, motions.resolution)
    return PowderResult(
        _spectrum(contributions, simulation, sigma, motions.n_cells),
        vibrations,
        contributions.sum_rules,
        isotropic_displacements(vibrations.symbols, vibrations.tensors),
        contributions.directions,
        contributions.direction_error,
        contributions.direction_area_error,
        None,
        warnings,
    )


def _vibrations(
    motions: Motions, densities: list[QuantumDensity], simulation: Simulation, minimum: float
) -> Vibrations:
    n_atoms = len(motions.labels)
    tensors, shares = np.zeros((n_atoms, 3, 3)), np.zeros(n_atoms)
    for motion, quantum in zip(motions.densities, densities, strict=True):
        if max(motion.atoms) >= n_atoms:
            raise InputError(f'{n_atoms} labels for {max(motion.atoms) + 1} atoms or more.')
        members = list(motion.atoms)
        tensors[members] = quantum.density.tensor()
        shares[members] = quantum.states
        if np.linalg.eigvalsh(tensors[members[0]])[0] < 0:
            raise ConvergenceError(
                format_error(
                    f'The mean-square displacement of atom {members[0]} is negative along '
                    'one axis.',
                    reason='That is noise of a short run.',
                    fix='Run longer, raise `minimum` or `resolution`, or give `sites`.',
                )
            )
    atoms = [motion.atoms for motion in motions.densities]
    return Vibrations(
        symbols=motions.labels,
        masses=motions.masses,
        tensors=tensors,
        densities={
            members[0]: quantum.density for members, quantum in zip(atoms, densities, strict=True)
        },
        groups={members[0]: members for members in atoms},
        census=_census(motions.labels, shares, minimum),
        dominant=(),
        temperature=simulation.temperature,
        minimum_frequency=minimum,
        n_qpoints=motions.n_copies,
        gamma_only=False,
    )


def _census(labels: tuple[str, ...], shares: FloatArray, minimum: float) -> ModeCensus:
    """As of modes: all of the supercell's, of which the translations are left out."""
    names = np.array(labels)
    left_out = {kind: float(1 - shares[names == kind].mean()) for kind in dict.fromkeys(names)}
    return ModeCensus(
        n_modes=3 * len(names),
        n_imaginary=0,
        n_near_zero=0,
        n_translations=3,
        lowest_frequency=minimum,
        left_out={str(kind): share for kind, share in left_out.items()},
        given=np.ones(len(names)),
        completeness=shares,
    )


def _spectrum(
    contributions: Contributions, simulation: Simulation, sigma: FloatArray | None, n_cells: int
) -> PowderSpectrum:
    return PowderSpectrum(
        grid=simulation.grid,
        wide=simulation.wide,
        path=simulation.momentum_transfer(simulation.wide),
        raw=contributions.values / n_cells,
        coherent=None,
        sigma=sigma,
        banks=tuple(bank.name for bank in simulation.instrument.banks),
        sites=contributions.sites,
        temperature=simulation.temperature,
    )


def _warnings(states: float, bias: float, minimum: float, highest: float) -> list[str]:
    found = []
    if abs(1 - states) > _MISSING:
        found.append(
            f'{states:.1%} of the degrees of freedom lie between {minimum:.0f} and {highest:.0f} '
            'cm⁻¹; the rest is left out.'
        )
    if bias > _BIAS:
        found.append(
            f'The width of the window adds up to about {bias:.0%} to mean-square displacements: '
            'soft modes are not resolved.'
        )
    return found
