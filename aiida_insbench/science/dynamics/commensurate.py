"""Modes of a supercell: those of the q-points commensurate with it.

A supercell with periodic boundaries holds the waves whose length fits it, as many as its atoms have
degrees of freedom, the three translations at Γ among them.

Frequencies in cm⁻¹, negative for imaginary ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from phonopy import Phonopy
from phonopy.harmonic.dynamical_matrix import DynamicalMatrix
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points
from phonopy.physical_units import get_physical_units

from aiida_insbench.science.dynamics.run import FloatArray
from aiida_insbench.science.ins.arrays import ComplexArray
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.kpoints import check_supercell_matrix


def commensurate_points(supercell_matrix: ArrayLike) -> FloatArray:
    """q-points whose waves fit a supercell.

    Parameters
    ----------
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.

    Returns
    -------
    ndarray, shape (det, 3)
        In the unit cell's reciprocal axes, Γ among them.
    """
    matrix = check_supercell_matrix(supercell_matrix)
    return np.asarray(get_commensurate_points(matrix.T), dtype=np.float64)


def commensurate_modes(phonon: Phonopy, *, supercell_matrix: ArrayLike) -> PhononModes:
    """Modes of a supercell of the unit cell of a Phonopy object.

    Without the non-analytical term: a potential of short range has none, in dynamics neither.

    Parameters
    ----------
    phonon : Phonopy
        With force constants and the unit cell as its primitive one, see
        `aiida_insbench.science.supercells`.
    supercell_matrix : array_like, shape (3, 3)
        Of the run; rows are its axes in the unit cell's.

    Returns
    -------
    PhononModes
        The acoustic modes at Γ are the first three of the q-point Γ, with frequency 0; those are
        the translations themselves.
    """
    points = commensurate_points(supercell_matrix)
    matrix = DynamicalMatrix(phonon.supercell, phonon.primitive, phonon.force_constants)
    masses = np.asarray(phonon.primitive.masses, dtype=np.float64)
    frequencies, vectors = [], []
    factor = get_physical_units().DefaultToTHz * get_physical_units().THzToCm
    for point in points:
        matrix.run(point)
        dynamical = np.array(matrix.dynamical_matrix)
        gamma = bool(np.abs(point).max() < 1e-12)
        if gamma:
            dynamical = _without_translations(dynamical, masses)
        values, columns = np.linalg.eigh(dynamical)
        if gamma:
            values, columns = _translations_first(values, columns, masses)
        frequencies.append(np.sign(values) * np.sqrt(np.abs(values)) * factor)
        vectors.append(columns.T.reshape(-1, len(masses), 3))
    return PhononModes(
        frequencies=np.array(frequencies),
        eigenvectors=np.array(vectors, dtype=np.complex128),
        weights=np.full(len(points), 1 / len(points)),
        masses=masses,
        symbols=tuple(phonon.primitive.symbols),
        gamma_only=len(points) == 1,
    )


def _translations(masses: FloatArray) -> FloatArray:
    """Eigenvectors of the three translations in columns, shape (3 n_atoms, 3)."""
    roots = np.sqrt(masses / masses.sum())
    return np.asarray(np.kron(roots[:, None], np.eye(3)))


def _without_translations(dynamical: ComplexArray, masses: FloatArray) -> ComplexArray:
    """The dynamical matrix at Γ with the translations projected out."""
    columns = _translations(masses)
    projector = np.eye(len(columns)) - columns @ columns.T
    return np.asarray(projector @ dynamical @ projector)


def _translations_first(
    values: FloatArray, columns: ComplexArray, masses: FloatArray
) -> tuple[FloatArray, ComplexArray]:
    """Put the translations, of eigenvalue zero, before the other modes."""
    share = (np.abs(_translations(masses).T @ columns) ** 2).sum(axis=0)
    order = np.argsort(-share, kind='stable')
    rest = np.sort(order[3:])
    sorted_values = np.concatenate((np.zeros(3), values[rest]))
    return sorted_values, np.concatenate((columns[:, order[:3]], columns[:, rest]), axis=1)
