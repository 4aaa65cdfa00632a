"""Frames strained and rattled at random: broad cover for a first potential.

Rattling puts most of the force signal into stiff modes; soft modes need equal-energy frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.sampling.cell_plan import (
    Draw,
    PlannedFrame,
    choose_structures,
    draw_planned,
    plan_about_each,
    plan_about_one,
)
from aiida_insbench.science.sampling.cells import (
    FloatArray,
    SamplingCell,
    check_strain,
    random_strain,
)
from aiida_insbench.science.sampling.kept_bonds import (
    BOND_SPREAD,
    bonded_displacements,
    check_bond_spread,
    check_rattle,
    draw_sigmas,
    require_kept_bonds,
)
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE, check_start

METHOD = 'strain-rattle'


@dataclass(frozen=True)
class StrainRattle:
    """How far to strain and rattle.

    Attributes
    ----------
    volume_range : tuple (float, float)
        Lowest and highest V/V₀.
    strain : float
        Standard deviation of each of the six strain components; the volume is then set to its
        drawn value, so that only the shape feels it.
    rattle : mapping of str to (float, float)
        For each element the bounds between which a frame's Gaussian σ is drawn, Å.
    minimum_contact : float
        Smallest distance allowed, as a share of the sum of covalent radii.
    keep_bonds : bool
        Hydrogens ride on their heavy neighbour, in strain and rattle
        (`aiida_insbench.science.sampling.kept_bonds`).
    bond_spread : float
        With `keep_bonds`, the relative spread of the X–H length.
    """

    volume_range: tuple[float, float]
    strain: float
    rattle: Mapping[str, tuple[float, float]]
    minimum_contact: float = MINIMUM_SHARE
    keep_bonds: bool = False
    bond_spread: float = BOND_SPREAD


def strain_rattle_frames(
    *,
    atoms: Atoms,
    pressures: Sequence[float],
    cells: Sequence[SamplingCell],
    settings: StrainRattle,
    seed: int,
    prefix: str,
) -> tuple[list[Atoms], int]:
    """Draw strained and rattled frames about one crystal.

    Volumes and target pressures are those of `plan_about_one`.

    Parameters
    ----------
    atoms : Atoms
        The unit cell, V₀.
    pressures : sequence of float
        In GPa; only tags.
    cells : sequence of SamplingCell
        Supercells and numbers of frames.
    settings : StrainRattle
        How far to go.
    seed : int
        ≥ 0.
    prefix : str
        Of the frames' names, ``r1`` for ``r1_007``.

    Returns
    -------
    tuple (list of Atoms, int)
        Unlabelled frames and the number of draws refused.

    Raises
    ------
    InputError
        If a setting is out of its range or an element lacks its rattle.
    ConvergenceError
        If frames keep having atoms too close.
    """
    _check(atoms, settings)
    check_start(atoms=atoms, minimum_share=settings.minimum_contact)
    plan = plan_about_one(
        atoms=atoms,
        pressures=pressures,
        cells=cells,
        volume_range=settings.volume_range,
        seed=seed,
    )
    return _draw_all(plan, settings, seed, prefix)


def strain_rattle_about_each(
    *,
    structures: Mapping[str, Atoms],
    cells: Sequence[SamplingCell],
    settings: StrainRattle,
    seed: int,
    prefix: str,
    pressures: Sequence[float] | None = None,
) -> tuple[list[Atoms], int]:
    """Draw strained and rattled frames about the crystal relaxed at each pressure.

    Parameters
    ----------
    structures : mapping of str to Atoms
        Unit cells by pressure label; each is the V₀ of its frames.
    cells : sequence of SamplingCell
        Supercells and numbers of frames over all pressures.
    settings : StrainRattle
        How far to go; `volume_range` is relative to each crystal.
    seed, prefix
        As in `strain_rattle_frames`.
    pressures : sequence of float, optional
        In GPa; those of `structures` to sample, all by default.

    Returns
    -------
    tuple (list of Atoms, int)
        Unlabelled frames and the number of draws refused.

    Raises
    ------
    InputError
        As `strain_rattle_frames`, or if a pressure has no crystal.
    ConvergenceError
        If frames keep having atoms too close.
    """
    chosen = choose_structures(
        structures, pressures=pressures, minimum_share=settings.minimum_contact
    )
    for atoms in chosen.values():
        _check(atoms, settings)
    plan = plan_about_each(
        structures=chosen, cells=cells, volume_range=settings.volume_range, seed=seed
    )
    return _draw_all(plan, settings, seed, prefix)


def random_deformation(*, rng: np.random.Generator, strain: float, ratio: float) -> FloatArray:
    """Deformation of random shape whose volume is set: cells are multiplied by it from the right.

    Parameters
    ----------
    rng : Generator
        Gives six numbers, or none for no strain.
    strain : float
        Standard deviation of each component.
    ratio : float
        Volume after over volume before.

    Returns
    -------
    ndarray, shape (3, 3)
        Symmetric.
    """
    deformation = np.eye(3) + random_strain(rng=rng, sigma=strain)
    deformation *= (ratio / np.linalg.det(deformation)) ** (1 / 3)
    return deformation


def check_deformation(volume_range: tuple[float, float], strain: float) -> None:
    """Refuse volumes and strains out of range.

    Raises
    ------
    InputError
        If the range is not within 0.3 to 3, or the strain not within 0 to 0.2.
    """
    low, high = volume_range
    if not 0.3 <= low <= high <= 3.0:
        raise InputError(
            f'`volume_range` is [{low}, {high}]; give V/V₀ as [low, high] between 0.3 and 3.'
        )
    check_strain(strain)


def _draw_all(
    plan: Sequence[PlannedFrame], settings: StrainRattle, seed: int, prefix: str
) -> tuple[list[Atoms], int]:
    return draw_planned(
        plan=plan,
        prepare=lambda start: _prepare(start, settings),
        method=METHOD,
        minimum_share=settings.minimum_contact,
        seed=seed,
        prefix=prefix,
    )


def _prepare(start: Atoms, settings: StrainRattle) -> Draw:
    if settings.keep_bonds:
        return _bond_keeping(start, settings)

    def draw(rng: np.random.Generator, ratio: float) -> Atoms:
        frame = start.copy()
        deformation = random_deformation(rng=rng, strain=settings.strain, ratio=ratio)
        frame.set_cell(frame.cell.array @ deformation, scale_atoms=True)
        sigmas = draw_sigmas(settings.rattle, rng=rng)
        per_atom = np.array([sigmas[symbol] for symbol in frame.get_chemical_symbols()])
        frame.positions += rng.standard_normal((len(frame), 3)) * per_atom[:, None]
        return frame

    return draw


def _bond_keeping(start: Atoms, settings: StrainRattle) -> Draw:
    bonds = require_kept_bonds(start)

    def draw(rng: np.random.Generator, ratio: float) -> Atoms:
        frame = start.copy()
        deformation = random_deformation(rng=rng, strain=settings.strain, ratio=ratio)
        frame.set_cell(frame.cell.array @ deformation, scale_atoms=True)
        # the cell scales its heavy atoms; a bond to hydrogen stays what it was
        frame.positions[bonds.hydrogens] += bonds.vectors - bonds.vectors @ deformation
        frame.positions += bonded_displacements(
            symbols=frame.get_chemical_symbols(),
            bonds=bonds,
            vectors=bonds.vectors,
            sigmas=draw_sigmas(settings.rattle, rng=rng),
            bond_spread=settings.bond_spread,
            rng=rng,
        )
        return frame

    return draw


def _check(atoms: Atoms, settings: StrainRattle) -> None:
    check_deformation(settings.volume_range, settings.strain)
    check_rattle(settings.rattle, elements=set(atoms.get_chemical_symbols()))
    check_bond_spread(settings.bond_spread)
    if settings.keep_bonds:
        require_kept_bonds(atoms)
