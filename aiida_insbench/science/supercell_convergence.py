"""What a larger supercell changes: frequencies at Γ and on a mesh, in cm⁻¹."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from phonopy import Phonopy
from phonopy.physical_units import get_physical_units

from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.phonon_mesh import mesh_modes
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.supercells import supercell_matrix_of


def doubled(supercell_matrix: ArrayLike) -> list[list[int]]:
    """Twice as long along each axis."""
    return [[2 * int(value) for value in row] for row in np.asarray(supercell_matrix).tolist()]


def compare_supercells(
    *,
    phonon: Phonopy,
    atoms: Atoms,
    calculator: Any,
    supercell_matrix: ArrayLike,
    mesh: Sequence[int],
    displacement: float = 0.01,
    symprec: float = 1e-4,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compute force constants in another supercell and say what changes.

    Parameters
    ----------
    phonon : Phonopy
        With force constants of the supercell to judge.
    atoms : Atoms
        Its relaxed unit cell.
    calculator : ase Calculator
        Gives forces.
    supercell_matrix : array_like, shape (3, 3)
        The larger supercell; rows are axes.
    mesh : sequence of three int
        On which frequencies are compared.
    displacement : float
        In Å.
    symprec : float
        Tolerance of positions for the symmetry, Å.
    report : callable, optional
        Called as ``report(done, total)`` after each displaced supercell.

    Returns
    -------
    dict
        ``supercell_matrix``, ``against``, ``gamma_cm1`` and ``mesh_cm1``: largest (``max``) and
        root-mean-square (``rms``) change of a frequency, modes in rising order at each q-point;
        ``minimum_frequency``: lowest on the mesh of both.

    Raises
    ------
    ConvergenceError
        As `calculate_force_constants`.
    """
    other = calculate_force_constants(
        atoms=atoms,
        calculator=calculator,
        supercell_matrix=supercell_matrix,
        displacement=displacement,
        symprec=symprec,
        report=report,
    )
    on_mesh = mesh_modes(phonon=phonon, mesh=mesh)
    larger = _frequencies(other, on_mesh.qpoints)
    gammas = [gamma_modes(phonon=one, irreps=False).frequencies for one in (phonon, other)]
    return {
        'supercell_matrix': supercell_matrix_of(phonon).tolist(),
        'against': np.asarray(supercell_matrix).tolist(),
        'gamma_cm1': _changes(gammas[1] - gammas[0]),
        'mesh_cm1': _changes(larger - on_mesh.frequencies),
        'minimum_frequency': [on_mesh.minimum_frequency, float(larger.min())],
    }


def _frequencies(phonon: Phonopy, qpoints: Any) -> Any:
    found = phonon.run_qpoints(qpoints)
    return np.asarray(found.frequencies) * get_physical_units().THzToCm


def _changes(difference: Any) -> dict[str, float]:
    return {
        'max': float(np.abs(difference).max()),
        'rms': float(np.sqrt((difference**2).mean())),
    }
