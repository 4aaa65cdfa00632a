r"""Harmonic density of states of the supercell of a run, as the run would show it.

A supercell with periodic boundaries holds the phonons of the q-points commensurate with it, and no
others. Lines are broadened by the same Gaussian as in
`aiida_insbench.science.dynamics.velocity_spectrum`, folded at zero, and the three acoustic modes at
Γ, which move the centre of mass, are left out: 3N − 3 states remain.

An integrator of finite step oscillates faster than the crystal. For velocity Verlet (and BAOAB)

.. math:: \sin\frac{\omega'\Delta t}{2} = \frac{\omega\Delta t}{2}

which at 0.5 fs is +17 cm⁻¹ at 3600 cm⁻¹: larger than many a real shift. With `timestep` the
harmonic lines are moved alike.

Frequencies and energies in cm⁻¹.

Source: the shift: Hairer, Lubich & Wanner, *Acta Numerica* 12, 399 (2003), § 5.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from phonopy import Phonopy

from aiida_insbench.science.dynamics.commensurate import commensurate_modes, commensurate_points
from aiida_insbench.science.dynamics.run import FloatArray
from aiida_insbench.science.dynamics.timestep import integrator_frequencies
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.energies import EnergyGrid

_AT_ONCE = 2**22


@dataclass(frozen=True)
class HarmonicDensity:
    """Harmonic density of states of a supercell.

    Attributes
    ----------
    grid : EnergyGrid
        Energies in cm⁻¹.
    elements : tuple of str
        In order of appearance in the unit cell.
    parts : ndarray, shape (n_elements, n_energies)
        Density of each element, states per cm⁻¹.
    degrees_of_freedom : ndarray, shape (n_elements,)
        Of the elements, imaginary modes included.
    frequencies : ndarray, shape (n_modes,)
        Rising, without the acoustic modes at Γ, in cm⁻¹; negative stands for imaginary. Moved as
        the integrator does, if `timestep` was given.
    imaginary : tuple of float
        Those below zero: they are in no density.
    resolution : float
        Standard deviation of a line, cm⁻¹.
    """

    grid: EnergyGrid
    elements: tuple[str, ...]
    parts: FloatArray
    degrees_of_freedom: FloatArray
    frequencies: FloatArray
    imaginary: tuple[float, ...]
    resolution: float

    @property
    def total(self) -> FloatArray:
        """Density of all atoms, states per cm⁻¹."""
        return np.asarray(self.parts.sum(axis=0))


def harmonic_density(
    phonon: Phonopy,
    *,
    supercell_matrix: ArrayLike,
    grid: EnergyGrid,
    resolution: float,
    timestep: float | None = None,
) -> HarmonicDensity:
    """Density of states of the supercell of a run.

    Parameters
    ----------
    phonon : Phonopy
        With force constants; see `commensurate_modes`.
    supercell_matrix : array_like, shape (3, 3)
        Of the run; rows are its axes in the unit cell's.
    grid : EnergyGrid
        Energies of the run's spectrum.
    resolution : float
        Standard deviation of a line, cm⁻¹.
    timestep : float, optional
        Of the run's integrator, fs; lines are moved where it puts them.

    Returns
    -------
    HarmonicDensity
        By element; imaginary modes are listed and in no density.

    Raises
    ------
    InputError
        If the resolution is not positive, or the integrator is unstable.
    StructureError
        If the matrix is no supercell.
    """
    if not resolution > 0:
        raise InputError(f'`resolution` must be > 0 cm⁻¹, not {resolution}.')
    modes = commensurate_modes(phonon, supercell_matrix=supercell_matrix)
    n_points, n_modes = modes.frequencies.shape
    gamma = int(np.abs(commensurate_points(supercell_matrix)).max(axis=1).argmin())
    kept = np.ones((n_points, n_modes), dtype=bool)
    kept[gamma, :3] = False
    frequencies, motion = modes.frequencies[kept], modes.motion[kept]
    if timestep is not None:
        frequencies = integrator_frequencies(frequencies, timestep=timestep)
    symbols = np.array(modes.symbols)
    shares = np.array([motion[:, symbols == one].sum(axis=1) for one in modes.elements])
    real = frequencies >= 0
    order = np.argsort(frequencies)
    return HarmonicDensity(
        grid=grid,
        elements=modes.elements,
        parts=folded_gaussians(frequencies[real], shares[:, real], grid.energies, resolution),
        degrees_of_freedom=shares.sum(axis=1),
        frequencies=frequencies[order],
        imaginary=tuple(map(float, frequencies[order][~real[order]])),
        resolution=resolution,
    )


def folded_gaussians(
    positions: FloatArray, weights: FloatArray, energies: FloatArray, sigma: float
) -> FloatArray:
    """Sum of Gaussians at ± positions, on energies ≥ 0.

    Parameters
    ----------
    positions : ndarray, shape (n,)
        ≥ 0, in cm⁻¹.
    weights : ndarray, shape (n_rows, n)
        Areas.
    energies : ndarray, shape (n_energies,)
        In cm⁻¹.
    sigma : float
        In cm⁻¹.

    Returns
    -------
    ndarray, shape (n_rows, n_energies)
        Per cm⁻¹.
    """
    result = np.zeros((len(weights), len(energies)))
    step = max(1, _AT_ONCE // len(energies))
    for start in range(0, len(positions), step):
        places = positions[start : start + step, None]
        lines = np.exp(-0.5 * ((energies - places) / sigma) ** 2)
        lines += np.exp(-0.5 * ((energies + places) / sigma) ** 2)
        result += weights[:, start : start + step] @ lines
    return np.asarray(result / (np.sqrt(2 * np.pi) * sigma))


def bands_between_gaps(
    frequencies: FloatArray, *, gap: float, end: float
) -> tuple[tuple[float, float], ...]:
    """Windows that share 0 to `end`, cut in the middle of gaps without modes.

    Parameters
    ----------
    frequencies : ndarray
        Of the modes, cm⁻¹; those below zero count for nothing.
    gap : float
        Smallest width of a gap, cm⁻¹.
    end : float
        Of the last window, cm⁻¹.

    Raises
    ------
    InputError
        If a mode lies beyond `end`.
    """
    real = np.sort(frequencies[frequencies >= 0])
    if len(real) == 0 or real[-1] > end:
        raise InputError(
            format_error(
                f'Energies end at {end:.0f} cm⁻¹; harmonic modes reach '
                f'{real.max(initial=0.0):.0f}.',
                fix='Raise the end of the range.',
            )
        )
    wide = np.flatnonzero(np.diff(real) >= gap)
    edges = [0.0, *((real[wide] + real[wide + 1]) / 2).tolist(), end]
    return tuple(itertools.pairwise(edges))
