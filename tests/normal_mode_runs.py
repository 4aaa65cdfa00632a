"""Runs of a harmonic crystal without an integrator: exact classical motion of its normal modes."""

import numpy as np

from aiida_insbench.science.dynamics.correlations import ANGULAR, BOLTZMANN
from aiida_insbench.science.dynamics.run import MDRun
from aiida_insbench.science.supercells import full_force_constants

_EV_PER_SQUARE_ANGSTROM = 1.602176634e-19 / 1.66053906892e-27 * 1e-4  # in u/ps²


def run_of(velocities, *, positions=None, masses, symbols, stride, cell=None):
    """A run of given velocities, shape (n, n_atoms, 3)."""
    count = len(velocities)
    cell = 20 * np.eye(3) if cell is None else cell
    return MDRun(
        times=np.arange(count) * stride,
        positions=np.zeros_like(velocities) if positions is None else positions,
        velocities=velocities,
        cells=np.tile(cell, (count, 1, 1)),
        symbols=tuple(symbols),
        masses=np.asarray(masses, dtype=float),
        series={},
    )


def normal_modes(phonon):
    """Angular frequencies in rad/ps and displacements in 1/√u, shapes (k,) and (k, n_atoms, 3)."""
    cell = phonon.supercell
    constants = full_force_constants(phonon).transpose(0, 2, 1, 3)
    roots = np.repeat(np.sqrt(cell.masses), 3)
    size = len(roots)
    matrix = constants.reshape(size, size) / np.outer(roots, roots) * _EV_PER_SQUARE_ANGSTROM
    squares, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    assert squares[3] > 1
    shapes = (vectors / roots[:, None]).T.reshape(size, -1, 3)
    return np.sqrt(squares[3:]), shapes[3:]


def harmonic_run(phonon, *, temperature, n_frames, stride, seed, modes=None, drawn=True):
    """Motion of a phonopy supercell with amplitudes drawn at a temperature.

    Else every mode has the mean energy kT, which spares much noise, and phases are random.
    """
    frequencies, shapes = normal_modes(phonon) if modes is None else modes
    rng = np.random.default_rng(seed)
    spread = np.sqrt(BOLTZMANN * temperature) / frequencies
    draws = spread * (rng.normal(size=len(spread)) + 1j * rng.normal(size=len(spread)))
    if not drawn:
        draws *= np.sqrt(2) * spread / np.abs(draws)
    phases = np.exp(1j * np.outer(np.arange(n_frames) * stride, frequencies))
    flat = shapes.reshape(len(shapes), -1)
    moved = (phases * draws).real @ flat
    velocities = (phases * (1j * frequencies * draws)).real @ flat
    shape = (n_frames, *shapes.shape[1:])
    cell = phonon.supercell
    return run_of(
        velocities.reshape(shape),
        positions=cell.positions + moved.reshape(shape),
        masses=cell.masses,
        symbols=cell.symbols,
        stride=stride,
        cell=cell.cell,
    )


def to_wavenumbers(frequencies):
    """From rad/ps to cm⁻¹."""
    return frequencies / ANGULAR
