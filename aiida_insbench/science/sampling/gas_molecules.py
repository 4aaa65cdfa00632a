"""Single molecules cut from a crystal, one of each kind, in a box of their own.

They teach a potential the intramolecular forces without neighbours. Lengths in Å.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.frames import GAS_PHASE_KEY
from aiida_insbench.science.molecules import Molecule
from aiida_insbench.science.sampling.cells import frame_generator, tag_frame
from aiida_insbench.science.sampling.kept_bonds import (
    BOND_SPREAD,
    bonded_displacements,
    check_bond_spread,
    check_rattle,
    draw_sigmas,
    find_kept_bonds,
)
from aiida_insbench.science.sampling.molecule_kinds import MoleculeKind, molecule_kinds
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE, check_start, draw_until_apart
from aiida_insbench.science.sampling.rigid_molecules import require_molecules

METHOD = 'gas-molecule'
_UNIT = np.eye(3, dtype=np.int64)


@dataclass(frozen=True)
class GasMolecules:
    """How many frames, how large the box, how far to rattle.

    Attributes
    ----------
    count : int
        Frames of each kind of molecule, ≥ 1; the first is undistorted.
    vacuum : float
        Least distance between images, Å.
    rattle : mapping of str to (float, float)
        For each element the bounds between which a frame's Gaussian σ is drawn, Å; needed if
        `count` > 1.
    bond_spread : float
        Relative spread of the X–H length.
    minimum_contact : float
        Smallest distance allowed, as a share of the sum of covalent radii.
    """

    count: int = 1
    vacuum: float = 10.0
    rattle: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    bond_spread: float = BOND_SPREAD
    minimum_contact: float = MINIMUM_SHARE


@dataclass(frozen=True)
class GasSample:
    """Frames, kinds in the order of their frames, and draws refused."""

    frames: list[Atoms]
    kinds: list[MoleculeKind]
    refused: int


def gas_molecule_frames(
    *, atoms: Atoms, settings: GasMolecules, seed: int, prefix: str
) -> GasSample:
    """Cut the first molecule of each kind out of a crystal.

    The box is a cube whose edge is the largest distance in the molecule plus `vacuum`, so that
    images are `vacuum` apart however the molecule lies; the centre of mass is in its middle.

    Parameters
    ----------
    atoms : Atoms
        A molecular crystal.
    settings : GasMolecules
        How many and how far.
    seed : int
        ≥ 0.
    prefix : str
        Of the frames' names.

    Returns
    -------
    GasSample
        Frames with ``gas_phase`` in ``info``.

    Raises
    ------
    InputError
        If a setting is out of its range, or the crystal is not made of molecules.
    ConvergenceError
        If frames keep having atoms too close.
    """
    _check(atoms, settings)
    check_start(atoms=atoms, minimum_share=settings.minimum_contact)
    kinds = molecule_kinds(atoms, require_molecules(atoms))
    frames: list[Atoms] = []
    total_refused = 0
    for kind in kinds:
        start = boxed(atoms, kind.members[0], vacuum=settings.vacuum)
        for number in range(settings.count):
            index = len(frames)
            frame, refused = (
                (start.copy(), 0) if number == 0 else _rattled(start, settings, seed, index)
            )
            tag_frame(
                frame=frame,
                prefix=prefix,
                index=index,
                method=METHOD,
                pressure=0.0,
                seed=seed,
                supercell_matrix=_UNIT,
            )
            frame.info[GAS_PHASE_KEY] = True
            frames.append(frame)
            total_refused += refused
    return GasSample(frames, kinds, total_refused)


def boxed(atoms: Atoms, molecule: Molecule, *, vacuum: float) -> Atoms:
    """One molecule in the middle of a cube.

    Parameters
    ----------
    atoms : Atoms
        The crystal it belongs to.
    molecule : Molecule
        Made whole.
    vacuum : float
        Least distance between images, Å.
    """
    places = molecule.positions
    edge = vacuum + float(np.linalg.norm(places[:, None] - places[None], axis=2).max())
    alone = Atoms(numbers=atoms.numbers[molecule.atoms], cell=[edge] * 3, pbc=True)
    centre = np.average(places, axis=0, weights=alone.get_masses())
    alone.positions = places - centre + edge / 2
    return alone


def _rattled(start: Atoms, settings: GasMolecules, seed: int, index: int) -> tuple[Atoms, int]:
    bonds = find_kept_bonds(start)

    def draw(rng: np.random.Generator) -> Atoms:
        frame = start.copy()
        frame.positions += bonded_displacements(
            symbols=frame.get_chemical_symbols(),
            bonds=bonds,
            vectors=bonds.vectors,
            sigmas=draw_sigmas(settings.rattle, rng=rng),
            bond_spread=settings.bond_spread,
            rng=rng,
        )
        return frame

    return draw_until_apart(
        draw=draw,
        rng=frame_generator(seed=seed, index=index),
        minimum_share=settings.minimum_contact,
    )


def _check(atoms: Atoms, settings: GasMolecules) -> None:
    if settings.count < 1:
        raise InputError(f'`count` is {settings.count}; give frames of each kind, 1 or more.')
    if not 3.0 <= settings.vacuum <= 50.0:
        raise InputError(f'`vacuum` is {settings.vacuum}; give 3 to 50 Å.')
    check_bond_spread(settings.bond_spread)
    if settings.count > 1 or settings.rattle:
        check_rattle(settings.rattle, elements=set(atoms.get_chemical_symbols()))
