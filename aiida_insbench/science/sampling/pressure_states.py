"""The crystal at each pressure, where modes are taken, and frames dealt to the pressures.

Crystals are relaxed by the potential, or given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from ase import Atoms

from aiida_insbench.science.pressure import check_pressures, pressure_from_label, pressure_label
from aiida_insbench.science.relaxation import Relaxation, evaluate, relax
from aiida_insbench.science.sampling.cell_plan import choose_structures
from aiida_insbench.science.sampling.cells import SamplingCell, frame_generator, tag_frame
from aiida_insbench.science.sampling.refusal import check_start, draw_until_apart

Report = Callable[[str, int, int], None]


class StateSettings(Protocol):
    """What the settings of a method say of the crystals that it displaces.

    Attributes
    ----------
    fmax, max_steps, symprec : float, int, float
        Of the relaxation (eV/Å, steps, Å).
    minimum_contact : float
        Crystals with atoms closer than this share of the sum of covalent radii are refused.
    """

    @property
    def fmax(self) -> float: ...  # noqa: D102
    @property
    def max_steps(self) -> int: ...  # noqa: D102
    @property
    def symprec(self) -> float: ...  # noqa: D102
    @property
    def minimum_contact(self) -> float: ...  # noqa: D102


class MovingCell(Protocol):
    """A supercell that knows how to displace itself."""

    def draw(self, rng: np.random.Generator) -> Atoms:
        """One displaced copy."""


Moving = TypeVar('Moving', bound=MovingCell)


@dataclass(frozen=True)
class Dealt(Generic[Moving]):
    """Frames dealt to the pressures.

    Attributes
    ----------
    frames : list of Atoms
        Unlabelled frames.
    refused : int
        Draws refused because atoms came too close.
    cells : dict of (str, int) to MovingCell
        By pressure label and place in the list of sampling cells.
    places : list of (str, int)
        Key in `cells` of each frame.
    """

    frames: list[Atoms]
    refused: int
    cells: dict[tuple[str, int], Moving]
    places: list[tuple[str, int]]


def deal_frames(
    *,
    states: Mapping[str, Relaxation],
    cells: Sequence[SamplingCell],
    prepare: Callable[[Atoms, SamplingCell], Moving],
    method: str,
    minimum_share: float,
    seed: int,
    prefix: str,
    report: Report,
) -> Dealt[Moving]:
    """Draw the frames of each kind of cell, dealt to the pressures in turn.

    Parameters
    ----------
    states : mapping of str to Relaxation
        By pressure label, in rising order.
    cells : sequence of SamplingCell
        Supercells and total numbers of frames over all pressures.
    prepare : callable
        Called once for each pressure and kind of cell with the unit cell and the kind.
    method : str
        Tag of the frames.
    minimum_share : float
        Smallest distance allowed, as a share of the sum of covalent radii.
    seed : int
        ≥ 0.
    prefix : str
        Of the frames' names.
    report : callable
        Called as ``report(what, done, total)`` after each frame.

    Raises
    ------
    ConvergenceError
        If frames keep having atoms too close.
    """
    levels = [state.pressure for state in states.values()]
    total = sum(cell.count for cell in cells)
    dealt: Dealt[Moving] = Dealt([], 0, {}, [])
    refused = 0
    for position, cell in enumerate(cells):
        for _ in range(cell.count):
            index = len(dealt.frames)
            pressure = levels[index % len(levels)]
            key = (pressure_label(pressure), position)
            if key not in dealt.cells:
                dealt.cells[key] = prepare(states[key[0]].atoms, cell)
            frame, again = draw_until_apart(
                draw=dealt.cells[key].draw,
                rng=frame_generator(seed=seed, index=index),
                minimum_share=minimum_share,
            )
            tag_frame(
                frame=frame,
                prefix=prefix,
                index=index,
                method=method,
                pressure=pressure,
                seed=seed,
                supercell_matrix=cell.supercell_matrix,
            )
            dealt.frames.append(frame)
            dealt.places.append(key)
            refused += again
            report(f'frame at {pressure} GPa', index + 1, total)
    return Dealt(dealt.frames, refused, dealt.cells, dealt.places)


def relax_all(
    *,
    atoms: Atoms,
    calculator: Any,
    pressures: Sequence[float],
    settings: StateSettings,
    report: Report,
) -> dict[str, Relaxation]:
    """Relax at pressures in rising order, each from the one before.

    Parameters
    ----------
    atoms : Atoms
        The unit cell to start from.
    calculator : ase Calculator
        Gives energy, forces and stress.
    pressures : sequence of float
        In GPa, in any order.
    settings : StateSettings
        Of the method.
    report : callable
        Called as ``report(what, done, total)`` after each relaxation.

    Returns
    -------
    dict of str to Relaxation
        By pressure label.

    Raises
    ------
    PressureError
        If a pressure is none.
    ConvergenceError
        If a relaxation fails.
    StructureError
        If atoms of a relaxed crystal are too close.
    """
    levels = check_pressures(pressures)
    found: dict[str, Relaxation] = {}
    start = atoms
    for done, pressure in enumerate(levels, start=1):
        result = relax(
            atoms=start,
            calculator=calculator,
            pressure=pressure,
            fmax=settings.fmax,
            max_steps=settings.max_steps,
            symprec=settings.symprec,
        )
        check_start(
            atoms=result.atoms,
            minimum_share=settings.minimum_contact,
            name=f'relaxed structure at {pressure} GPa',
        )
        found[pressure_label(pressure)] = result
        start = result.atoms
        report(f'relaxed at {pressure} GPa', done, len(levels))
    return found


def evaluate_all(
    *,
    structures: Mapping[str, Atoms],
    pressures: Sequence[float] | None,
    calculator: Any,
    settings: StateSettings,
) -> dict[str, Relaxation]:
    """Take given crystals as they are; what the potential says of them is in the residuals.

    Parameters
    ----------
    structures : mapping of str to Atoms
        Unit cells by pressure label, relaxed by DFT for instance.
    pressures : sequence of float or None
        In GPa; those of `structures` to take, all if None.
    calculator, settings
        As in `relax_all`.

    Returns
    -------
    dict of str to Relaxation
        By pressure label, with 0 steps.

    Raises
    ------
    InputError
        If a pressure has no crystal, or a crystal has atoms too close.
    """
    chosen = choose_structures(
        structures, pressures=pressures, minimum_share=settings.minimum_contact
    )
    return {
        label: evaluate(
            atoms=atoms,
            calculator=calculator,
            pressure=pressure_from_label(label),
            symprec=settings.symprec,
        )
        for label, atoms in chosen.items()
    }


def report_to_nobody(_what: str, _done: int, _total: int) -> None:
    """Stand in for a report that was not asked for."""
