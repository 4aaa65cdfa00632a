"""Modes interpolated from force constants, block by block.

Frequencies in cm⁻¹, q-points in fractions of the reciprocal cell. Interpolation and diagonalisation
are Euphonic's. Only one of each pair q and −q is computed, with doubled weight: their contributions
are equal. No more than a block of q-points is in memory at a time, so that memory does not grow
with the mesh.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray, IntArray
from aiida_insbench.science.ins.isotopes import labels_of_sites, masses_of_labels
from aiida_insbench.science.ins.modes import PhononModes, phonon_modes
from aiida_insbench.science.ins.qpoint_mesh import (
    check_mesh,
    keeps_symmetry,
    shifted_mesh,
    symmetric_shift,
)

SUM_RULES = ('realspace', 'reciprocal')
_BLOCK = 2**22  # complex numbers of eigenvectors in memory at once, 64 MiB


@dataclass(frozen=True)
class InterpolatedModes:
    """Modes on a mesh, interpolated each time they are asked for.

    Parameters
    ----------
    force_constants : euphonic.ForceConstants
        The non-analytical term is used if they hold Born charges.
    mesh : tuple of int, shape (3,)
        Number of q-points along each reciprocal axis.
    shift : tuple of float, shape (3,), optional
        Shift of the mesh in steps, 0 or 0.5; the default is chosen by `symmetric_shift`.
    sum_rule : {'realspace', 'reciprocal'}, optional
        How Euphonic imposes the acoustic sum rule on force constants that do not obey it, those of
        CASTEP as a rule; None for not at all.

    Raises
    ------
    InputError
        If the mesh is not three positive integers, a shift neither 0 nor 0.5, or the sum rule is
        unknown.
    """

    force_constants: Any
    mesh: tuple[int, int, int]
    shift: tuple[float, float, float] | None = None
    sum_rule: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, 'mesh', check_mesh(self.mesh))
        shifted_mesh((1, 1, 1), shift=self.used_shift)
        if self.sum_rule not in (None, *SUM_RULES):
            raise InputError(f'`sum_rule` must be one of {SUM_RULES}, not {self.sum_rule!r}.')

    @property
    def symbols(self) -> tuple[str, ...]:
        """Labels of the atoms."""
        return tuple(str(symbol) for symbol in self.force_constants.crystal.atom_type)

    @property
    def masses(self) -> FloatArray:
        """Masses in atomic mass units."""
        masses = self.force_constants.crystal.atom_mass.to('amu').magnitude
        return np.asarray(masses, dtype=np.float64)

    @property
    def gamma_only(self) -> bool:
        """Whether Γ is the only q-point."""
        return self.mesh == (1, 1, 1) and self.used_shift == (0.0, 0.0, 0.0)

    @functools.cached_property
    def used_shift(self) -> tuple[float, float, float]:
        """Shift given or chosen."""
        if self.shift is not None:
            return self.shift
        return symmetric_shift(self.mesh, rotations=self._symmetry[0])

    @functools.cached_property
    def symmetric(self) -> bool:
        """Whether the mesh as a whole has the crystal's symmetry."""
        return keeps_symmetry(self.mesh, shift=self.used_shift, rotations=self._symmetry[0])

    @property
    def equivalent(self) -> tuple[int, ...]:
        """For each atom the first one that symmetry makes equal; empty if the mesh breaks it."""
        return self._symmetry[1] if self.symmetric else ()

    @property
    def n_qpoints(self) -> int:
        """Number of q-points computed."""
        return len(self._points[1])

    def with_mesh(self, mesh: Sequence[int]) -> InterpolatedModes:
        """The same crystal on another mesh, whose shift is chosen anew."""
        return InterpolatedModes(self.force_constants, check_mesh(mesh), None, self.sum_rule)

    def at(self, qpoints: FloatArray, weights: FloatArray | None = None) -> Any:
        """Modes of Euphonic at any q-points, shape (n, 3), in fractions of the reciprocal cell."""
        with warnings.catch_warnings():
            # Euphonic runs on one thread once torch has brought a second OpenMP: no news.
            warnings.filterwarnings('ignore', message='More than one OpenMP')
            return self.force_constants.calculate_qpoint_phonon_modes(
                qpoints, weights=weights, asr=self.sum_rule
            )

    def blocks(self) -> Iterator[tuple[float, PhononModes]]:
        """Interpolate block after block of q-points."""
        qpoints, weights = self._points
        step = max(1, _BLOCK // (3 * len(self.symbols)) ** 2)
        for start in range(0, len(weights), step):
            some = slice(start, start + step)
            yield float(weights[some].sum()), self._interpolate(qpoints[some], weights[some])

    def collect(self) -> PhononModes:
        """All modes in memory."""
        return self._interpolate(*self._points)

    @functools.cached_property
    def _points(self) -> tuple[FloatArray, FloatArray]:
        return shifted_mesh(self.mesh, shift=self.used_shift)

    @functools.cached_property
    def _symmetry(self) -> tuple[IntArray, tuple[int, ...]]:
        """Rotations of the space group, and equivalent atoms."""
        found = spglib.get_symmetry(self.force_constants.crystal.to_spglib_cell(), symprec=1e-4)
        return np.asarray(found['rotations']), tuple(map(int, found['equivalent_atoms']))

    def _interpolate(self, qpoints: FloatArray, weights: FloatArray) -> PhononModes:
        modes = self.at(qpoints, weights)
        return phonon_modes(modes, symmetric=self.symmetric, equivalent=self.equivalent)


def with_isotopes(
    force_constants: Any, isotopes: Mapping[str, str | Mapping[str, float]] | None
) -> Any:
    """Force constants of a crystal in which isotopes have been exchanged.

    Parameters
    ----------
    force_constants : euphonic.ForceConstants
        They do not depend on masses (Born-Oppenheimer).
    isotopes : mapping or None
        See `labels_of_sites`.

    Returns
    -------
    euphonic.ForceConstants
        With labels and masses of the isotopes; the same object if there are none.

    Raises
    ------
    InputError
        As `labels_of_sites`.
    """
    if not isotopes:
        return force_constants
    from euphonic import ForceConstants, ureg

    content = force_constants.to_dict()
    crystal = content['crystal']
    labels = labels_of_sites([str(symbol) for symbol in crystal['atom_type']], isotopes)
    masses = masses_of_labels(labels, force_constants.crystal.atom_mass.to('amu').magnitude)
    crystal['atom_type'] = np.array(labels)
    crystal['atom_mass'] = (np.array(masses) * ureg('amu')).to(crystal['atom_mass_unit']).magnitude
    return ForceConstants.from_dict(content)


def refuse_isotopes(isotopes: object) -> None:
    """Refuse isotopes where modes are given as they stand.

    Raises
    ------
    InputError
        If there are any.
    """
    if isotopes:
        raise InputError(
            'Isotopes change frequencies, so they need force constants; the file holds modes.'
        )
