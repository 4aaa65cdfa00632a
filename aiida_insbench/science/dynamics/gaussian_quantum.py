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

from aiida_insbench.science.dynamics.classical_ins import check_simulation, remaining_sigma
from aiida_insbench.science.dynamics.correlations import Segments, as_runs, cut_segments
from aiida_insbench.science.dynamics.motion_density import (
    MotionDensity,
    QuantumDensity,
    motion_densities,
    quantum_density,
)
from aiida_insbench.science.dynamics.run import FloatArray, MDRun
from aiida_insbench.science.dynamics.stride_check import stride_warnings
from aiida_insbench.science.errors import ConvergenceError, InputError, format_error
from aiida_insbench.science.ins.census import ModeCensus
from aiida_insbench.science.ins.contributions import Contributions, compute_contributions
from aiida_insbench.science.ins.debye_waller import isotropic_displacements
from aiida_insbench.science.ins.energies import energy_grid
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
class GaussianPowder:
    """A spectrum by the Gaussian approximation.

    Attributes
    ----------
    result : PowderResult
        As the harmonic one: spectrum by site and order, displacements, sum rules, warnings. Its
        sites are those given, its census holds the share of each atom's motion that was used.
    error : ndarray, shape (n_energies,)
        Half the difference of the totals of two halves of the segments.
    states : float
        Share of the degrees of freedom between the lowest and the highest energy used.
    broadening_bias : float
        Estimate of what the window adds to mean-square displacements, as a share, the largest of
        all sites.
    """

    result: PowderResult
    error: FloatArray
    states: float
    broadening_bias: float

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
    lowest = max(_LOWEST * resolution, simulation.options.minimum_frequency)
    plan = _Plan(
        found,
        simulation,
        highest_energy,
        lowest if minimum is None else minimum,
        tuple(range(found[0].n_atoms)) if sites is None else tuple(sites),
        tuple(labels or found[0].symbols),
        n_cells,
        timestep,
    )
    result, densities = plan.powder(segments)
    halves = [plan.powder(_part(segments, start))[0].spectrum.total for start in (0, 1)]
    weights = np.array([len(motion.atoms) for motion, _ in densities], dtype=float)
    states = float(weights @ [one.states for _, one in densities] / weights.sum())
    bias = max(one.broadening_bias for _, one in densities)
    if simulation.options.kernel != EXACT:
        result = dataclasses.replace(result, warnings=(_NONLINEAR, *result.warnings))
    fast = stride_warnings(found, highest_energy=segments.highest_energy)
    warnings = (*fast, *result.warnings, *_warnings(states, bias, plan.minimum, highest_energy))
    return GaussianPowder(
        result=dataclasses.replace(result, warnings=warnings),
        error=np.abs(halves[0] - halves[1]) / 2,
        states=states,
        broadening_bias=bias,
    )


def _part(segments: Segments, start: int) -> Segments:
    """Every second segment."""
    return dataclasses.replace(segments, parts=segments.parts[start::2])


_Densities = list[tuple[MotionDensity, QuantumDensity]]


@dataclass(frozen=True)
class _Plan:
    """All that stays the same for all frames and for halves of them."""

    runs: tuple[MDRun, ...]
    simulation: Simulation
    highest: float
    minimum: float
    sites: tuple[int, ...]
    labels: tuple[str, ...]
    n_cells: int
    timestep: float | None

    def powder(self, segments: Segments) -> tuple[PowderResult, _Densities]:
        """Spectrum from some segments."""
        simulation = self.simulation
        densities = self._densities(segments)
        vibrations = self._vibrations(densities)
        wide = simulation.wide
        contributions = compute_contributions(
            vibrations,
            grid=wide,
            momentum_transfer=simulation.momentum_transfer(wide),
            largest=simulation.largest_momentum_transfer(),
            options=simulation.options,
        )
        sigma, warnings = remaining_sigma(simulation, wide, segments.resolution)
        spectrum = self._spectrum(contributions, sigma)
        result = PowderResult(
            spectrum,
            vibrations,
            contributions.sum_rules,
            isotropic_displacements(vibrations.symbols, vibrations.tensors),
            contributions.directions,
            contributions.direction_error,
            contributions.direction_area_error,
            None,
            warnings,
        )
        return result, densities

    def _densities(self, segments: Segments) -> _Densities:
        motions = motion_densities(
            self.runs,
            segments=segments,
            sites=self.sites,
            grid=energy_grid((0.0, self.highest), self.simulation.bin_width),
        )
        total = float(self.runs[0].masses.sum())
        return [
            (
                motion,
                quantum_density(
                    motion,
                    temperature=self.simulation.temperature,
                    minimum=self.minimum,
                    resolution=segments.resolution,
                    mass_share=motion.mass / total,
                    timestep=self.timestep,
                ),
            )
            for motion in motions
        ]

    def _vibrations(self, densities: _Densities) -> Vibrations:
        n_atoms = len(self.labels)
        if len(self.runs[0].symbols) != n_atoms:
            raise InputError(f'{n_atoms} labels for {len(self.runs[0].symbols)} atoms.')
        tensors, shares = np.zeros((n_atoms, 3, 3)), np.zeros(n_atoms)
        for motion, quantum in densities:
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
        return Vibrations(
            symbols=self.labels,
            masses=self.runs[0].masses,
            tensors=tensors,
            densities={motion.atoms[0]: quantum.density for motion, quantum in densities},
            groups={motion.atoms[0]: motion.atoms for motion, _ in densities},
            census=self._census(shares),
            dominant=(),
            temperature=self.simulation.temperature,
            minimum_frequency=self.minimum,
            n_qpoints=self.n_cells,
            gamma_only=False,
        )

    def _census(self, shares: FloatArray) -> ModeCensus:
        """As of modes: all of the supercell's, of which the translations are left out."""
        names = np.array(self.labels)
        left_out = {kind: float(1 - shares[names == kind].mean()) for kind in dict.fromkeys(names)}
        return ModeCensus(
            n_modes=3 * len(names),
            n_imaginary=0,
            n_near_zero=0,
            n_translations=3,
            lowest_frequency=self.minimum,
            left_out={str(kind): share for kind, share in left_out.items()},
            given=np.ones(len(names)),
            completeness=shares,
        )

    def _spectrum(self, contributions: Contributions, sigma: FloatArray | None) -> PowderSpectrum:
        simulation = self.simulation
        return PowderSpectrum(
            grid=simulation.grid,
            wide=simulation.wide,
            path=simulation.momentum_transfer(simulation.wide),
            raw=contributions.values / self.n_cells,
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
