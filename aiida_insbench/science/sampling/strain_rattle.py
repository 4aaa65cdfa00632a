"""Frames strained and rattled at random: broad cover for a first potential.

Rattling puts most of the force signal into stiff modes; soft modes need equal-energy frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import InputError, StructureError, format_error
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.science.sampling.cells import (
    IntArray,
    SamplingCell,
    build_supercell,
    by_even_division,
    frame_generator,
    random_strain,
    tag_frame,
)
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE, check_start, draw_until_apart

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
    """

    volume_range: tuple[float, float]
    strain: float
    rattle: Mapping[str, tuple[float, float]]
    minimum_contact: float = MINIMUM_SHARE


def strain_rattle_frames(
    *,
    atoms: Atoms,
    pressures: Sequence[float],
    cells: Sequence[SamplingCell],
    settings: StrainRattle,
    seed: int,
    prefix: str,
) -> tuple[list[Atoms], int]:
    """Draw strained and rattled frames.

    In each kind of cell the volumes lie one in each of ``count`` equal parts of the range, in
    random order and at a random place in the part: no volume is left out by chance. The target
    pressure divides the range evenly, the highest volume standing for the lowest pressure.

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
    levels = check_pressures(pressures)
    check_start(atoms=atoms, minimum_share=settings.minimum_contact)
    frames: list[Atoms] = []
    total_refused = 0
    for position, cell in enumerate(cells):
        supercell = build_supercell(atoms=atoms, supercell_matrix=cell.supercell_matrix)
        for ratio in _volume_ratios(settings, cell.count, seed=seed, position=position):
            index = len(frames)
            frame, refused = draw_until_apart(
                draw=lambda rng, ratio=ratio, supercell=supercell: _draw(  # type: ignore[misc]
                    supercell, ratio, settings, rng
                ),
                rng=frame_generator(seed=seed, index=index),
                minimum_share=settings.minimum_contact,
            )
            pressure = by_even_division(
                fraction=_compression(ratio, settings.volume_range), values=levels
            )
            frames.append(_tagged(frame, prefix, index, pressure, seed, cell.supercell_matrix))
            total_refused += refused
    return frames, total_refused


def _draw(
    supercell: Atoms, ratio: float, settings: StrainRattle, rng: np.random.Generator
) -> Atoms:
    frame = supercell.copy()
    deformation = np.eye(3) + random_strain(rng=rng, sigma=settings.strain)
    deformation *= (ratio / np.linalg.det(deformation)) ** (1 / 3)
    frame.set_cell(frame.cell.array @ deformation, scale_atoms=True)
    sigmas = {
        element: rng.uniform(*settings.rattle[element]) for element in sorted(settings.rattle)
    }
    per_atom = np.array([sigmas[symbol] for symbol in frame.get_chemical_symbols()])
    frame.positions += rng.standard_normal((len(frame), 3)) * per_atom[:, None]
    return frame


def _tagged(
    frame: Atoms, prefix: str, index: int, pressure: float, seed: int, matrix: IntArray
) -> Atoms:
    return tag_frame(
        frame=frame,
        prefix=prefix,
        index=index,
        method=METHOD,
        pressure=pressure,
        seed=seed,
        supercell_matrix=matrix,
    )


def _volume_ratios(settings: StrainRattle, count: int, *, seed: int, position: int) -> list[float]:
    rng = frame_generator(seed=seed, index=position, purpose=1)
    low, high = settings.volume_range
    parts = (rng.permutation(count) + rng.uniform(size=count)) / max(count, 1)
    return [float(low + part * (high - low)) for part in parts]


def _compression(ratio: float, volume_range: tuple[float, float]) -> float:
    low, high = volume_range
    return (high - ratio) / (high - low) if high > low else 0.0


def _check(atoms: Atoms, settings: StrainRattle) -> None:
    low, high = settings.volume_range
    if not 0.3 <= low <= high <= 3.0:
        raise InputError(
            f'`volume_range` is [{low}, {high}]; give V/V₀ as [low, high] between 0.3 and 3.'
        )
    if not 0 <= settings.strain < 0.2:
        raise InputError(f'`strain` is {settings.strain}; give a share from 0 to 0.2.')
    for element, (smallest, largest) in settings.rattle.items():
        if not 0 <= smallest <= largest < 1.0:
            raise InputError(
                f'`rattle.{element}` is [{smallest}, {largest}]; give [low, high] in Å, below 1.'
            )
    elements, given = set(atoms.get_chemical_symbols()), set(settings.rattle)
    if elements != given:
        raise StructureError(
            format_error(
                f'`rattle` is given for {sorted(given)}, the crystal holds {sorted(elements)}.',
                fix='Give one [low, high] for each element.',
            )
        )
