r"""Spectrum of a powder from velocities, by the Gaussian approximation, at any temperature.

The route: velocities → classical density of states of every atom, a tensor → quantum amplitudes
(`aiida_insbench.science.dynamics.motion_density`) → the same kernels, cross-sections, orders and
powder average as for harmonic modes. In the time domain this is

.. math:: I(Q,t) = \Bigl\langle e^{-Q^2\,\hat u\cdot\gamma(t)\cdot\hat u}\Bigr\rangle_{\hat u},
          \qquad \gamma(t) = \int G(\omega)\,(1 - e^{-i\omega t})\,d\omega

with the quantum width function γ. It is exact for a harmonic crystal, has zero-point motion,
Debye–Waller factors, overtones and detailed balance at the temperature asked for, and can be drawn
over the harmonic spectrum of that temperature: where the two differ, frequencies of the run differ
from harmonic ones.

**Limits.** Displacements are taken as Gaussian: right for small anharmonicity, wrong for hopping
and free rotation. Frequencies are those of the *classical* crystal at the run's temperature, not
those of the temperature asked for: a run at 300 K has the shifts of kT, which at 10 K are those of
zero-point motion instead. The supercell's modes are those of a coarse mesh, without the motion of
the centre of mass. The kernel `almost-isotropic` is not linear in the density of states: where that
is no more than noise, its order 1 may be anything; take `exact`.

Energies in cm⁻¹, Q in Å⁻¹; intensities in barn per cm⁻¹ and primitive cell.

Source: Rahman, Singwi & Sjölander, *Physical Review* 126, 986 (1962); Squires (1978), ch. 3 and 4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.dynamics.classical_ins import check_simulation
from aiida_insbench.science.dynamics.correlations import Segments, as_runs, cut_segments
from aiida_insbench.science.dynamics.motion_density import motion_densities
from aiida_insbench.science.dynamics.motion_powder import MotionPowder, Motions, motion_powder
from aiida_insbench.science.dynamics.run import FloatArray, MDRun
from aiida_insbench.science.dynamics.stride_check import stride_warnings
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.energies import energy_grid
from aiida_insbench.science.ins.simulation import Simulation
from aiida_insbench.science.ins.spectrum import PowderSpectrum


@dataclass(frozen=True)
class GaussianPowder(MotionPowder):
    """A spectrum by the Gaussian approximation.

    Its result's sites are those given, its census holds the share of each atom's motion that was
    used.

    Attributes
    ----------
    error : ndarray, shape (n_energies,)
        Half the difference of the totals of two halves of the segments.
    """

    error: FloatArray

    @property
    def spectrum(self) -> PowderSpectrum:
        """On the grid and in the units of harmonic spectra."""
        return self.result.spectrum


def gaussian_powder(
    runs: MDRun | Sequence[MDRun],
    simulation: Simulation,
    *,
    resolution: float,
    highest_energy: float,
    minimum: float | None = None,
    sites: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
    n_cells: int = 1,
    timestep: float | None = None,
) -> GaussianPowder:
    """Spectrum on an instrument from velocities.

    Parameters
    ----------
    runs : MDRun or sequence of MDRun
        Of a solid, after equilibration.
    simulation : Simulation
        Instrument, temperature of the spectrum, energies, options.
    resolution : float
        Standard deviation to which single modes are broadened, cm⁻¹; at least a bin. The
        instrument's resolution makes up the rest; of order n it is wider by (n − 1) times its
        square.
    highest_energy : float
        Above all vibrations, cm⁻¹: the density of states is used up to it.
    minimum : float, optional
        Energies of modes below are left out, cm⁻¹; by default 3 σ, at least the simulation's
        `minimum_frequency`.
    sites : sequence of int, length n_atoms, optional
        Equal for copies by translations (phonopy's ``s2u_map``); by default no two atoms are.
    labels : sequence of str, length n_atoms, optional
        Kinds of atoms with their cross-sections, isotopes say; elements by default.
    n_cells : int
        Primitive cells in the supercell.
    timestep : float, optional
        Of the run's integrator in fs, to undo its shift of frequencies.

    Returns
    -------
    GaussianPowder
        Spectrum, errors, warnings.

    Raises
    ------
    InputError
        If the runs do not suffice (see `cut_segments`), sites do not fit, the resolution is finer
        than a bin, or an option belongs to modes only.
    ConvergenceError
        If too many orders would be needed, or noise makes a mean-square displacement negative.
    """
    check_simulation(simulation, n_cells)
    if resolution < simulation.bin_width:
        raise InputError(
            f'`resolution`, {resolution:g} cm⁻¹, must be at least a bin, {simulation.bin_width:g}.'
        )
    found = as_runs(runs)
    segments = cut_segments(found, resolution=resolution, highest_energy=highest_energy)
    if labels is not None and len(labels) != found[0].n_atoms:
        raise InputError(f'{len(labels)} labels for {found[0].n_atoms} atoms.')
    plan = _Plan(
        found,
        simulation,
        highest_energy,
        tuple(range(found[0].n_atoms)) if sites is None else tuple(sites),
        tuple(labels or found[0].symbols),
        n_cells,
        timestep,
    )
    whole = motion_powder(_motions(plan, segments), simulation, minimum=minimum)
    halves = [
        motion_powder(_motions(plan, _part(segments, start)), simulation, minimum=minimum)
        for start in (0, 1)
    ]
    totals = [half.result.spectrum.total for half in halves]
    fast = stride_warnings(found, highest_energy=segments.highest_energy)
    warnings = (*fast, *whole.result.warnings)
    return GaussianPowder(
        result=dataclasses.replace(whole.result, warnings=warnings),
        error=np.abs(totals[0] - totals[1]) / 2,
        states=whole.states,
        broadening_bias=whole.broadening_bias,
    )


def _part(segments: Segments, start: int) -> Segments:
    """Every second segment."""
    return dataclasses.replace(segments, parts=segments.parts[start::2])


def _motions(plan: _Plan, segments: Segments) -> Motions:
    """Densities of all sites from some segments."""
    found = motion_densities(
        plan.runs,
        segments=segments,
        sites=plan.sites,
        grid=energy_grid((0.0, plan.highest), plan.simulation.bin_width),
    )
    return Motions(
        densities=found,
        labels=plan.labels,
        masses=plan.runs[0].masses,
        total_mass=float(plan.runs[0].masses.sum()),
        resolution=segments.resolution,
        timestep=plan.timestep,
        n_cells=plan.n_cells,
        n_copies=plan.n_cells,
    )


@dataclass(frozen=True)
class _Plan:
    """All that stays the same for all frames and for halves of them."""

    runs: tuple[MDRun, ...]
    simulation: Simulation
    highest: float
    sites: tuple[int, ...]
    labels: tuple[str, ...]
    n_cells: int
    timestep: float | None
