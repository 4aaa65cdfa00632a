r"""States below an energy by linear interpolation in tetrahedra of a q mesh.

Between the corners of a tetrahedron a band is linear, and the share of its volume where it lies
below E is, for corners :math:`e_1 \le e_2 \le e_3 \le e_4` and :math:`e_{ij} = e_i - e_j`,

.. math::

    n(E) = \begin{cases}
      (E-e_1)^3 / (e_{21}e_{31}e_{41}) & e_1 < E \le e_2 \\
      \left[e_{21}^2 + 3e_{21}x + 3x^2 - (e_{31}+e_{42})\,x^3/(e_{32}e_{42})\right]
      / (e_{31}e_{41}),\; x = E - e_2 & e_2 < E \le e_3 \\
      1 - (e_4-E)^3 / (e_{41}e_{42}e_{43}) & e_3 < E < e_4
    \end{cases}

Only energies between the corners are computed, and tetrahedra that symmetry makes equal are
computed once: internal modes of molecules are flat, and a sum over all energies took most of the
time of a phonon job of benzene.

Source: Blöchl, Jepsen & Andersen, Phys. Rev. B 49, 16223 (1994), appendix A.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy.phonon.tetrahedron_method import get_tetrahedra_relative_gr_grid_address

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Tetrahedra and bands at once: bounds the memory where a tetrahedron spans many energies.
_CHUNK = 8192


def mesh_tetrahedra(mesh: Any) -> tuple[IntArray, FloatArray]:
    """Tetrahedra of a mesh by their corners among the irreducible q points.

    Parameters
    ----------
    mesh : phonopy Mesh
        Its cells are cut along the shortest main diagonal, as in phonopy.

    Returns
    -------
    tetrahedra : ndarray of int, shape (n_tetrahedra, 4)
        Rows of the mesh's ``frequencies``; each set of corners once.
    weights : ndarray, shape (n_tetrahedra,)
        Shares of the Brillouin zone, their sum is 1.
    """
    grid = mesh.bz_grid
    divisions = np.asarray(grid.D_diag, dtype=np.int64)
    strides = np.array([1, divisions[0], divisions[0] * divisions[1]], dtype=np.int64)
    points = np.arange(int(np.prod(divisions)), dtype=np.int64)
    addresses = points[:, None] // strides % divisions
    # around each point, so that each tetrahedron is met at all four corners
    steps = get_tetrahedra_relative_gr_grid_address(grid)
    corners = (addresses[:, None, None] + steps) % divisions @ strides
    irreducible = np.searchsorted(mesh.ir_grid_points, mesh.grid_mapping_table)
    found = np.sort(irreducible[corners].reshape(-1, 4), axis=1)
    tetrahedra, counts = np.unique(found, axis=0, return_counts=True)
    return tetrahedra, counts / len(found)


def states_below(
    *, energies: FloatArray, frequencies: FloatArray, tetrahedra: IntArray, weights: FloatArray
) -> FloatArray:
    """Number of states below each energy.

    Parameters
    ----------
    energies : ndarray, shape (n_energies,)
        Rising; any unit.
    frequencies : ndarray, shape (n_points, n_bands)
        In the same unit; bands in order of rising frequency.
    tetrahedra : ndarray of int, shape (n_tetrahedra, 4)
        Corners among the points.
    weights : ndarray, shape (n_tetrahedra,)
        Of the tetrahedra.

    Returns
    -------
    ndarray, shape (n_energies,)
        Up to n_bands times the sum of the weights.
    """
    below = np.zeros(len(energies))
    filled = np.zeros(len(energies) + 1)
    bands = max(1, _CHUNK // len(tetrahedra))
    for first in range(0, frequencies.shape[1], bands):
        block = frequencies[tetrahedra, first : first + bands]
        corners = np.sort(np.moveaxis(block, 1, 2).reshape(-1, 4), axis=1)
        shares = np.repeat(weights, block.shape[2])
        lower = np.searchsorted(energies, corners[:, 0], side='right')
        upper = np.maximum(np.searchsorted(energies, corners[:, 3], side='left'), lower)
        filled += np.bincount(upper, weights=shares, minlength=len(filled))
        counts = upper - lower
        rows = np.repeat(np.arange(len(corners)), counts)
        places = np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts) + lower[rows]
        partly = shares[rows] * _share_below(energies[places], corners[rows].T)
        below += np.bincount(places, weights=partly, minlength=len(below))
    return np.asarray(below + filled[:-1].cumsum(), dtype=float)


def _share_below(energies: FloatArray, corners: FloatArray) -> FloatArray:
    """n(E) of the module's formula; corners of shape (4, n), e₁ < E < e₄ for each energy."""
    found = np.empty_like(energies)
    low, high = energies <= corners[1], energies > corners[2]
    middle = ~low & ~high
    # products of ratios of at most 1: cubes of small differences would be lost
    e1, e2, e3, e4 = corners[:, low]
    x = energies[low] - e1
    found[low] = x / (e2 - e1) * (x / (e3 - e1)) * (x / (e4 - e1))
    e1, e2, e3, e4 = corners[:, high]
    x = e4 - energies[high]
    found[high] = 1 - x / (e4 - e1) * (x / (e4 - e2)) * (x / (e4 - e3))
    e1, e2, e3, e4 = corners[:, middle]
    x = energies[middle] - e2
    x3, x4 = x / (e3 - e1), x / (e4 - e1)
    square = (e2 - e1) / (e3 - e1) * ((e2 - e1) / (e4 - e1) + 3 * x4) + 3 * x3 * x4
    cubic = x / (e3 - e2) * (x / (e4 - e2)) * (x4 + x3 * ((e4 - e2) / (e4 - e1)))
    found[middle] = square - cubic
    return found
