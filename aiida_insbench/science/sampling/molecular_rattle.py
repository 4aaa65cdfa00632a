"""Frames of molecular crystals: molecules shifted and turned as wholes, X–H bonds kept.

Shifts and turns sample the lattice modes, which Gaussian rattling of atoms hides below the forces
of stretched bonds. Lengths in Å, angles in degrees.
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
from aiida_insbench.science.sampling.cells import SamplingCell
from aiida_insbench.science.sampling.kept_bonds import (
    BOND_SPREAD,
    bonded_displacements,
    check_bond_spread,
    check_rattle,
    draw_sigmas,
    find_kept_bonds,
)
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE, check_start
from aiida_insbench.science.sampling.rigid_molecules import (
    move_molecules,
    require_molecules,
    strain_rigidly,
)
from aiida_insbench.science.sampling.strain_rattle import check_deformation, random_deformation

METHOD = 'molecular-rattle'


@dataclass(frozen=True)
class MolecularRattle:
    """How far to strain, shift, turn and rattle.

    Attributes
    ----------
    volume_range : tuple (float, float)
        Lowest and highest V/V₀.
    strain : float
        Standard deviation of each of the six strain components, volume set afterwards.
    translation : float
        Standard deviation of each component of a molecule's shift, Å.
    rotation : float
        Standard deviation of a molecule's turn, degrees.
    rattle : mapping of str to (float, float)
        For each element the bounds between which a frame's Gaussian σ is drawn, Å.
    bond_spread : float
        Relative spread of the X–H length.
    minimum_contact : float
        Smallest distance allowed, as a share of the sum of covalent radii.
    """

    volume_range: tuple[float, float]
    strain: float
    translation: float
    rotation: float
    rattle: Mapping[str, tuple[float, float]]
    bond_spread: float = BOND_SPREAD
    minimum_contact: float = MINIMUM_SHARE


def molecular_rattle_frames(
    *,
    atoms: Atoms,
    pressures: Sequence[float],
    cells: Sequence[SamplingCell],
    settings: MolecularRattle,
    seed: int,
    prefix: str,
) -> tuple[list[Atoms], int]:
    """Draw frames about one molecular crystal.

    Volumes and target pressures are those of `plan_about_one`.

    Parameters
    ----------
    atoms : Atoms
        The unit cell, V₀.
    pressures : sequence of float
        In GPa; only tags.
    cells : sequence of SamplingCell
        Supercells and numbers of frames.
    settings : MolecularRattle
        How far to go.
    seed : int
        ≥ 0.
    prefix : str
        Of the frames' names.

    Returns
    -------
    tuple (list of Atoms, int)
        Unlabelled frames and the number of draws refused.

    Raises
    ------
    InputError
        If a setting is out of its range, an element lacks its rattle, or the crystal is not made
        of molecules.
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


def molecular_rattle_about_each(
    *,
    structures: Mapping[str, Atoms],
    cells: Sequence[SamplingCell],
    settings: MolecularRattle,
    seed: int,
    prefix: str,
    pressures: Sequence[float] | None = None,
) -> tuple[list[Atoms], int]:
    """Draw frames about the molecular crystal relaxed at each pressure.

    Parameters, results and errors are those of `strain_rattle_about_each` and
    `molecular_rattle_frames`.
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


def _draw_all(
    plan: Sequence[PlannedFrame], settings: MolecularRattle, seed: int, prefix: str
) -> tuple[list[Atoms], int]:
    return draw_planned(
        plan=plan,
        prepare=lambda start: _prepare(start, settings),
        method=METHOD,
        minimum_share=settings.minimum_contact,
        seed=seed,
        prefix=prefix,
    )


def _prepare(start: Atoms, settings: MolecularRattle) -> Draw:
    molecules = require_molecules(start)
    bonds = find_kept_bonds(start)

    def draw(rng: np.random.Generator, ratio: float) -> Atoms:
        deformation = random_deformation(rng=rng, strain=settings.strain, ratio=ratio)
        frame = strain_rigidly(atoms=start, molecules=molecules, deformation=deformation)
        moves, turns = move_molecules(
            atoms=start,
            molecules=molecules,
            translation=settings.translation,
            rotation=settings.rotation,
            rng=rng,
        )
        frame.positions += moves + bonded_displacements(
            symbols=frame.get_chemical_symbols(),
            bonds=bonds,
            vectors=np.einsum('iab,ib->ia', turns[bonds.hydrogens], bonds.vectors),
            sigmas=draw_sigmas(settings.rattle, rng=rng),
            bond_spread=settings.bond_spread,
            rng=rng,
        )
        return frame

    return draw


def _check(atoms: Atoms, settings: MolecularRattle) -> None:
    check_deformation(settings.volume_range, settings.strain)
    check_rattle(settings.rattle, elements=set(atoms.get_chemical_symbols()))
    check_bond_spread(settings.bond_spread)
    if not 0 <= settings.translation < 1.0:
        raise InputError(f'`translation` is {settings.translation}; give 0 to 1 Å.')
    if not 0 <= settings.rotation <= 45.0:
        raise InputError(f'`rotation` is {settings.rotation}; give 0 to 45 degrees.')
    require_molecules(atoms)
