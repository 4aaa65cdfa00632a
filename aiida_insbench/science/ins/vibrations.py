"""All that spectra need of modes, gathered in one pass over the q-points.

Of each atom that symmetry does not make equal to another: the displacement-weighted density of
states, a tensor in every bin. Of all atoms: mean-square displacements, and the census of modes.
What is held does not grow with the number of q-points.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.census import MINIMUM_FREQUENCY, CensusCounter, ModeCensus
from aiida_insbench.science.ins.debye_waller import (
    DominanceSearch,
    DominantMode,
    displacement_tensors,
)
from aiida_insbench.science.ins.density import DisplacementDensity, displacement_density
from aiida_insbench.science.ins.modes import ModeSource, PhononModes

_DOMINANT = 0.2
_ALIKE = 1e-3  # relative


@dataclass(frozen=True)
class Vibrations:
    """What spectra need of the modes of a crystal at one temperature.

    Parameters
    ----------
    symbols : tuple of str
        Labels of the atoms.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.
    tensors : ndarray, shape (n_atoms, 3, 3)
        Mean-square displacements U in Å².
    densities : mapping from int to DisplacementDensity
        Of the first atom of each group.
    groups : mapping from int to tuple of int
        First atom to all atoms whose powder spectra are equal.
    census : ModeCensus
        Modes used and left out.
    dominant : tuple of DominantMode
        Single modes that hold much of an element's displacement.
    temperature : float
        In K.
    minimum_frequency : float
        In cm⁻¹; modes below were left out.
    n_qpoints : int
        q-points gathered.
    gamma_only : bool
        Whether Γ was the only one.
    """

    symbols: tuple[str, ...]
    masses: FloatArray
    tensors: FloatArray
    densities: Mapping[int, DisplacementDensity]
    groups: Mapping[int, tuple[int, ...]]
    census: ModeCensus
    dominant: tuple[DominantMode, ...]
    temperature: float
    minimum_frequency: float
    n_qpoints: int
    gamma_only: bool

    @property
    def elements(self) -> tuple[str, ...]:
        """Labels without repetition, in order of appearance."""
        return tuple(dict.fromkeys(self.symbols))

    def coarser(self) -> Vibrations:
        """The same on bins twice as wide; exactly what gathering on those would have given."""
        densities = {atom: _coarser(density) for atom, density in self.densities.items()}
        return dataclasses.replace(self, densities=densities)


def gather_vibrations(
    source: ModeSource,
    *,
    temperature: float,
    bin_width: float,
    minimum_frequency: float = MINIMUM_FREQUENCY,
    report: Callable[[str, int, int], None] | None = None,
) -> Vibrations:
    """Gather what spectra need of modes.

    Parameters
    ----------
    source : ModeSource
        Modes on a mesh.
    temperature : float
        In K.
    bin_width : float
        Of the densities of states, in cm⁻¹.
    minimum_frequency : float
        In cm⁻¹; modes below it are left out.
    report : callable, optional
        Called as ``report('q-points', done, total)`` after each block.

    Returns
    -------
    Vibrations
        For one temperature and bin width.
    """
    conditions = {'temperature': temperature, 'minimum_frequency': minimum_frequency}
    census = CensusCounter(source.symbols, minimum_frequency=minimum_frequency)
    dominance = DominanceSearch(source.symbols, **conditions)
    tensors = np.zeros((len(source.symbols), 3, 3))
    densities = _Densities(set(source.equivalent or range(len(source.symbols))))
    done = 0
    for share, block in source.blocks():
        census.add(block, share=share)
        dominance.add(block, share=share)
        tensors += share * displacement_tensors(block, **conditions)
        densities.add(block, share=share, bin_width=bin_width, **conditions)
        done += block.n_qpoints
        if report:
            report('q-points', done, source.n_qpoints)
    groups = like_atoms(source, tensors)
    found = densities.found
    if missing := set(groups) - set(found):
        # symmetry that the modes do not bear out: those atoms need densities of their own
        more = _Densities(missing)
        for share, block in source.blocks():
            more.add(block, share=share, bin_width=bin_width, **conditions)
        found = found | more.found
    return Vibrations(
        symbols=source.symbols,
        masses=source.masses,
        tensors=tensors,
        densities={atom: found[atom] for atom in groups},
        groups={atom: tuple(members) for atom, members in groups.items()},
        census=census.census(),
        dominant=() if source.gamma_only else dominance.found(_DOMINANT),
        n_qpoints=source.n_qpoints,
        gamma_only=source.gamma_only,
        **conditions,
    )


def like_atoms(source: ModeSource, tensors: FloatArray) -> dict[int, list[int]]:
    """Group atoms whose powder spectra are equal by symmetry.

    An atom is grouped with its equivalent only if the modes bear it out: mass, trace of U and of U²
    agree to 1e-3.

    Parameters
    ----------
    source : ModeSource
        Which atoms symmetry makes equal.
    tensors : ndarray, shape (n_atoms, 3, 3)
        Mean-square displacements in Å².

    Returns
    -------
    dict of int to list of int
        First atom of each group to all of its atoms.
    """
    firsts = source.equivalent or tuple(range(len(source.symbols)))
    invariants = np.column_stack(
        (
            source.masses,
            np.trace(tensors, axis1=1, axis2=2),
            np.einsum('iab,iab->i', tensors, tensors),
        )
    )
    groups: dict[int, list[int]] = {}
    for atom, first in enumerate(firsts):
        same = first in groups and np.allclose(invariants[atom], invariants[first], rtol=_ALIKE)
        groups.setdefault(first if same else atom, []).append(atom)
    return groups


class _Densities:
    """Adds up densities of states of some atoms."""

    def __init__(self, atoms: Iterable[int]) -> None:
        self._atoms = sorted(atoms)
        self.found: dict[int, DisplacementDensity] = {}

    def add(
        self,
        modes: PhononModes,
        *,
        share: float,
        temperature: float,
        bin_width: float,
        minimum_frequency: float,
    ) -> None:
        """Add those of a block that is so much of the Brillouin zone."""
        for atom in self._atoms:
            density = displacement_density(
                modes,
                atom=atom,
                temperature=temperature,
                bin_width=bin_width,
                minimum_frequency=minimum_frequency,
            )
            before = self.found.get(atom)
            self.found[atom] = dataclasses.replace(
                density,
                loss=_sum(before.loss if before else None, share * density.loss),
                gain=_sum(before.gain if before else None, share * density.gain),
            )


def _sum(before: FloatArray | None, more: FloatArray) -> FloatArray:
    """Sum of two rows of bins, the shorter one filled up with zeros."""
    if before is None:
        return more
    long, short = (before, more) if before.shape[1] >= more.shape[1] else (more, before)
    result = long.copy()
    result[:, : short.shape[1]] += short
    return result


def _coarser(density: DisplacementDensity) -> DisplacementDensity:
    return dataclasses.replace(
        density,
        bin_width=2 * density.bin_width,
        loss=_halve(density.loss),
        gain=_halve(density.gain),
    )


def _halve(side: FloatArray) -> FloatArray:
    """Every second bin; those between are shared in halves, as sharing between bins does."""
    size = side.shape[1] // 2 + 1
    result = np.zeros((side.shape[0], size))
    even, odd = side[:, ::2], side[:, 1::2]
    result[:, : even.shape[1]] += even
    result[:, : odd.shape[1]] += odd / 2
    result[:, 1 : odd.shape[1] + 1] += odd / 2
    return result
