r"""Classical vibrational density of states from velocities.

.. math:: g_X(E) = f_X\,\frac{4c}{\Phi_X(0)}\int_0^\infty \Phi_X(t)\,W(t)\cos(2\pi cEt)\,dt, \qquad
          \Phi_X(t) = \sum_{i\in X} m_i\langle v_i(t)\cdot v_i(0)\rangle

for each element X, W being the Gaussian of `aiida_insbench.science.dynamics.correlations`. The
motion of the centre of mass is taken out of every frame, which leaves element X

.. math:: f_X = 3\Bigl(N_X - \frac{M_X}{M}\Bigr)

degrees of freedom (M_X the mass of all its atoms, M that of all atoms), 3N − 3 together: what a
harmonic density has without the acoustic modes at Γ. :math:`\int_0^\infty g_X = f_X`. The density
is divided by the *measured* kinetic energy of the element, so that it shows where motion is and not
how hot; that is reported as :math:`T_X = \Phi_X(0)/f_Xk_B`, equal for all elements by
equipartition.

Noise may bring the density slightly below zero between bands. Errors are from segments, which must
be longer than the crystal remembers: in a nearly harmonic crystal at constant energy, modes hardly
exchange any and all segments of one run show the same amplitudes; give several runs then. A
thermostat that acts on every atom (Langevin) broadens lines by its friction.

Energies in cm⁻¹, velocities in Å/ps, temperatures in K.

Source: Dickey & Paskin, *Physical Review* 188, 1407 (1969).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.dynamics.correlations import (
    BOLTZMANN,
    Segments,
    as_runs,
    cut_segments,
    even_spectrum,
    jackknife_error,
    lag_products,
    leave_one_out,
)
from aiida_insbench.science.dynamics.run import FloatArray, MDRun
from aiida_insbench.science.dynamics.stride_check import stride_warnings
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import IntArray
from aiida_insbench.science.ins.energies import EnergyGrid

_NUMBERS_AT_ONCE = 2**22  # 32 MiB


@dataclass(frozen=True)
class VelocitySpectrum:
    """Density of states read off velocities.

    Attributes
    ----------
    grid : EnergyGrid
        Energies in cm⁻¹.
    elements : tuple of str
        In order of appearance.
    parts : ndarray, shape (n_elements, n_energies)
        Density of each element, states per cm⁻¹.
    parts_without : ndarray, shape (n_segments, n_elements, n_energies)
        The same with one segment left out.
    degrees_of_freedom : ndarray, shape (n_elements,)
        What each density integrates to from 0 to ∞; 3N − 3 together.
    temperatures, temperature_errors : ndarray, shape (n_elements,)
        Kinetic temperature of each element and its standard error, K.
    temperature : float
        Of all degrees of freedom, K.
    segments : Segments
        How the runs were cut; stride, resolution, highest energy.
    warnings : tuple of str
        Where atoms may move faster than the frames show.
    """

    grid: EnergyGrid
    elements: tuple[str, ...]
    parts: FloatArray
    parts_without: FloatArray
    degrees_of_freedom: FloatArray
    temperatures: FloatArray
    temperature_errors: FloatArray
    temperature: float
    segments: Segments
    warnings: tuple[str, ...] = ()

    @property
    def energy_transfer(self) -> FloatArray:
        """Energies in cm⁻¹, shape (n_energies,)."""
        return self.grid.energies

    @property
    def resolution(self) -> float:
        """Standard deviation of a sharp line, cm⁻¹."""
        return self.segments.resolution

    @property
    def highest_energy(self) -> float:
        """Highest energy that frames of this stride show, cm⁻¹."""
        return self.segments.highest_energy

    @property
    def total(self) -> FloatArray:
        """Density of all atoms, states per cm⁻¹."""
        return np.asarray(self.parts.sum(axis=0))

    @property
    def total_error(self) -> FloatArray:
        """Standard error of `total`."""
        return jackknife_error(self.parts_without.sum(axis=1))

    @property
    def by_element(self) -> dict[str, FloatArray]:
        """Density of each element, states per cm⁻¹."""
        return dict(zip(self.elements, self.parts, strict=True))

    @property
    def error_by_element(self) -> dict[str, FloatArray]:
        """Standard errors of `by_element`."""
        return dict(zip(self.elements, jackknife_error(self.parts_without), strict=True))

    @property
    def temperature_by_element(self) -> dict[str, float]:
        """Kinetic temperature of each element, K."""
        return dict(zip(self.elements, map(float, self.temperatures), strict=True))

    @property
    def seen(self) -> float:
        """Share of the degrees of freedom whose density lies in the range, 1 if all."""
        width = np.full(len(self.energy_transfer), self.grid.bin_width)
        if self.grid.first == 0:
            width[0] /= 2
        return float(self.total @ width / self.degrees_of_freedom.sum())


def velocity_spectrum(
    runs: MDRun | Sequence[MDRun], *, grid: EnergyGrid, resolution: float
) -> VelocitySpectrum:
    """Density of states of a run, or of several of the same crystal.

    Holds one float per segment, element and lag, and 32 MiB for transforms; time grows as frames ×
    atoms × log(frames): 500 atoms and 25,000 frames took 3 s on one core.

    Parameters
    ----------
    runs : MDRun or sequence of MDRun
        After equilibration, evenly spaced in time.
    grid : EnergyGrid
        Energies, ≥ 0; bins no wider than the resolution.
    resolution : float
        Standard deviation to which lines are broadened, cm⁻¹.

    Returns
    -------
    VelocitySpectrum
        By element.

    Raises
    ------
    InputError
        If the runs are too short for the resolution or their stride too long for the energies,
        frames are uneven or not finite, nothing moves, or the grid is coarser than the resolution.
    """
    if grid.first < 0 or grid.bin_width > resolution:
        raise InputError(
            f'Energies must be ≥ 0 and their bins, {grid.bin_width:g} cm⁻¹, no wider than the '
            f'resolution, {resolution:g}.'
        )
    found = as_runs(runs)
    segments = cut_segments(found, resolution=resolution, highest_energy=float(grid.energies[-1]))
    elements = tuple(dict.fromkeys(found[0].symbols))
    groups = [np.flatnonzero(np.array(found[0].symbols) == element) for element in elements]
    sums = np.zeros((len(segments.parts), len(groups), segments.n_lags))
    for number, (run, frames) in enumerate(segments.parts):
        size = frames.stop - frames.start
        sums[number] = size * _correlations(found[run], frames, groups, segments.n_lags)
    if (sums[..., 0].sum(axis=0) <= 0).any():
        raise InputError('An element does not move: its velocities are zero in all frames.')
    freedoms = degrees_of_freedom(found[0], groups)
    sizes = np.array([frames.stop - frames.start for _, frames in segments.parts], dtype=float)
    heat = sums[..., 0]
    spectra = even_spectrum(sums, segments=segments, grid=grid)
    temperatures = heat.sum(axis=0) / (freedoms * BOLTZMANN * sizes.sum())
    without = leave_one_out(heat) / (freedoms * BOLTZMANN * leave_one_out(sizes)[:, None])
    return VelocitySpectrum(
        grid=grid,
        elements=elements,
        parts=_normalised(spectra.sum(axis=0), heat.sum(axis=0), freedoms),
        parts_without=_normalised(leave_one_out(spectra), leave_one_out(heat), freedoms),
        degrees_of_freedom=freedoms,
        temperatures=temperatures,
        temperature_errors=jackknife_error(without),
        temperature=float(temperatures @ freedoms / freedoms.sum()),
        segments=segments,
        warnings=stride_warnings(found, highest_energy=segments.highest_energy),
    )


def degrees_of_freedom(run: MDRun, groups: Sequence[IntArray]) -> FloatArray:
    """Degrees of freedom of groups of atoms without the motion of the centre of mass."""
    masses = run.masses
    return np.array([3 * (len(masses[one]) - masses[one].sum() / masses.sum()) for one in groups])


def drift_velocity(run: MDRun, frames: slice) -> FloatArray:
    """Velocity of the centre of mass in Å/ps, shape (n_frames, 3)."""
    return np.asarray(np.einsum('i,tia->ta', run.masses / run.masses.sum(), run.velocities[frames]))


def internal_velocities(
    run: MDRun, frames: slice, atoms: IntArray, *, drift: FloatArray
) -> FloatArray:
    """Velocities of some atoms relative to `drift` in Å/ps, shape (n_atoms, 3, n_frames)."""
    relative = run.velocities[frames][:, atoms] - drift[:, None]
    return np.ascontiguousarray(np.moveaxis(relative, 0, -1))


def _correlations(run: MDRun, frames: slice, groups: Sequence[IntArray], n_lags: int) -> FloatArray:
    """Σ m v(t)·v(0) of each group in u Å²/ps², shape (n_groups, n_lags)."""
    step = max(1, _NUMBERS_AT_ONCE // (6 * (frames.stop - frames.start + n_lags)))
    drift = drift_velocity(run, frames)
    result = np.zeros((len(groups), n_lags))
    for row, group in zip(result, groups, strict=True):
        for start in range(0, len(group), step):
            atoms = group[start : start + step]
            series = internal_velocities(run, frames, atoms, drift=drift)
            series *= np.sqrt(run.masses[atoms])[:, None, None]
            row += lag_products(series, series, n_lags=n_lags).sum(axis=(0, 1))
    return result


def _normalised(spectra: FloatArray, heat: FloatArray, freedoms: FloatArray) -> FloatArray:
    """Densities of states; the factor 2 since energies below zero are folded to those above."""
    return np.asarray(2 * spectra * (freedoms / heat)[..., None])
