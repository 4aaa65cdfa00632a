r"""Displacement-weighted densities of states from velocities, at any temperature.

The classical density of states of an atom, a tensor,

.. math:: f_{ab}(E) = 3\Bigl(1-\frac mM\Bigr)\frac{4c}{\mathrm{tr}\,\Phi(0)}
          \int_0^\infty \Phi_{ab}(t)\,W(t)\cos(2\pi cEt)\,dt, \qquad
          \Phi_{ab}(t) = m\langle v_a(t)\,v_b(0)\rangle_\mathrm{symmetric}

is taken for one of harmonic modes, which have quantum amplitudes at whatever temperature is asked
for:

.. math:: G_{ab}(\omega) = \frac{\hbar}{2m\omega}\,f_{ab}(\omega)\,[n(\omega)+1], \qquad
          G_{ab}(-\omega) = \frac{\hbar}{2m\omega}\,f_{ab}(\omega)\,n(\omega)

as in `aiida_insbench.science.ins.density`. Atoms that are copies of one by translations share their
mean tensor. Dividing by the measured kinetic energy of the atoms keeps the first moment ħ²/2m.

Modes near zero count as 1/ω², and broadening by σ smears them: energies below a minimum are left
out, and what that leaves is reported, as is the estimate

.. math:: \frac{\Delta U}{U} \lesssim 3\sigma^2\,\frac{\sum G/\omega^2}{\sum G}

of what broadening adds to mean-square displacements.

Energies in cm⁻¹, displacements in Å².

Source: Rahman, Singwi & Sjölander, *Physical Review* 126, 986 (1962); Squires, *Introduction to the
Theory of Thermal Neutron Scattering* (1978), ch. 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.dynamics.correlations import Segments, even_spectrum, lag_products
from aiida_insbench.science.dynamics.run import FloatArray, MDRun
from aiida_insbench.science.dynamics.timestep import crystal_energies
from aiida_insbench.science.dynamics.velocity_spectrum import drift_velocity, internal_velocities
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.debye_waller import mean_square_displacement, occupation
from aiida_insbench.science.ins.density import DisplacementDensity, share_between_bins
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.units import KELVIN_TO_WAVENUMBER

_ROWS, _COLUMNS = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)


@dataclass(frozen=True)
class MotionDensity:
    """Classical density of states of one atom, the mean over its copies.

    Attributes
    ----------
    atoms : tuple of int
        The copies, from 0.
    mass : float
        In atomic mass units.
    grid : EnergyGrid
        Energies from 0, as the run shows them.
    tensor : ndarray, shape (6, n_energies)
        f in components xx, yy, zz, yz, xz, xy, states per cm⁻¹; the trace integrates to
        3 (1 − m/M).
    """

    atoms: tuple[int, ...]
    mass: float
    grid: EnergyGrid
    tensor: FloatArray


@dataclass(frozen=True)
class QuantumDensity:
    """The same with quantum amplitudes.

    Attributes
    ----------
    density : DisplacementDensity
        For the harmonic kernels.
    states : float
        Share of the atom's degrees of freedom in the range used; 1 for all.
    broadening_bias : float
        Estimate of what the window adds to the mean-square displacement, as a share of it.
    """

    density: DisplacementDensity
    states: float
    broadening_bias: float


def motion_densities(
    runs: Sequence[MDRun],
    *,
    segments: Segments,
    sites: Sequence[int],
    grid: EnergyGrid,
) -> tuple[MotionDensity, ...]:
    """Classical densities of states of all sites.

    Parameters
    ----------
    runs : sequence of MDRun
        Checked by `as_runs`.
    segments : Segments
        Which frames; their correlations are added up.
    sites : sequence of int, length n_atoms
        Equal for atoms that are copies of one another by translations of the crystal.
    grid : EnergyGrid
        Energies from 0.

    Returns
    -------
    tuple of MotionDensity
        In order of the sites' first atoms. Memory: 6 floats per site and energy; 500 atoms and
        25,000 frames took 7 s on one core.

    Raises
    ------
    InputError
        If the sites do not fit the atoms, hold different masses, or do not move.
    """
    groups = _groups(runs[0], sites)
    drifts = [drift_velocity(runs[number], frames) for number, frames in segments.parts]
    fractions = runs[0].masses / runs[0].masses.sum()
    result = []
    for group in groups:
        correlation = np.zeros((6, segments.n_lags))
        for (number, frames), drift in zip(segments.parts, drifts, strict=True):
            for atom in group:
                series = internal_velocities(runs[number], frames, np.array([atom]), drift=drift)[0]
                products = lag_products(
                    series[list(_ROWS)], series[list(_COLUMNS)], n_lags=segments.n_lags
                )
                back = lag_products(
                    series[list(_COLUMNS[3:])], series[list(_ROWS[3:])], n_lags=segments.n_lags
                )
                products[3:] = (products[3:] + back) / 2
                correlation += (frames.stop - frames.start) * products
        heat = float(correlation[:3, 0].sum())
        if not heat > 0:
            raise InputError(f'Atom {group[0]} does not move.')
        scale = 2 * 3 * (1 - float(fractions[group[0]])) / heat
        result.append(
            MotionDensity(
                atoms=tuple(group),
                mass=float(runs[0].masses[group[0]]),
                grid=grid,
                tensor=scale * even_spectrum(correlation, segments=segments, grid=grid),
            )
        )
    return tuple(result)


def quantum_density(
    motion: MotionDensity,
    *,
    temperature: float,
    minimum: float,
    resolution: float,
    mass_share: float,
    timestep: float | None = None,
    bin_width: float | None = None,
) -> QuantumDensity:
    """Quantum amplitudes for a classical density of states.

    Parameters
    ----------
    motion : MotionDensity
        Of an atom.
    temperature : float
        In K, 0 allowed.
    minimum : float
        Energies below are left out, cm⁻¹, > 0.
    resolution : float
        σ of the window, cm⁻¹.
    mass_share : float
        m/M, which the atom lends to the centre of mass.
    timestep : float, optional
        Of the run's integrator in fs, to undo its shift of frequencies.
    bin_width : float, optional
        Of the result in cm⁻¹, not narrower than the motion's, which is the default.

    Returns
    -------
    QuantumDensity
        On bins from 0.
    """
    seen = motion.grid.energies
    used = seen >= minimum
    energies = seen if timestep is None else crystal_energies(seen, timestep=timestep)
    energies = energies[used]
    states = motion.tensor[:, used] * motion.grid.bin_width
    strength = states * mean_square_displacement(
        frequencies=energies, masses=np.full_like(energies, motion.mass), temperature=0.0
    )
    thermal = occupation(frequencies=energies, temperature=temperature)
    width = bin_width or motion.grid.bin_width
    bins, shares = share_between_bins(energies, bin_width=width)
    size = int(bins.max(initial=1)) + 1

    def binned(amplitude: FloatArray) -> FloatArray:
        values = np.tile(strength * amplitude, (1, 2)) * shares
        return np.array([np.bincount(bins, row, minlength=size) for row in values])

    moved = (strength * (2 * thermal + 1))[:3].sum(axis=0)
    return QuantumDensity(
        density=DisplacementDensity(
            bin_width=width,
            loss=binned(thermal + 1),
            gain=binned(thermal),
            thermal_energy=KELVIN_TO_WAVENUMBER * temperature,
        ),
        states=float(states[:3].sum() / (3 * (1 - mass_share))),
        broadening_bias=float(3 * resolution**2 * (moved / energies**2).sum() / moved.sum()),
    )


def _groups(run: MDRun, sites: Sequence[int]) -> list[list[int]]:
    if len(sites) != run.n_atoms:
        raise InputError(f'`sites` names {len(sites)} atoms; the run has {run.n_atoms}.')
    groups: dict[int, list[int]] = {}
    for atom, site in enumerate(sites):
        groups.setdefault(int(site), []).append(atom)
    for site, members in groups.items():
        if len({(run.symbols[atom], float(run.masses[atom])) for atom in members}) > 1:
            raise InputError(
                format_error(
                    f'Site {site} of `sites` holds atoms of several elements or masses.',
                    fix='Number the atoms of the supercell as those of the unit cell.',
                )
            )
    return list(groups.values())
