r"""Modes at one wave vector, and supercells that hold whole waves of it.

The dynamical matrix at **q** is taken with the phases of the cells,

.. math:: D_{j\alpha,j'\beta}(\mathbf q) = \frac{1}{\sqrt{m_jm_{j'}}}
          \sum_l\Phi_{j0\alpha,j'l\beta}\,e^{i\mathbf q\cdot\mathbf R_l},

which is real where 2**q** is a reciprocal lattice vector: its modes are standing waves there.
phonopy's has the phases of the atoms' own positions, so that its eigenvectors **ẽ** differ by
:math:`\mathbf e_j=\tilde{\mathbf e}_j\,e^{i\mathbf q\cdot\mathbf r_{j0}}`.

Frequencies in cm⁻¹, negative for imaginary modes; lengths in Å, masses in u.

Source: Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), § 24; Togo & Tanaka, *Scripta
Materialia* 108, 1 (2015) for phonopy's phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.kpoints import check_supercell_matrix
from aiida_insbench.science.modes import near_degenerate
from aiida_insbench.science.supercells import require_force_constants, to_ase

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ComplexArray = NDArray[np.complex128]

#: Modes below this (cm⁻¹) have no period: imaginary ones, and acoustic ones at Γ.
STILL_BELOW = 1.0
#: A wave longer than this many cells along an axis is refused.
LONGEST_WAVE = 24
#: A coordinate of q this close to a fraction is taken for it: 0.333 is 1/3.
_SNAP = 1e-3
#: Frequencies this close (cm⁻¹) are of one degenerate set.
_DEGENERATE = 0.05
#: Weights of motion nearer to each other than this are the same.
_TIE = 1e-6
_CM1_TO_FS = 1e15 / 2.99792458e10  # period in fs times frequency in cm⁻¹


@dataclass(frozen=True)
class Vibration:
    """One mode of a crystal.

    Attributes
    ----------
    frequency : float
        In cm⁻¹, negative for an imaginary mode.
    eigenvector : ndarray, shape (n_atoms, 3)
        Mass-weighted, of length 1, real or complex; phases of the cells, not of the atoms.
    qpoint : tuple of three float
        In reciprocal axes of the cell.
    cell : Atoms
        The primitive cell, with the masses the mode was computed with.
    irrep : str
        Mulliken symbol, empty where unknown.
    number : int
        By which the user knows it, from 1; 0 if none.
    """

    frequency: float
    eigenvector: NDArray[Any]
    qpoint: tuple[float, float, float]
    cell: Atoms
    irrep: str = ''
    number: int = 0

    @property
    def displacements(self) -> ComplexArray:
        """e_j/√m_j of each atom, shape (n_atoms, 3), u^-1/2."""
        return np.asarray(self.eigenvector / np.sqrt(self.cell.get_masses())[:, None])

    @property
    def period(self) -> float | None:
        """In fs; None for a mode that does not vibrate."""
        return _CM1_TO_FS / self.frequency if self.frequency > STILL_BELOW else None


def vibrations_at(phonon: Phonopy, qpoint: Sequence[float]) -> list[Vibration]:
    """All modes at one q-point, numbered from 1 in order of rising frequency.

    Parameters
    ----------
    phonon : Phonopy
        With force constants.
    qpoint : sequence of three float
        In reciprocal axes of the primitive cell.

    Returns
    -------
    list of Vibration
        3 n_atoms; degenerate ones are turned to cartesian axes (`clear_partners`).

    Raises
    ------
    InputError
        If the Phonopy object has no force constants.
    """
    require_force_constants(phonon)
    cell = to_ase(phonon.primitive)
    point = np.asarray(qpoint, dtype=float)
    found = phonon.run_qpoints([point], with_dynamical_matrices=True)
    turn = np.repeat(np.exp(2j * np.pi * phonon.primitive.scaled_positions @ point), 3)
    matrix = turn[:, None] * np.asarray(found.dynamical_matrices[0]) * turn.conj()
    matrix = 0.5 * (matrix + matrix.conj().T)
    if np.allclose(2 * point, np.rint(2 * point), atol=1e-9):
        matrix = matrix.real
    values, vectors = np.linalg.eigh(matrix)
    frequencies = eigenvalues_to_wavenumbers(values, factor=float(phonon.unit_conversion_factor))
    rows = vectors.T.copy()
    for members in near_degenerate(frequencies, tolerance=_DEGENERATE):
        rows[members] = clear_partners(rows[members])
    q = (float(point[0]), float(point[1]), float(point[2]))
    return [
        Vibration(float(frequency), row.reshape(-1, 3), q, cell, number=index + 1)
        for index, (frequency, row) in enumerate(zip(frequencies, rows, strict=True))
    ]


def clear_partners(vectors: NDArray[Any]) -> NDArray[Any]:
    """Basis of a degenerate set in which the members move along cartesian axes, as far as can be.

    A program returns any basis of the set. Here the first member moves along x most, the last one
    least; ties are broken by y, then by the order of the atoms that move: two members that both
    move along z alone, on different atoms, are told apart so.

    Parameters
    ----------
    vectors : ndarray, shape (d, 3 n_atoms)
        Orthonormal rows, mass-weighted.

    Returns
    -------
    ndarray, shape (d, 3 n_atoms)
        Orthonormal rows that span the same.
    """
    if len(vectors) < 2:
        return vectors
    n_atoms = vectors.shape[1] // 3
    along = np.tile([1.0, 0.5, 0.25], n_atoms)
    by_atom = np.repeat(np.arange(n_atoms, 0, -1) / n_atoms, 3)
    values, turned = _turned(vectors, along)
    ends = [*(np.flatnonzero(np.diff(values) < -_TIE) + 1), len(values)]
    parts = [
        _turned(turned[start:end], by_atom)[1]
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]
    return np.concatenate(parts)


def _turned(vectors: NDArray[Any], weights: FloatArray) -> tuple[FloatArray, NDArray[Any]]:
    """Weights of motion, the largest first, and the basis of a set that has them."""
    values, basis = np.linalg.eigh((vectors.conj() * weights) @ vectors.T)
    return values[::-1], np.asarray(basis[:, ::-1].T @ vectors)


def whole_waves(
    qpoint: Sequence[float], supercell_matrix: ArrayLike | None = None
) -> tuple[FloatArray, IntArray]:
    """A supercell that holds whole waves of a q-point.

    Parameters
    ----------
    qpoint : sequence of three float
        In reciprocal axes of the cell.
    supercell_matrix : array_like, shape (3, 3), optional
        Integers; rows are the supercell's axes in the cell's axes. By default the smallest number
        of cells along each axis.

    Returns
    -------
    qpoint : ndarray, shape (3,)
        The q-point, made exact: 0.333 becomes 1/3.
    supercell_matrix : ndarray, shape (3, 3)
        Rows are axes.

    Raises
    ------
    InputError
        If `qpoint` is not three numbers, or the supercell cuts a wave off.
    """
    point = np.asarray(qpoint, dtype=float)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(f'The q-point {qpoint!r} is not three numbers.')
    if supercell_matrix is None:
        parts = [Fraction(float(value)).limit_denominator(LONGEST_WAVE) for value in point]
        matrix: IntArray = np.diag([part.denominator for part in parts]).astype(np.int64)
    else:
        matrix = check_supercell_matrix(supercell_matrix)
    waves = matrix @ point
    exact = np.linalg.solve(matrix, np.rint(waves))
    if np.abs(exact - point).max() > _SNAP:
        along = ', '.join(f'{value:.4g}' for value in waves)
        raise InputError(
            format_error(
                f'The supercell {matrix.tolist()} holds {along} waves of q = '
                f'{np.round(point, 4).tolist()} along its axes.',
                reason='Frames repeat only in a cell that holds whole waves.',
                fix=f'Give a supercell that does, or a q-point of fractions up to '
                f'1/{LONGEST_WAVE}.',
            )
        )
    return exact, matrix
