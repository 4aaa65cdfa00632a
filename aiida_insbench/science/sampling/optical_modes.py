"""Normal modes of a sampling supercell at its Γ, and the amplitude that gives each the same energy.

Units: eV, Å, atomic mass units, K; frequencies in cm⁻¹, imaginary ones negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from numpy.typing import ArrayLike, NDArray

from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.supercells import full_force_constants, supercell_of

FloatArray = NDArray[np.float64]
#: ω in √(eV/u)/Å of a wavenumber of 1 cm⁻¹.
_OMEGA_PER_WAVENUMBER = 1.0 / float(eigenvalues_to_wavenumbers(np.array([1.0]))[0])


@dataclass(frozen=True)
class OpticalModes:
    """Modes of a supercell at its Γ, rigid translations taken out.

    Attributes
    ----------
    frequencies : ndarray, shape (3N − 3,)
        In cm⁻¹, rising; negative is imaginary.
    displacements : ndarray, shape (3N − 3, N, 3)
        Displacement in Å of the atoms for q = 1 Å√u: eigenvector over √mass.
    """

    frequencies: FloatArray
    displacements: FloatArray


def optical_modes(
    *,
    atoms: Atoms,
    calculator: Any,
    supercell_matrix: ArrayLike,
    displacement: float = 0.01,
    symprec: float = 1e-4,
) -> tuple[Atoms, OpticalModes]:
    """Modes at Γ of a sampling supercell, from symmetry-reduced finite displacements.

    Parameters
    ----------
    atoms : Atoms
        The relaxed unit cell.
    calculator : ase Calculator
        Gives forces.
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    displacement : float
        Of the finite differences, Å.
    symprec : float
        Tolerance of positions for the symmetry, Å.

    Returns
    -------
    tuple (Atoms, OpticalModes)
        The supercell in phonopy's order of atoms and its modes.
    """
    supercell, hessian = hessian_at_gamma(
        atoms=atoms,
        calculator=calculator,
        supercell_matrix=supercell_matrix,
        displacement=displacement,
        symprec=symprec,
    )
    masses = np.asarray(supercell.get_masses())
    return supercell, modes_of_hessian(hessian=hessian, masses=masses)


def hessian_at_gamma(
    *,
    atoms: Atoms,
    calculator: Any,
    supercell_matrix: ArrayLike,
    displacement: float = 0.01,
    symprec: float = 1e-4,
) -> tuple[Atoms, FloatArray]:
    """Hessian of a sampling supercell at its Γ; parameters are those of `optical_modes`.

    Returns
    -------
    tuple (Atoms, ndarray of shape (3N, 3N))
        The supercell in phonopy's order of atoms, with masses, and its Hessian in eV/Å².
    """
    phonon = calculate_force_constants(
        atoms=atoms,
        calculator=calculator,
        supercell_matrix=supercell_matrix,
        displacement=displacement,
        symprec=symprec,
    )
    supercell = supercell_of(phonon)
    # the force constants of a supercell hold all its periodic images: its Hessian at Γ
    hessian = full_force_constants(phonon).transpose(0, 2, 1, 3)
    size = 3 * len(supercell)
    return supercell, hessian.reshape(size, size)


def modes_of_hessian(*, hessian: FloatArray, masses: FloatArray) -> OpticalModes:
    """Diagonalise a mass-weighted Hessian in the space orthogonal to rigid translations.

    Parameters
    ----------
    hessian : ndarray, shape (3N, 3N)
        In eV/Å².
    masses : ndarray, shape (N,)
        In atomic mass units.

    Returns
    -------
    OpticalModes
        The 3N − 3 modes that are no translation.
    """
    roots = np.repeat(np.sqrt(masses), 3)
    weighted = hessian / np.outer(roots, roots)
    translations = (roots[:, None] * np.tile(np.eye(3), (len(masses), 1))) / np.sqrt(masses.sum())
    # columns 3.. of Q span what is orthogonal to the translations
    complement = np.linalg.qr(translations, mode='complete')[0][:, 3:]
    reduced = complement.T @ (0.5 * (weighted + weighted.T)) @ complement
    eigenvalues, vectors = np.linalg.eigh(reduced)
    displacements = (complement @ vectors).T / roots
    return OpticalModes(
        frequencies=eigenvalues_to_wavenumbers(eigenvalues),
        displacements=displacements.reshape(len(eigenvalues), -1, 3),
    )


def equal_energy_amplitudes(
    *, frequencies: FloatArray, temperature: float | FloatArray, frequency_floor: float
) -> FloatArray:
    r"""Largest mass-weighted amplitude of each mode, :math:`\sqrt{2 k_B T}/\max(ω, ω_floor)`.

    Parameters
    ----------
    frequencies : ndarray, shape (n_modes,)
        In cm⁻¹; imaginary ones are negative and take the floor.
    temperature : float or ndarray, shape (n_modes,)
        In K; of all modes, or of each.
    frequency_floor : float
        In cm⁻¹, > 0.

    Returns
    -------
    ndarray, shape (n_modes,)
        In Å√u.
    """
    omega = np.maximum(frequencies, frequency_floor) * _OMEGA_PER_WAVENUMBER
    return np.asarray(np.sqrt(2 * units.kB * temperature) / omega)
