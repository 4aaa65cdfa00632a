"""Phonon modes at q-points, held in memory or interpolated as they are needed.

Frequencies in cm⁻¹ (negative = imaginary), masses in atomic mass units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import ComplexArray, FloatArray
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER


class ModeSource(Protocol):
    """Where modes come from: of one crystal, in blocks of q-points."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Labels of the atoms: chemical symbols, or isotopes."""

    @property
    def masses(self) -> FloatArray:
        """Masses of the atoms in atomic mass units."""

    @property
    def equivalent(self) -> tuple[int, ...]:
        """For each atom the first one that symmetry makes equal; empty if not known."""

    @property
    def gamma_only(self) -> bool:
        """Whether Γ is the only q-point."""

    @property
    def n_qpoints(self) -> int:
        """Number of q-points computed."""

    def blocks(self) -> Iterator[tuple[float, PhononModes]]:
        """Blocks of q-points, each with its share of the Brillouin zone; the shares add up to 1."""


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
        Chemical symbols of the atoms, or isotopes; see `aiida_insbench.science.ins.isotopes`.
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

    @property
    def n_qpoints(self) -> int:
        """Number of q-points."""
        return len(self.weights)

    @property
    def motion(self) -> FloatArray:
        """Share of each atom in each mode, |e|², shape (n_qpoints, n_modes, n_atoms)."""
        parts = (self.eigenvectors.real, self.eigenvectors.imag)
        return np.asarray(sum(np.einsum('qjia,qjia->qji', part, part) for part in parts))

    def blocks(self) -> Iterator[tuple[float, PhononModes]]:
        """Itself, as the only block."""
        yield 1.0, self


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

    Returns
    -------
    PhononModes
        In memory.
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
