"""Frequencies on a mesh of the Brillouin zone: imaginary modes and density of states.

Frequencies are in cm⁻¹; imaginary ones are negative and are reported, never hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.physical_units import get_physical_units

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.supercells import require_force_constants, same_point_group
from aiida_insbench.science.tetrahedra import mesh_tetrahedra, states_below

FloatArray = NDArray[np.float64]
#: A frequency below this (cm⁻¹) is an imaginary mode; acoustic modes at Γ are zero to 1e-4 cm⁻¹.
IMAGINARY_BELOW = -1.0


@dataclass(frozen=True)
class MeshModes:
    """Frequencies on a Γ-centred mesh.

    Attributes
    ----------
    mesh : tuple of three int
        Divisions.
    qpoints : ndarray, shape (n_q, 3)
        Irreducible q points, in reciprocal axes.
    weights : ndarray, shape (n_q,)
        Number of mesh points each stands for.
    frequencies : ndarray, shape (n_q, 3N)
        In cm⁻¹; negative is imaginary.
    dos_frequency : ndarray, shape (n_bins,)
        In cm⁻¹.
    dos : ndarray, shape (n_bins,)
        States per cm⁻¹ and cell, mean over the interval of one pitch around each frequency
        (tetrahedron method); its sum times the pitch is 3N, however flat the bands.
    """

    mesh: tuple[int, int, int]
    qpoints: FloatArray
    weights: NDArray[np.int64]
    frequencies: FloatArray
    dos_frequency: FloatArray
    dos: FloatArray

    @property
    def minimum_frequency(self) -> float:
        """Lowest frequency on the mesh, cm⁻¹."""
        return float(self.frequencies.min())

    @property
    def n_imaginary(self) -> int:
        """Number of imaginary modes, counted over the whole mesh and not only irreducible q."""
        return int((self.weights[:, None] * (self.frequencies < IMAGINARY_BELOW)).sum())

    def imaginary(self, *, limit: int = 20) -> list[tuple[FloatArray, float]]:
        """Return q and frequency (cm⁻¹) of the imaginary modes, the worst first."""
        points, bands = np.nonzero(self.frequencies < IMAGINARY_BELOW)
        order = np.argsort(self.frequencies[points, bands], kind='stable')[:limit]
        return [
            (self.qpoints[points[k]], float(self.frequencies[points[k], bands[k]])) for k in order
        ]


def mesh_modes(*, phonon: Phonopy, mesh: Sequence[int], pitch: float = 2.0) -> MeshModes:
    """Frequencies and density of states on a Γ-centred mesh.

    Parameters
    ----------
    phonon : Phonopy
        With force constants.
    mesh : sequence of three int
        Divisions, each ≥ 1. Even ones hold the zone boundary, where instabilities like to sit.
    pitch : float
        Distance of the points of the density of states, cm⁻¹.

    Returns
    -------
    MeshModes
        Irreducible q points, frequencies and density of states.

    Raises
    ------
    InputError
        If the mesh is not three positive integers or there are no force constants.
    """
    divisions = [int(value) for value in mesh]
    if len(divisions) != 3 or min(divisions) < 1 or divisions != list(mesh):
        raise InputError(f'The q mesh {list(mesh)} is not three positive integers.')
    require_force_constants(phonon)
    to_wavenumber = get_physical_units().THzToCm
    # force constants of a supercell of lower symmetry do not relate all q points of the crystal's
    result = phonon.run_mesh(
        divisions, is_gamma_center=True, is_mesh_symmetry=same_point_group(phonon)
    )
    frequencies = np.asarray(result.frequencies, dtype=float) * to_wavenumber
    tetrahedra, weights = mesh_tetrahedra(result)
    edges = np.arange(frequencies.min() - 5.5 * pitch, frequencies.max() + 5.5 * pitch, pitch)
    states = states_below(
        energies=edges, frequencies=frequencies, tetrahedra=tetrahedra, weights=weights
    )
    return MeshModes(
        mesh=(divisions[0], divisions[1], divisions[2]),
        qpoints=np.array(result.qpoints, dtype=float),
        weights=np.array(result.weights, dtype=np.int64),
        frequencies=frequencies,
        dos_frequency=edges[:-1] + pitch / 2,
        dos=np.diff(states) / pitch,
    )
