"""Phonon modes on a q-point mesh from force constants, and what of them can be used.

Frequencies in cm⁻¹ (negative = imaginary), masses in atomic mass units, q-points in fractions of
the reciprocal cell. Interpolation and diagonalisation are Euphonic's.

The mesh is shifted by half a step in as many directions as the crystal's symmetry allows, so
that Γ with its three acoustic modes of frequency zero is never a point of it.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import spglib
import yaml

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import ComplexArray, FloatArray, IntArray
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

# In this order: the first that keeps the mesh symmetric is taken.
_SHIFTS = sorted(itertools.product((0.5, 0.0), repeat=3), key=lambda shift: -sum(shift))[:-1]


@dataclass(frozen=True)
class PhononModes:
    """Phonon modes at q-points.

    Parameters
    ----------
    frequencies : ndarray, shape (n_qpoints, n_modes)
        In cm⁻¹; negative stands for imaginary.
    eigenvectors : complex ndarray, shape (n_qpoints, n_modes, n_atoms, 3)
        Of the dynamical matrix, Cartesian, each of norm 1.
    weights : ndarray, shape (n_qpoints,)
        Of the q-points; their sum is 1.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.
    symbols : tuple of str
        Chemical symbols of the atoms.
    symmetric : bool
        Whether the q-points as a whole have the crystal's symmetry.
    gamma_only : bool
        Whether Γ is the only q-point: that of a molecule, or of a crystal whose dispersion is left
        out.
    equivalent : tuple of int, optional
        For each atom the first one on a site that symmetry makes equal; empty if that is not
        known.

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, or weights or masses are not positive.
    """

    frequencies: FloatArray
    eigenvectors: ComplexArray
    weights: FloatArray
    masses: FloatArray
    symbols: tuple[str, ...]
    symmetric: bool = True
    gamma_only: bool = False
    equivalent: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        n_qpoints, n_modes = self.frequencies.shape
        n_atoms = len(self.symbols)
        if (
            self.eigenvectors.shape != (n_qpoints, n_modes, n_atoms, 3)
            or self.weights.shape != (n_qpoints,)
            or self.masses.shape != (n_atoms,)
            or len(self.equivalent) not in (0, n_atoms)
        ):
            raise InputError(
                f'Shapes of phonon modes do not fit: frequencies {self.frequencies.shape}, '
                f'eigenvectors {self.eigenvectors.shape}, weights {self.weights.shape}, masses '
                f'{self.masses.shape}, {n_atoms} symbols.'
            )
        arrays = (self.frequencies, self.eigenvectors, self.weights, self.masses)
        if not all(np.isfinite(array).all() for array in arrays):
            raise InputError('Phonon modes hold numbers that are not finite.')
        if not (self.weights > 0).all() or abs(self.weights.sum() - 1) > 1e-9:
            raise InputError(
                f'Weights of q-points must be positive and add up to 1, not {self.weights.sum()}.'
            )
        if not (self.masses > 0).all():
            raise InputError(f'Masses must be positive: {self.masses.tolist()}.')

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols without repetition, in order of appearance."""
        return tuple(dict.fromkeys(self.symbols))


def modes_from_phonopy(
    path: Path, *, mesh: Sequence[int], shift: Sequence[float] | None = None
) -> PhononModes:
    """Interpolate modes from a phonopy YAML file that holds force constants.

    Parameters
    ----------
    path : Path
        File written by ``phonopy.save(settings={'force_constants': True})``; the non-analytical
        term is used if it holds Born charges.
    mesh : sequence of int, shape (3,)
        Number of q-points along each reciprocal axis.
    shift : sequence of float, optional
        Shift of the mesh in steps; the default is chosen by `symmetric_shift`.

    Returns
    -------
    PhononModes
        Only one of each pair q and −q, with doubled weight: their contributions are equal.

    Raises
    ------
    InputError
        If the file cannot be read or the mesh is not three positive integers.
    """
    return modes_from_force_constants(_read_force_constants(path), mesh=mesh, shift=shift)


def modes_from_force_constants(
    force_constants: Any, *, mesh: Sequence[int], shift: Sequence[float] | None = None
) -> PhononModes:
    """Interpolate modes on a mesh.

    Parameters
    ----------
    force_constants : euphonic.ForceConstants
        The non-analytical term is used if they hold Born charges.
    mesh : sequence of int, shape (3,)
        Number of q-points along each reciprocal axis.
    shift : sequence of float, optional
        Shift of the mesh in steps; the default is chosen by `symmetric_shift`.

    Returns
    -------
    PhononModes
        Only one of each pair q and −q, with doubled weight.

    Raises
    ------
    InputError
        If the mesh is not three positive integers.
    """
    divisions = _check_mesh(mesh)
    crystal = force_constants.crystal
    symmetry = spglib.get_symmetry(crystal.to_spglib_cell(), symprec=1e-4)
    rotations = np.asarray(symmetry['rotations'])
    if shift is None:
        shift = symmetric_shift(divisions, rotations=rotations)
    qpoints, weights = shifted_mesh(divisions, shift=shift)
    with warnings.catch_warnings():
        # Euphonic runs on one thread once torch has brought a second OpenMP: right, and no news.
        warnings.filterwarnings('ignore', message='More than one OpenMP')
        result = force_constants.calculate_qpoint_phonon_modes(qpoints, weights=weights)
    symmetric = keeps_symmetry(divisions, shift=shift, rotations=rotations)
    equivalent = tuple(int(atom) for atom in symmetry['equivalent_atoms'])
    return phonon_modes(result, symmetric=symmetric, equivalent=equivalent if symmetric else ())


def phonon_modes(
    modes: Any, *, symmetric: bool = False, equivalent: tuple[int, ...] = ()
) -> PhononModes:
    """Take over modes of Euphonic.

    Parameters
    ----------
    modes : euphonic.QpointPhononModes
        At any q-points; their weights are scaled to add up to 1.
    symmetric : bool
        Whether the q-points as a whole are known to have the crystal's symmetry.
    equivalent : tuple of int
        As in `PhononModes`.
    """
    weights = np.asarray(modes.weights, dtype=np.float64)
    crystal = modes.crystal
    return PhononModes(
        frequencies=modes.frequencies.to('meV').magnitude * MEV_TO_WAVENUMBER,
        eigenvectors=np.asarray(modes.eigenvectors, dtype=np.complex128),
        weights=weights / weights.sum(),
        masses=np.asarray(crystal.atom_mass.to('amu').magnitude, dtype=np.float64),
        symbols=tuple(str(symbol) for symbol in crystal.atom_type),
        symmetric=symmetric,
        gamma_only=bool(len(weights) == 1 and np.allclose(modes.qpts, 0)),
        equivalent=equivalent,
    )


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
    divisions = _check_mesh(mesh)
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


def _are_integers(values: FloatArray) -> bool:
    return bool(np.allclose(values, np.rint(values), atol=1e-9))


def _flat(indices: IntArray, size: IntArray) -> IntArray:
    return np.asarray((indices[:, 0] * size[1] + indices[:, 1]) * size[2] + indices[:, 2])


def _check_mesh(mesh: Sequence[int]) -> tuple[int, int, int]:
    whole = [isinstance(n, int | np.integer) and not isinstance(n, bool) and n > 0 for n in mesh]
    if len(whole) != 3 or not all(whole):
        raise InputError(f'`mesh` must be three positive whole numbers, not {mesh!r}.')
    return int(mesh[0]), int(mesh[1]), int(mesh[2])


def _read_force_constants(path: Path) -> Any:
    from euphonic import ForceConstants

    try:
        return ForceConstants.from_phonopy(path=str(path.parent), summary_name=path.name)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, yaml.YAMLError) as exc:
        raise InputError(
            format_error(
                f'{path.name} cannot be read as force constants: {exc}',
                fix='Give a phonopy YAML file saved with its force constants.',
            )
        ) from exc
