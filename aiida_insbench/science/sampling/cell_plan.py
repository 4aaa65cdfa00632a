"""Which frame gets which cell, volume and target pressure, before anything is displaced.

Two ways: volumes about one crystal, the pressure read off the volume; or volumes about the crystal
of each pressure, frames shared out evenly over the pressures. Volumes as V/V₀, pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import InputError, PressureError, format_error
from aiida_insbench.science.pressure import check_pressures, pressure_from_label, pressure_label
from aiida_insbench.science.sampling.cells import (
    IntArray,
    SamplingCell,
    build_supercell,
    by_even_division,
    frame_generator,
    tag_frame,
)
from aiida_insbench.science.sampling.refusal import check_start, draw_until_apart

#: Purposes of generators that are not a frame's own (`frame_generator`).
_ABOUT_ONE, _ABOUT_EACH = 1, 2

#: Makes a frame from a generator and the volume it is to have, as V/V₀.
Draw = Callable[[np.random.Generator, float], Atoms]


@dataclass(frozen=True)
class PlannedFrame:
    """What is settled of a frame before it is drawn.

    Attributes
    ----------
    start : Atoms
        The undisplaced supercell; frames of one cell and pressure share it.
    supercell_matrix : ndarray, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    ratio : float
        Volume over that of `start`.
    pressure : float
        Target, GPa.
    """

    start: Atoms
    supercell_matrix: IntArray
    ratio: float
    pressure: float


def plan_about_one(
    *,
    atoms: Atoms,
    pressures: Sequence[float],
    cells: Sequence[SamplingCell],
    volume_range: tuple[float, float],
    seed: int,
) -> list[PlannedFrame]:
    """Volumes about one crystal.

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
    volume_range : tuple (float, float)
        Lowest and highest V/V₀.
    seed : int
        ≥ 0.
    """
    levels = check_pressures(pressures)
    plan = []
    for position, cell in enumerate(cells):
        start = build_supercell(atoms=atoms, supercell_matrix=cell.supercell_matrix)
        rng = frame_generator(seed=seed, index=position, purpose=_ABOUT_ONE)
        for ratio in volume_ratios(volume_range, cell.count, rng=rng):
            compression = _compression(ratio, volume_range)
            pressure = by_even_division(fraction=compression, values=levels)
            plan.append(PlannedFrame(start, cell.supercell_matrix, ratio, pressure))
    return plan


def plan_about_each(
    *,
    structures: Mapping[str, Atoms],
    cells: Sequence[SamplingCell],
    volume_range: tuple[float, float],
    seed: int,
) -> list[PlannedFrame]:
    """Volumes about the crystal of each pressure.

    Frames are dealt to the pressures in turn, in rising order and on from one kind of cell to the
    next, so that each pressure gets its share of each kind to within one. The volumes of one
    pressure in one kind of cell are spread as those of `plan_about_one`.

    Parameters
    ----------
    structures : mapping of str to Atoms
        Unit cells by pressure label; each is the V₀ of its frames.
    cells : sequence of SamplingCell
        Supercells and numbers of frames over all pressures.
    volume_range : tuple (float, float)
        Lowest and highest V/V₀.
    seed : int
        ≥ 0.

    Raises
    ------
    PressureError
        If a label is none.
    """
    labels = sorted(structures, key=pressure_from_label)
    plan: list[PlannedFrame] = []
    for position, cell in enumerate(cells):
        dealt = [(len(plan) + turn) % len(labels) for turn in range(cell.count)]
        starts, ratios = {}, {}
        for level in sorted(set(dealt)):
            starts[level] = build_supercell(
                atoms=structures[labels[level]], supercell_matrix=cell.supercell_matrix
            )
            rng = frame_generator(
                seed=seed, index=position * len(labels) + level, purpose=_ABOUT_EACH
            )
            ratios[level] = iter(volume_ratios(volume_range, dealt.count(level), rng=rng))
        plan += [
            PlannedFrame(
                starts[level],
                cell.supercell_matrix,
                next(ratios[level]),
                pressure_from_label(labels[level]),
            )
            for level in dealt
        ]
    return plan


def draw_planned(
    *,
    plan: Sequence[PlannedFrame],
    prepare: Callable[[Atoms], Draw],
    method: str,
    minimum_share: float,
    seed: int,
    prefix: str,
) -> tuple[list[Atoms], int]:
    """Draw the frames of a plan, each from its own generator, again where atoms come too close.

    Parameters
    ----------
    plan : sequence of PlannedFrame
        In the order of the frames' numbers.
    prepare : callable
        Called once for each undisplaced supercell; returns what draws its frames.
    method : str
        Tag of the frames.
    minimum_share : float
        Smallest distance allowed, as a share of the sum of covalent radii.
    seed : int
        ≥ 0.
    prefix : str
        Of the frames' names.

    Returns
    -------
    tuple (list of Atoms, int)
        Unlabelled frames and the number of draws refused.
    """
    ready: dict[int, Draw] = {}
    frames: list[Atoms] = []
    total_refused = 0
    for index, planned in enumerate(plan):
        place = id(planned.start)
        if place not in ready:
            ready[place] = prepare(planned.start)
        frame, refused = draw_until_apart(
            draw=lambda rng, draw=ready[place], ratio=planned.ratio: draw(rng, ratio),  # type: ignore[misc]
            rng=frame_generator(seed=seed, index=index),
            minimum_share=minimum_share,
        )
        frames.append(
            tag_frame(
                frame=frame,
                prefix=prefix,
                index=index,
                method=method,
                pressure=planned.pressure,
                seed=seed,
                supercell_matrix=planned.supercell_matrix,
            )
        )
        total_refused += refused
    return frames, total_refused


def choose_structures(
    structures: Mapping[str, Atoms],
    *,
    pressures: Sequence[float] | None,
    minimum_share: float | None = None,
) -> dict[str, Atoms]:
    """Crystals by rising pressure, those of `pressures` only if such are given.

    Parameters
    ----------
    structures : mapping of str to Atoms
        Unit cells by pressure label.
    pressures : sequence of float or None
        In GPa; each must have its crystal.
    minimum_share : float, optional
        If given, crystals whose atoms are closer than this share of the sum of their covalent
        radii are refused.

    Raises
    ------
    InputError
        If there is no crystal.
    PressureError
        If a label is none or a pressure has no crystal.
    StructureError
        If atoms of a crystal are too close, or its elements are not those of the others.
    """
    if not structures:
        raise InputError('`structures` is empty; give one crystal for each pressure.')
    labels = sorted(structures, key=pressure_from_label)
    if pressures is not None:
        wanted = [pressure_label(pressure) for pressure in check_pressures(pressures)]
        lacking = [label for label in wanted if label not in structures]
        if lacking:
            raise PressureError(
                format_error(
                    f'`structures` lacks {", ".join(lacking)}; it holds {", ".join(labels)}.',
                    fix='Give a crystal for each of `pressures`, or leave `pressures` out.',
                )
            )
        labels = wanted
    if minimum_share is not None:
        for label in labels:
            check_start(
                atoms=structures[label], minimum_share=minimum_share, name=f'structures.{label}'
            )
    return {label: structures[label] for label in labels}


def volume_ratios(
    volume_range: tuple[float, float], count: int, *, rng: np.random.Generator
) -> list[float]:
    """Draw `count` values of V/V₀, one in each equal part of the range, in random order."""
    low, high = volume_range
    parts = (rng.permutation(count) + rng.uniform(size=count)) / max(count, 1)
    return [float(low + part * (high - low)) for part in parts]


def _compression(ratio: float, volume_range: tuple[float, float]) -> float:
    low, high = volume_range
    return (high - ratio) / (high - low) if high > low else 0.0
