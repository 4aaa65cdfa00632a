"""Commensurate k meshes: by hand, and by folding k points."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.kpoints import commensurate_mesh

CELL = np.diag([4.5, 4.5, 3.0])
SQRT2 = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ('matrix', 'mesh', 'exact'),
    [
        (np.diag([1, 1, 1]), (4, 4, 4), True),
        (np.diag([1, 1, 2]), (4, 4, 2), True),
        (np.diag([2, 1, 1]), (2, 4, 4), True),
        (np.diag([4, 4, 4]), (1, 1, 1), True),
        ([[1, 1, 0], [0, 1, 0], [0, 0, 1]], (4, 4, 4), True),
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], (4, 4, 4), True),
        (SQRT2, (3, 3, 4), False),
        (np.diag([1, 1, 3]), (4, 4, 2), False),
    ],
)
def test_meshes_by_hand(matrix, mesh, exact):
    result = commensurate_mesh(unit_mesh=(4, 4, 4), supercell_matrix=matrix, cell=CELL)
    assert (result.mesh, result.exact) == (mesh, exact)


def test_a_permutation_of_axes_permutes_the_mesh():
    matrix = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    result = commensurate_mesh(unit_mesh=(2, 3, 5), supercell_matrix=matrix, cell=CELL)
    assert (result.mesh, result.exact) == ((3, 5, 2), True)


def folded(mesh, matrix):
    """k points of a supercell's mesh, unfolded over its reciprocal lattice into the unit cell's."""
    index = np.array(list(itertools.product(*(range(n) for n in mesh)))) / mesh
    # this many shifts along each axis reach every coset of the unit cell's reciprocal lattice
    cosets = range(round(np.linalg.det(matrix)))
    shifts = np.array(list(itertools.product(cosets, repeat=3)))
    k = (index[:, None] + shifts[None]).reshape(-1, 3) @ np.linalg.inv(matrix).T
    return set(map(tuple, np.rint(np.mod(np.round(k, 9), 1) * 10080).astype(int) % 10080))


@given(
    unit_mesh=st.tuples(*[st.integers(1, 4)] * 3),
    diagonal=st.tuples(*[st.integers(1, 2)] * 3),
    shear=st.integers(-1, 1),
)
def test_exact_means_the_same_k_points(unit_mesh, diagonal, shear):
    matrix = np.diag(diagonal)
    matrix[0, 1] = shear
    result = commensurate_mesh(unit_mesh=unit_mesh, supercell_matrix=matrix, cell=CELL)
    same = folded(result.mesh, matrix) == folded(unit_mesh, np.eye(3, dtype=int))
    assert same == result.exact


@given(unit_mesh=st.tuples(*[st.integers(1, 6)] * 3))
def test_the_unit_cell_keeps_its_mesh(unit_mesh):
    result = commensurate_mesh(
        unit_mesh=unit_mesh, supercell_matrix=np.eye(3), cell=[[3, 0, 0], [1, 4, 0], [0, 2, 5]]
    )
    assert (result.mesh, result.exact) == (unit_mesh, True)


def test_the_cell_decides_where_no_mesh_is_exact():
    """A long b axis makes the diagonal cell's axes nearly b: the coarser spacing decides."""
    square = commensurate_mesh(unit_mesh=(4, 2, 4), supercell_matrix=SQRT2, cell=CELL)
    oblong = commensurate_mesh(
        unit_mesh=(4, 2, 4), supercell_matrix=SQRT2, cell=np.diag([4.5, 12.0, 3.0])
    )
    assert not square.exact
    assert square.mesh != oblong.mesh


@pytest.mark.parametrize(
    ('mesh', 'matrix', 'cell', 'words'),
    [
        ((4, 4), np.eye(3), CELL, 'three positive integers'),
        ((4, 4, 0), np.eye(3), CELL, 'three positive integers'),
        ((4, 4, 4), np.eye(2), CELL, '3×3 integers'),
        ((4, 4, 4), np.eye(3) / 2, CELL, '3×3 integers'),
        ((4, 4, 4), np.diag([1, 1, -1]), CELL, 'determinant'),
        ((4, 4, 4), np.zeros((3, 3)), CELL, 'determinant'),
        ((4, 4, 4), SQRT2, np.zeros((3, 3)), 'no volume'),
    ],
)
def test_wrong_input_is_refused(mesh, matrix, cell, words):
    with pytest.raises(StructureError, match=words):
        commensurate_mesh(unit_mesh=mesh, supercell_matrix=matrix, cell=cell)
