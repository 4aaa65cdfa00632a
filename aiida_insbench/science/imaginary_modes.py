r"""Follow an imaginary mode to the structure it leads to.

A mode with :math:`\omega^2 < 0` says that the crystal gains energy by moving along it. The atom j
of the cell at **R** goes to

.. math:: \mathbf r_{j\mathbf R} + A\,\mathrm{Re}\left[e^{i\varphi}\,\frac{\mathbf e_j}{\sqrt{m_j}}
          e^{i\mathbf q\cdot\mathbf r_{j\mathbf R}}\right]

in the smallest cell that holds whole waves, with the amplitude, sign and phase φ of least energy
among a few, and is relaxed from there. The phase convention is phonopy's: positions of the
atoms, not of their cells.

Frequencies in cm⁻¹, negative for imaginary modes; lengths in Å, energies in eV.

Source: Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), § 24; Togo & Tanaka, *Physical
Review B* 87, 184104 (2013) for structures found along imaginary modes; Lloyd-Williams & Monserrat,
*Physical Review B* 92, 184301 (2015) for the smallest cell of a q-point.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.geometry import minkowski_reduce
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points

from aiida_insbench.science.errors import ComputationError, format_error
from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.phonon_mesh import IMAGINARY_BELOW
from aiida_insbench.science.structures import cell_heights

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ComplexArray = NDArray[np.complex128]

#: Largest displacements of an atom that are tried, Å.
AMPLITUDES = (0.03, 0.06, 0.12, 0.25, 0.45)
#: Cells with more unit cells than this are not made to hold a wave.
LARGEST_MULTIPLE = 8
#: Modes this close in frequency (cm⁻¹) are taken for one degenerate set.
_DEGENERATE = 0.5


@dataclass(frozen=True)
class ImaginaryMode:
    """An imaginary mode and the cell that holds whole waves of it.

    Attributes
    ----------
    qpoint : ndarray, shape (3,)
        In reciprocal axes of the unit cell.
    frequency : float
        In cm⁻¹, < 0.
    eigenvector : ndarray, shape (n_atoms, 3)
        Mass-weighted, complex, of length 1.
    cell_matrix : ndarray, shape (3, 3)
        The smallest cell that holds whole waves; rows are its axes in the unit cell's axes.
    """

    qpoint: FloatArray
    frequency: float
    eigenvector: ComplexArray
    cell_matrix: IntArray

    @property
    def multiple(self) -> int:
        """Unit cells in the cell that holds whole waves."""
        return round(abs(float(np.linalg.det(self.cell_matrix))))


def worst_imaginary_mode(
    *, phonon: Phonopy, mesh: Sequence[int], largest: int = LARGEST_MULTIPLE
) -> ImaginaryMode | None:
    """The imaginary mode of lowest frequency that a small cell can hold, or None.

    Parameters
    ----------
    phonon : Phonopy
        With force constants.
    mesh : sequence of three int
        Looked at beside the q-points that are commensurate with the supercell, where force
        constants hold without interpolation.
    largest : int
        Most unit cells of the cell that holds whole waves.
    """
    for points in _points(phonon, mesh, largest):
        found = _lowest(phonon, points)
        if found is not None:
            frequency, point, vector = found
            matrix = smallest_cell(point, axes=phonon.primitive.cell)
            return ImaginaryMode(point, frequency, vector.reshape(-1, 3), matrix)
    return None


def displaced_along(
    *, atoms: Atoms, mode: ImaginaryMode, amplitude: float, phase: float = 0.0
) -> Atoms:
    """Displace a crystal along a mode, in the cell that holds whole waves.

    Parameters
    ----------
    atoms : Atoms
        The unit cell, with the masses the mode was computed with.
    mode : ImaginaryMode
        The mode.
    amplitude : float
        Largest displacement of an atom, Å; the sign counts.
    phase : float
        φ in radians.

    Returns
    -------
    Atoms
        In the axes of ``cell_matrix``.

    Raises
    ------
    ComputationError
        If the displacement vanishes at this phase.
    """
    # each cell's atoms together, in their order; positions are those of the unit cell plus R
    cell = make_supercell(atoms, mode.cell_matrix, wrap=False)
    index = np.arange(len(cell)) % len(atoms)
    fractional = cell.positions @ np.linalg.inv(atoms.cell.array)
    wave = np.exp(1j * (2 * np.pi * fractional @ mode.qpoint + phase))
    masses = atoms.get_masses()[index]
    moves = (wave[:, None] * mode.eigenvector[index]).real / np.sqrt(masses)[:, None]
    longest = float(np.linalg.norm(moves, axis=1).max())
    if longest < 1e-9:
        raise ComputationError(f'The mode does not move at the phase {phase:.2f}.')
    cell.positions += amplitude / longest * moves
    return cell


def lowest_along(
    *, atoms: Atoms, mode: ImaginaryMode, calculator: Any, amplitudes: Sequence[float] = AMPLITUDES
) -> tuple[Atoms, float, float]:
    """The displaced structure of least energy among amplitudes, signs and phases.

    Parameters
    ----------
    atoms : Atoms
        The unit cell.
    mode : ImaginaryMode
        The mode.
    calculator : ase Calculator
        Gives the energy.
    amplitudes : sequence of float
        Largest displacements of an atom that are tried, Å.

    Returns
    -------
    displaced : Atoms
        In the axes of ``cell_matrix``.
    amplitude : float
        Å, its sign included.
    gain : float
        Energy gained, eV per atom, > 0.

    Raises
    ------
    ComputationError
        If the energy falls nowhere: the mode is imaginary in the fit, not in the potential.
    """
    base = _energy_per_atom(atoms, calculator)
    tried = []
    for phase, size, sign in itertools.product(_phases(atoms, mode), amplitudes, (1, -1)):
        moved = displaced_along(atoms=atoms, mode=mode, amplitude=sign * size, phase=phase)
        tried.append((base - _energy_per_atom(moved, calculator), sign * size, moved))
    gain, amplitude, displaced = max(tried, key=lambda one: one[0])
    if not gain > 0:
        raise ComputationError(
            format_error(
                f'The energy falls nowhere along the imaginary mode of {mode.frequency:.1f} cm⁻¹ '
                f'at q = {np.round(mode.qpoint, 4).tolist()}.',
                reason='It comes from the interpolation between supercells, or from noise.',
                fix='Use a larger supercell or another `displacement`.',
            )
        )
    return displaced, amplitude, gain


def smallest_cell(point: ArrayLike, *, axes: ArrayLike) -> IntArray:
    """The smallest cell that holds whole waves of a q-point, as compact as can be.

    Parameters
    ----------
    point : array_like, shape (3,)
        In reciprocal axes, rational with denominators up to 64.
    axes : array_like, shape (3, 3)
        Of the unit cell, rows, Å.

    Returns
    -------
    ndarray, shape (3, 3)
        Rows are axes in the unit cell's axes; its determinant is the least common denominator.
    """
    parts = [Fraction(float(value)).limit_denominator(64) for value in np.asarray(point)]
    size = math.lcm(*(part.denominator for part in parts))
    if size == 1:
        return np.eye(3, dtype=np.int64)
    for hermite in _hermite_forms(size):
        if all(sum(int(n) * part for n, part in zip(row, parts, strict=True)).denominator == 1
               for row in hermite):  # fmt: skip
            reduced, _ = minkowski_reduce(hermite @ np.asarray(axes, dtype=float))
            matrix = np.rint(reduced @ np.linalg.inv(np.asarray(axes, dtype=float)))
            right_handed = matrix if np.linalg.det(matrix) > 0 else -matrix
            return np.asarray(right_handed, dtype=np.int64)
    raise ComputationError(f'No cell holds whole waves of q = {np.asarray(point).tolist()}.')


def same_supercell(
    *, supercell_matrix: ArrayLike, cell_matrix: ArrayLike, cell: ArrayLike
) -> IntArray:
    """Supercell of a larger unit cell that is as large as that of the old one.

    Parameters
    ----------
    supercell_matrix : array_like, shape (3, 3)
        Of the old unit cell; rows are axes.
    cell_matrix : array_like, shape (3, 3)
        The new unit cell in the axes of the old one.
    cell : array_like, shape (3, 3)
        The new unit cell, axes in rows, Å.

    Returns
    -------
    ndarray, shape (3, 3)
        The same lattice where the new cell's divides it; else repetitions that leave no two faces
        of the supercell closer than before.
    """
    ratio = np.asarray(supercell_matrix, dtype=float) @ np.linalg.inv(np.asarray(cell_matrix))
    if np.allclose(ratio, np.rint(ratio), atol=1e-8):
        return np.asarray(np.rint(ratio), dtype=np.int64)
    axes = np.asarray(cell, dtype=float)
    return repetitions(like=ratio @ axes, cell=axes)


def repetitions(*, like: ArrayLike, cell: ArrayLike) -> IntArray:
    """Repetitions of a cell that leave no two faces closer than the closest two of another.

    Parameters
    ----------
    like : array_like, shape (3, 3)
        The supercell to be as large as, axes in rows, Å.
    cell : array_like, shape (3, 3)
        The cell to repeat, axes in rows, Å.

    Returns
    -------
    ndarray, shape (3, 3)
        Diagonal.
    """
    least = cell_heights(like).min()
    heights = cell_heights(cell)
    return np.diag([math.ceil(least / height - 1e-6) for height in heights])


def _points(phonon: Phonopy, mesh: Sequence[int], largest: int) -> list[FloatArray]:
    """q-points to look at: those of the supercell, then those of the mesh that small cells hold."""
    divisions = [int(value) for value in mesh]
    grid = np.array(list(itertools.product(*(range(n) for n in divisions)))) / divisions
    held = [point for point in grid if _order(point) <= largest]
    return [get_commensurate_points(phonon.supercell_matrix), np.array(held).reshape(-1, 3)]


def _order(point: FloatArray) -> int:
    return math.lcm(*(Fraction(float(value)).limit_denominator(64).denominator for value in point))


def _hermite_forms(size: int) -> Iterator[IntArray]:
    """All Hermite normal forms of a determinant: every sublattice of that index, once."""
    for a in (n for n in range(1, size + 1) if size % n == 0):
        for b in (n for n in range(1, size // a + 1) if (size // a) % n == 0):
            c = size // (a * b)
            for d, e, f in itertools.product(range(b), range(c), range(c)):
                yield np.array([[a, d, e], [0, b, f], [0, 0, c]], dtype=np.int64)


def _lowest(phonon: Phonopy, points: FloatArray) -> tuple[float, FloatArray, ComplexArray] | None:
    """Frequency, q and eigenvector of the lowest imaginary mode at some q-points."""
    best: tuple[float, FloatArray, ComplexArray] | None = None
    found = phonon.run_qpoints(list(points), with_dynamical_matrices=True)
    factor = float(phonon.unit_conversion_factor)
    for point, matrix in zip(points, np.asarray(found.dynamical_matrices), strict=True):
        values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.conj().T))
        frequencies = eigenvalues_to_wavenumbers(values, factor=factor)
        if frequencies[0] < IMAGINARY_BELOW and (best is None or frequencies[0] < best[0] - 1e-3):
            best = float(frequencies[0]), point, _clearest(frequencies, vectors)
    return best


def _clearest(frequencies: FloatArray, vectors: ComplexArray) -> ComplexArray:
    """The lowest mode; of a degenerate set the member with most of one cartesian direction.

    A program returns any basis of the set; a member along an axis keeps more symmetry.
    """
    members = np.flatnonzero(frequencies < frequencies[0] + _DEGENERATE)
    inside = vectors[:, members]
    if len(members) == 1:
        return np.asarray(inside[:, 0])
    along = np.tile([1.0, 0.5, 0.25], len(vectors) // 3)
    _, basis = np.linalg.eigh(inside.conj().T @ (along[:, None] * inside))
    return np.asarray(inside @ basis[:, -1])


def _phases(atoms: Atoms, mode: ImaginaryMode) -> list[float]:
    """Phases worth a try: one where 2q is a reciprocal lattice vector, three elsewhere."""
    fractional = atoms.get_scaled_positions(wrap=False)
    wave = np.exp(2j * np.pi * fractional @ mode.qpoint)[:, None] * mode.eigenvector
    best = -0.5 * float(np.angle((wave**2).sum()))
    if np.allclose(2 * mode.qpoint, np.rint(2 * mode.qpoint), atol=1e-6):
        return [best]
    return [best, best + math.pi / 4, best + math.pi / 2]


def _energy_per_atom(atoms: Atoms, calculator: Any) -> float:
    frame = atoms.copy()
    frame.calc = calculator
    return float(frame.get_potential_energy()) / len(frame)
