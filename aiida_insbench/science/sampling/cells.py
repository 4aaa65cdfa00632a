"""Cells to sample in, supercells, random strains and the identity of frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from numpy.typing import ArrayLike, NDArray

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.kpoints import check_supercell_matrix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class SamplingCell:
    """A cell to sample in and how many frames it gets.

    Attributes
    ----------
    supercell_matrix : ndarray, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    count : int
        Number of frames, ≥ 0.
    """

    supercell_matrix: IntArray
    count: int


def sampling_cell(*, supercell_matrix: ArrayLike, count: object) -> SamplingCell:
    """Check a matrix and a count and make a `SamplingCell` of them.

    Raises
    ------
    InputError
        If the matrix is not 3×3 integers with a positive determinant or the count no integer ≥ 0.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InputError(f'`count` of a cell is {count!r}; give a whole number of frames.')
    return SamplingCell(check_supercell_matrix(supercell_matrix), count)


def build_supercell(*, atoms: Atoms, supercell_matrix: ArrayLike) -> Atoms:
    r"""Repeat a unit cell, axes :math:`S A` with the rows of :math:`A` as unit cell's axes.

    Atoms keep the unit cell's order, cell after cell, and are not wrapped.

    Parameters
    ----------
    atoms : Atoms
        The unit cell.
    supercell_matrix : array_like, shape (3, 3)
        Integers, rows are the supercell's axes in the unit cell's axes: ASE's convention, the
        transpose of phonopy's.
    """
    return make_supercell(atoms, check_supercell_matrix(supercell_matrix), wrap=False)


def random_strain(*, rng: np.random.Generator, sigma: float) -> FloatArray:
    """Symmetric strain, six independent Gaussian components (tensor, not engineering, shears).

    Parameters
    ----------
    rng : Generator
        Source of the six numbers.
    sigma : float
        Standard deviation of each component.

    Returns
    -------
    ndarray, shape (3, 3)
        ε; the strained cell is cell @ (1 + ε).
    """
    draw = rng.normal(scale=sigma, size=6) if sigma > 0 else np.zeros(6)
    xx, yy, zz, yz, xz, xy = draw
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


def check_strain(strain: float) -> None:
    """Refuse a standard deviation of strains out of range.

    Raises
    ------
    InputError
        If it is not within 0 to 0.2.
    """
    if not 0 <= strain < 0.2:
        raise InputError(f'`strain` is {strain}; give a share from 0 to 0.2.')


def check_within(limits: Mapping[str, tuple[float, float, float]]) -> None:
    """Refuse settings out of range: by name the value, the lowest and the highest allowed.

    Raises
    ------
    InputError
        Naming the first.
    """
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise InputError(f'`{name}` is {value}; give a number from {low} to {high}.')


def check_energy_shares(least: float, largest: float) -> None:
    """Refuse limits of the energy of a mode, over that of equal energies, that leave out 1.

    Raises
    ------
    InputError
        If they are not 0 ≤ least ≤ 1 ≤ largest ≤ 100.
    """
    if not 0 <= least <= 1 <= largest <= 100:
        raise InputError(
            f'`least_share` is {least} and `largest_share` {largest}; give 0 ≤ least_share ≤ 1 ≤ '
            'largest_share ≤ 100.'
        )


def frame_generator(*, seed: int, index: int, purpose: int = 0) -> np.random.Generator:
    """Return the random generator of one frame, independent of all others of this seed.

    Parameters
    ----------
    seed, index : int
        The seed and the frame's number, both ≥ 0.
    purpose : int
        Keeps draws that are not a frame's own apart from those that are.

    Raises
    ------
    InputError
        If the seed is negative.
    """
    if seed < 0:
        raise InputError(f'The seed is {seed}; give a whole number ≥ 0.')
    return np.random.default_rng([seed, index, purpose])


def tag_frame(
    *,
    frame: Atoms,
    prefix: str,
    index: int,
    method: str,
    pressure: float,
    seed: int,
    supercell_matrix: IntArray,
) -> Atoms:
    """Write a frame's identity (see `aiida_insbench.science.frames`) into its ``info``."""
    frame.calc = None
    frame.set_constraint()
    frame.info = {
        'frame_id': f'{prefix}_{index:03d}',
        'method': method,
        'target_pressure': float(pressure),
        'seed': int(seed),
        'supercell_matrix': np.array(supercell_matrix, dtype=np.int64),
    }
    return frame


def by_even_division(*, fraction: float, values: Sequence[float]) -> float:
    """Return the value whose equal share of [0, 1] holds `fraction`."""
    return values[min(int(fraction * len(values)), len(values) - 1)]
