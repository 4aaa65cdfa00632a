r"""Spectrum of a powder from the positions of a run: classical, with a quantum correction.

.. math:: \sigma S(Q,\omega) = f(\hbar\omega/k_BT) \sum_i \sigma_i \frac{1}{2\pi}
          \int e^{-i\omega t}\,[I_i(Q,t) - A_i(Q)]\,W(t)\,dt

with the intermediate scattering function of
`aiida_insbench.science.dynamics.intermediate_scattering`, the Gaussian window of
`aiida_insbench.science.dynamics.correlations`, σ_i the cross-sections of the incoherent
approximation as in the harmonic kernels, and the factor f of
`aiida_insbench.science.dynamics.quantum_corrections`. It holds all orders of scattering, of all
anharmonic motion that the run made.

**Limits.** The atoms of a run move classically: no zero-point motion. Mean-square displacements,
and with them Debye–Waller factors and the weights of several phonons, are those of kT per mode,
which for ħω > kT is far too little: (ħω/2kT) coth(ħω/2kT) times, 7 at 3000 cm⁻¹ and 300 K. No
factor mends that. (A harmonic hydride of modes up to 1770 cm⁻¹ came out 10 % too high on TOSCA even
at 2000 K, where kT is 1390; with frequencies a quarter of these, right to 0.6 %.) So compare this
spectrum with a harmonic one only in the same classical limit or, where ħω < kT, at the run's
temperature; never with one measured at another, 10 K say. The spectrum that can be compared at any
temperature is that of `aiida_insbench.science.dynamics.gaussian_quantum`.

Q follows ω on an instrument's path. S(Q, ω)/Q² is computed at few values of Q² and interpolated
between them by a polynomial: as a sum of :math:`e^{-Q^2x}` with 0 ≤ x ≤ 2U it errs by less than
``tolerance`` of its limit at Q → 0, by the bound of
`aiida_insbench.science.dynamics.momentum_interpolation.momentum_nodes`. (Large motion that is not
Gaussian needs a smaller tolerance.)

Energies in cm⁻¹, Q in Å⁻¹; intensities in barn per cm⁻¹ and primitive cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.dynamics.correlations import (
    BOLTZMANN,
    as_runs,
    cut_segments,
    even_spectrum,
    jackknife_error,
)
from aiida_insbench.science.dynamics.intermediate_scattering import (
    IntermediateScattering,
    displacement_tensors_of,
    intermediate_scattering,
    reduced_coordinates,
)
from aiida_insbench.science.dynamics.momentum_interpolation import along_path, momentum_nodes
from aiida_insbench.science.dynamics.quantum_corrections import KUBO, NONE, quantum_factor
from aiida_insbench.science.dynamics.run import FloatArray, MDRun
from aiida_insbench.science.dynamics.stride_check import stride_warnings
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.contributions import Site
from aiida_insbench.science.ins.cross_sections import cross_sections
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.simulation import Simulation
from aiida_insbench.science.ins.spectrum import PowderSpectrum
from aiida_insbench.science.ins.units import KELVIN_TO_WAVENUMBER

_ANOTHER_TEMPERATURE = 0.1  # relative


@dataclass(frozen=True)
class ClassicalPowder:
    """A classical spectrum on an instrument.

    Attributes
    ----------
    spectrum : PowderSpectrum
        On the grid and in the units of the harmonic spectra. Its one row of orders holds *all*
        orders together; its sites are the labels. Its temperature is the measured one of the runs.
    error : ndarray, shape (n_energies,)
        Standard error of ``spectrum.total``, of segments.
    momentum_transfers : ndarray, shape (n_q,)
        Where S(Q, ω) was computed, Å⁻¹.
    elastic : dict from str to ndarray, shape (n_q,)
        Elastic incoherent structure factor of each label there.
    correction : str
        The factor applied.
    displacements : dict from str to float
        Classical mean-square displacement of each label, isotropic, Å².
    warnings : tuple of str
        What a reader should mind.
    """

    spectrum: PowderSpectrum
    error: FloatArray
    momentum_transfers: FloatArray
    elastic: dict[str, FloatArray]
    correction: str
    displacements: dict[str, float]
    warnings: tuple[str, ...]


def classical_powder(
    runs: MDRun | Sequence[MDRun],
    simulation: Simulation,
    *,
    resolution: float,
    correction: str = KUBO,
    labels: Sequence[str] | None = None,
    n_cells: int = 1,
    tolerance: float = 1e-3,
) -> ClassicalPowder:
    """Classical spectrum of runs on an instrument.

    Parameters
    ----------
    runs : MDRun or sequence of MDRun
        Of a solid, after equilibration.
    simulation : Simulation
        Instrument, energies and options, of which cross-section, resolution and directions are
        used. Its temperature must be that of the runs.
    resolution : float
        Standard deviation to which lines are broadened by the window, cm⁻¹. The instrument's
        resolution makes up the rest.
    correction : {'kubo', 'standard', 'schofield', 'none'}
        See `aiida_insbench.science.dynamics.quantum_corrections`.
    labels : sequence of str, length n_atoms, optional
        Kinds of atoms with their cross-sections, isotopes say; elements by default.
    n_cells : int
        Primitive cells in the supercell.
    tolerance : float
        Of the interpolation in Q.

    Returns
    -------
    ClassicalPowder
        Spectrum, errors, elastic structure factors, warnings.

    Raises
    ------
    InputError
        If the temperature is not that of the runs within 10 %, an option belongs to harmonic
        kernels, nothing scatters, or the runs do not suffice (see `cut_segments`).
    ConvergenceError
        If too many values of Q would be needed: the atoms move too far.
    """
    found = as_runs(runs)
    temperature = kinetic_temperature(found)
    check_simulation(simulation, n_cells)
    _check_temperature(simulation, temperature)
    wide = simulation.wide
    segments = cut_segments(
        found, resolution=resolution, highest_energy=float(np.abs(wide.energies).max())
    )
    names = tuple(labels or found[0].symbols)
    tensors = displacement_tensors_of([reduced_coordinates(run) for run in found])
    path = simulation.momentum_transfer(wide)
    nodes = momentum_nodes(
        path, displacement=float(np.linalg.eigvalsh(tensors).max()), tolerance=tolerance
    )
    scattering = intermediate_scattering(
        found,
        segments=segments,
        momentum_transfers=nodes,
        labels=names,
        directions=simulation.options.directions,
        direction_tolerance=max(simulation.options.direction_tolerance, tolerance),
    )
    by_segment = scattering_functions(
        scattering, grid=wide, temperature=temperature, correction=correction
    )
    sections = cross_sections(scattering.labels, kind=simulation.options.cross_section)
    barns = scattering.counts * [sections[label] for label in scattering.labels] / n_cells
    if barns.sum() == 0:
        raise InputError(f'No atom of {scattering.labels} scatters.')
    raw = along_path(by_segment, nodes, path) * barns[:, None]
    sigma, warnings = remaining_sigma(simulation.sigma(wide), wide, resolution)
    spectrum = _spectrum(
        simulation, np.tensordot(scattering.shares, raw, 1), sigma, names, temperature
    )
    traces = np.trace(tensors, axis1=1, axis2=2) / 3
    return ClassicalPowder(
        spectrum=spectrum,
        error=_error(spectrum, raw, scattering.shares),
        momentum_transfers=nodes,
        elastic=dict(zip(scattering.labels, scattering.elastic.T, strict=True)),
        correction=correction,
        displacements={
            label: float(traces[np.array(names) == label].mean()) for label in scattering.labels
        },
        warnings=(
            *stride_warnings(found, highest_energy=segments.highest_energy),
            *warnings,
            *_classical(wide, temperature, correction),
        ),
    )


def scattering_functions(
    scattering: IntermediateScattering, *, grid: EnergyGrid, temperature: float, correction: str
) -> FloatArray:
    """S(Q, ω) of each label without the elastic line, by segment.

    Parameters
    ----------
    scattering : IntermediateScattering
        At some Q.
    grid : EnergyGrid
        Energies in cm⁻¹, negative ones where the neutron gains energy.
    temperature : float
        Of the quantum correction, K.
    correction : str
        Its name.

    Returns
    -------
    ndarray, shape (n_segments, n_q, n_labels, n_energies)
        Per atom and cm⁻¹. Without correction it integrates to 1 − A(Q) in the mean of segments.
    """
    values = even_spectrum(scattering.inelastic, segments=scattering.segments, grid=grid)
    return values * quantum_factor(grid.energies, temperature=temperature, correction=correction)


def kinetic_temperature(runs: Sequence[MDRun]) -> float:
    """Mean kinetic temperature without the motion of the centre of mass, K."""
    heat = frames = 0.0
    for run in runs:
        momenta = np.einsum('i,tia->ta', run.masses, run.velocities)
        heat += float(np.einsum('i,tia,tia->', run.masses, run.velocities, run.velocities))
        heat -= float((momenta**2).sum() / run.masses.sum())
        frames += len(run.times)
    return heat / (frames * BOLTZMANN * (3 * runs[0].n_atoms - 3))


def remaining_sigma(
    sigma: FloatArray | None, grid: EnergyGrid, resolution: float
) -> tuple[FloatArray | None, tuple[str, ...]]:
    """What the instrument's resolution has left to broaden after the window, and a warning.

    Parameters
    ----------
    sigma : ndarray, shape (n,), or None
        Of the instrument in cm⁻¹; None for no resolution.
    grid : EnergyGrid
        Its energies.
    resolution : float
        σ of the window in cm⁻¹.

    Returns
    -------
    sigma : ndarray, shape (n,), or None
        √(σ_instrument² − σ_window²) in cm⁻¹, next to nothing where that is negative; None for no
        resolution.
    warnings : tuple of str
        Where the window is the wider one.
    """
    if sigma is None:
        return None, ()
    left = np.sqrt(np.maximum(sigma**2 - resolution**2, (1e-3 * grid.bin_width) ** 2))
    wider = grid.energies[sigma < resolution]
    if len(wider) == 0:
        return left, ()
    return left, (
        f'From {wider[0]:.0f} to {wider[-1]:.0f} cm⁻¹ lines are as wide as the window of the run '
        f'makes them, σ = {resolution:g} cm⁻¹, more than the instrument would (from '
        f'{sigma.min():.2g}).',
    )


def check_simulation(simulation: Simulation, n_cells: int) -> None:
    """Refuse options that a run cannot follow; raises `InputError`."""
    options = simulation.options
    if options.coherent or options.quirks or options.displacements:
        raise InputError(
            '`coherent`, `quirks` and `displacements` belong to harmonic spectra; of a run the '
            'incoherent approximation is computed.'
        )
    if n_cells < 1:
        raise InputError(f'`n_cells` must be at least 1, not {n_cells}.')


def _check_temperature(simulation: Simulation, temperature: float) -> None:
    if abs(simulation.temperature - temperature) > _ANOTHER_TEMPERATURE * temperature:
        raise InputError(
            format_error(
                f'The run is at {temperature:.0f} K; asked for are {simulation.temperature:g} K.',
                reason='A classical spectrum holds at the temperature of its run only.',
                fix='Take the Gaussian quantum route for other temperatures.',
            )
        )


def _classical(grid: EnergyGrid, temperature: float, correction: str) -> list[str]:
    """Where classical amplitudes are far too small."""
    heat = KELVIN_TO_WAVENUMBER * temperature
    if grid.energies[-1] <= heat:
        return []
    half = float(grid.energies[-1]) / (2 * heat)
    factor = '' if correction == NONE else f' The factor {correction!r} does not mend that.'
    return [
        f'Above {heat:.0f} cm⁻¹ (ħω > kT) classical amplitudes are too small: squared, by up to '
        f'{half / np.tanh(half):.1f} times.{factor}'
    ]


def _spectrum(
    simulation: Simulation,
    raw: FloatArray,
    sigma: FloatArray | None,
    names: Sequence[str],
    temperature: float,
) -> PowderSpectrum:
    kinds = tuple(dict.fromkeys(names))
    sites = tuple(
        Site(f'{kind}1', kind, tuple(i for i, name in enumerate(names) if name == kind))
        for kind in kinds
    )
    return PowderSpectrum(
        grid=simulation.grid,
        wide=simulation.wide,
        path=simulation.momentum_transfer(simulation.wide),
        raw=np.asarray(raw)[:, :, None],
        coherent=None,
        sigma=sigma,
        banks=tuple(bank.name for bank in simulation.instrument.banks),
        sites=sites,
        temperature=temperature,
    )


def _error(spectrum: PowderSpectrum, raw: FloatArray, shares: FloatArray) -> FloatArray:
    """Standard error of the total by leaving out one segment at a time."""
    totals = spectrum.seen(raw.mean(axis=1).sum(axis=1)) * shares[:, None]
    without = (totals.sum(axis=0) - totals) / (1 - shares)[:, None]
    return jackknife_error(without)
