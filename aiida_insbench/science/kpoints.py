"""k meshes of supercells that sample the reciprocal space as the unit cell's mesh does.

Energies of cells of different shape or size agree only if their meshes are commensurate: brucite's
unit cell at 3×3×2 beside supercells at 2×3×2 differed by 5–8 meV/atom, commensurate meshes by
0.2 meV/atom. A k-point distance cannot give that, as it rounds each axis by itself. Where no mesh
of the supercell is that of the unit cell, a list of points is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_insbench.science.errors import StructureError, format_error

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Beyond it no supercell is computed; a slip of the keyboard would fill the memory.
_MOST_CELLS = 100_000


@dataclass(frozen=True)
class CommensurateMesh:
    """A Γ-centred mesh for a supercell.

    Attributes
    ----------
    mesh : tuple of three int
        Divisions along the supercell's reciprocal axes.
    exact : bool
        Whether it folds onto exactly the k points of the unit cell's mesh.
    """

    mesh: tuple[int, int, int]
    exact: bool


def commensurate_mesh(
    *, unit_mesh: Sequence[int], supercell_matrix: ArrayLike, cell: ArrayLike
) -> CommensurateMesh:
    r"""Mesh of a supercell that samples what the unit cell's mesh samples.

    A Γ-centred mesh :math:`m` of a cell :math:`A` (rows are axes) integrates functions periodic in
    the lattice :math:`\mathrm{diag}(m) A` exactly. A mesh :math:`n` of the supercell
    :math:`S A` is the same set of k points if and only if both lattices are one, that is if

    .. math:: \mathrm{diag}(n)\, S\, \mathrm{diag}(m)^{-1}

    is an integer matrix of determinant ±1. Each row of it is integer for
    :math:`n_i = \mathrm{lcm}_j\, m_j / \gcd(m_j, S_{ij})` and its multiples only, so this is the
    only candidate: 4×4×4 becomes 4×4×2 in a 1×1×2 cell.

    Where the candidate has more points than the unit cell's mesh folds to, no exact mesh exists
    (4×4×4 in a √2×√2×1 cell). Then lengths decide: the smallest :math:`n_i` whose spacing along
    the supercell's reciprocal axis :math:`b^s_i = \sum_j c_{ij} b_j` is no coarser than the mean of
    the unit mesh's spacings :math:`|b_j| / m_j`, weighted by :math:`|c_{ij}| |b_j|`: 3×3×4.

    Parameters
    ----------
    unit_mesh : sequence of three int
        Γ-centred mesh of the unit cell, each ≥ 1.
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    cell : array_like, shape (3, 3)
        Axes of the unit cell as rows, in Å.

    Returns
    -------
    CommensurateMesh
        The mesh, and whether it is exact.

    Raises
    ------
    StructureError
        If the mesh is not three positive integers, the matrix not 3×3 integers with a determinant,
        or the cell has no volume.
    """
    divisions = _check_mesh(unit_mesh)
    matrix = check_supercell_matrix(supercell_matrix)
    candidate = _smallest_commensurate(divisions, matrix)
    points = math.prod(divisions)
    if math.prod(candidate) * round(abs(np.linalg.det(matrix))) == points:
        return CommensurateMesh(mesh=candidate, exact=True)
    return CommensurateMesh(mesh=_by_length(divisions, matrix, _check_cell(cell)), exact=False)


def folded_points(
    *, unit_mesh: Sequence[int], supercell_matrix: ArrayLike
) -> tuple[FloatArray, FloatArray] | None:
    r"""K points of a supercell that sample exactly what the unit cell's mesh samples.

    A point with coordinates :math:`x_j = p_j / m_j` in the unit cell's reciprocal axes has
    :math:`S x` in those of the supercell :math:`S A`; points that differ by whole numbers are one,
    and :math:`k` and :math:`-k` are one by time reversal. One point of the supercell stands for
    :math:`\det S` of the unit cell: only where the mesh holds all of them do both sample the same.

    Parameters
    ----------
    unit_mesh : sequence of three int
        Γ-centred mesh of the unit cell.
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.

    Returns
    -------
    tuple (ndarray, shape (n, 3); ndarray, shape (n,)) or None
        Points in the supercell's reciprocal axes, 0 ≤ x < 1, and their weights, which add up to 1;
        to be used as they are, without symmetry. None if no points of the supercell do.

    Raises
    ------
    StructureError
        If the mesh or the matrix is none.
    """
    divisions = _check_mesh(unit_mesh)
    matrix = check_supercell_matrix(supercell_matrix)
    # whole numbers over one denominator: no rounding decides which points are one
    denominator = math.lcm(*divisions)
    steps = np.array(list(np.ndindex(*divisions))) * (denominator // np.array(divisions))
    folded = (steps @ matrix.T) % denominator
    distinct, counts = np.unique(folded, axis=0, return_counts=True)
    if (counts != round(np.linalg.det(matrix))).any():
        return None
    opposite = (-distinct) % denominator
    chosen = [min(a, b) for a, b in zip(distinct.tolist(), opposite.tolist(), strict=True)]
    points, weights = np.unique(chosen, axis=0, return_counts=True)
    return points / denominator, weights / weights.sum()


def check_supercell_matrix(supercell_matrix: ArrayLike) -> IntArray:
    """Return a supercell matrix as 3×3 integers.

    Raises
    ------
    StructureError
        If it is not 3×3, not integer, makes too many cells, or its determinant is not positive: a
        negative one would turn the axes into a left-handed set.
    """
    try:
        values = np.asarray(supercell_matrix, dtype=float)
    except (TypeError, ValueError) as exc:
        raise StructureError(
            f'The supercell matrix {supercell_matrix!r} holds no numbers.'
        ) from exc
    if values.shape != (3, 3) or not np.array_equal(values, np.rint(values)):
        raise StructureError(
            format_error(
                f'The supercell matrix {np.asarray(supercell_matrix).tolist()} is no 3×3 integers.',
                fix="Rows are the supercell's axes in the unit cell's axes.",
            )
        )
    if not np.linalg.det(values) <= _MOST_CELLS:
        raise StructureError(
            f'The supercell matrix {values.tolist()} makes more than {_MOST_CELLS} cells.'
        )
    if np.linalg.det(values) < 0.5:
        raise StructureError(
            format_error(
                f'The supercell matrix {values.astype(int).tolist()} has determinant '
                f'{round(np.linalg.det(values))}.',
                fix='It must be positive: exchange two rows or change their signs.',
            )
        )
    return values.astype(np.int64)


def _smallest_commensurate(divisions: tuple[int, ...], matrix: IntArray) -> tuple[int, int, int]:
    first, second, third = (
        math.lcm(*(m // math.gcd(m, int(s)) for m, s in zip(divisions, row, strict=True)))
        for row in matrix
    )
    return first, second, third


def _by_length(
    divisions: tuple[int, ...], matrix: IntArray, cell: FloatArray
) -> tuple[int, int, int]:
    reciprocal = np.linalg.inv(cell).T
    coefficients = np.linalg.inv(matrix).T
    lengths = np.linalg.norm(reciprocal, axis=1)
    weights = np.abs(coefficients) * lengths
    spacing = (weights * (lengths / np.array(divisions))).sum(axis=1) / weights.sum(axis=1)
    needed = np.linalg.norm(coefficients @ reciprocal, axis=1) / spacing
    # the small number keeps a ratio of exactly 2 at 2 in the face of rounding
    first, second, third = (max(1, math.ceil(value - 1e-6)) for value in needed)
    return first, second, third


def _check_mesh(unit_mesh: Sequence[int]) -> tuple[int, ...]:
    values = tuple(int(value) for value in unit_mesh)
    if len(values) != 3 or min(values) < 1 or values != tuple(unit_mesh):
        raise StructureError(f'The k mesh {list(unit_mesh)} is not three positive integers.')
    return values


def _check_cell(cell: ArrayLike) -> FloatArray:
    values = np.asarray(cell, dtype=float)
    if values.shape != (3, 3) or abs(np.linalg.det(values)) < 1e-3:
        raise StructureError('The unit cell has no volume or is not 3×3.')
    return values
