"""Crystals held together by springs, for tests of spectra."""

import sys

import numpy as np
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.science.ins.modes import PhononModes

MAGNESIUM_HYDRIDE = PhonopyAtoms(
    symbols=['Mg'] * 2 + ['H'] * 4,
    cell=np.diag([4.4367, 4.4367, 2.9797]),
    scaled_positions=[
        [0, 0, 0],
        [0.5, 0.5, 0.5],
        [0.304, 0.304, 0],
        [0.696, 0.696, 0],
        [0.196, 0.804, 0.5],
        [0.804, 0.196, 0.5],
    ],
)
# Longest distance in Å: (stretching, bending) in eV/Å²
MAGNESIUM_HYDRIDE_SPRINGS = {2.1: (3.0, 0.8), 2.6: (0.35, 0.05), 3.1: (0.8, 0.1)}


def spring_crystal(unitcell, springs, *, supercell=(2, 2, 3)):
    """Born-von Kármán model: springs that resist stretching and bending of every short pair.

    `supercell` holds multiples of the axes, or a matrix with the supercell's axes in its columns.
    """
    phonon = Phonopy(
        unitcell,
        supercell_matrix=np.diag(supercell) if np.ndim(supercell) == 1 else supercell,
        primitive_matrix=np.eye(3),
        is_symmetry=False,
        log_level=0,
    )
    cell = phonon.supercell
    n_atoms = len(cell)
    constants = np.zeros((n_atoms, n_atoms, 3, 3))
    shifts = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing='ij'), -1).reshape(-1, 3) @ cell.cell
    for i in range(n_atoms):
        for j in range(n_atoms):
            for vector in cell.positions[j] - cell.positions[i] + shifts:
                length = np.linalg.norm(vector)
                limit = next((key for key in sorted(springs) if length < key), None)
                if limit is None or length < 1e-6:
                    continue
                stretch, bend = springs[limit]
                along = np.outer(vector, vector) / length**2
                block = stretch * along + bend * (np.eye(3) - along)
                constants[i, j] -= block
                constants[i, i] += block
    phonon.force_constants = np.ascontiguousarray(constants[phonon.primitive.p2s_map])
    return phonon


def save_crystal(phonon, path):
    phonon.save(filename=str(path), settings={'force_constants': True})
    return path


def oscillator(*, frequency=500.0, mass=1.0, symbol='H'):
    """One atom in an isotropic harmonic well."""
    return PhononModes(
        frequencies=np.full((1, 3), frequency),
        eigenvectors=np.eye(3, dtype=complex).reshape(1, 3, 1, 3),
        weights=np.ones(1),
        masses=np.array([mass]),
        symbols=(symbol,),
    )


def anisotropic_oscillator(frequencies, *, mass=1.0, rotation=None):
    """One atom in a harmonic well with three frequencies along the axes of `rotation`."""
    axes = np.eye(3) if rotation is None else np.asarray(rotation)
    return PhononModes(
        frequencies=np.array([frequencies], dtype=float),
        eigenvectors=axes.T.astype(complex).reshape(1, 3, 1, 3),
        weights=np.ones(1),
        masses=np.array([mass]),
        symbols=('H',),
    )


if __name__ == '__main__':  # for programs that run in environments of their own
    save_crystal(spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS), sys.argv[1])
