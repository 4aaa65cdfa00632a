"""Regular meshes of q-points and their symmetry.

q-points in fractions of the reciprocal cell. A mesh is shifted by half a step in as many directions
as the crystal's symmetry allows, so that Γ with its three acoustic modes of frequency zero is never
a point of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray, IntArray

# In this order: the first that keeps the mesh symmetric is taken.
_SHIFTS = sorted(itertools.product((0.5, 0.0), repeat=3), key=lambda shift: -sum(shift))[:-1]


def shifted_mesh(mesh: Sequence[int], *, shift: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    r"""Regular mesh of q-points, one of each pair q and −q.

    .. math:: q_a = (i_a + s_a)/n_a, \quad i_a = 0 \ldots n_a - 1

    Parameters
    ----------
    mesh : sequence of int, shape (3,)
        Divisions n.
    shift : sequence of float, shape (3,)
        Shift s of each axis, 0 or 0.5.

    Returns
    -------
    qpoints : ndarray, shape (n_qpoints, 3)
        In fractions of the reciprocal cell, between −0.5 and 0.5.
    weights : ndarray, shape (n_qpoints,)
        Sum 1.

    Raises
    ------
    InputError
        If a shift is neither 0 nor 0.5 (the mesh would not hold −q for every q).
    """
    divisions = check_mesh(mesh)
    if len(shift) != 3 or any(value not in (0.0, 0.5) for value in shift):
        raise InputError(f'A mesh can be shifted by 0 or 0.5 steps along each axis, not {shift}.')
    size = np.array(divisions)
    doubled = np.stack(np.meshgrid(*map(np.arange, divisions), indexing='ij'), axis=-1)
    doubled = 2 * doubled.reshape(-1, 3) + np.rint(2 * np.asarray(shift)).astype(int)
    partner = np.mod(-doubled, 2 * size)
    first, second = _flat(doubled, 2 * size), _flat(partner, 2 * size)
    keep = first <= second
    fractions = doubled[keep] / (2 * size)
    weights = np.where(first == second, 1.0, 2.0)[keep] / math.prod(divisions)
    return fractions - np.floor(fractions + 0.5), weights


def symmetric_shift(mesh: Sequence[int], *, rotations: IntArray) -> tuple[float, float, float]:
    """Shift with most halves that leaves out Γ and keeps the crystal's symmetry.

    Parameters
    ----------
    mesh : sequence of int, shape (3,)
        Divisions.
    rotations : ndarray of int, shape (n_operations, 3, 3)
        Rotations of the space group in fractional coordinates, x′ = R x.

    Returns
    -------
    tuple of float
        (0.5, 0.5, 0.5) if no shift keeps the symmetry.
    """
    for shift in _SHIFTS:
        if keeps_symmetry(mesh, shift=shift, rotations=rotations):
            return shift[0], shift[1], shift[2]
    return 0.5, 0.5, 0.5


def keeps_symmetry(mesh: Sequence[int], *, shift: Sequence[float], rotations: IntArray) -> bool:
    """Whether every rotation maps the shifted mesh onto itself, q′ = Rᵀ q."""
    size = np.asarray(mesh, dtype=float)
    moved = size[:, None] * np.swapaxes(rotations, 1, 2) / size[None, :]
    offset = moved @ np.asarray(shift) - np.asarray(shift)
    return bool(_are_integers(moved) and _are_integers(offset))


def mesh_of_spacing(reciprocal_cell: FloatArray, spacing: float) -> tuple[int, int, int]:
    """Smallest mesh whose neighbouring q-points are at most so far apart.

    Parameters
    ----------
    reciprocal_cell : ndarray, shape (3, 3)
        Rows are the axes, Å⁻¹ (with 2π).
    spacing : float
        In Å⁻¹, > 0.

    Raises
    ------
    InputError
        If the spacing is not positive.
    """
    if not spacing > 0:
        raise InputError(f'The spacing of q-points must be > 0 Å⁻¹, not {spacing}.')
    lengths = np.linalg.norm(reciprocal_cell, axis=1)
    first, second, third = (max(1, int(np.ceil(length / spacing - 1e-9))) for length in lengths)
    return first, second, third


def _are_integers(values: FloatArray) -> bool:
    return bool(np.allclose(values, np.rint(values), atol=1e-9))


def _flat(indices: IntArray, size: IntArray) -> IntArray:
    return np.asarray((indices[:, 0] * size[1] + indices[:, 1]) * size[2] + indices[:, 2])


def check_mesh(mesh: Sequence[int]) -> tuple[int, int, int]:
    """Take three positive whole numbers, or raise `InputError`."""
    whole = [isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in mesh]
    if len(whole) != 3 or not all(whole):
        raise InputError(f'`mesh` must be three positive whole numbers, not {mesh!r}.')
    return int(mesh[0]), int(mesh[1]), int(mesh[2])
