"""All shifts of a crystal between two pressures split into parts, and into two steps.

Between the two states lies a third, the cell of the second with the fractional coordinates of the
first. Over it the change has two steps, `STEPS`: the cell is strained, then the atoms relax inside
it. Parts as in `aiida_insbench.science.attribution`, in cm⁻¹; they are linear in the change of the
force constants, so that those of the steps add up to those of the whole.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from phonopy import Phonopy

from aiida_insbench.science.attribution import Attribution, attribute
from aiida_insbench.science.errors import ComputationError, InputError
from aiida_insbench.science.modes import FloatArray, IntArray, ModeSet
from aiida_insbench.science.pairs import SHELLS, change_of_force_constants, pair_frame

#: A new cell with the old inner coordinates, then the inner coordinates relax.
STEPS = ('strain', 'relaxation')
#: The strained state may be off by this, in Å (axes) and in fractions of the cell (coordinates).
STATE_TOLERANCE = 1e-3


def explain_shifts(
    states: tuple[Phonopy, Phonopy],
    modes: tuple[ModeSet, ModeSet],
    groups: Sequence[IntArray],
    *,
    shells: tuple[float, ...] = SHELLS,
    strained: Phonopy | None = None,
) -> dict[str, Any]:
    """Split the shifts of all modes between two states, JSON-ready.

    Parameters
    ----------
    states : (Phonopy, Phonopy)
        With force constants.
    modes : (ModeSet, ModeSet)
        Of the two states, as for `attribute`, atoms in the states' order.
    groups : sequence of ndarray of int
        Degenerate sets.
    shells : tuple of float
        Edges of distance shells in Å.
    strained : Phonopy, optional
        The state between: the cell of the second with the fractional coordinates of the first.

    Returns
    -------
    dict
        ``modes``: for each group the fields of `Attribution` and ``steps``, or ``reason`` why there
        is none; ``reason``: why there are none at all, or None; ``steps_reason``: why there are no
        steps though a state between was given, or None. ``steps`` has `STEPS`, each with
        ``bonding``, ``elements`` and ``shells`` as of the whole, of which they are parts, and
        ``shift``, their sum; it is empty where there is no state between.
    """
    try:
        change = change_of_force_constants(*states)
    except InputError as exc:
        return {'modes': [], 'reason': str(exc), 'steps_reason': None}
    steps, why = _steps(states, strained)
    frame = pair_frame(states[0])
    rows: list[dict[str, Any]] = []
    for index, members in enumerate(groups):
        split = functools.partial(
            attribute,
            frame,
            change,
            first=modes[0],
            second=modes[1],
            members=members,
            shells=shells,
        )
        try:
            whole = dataclasses.asdict(split())
            parts = {name: _step(split(parts_of=one)) for name, one in steps.items()}
        except ComputationError as exc:
            rows.append({'index': index, 'reason': str(exc)})
            continue
        rows.append({'index': index, 'reason': None, **whole, 'steps': parts})
    return {'modes': rows, 'reason': None, 'steps_reason': why}


def why_not_strained(
    states: tuple[Phonopy, Phonopy], strained: Phonopy, *, tolerance: float = STATE_TOLERANCE
) -> str | None:
    """Why a state is not the cell of the second with the fractional coordinates of the first.

    Parameters
    ----------
    states : (Phonopy, Phonopy)
        First and last.
    strained : Phonopy
        What should be the state between.
    tolerance : float
        Of the axes in Å, and of fractional coordinates.

    Returns
    -------
    str or None
        None if it is that state.
    """
    first, last, between = (one.primitive for one in (*states, strained))
    if between.symbols != first.symbols:
        return 'The strained state does not hold the atoms of the first one in their order.'
    strain = float(np.abs(between.cell - last.cell).max())
    if strain > tolerance:
        return f'The strained state does not have the last cell: its axes differ by {strain:.4f} Å.'
    moved = between.scaled_positions - first.scaled_positions
    farthest = float(np.abs(moved - np.rint(moved)).max())
    if farthest > tolerance:
        return (
            'The strained state does not have the first fractional coordinates: they differ by '
            f'{farthest:.4f}.'
        )
    return None


def _steps(
    states: tuple[Phonopy, Phonopy], strained: Phonopy | None
) -> tuple[dict[str, FloatArray], str | None]:
    """ΔΦ of each step, or why there are none."""
    if strained is None:
        return {}, None
    why = why_not_strained(states, strained)
    if why is not None:
        return {}, why
    try:
        changes = (
            change_of_force_constants(states[0], strained),
            change_of_force_constants(strained, states[1]),
        )
    except InputError as exc:
        return {}, f'Strained state: {exc}'
    return dict(zip(STEPS, changes, strict=True)), None


def _step(part: Attribution) -> dict[str, Any]:
    return {
        'shift': sum(part.elements.values()),
        'bonding': part.bonding,
        'elements': part.elements,
        'shells': part.shells,
    }
