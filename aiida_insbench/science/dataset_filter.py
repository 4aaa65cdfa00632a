"""Filters of frames: which stay, and why the others go. Forces eV/Å, energies eV, pressures GPa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import DatasetError, format_error
from aiida_insbench.science.frames import (
    ENERGY_KEY,
    FORCES_KEY,
    is_gas_phase,
    is_isolated_atom,
    is_labelled,
    target_pressure_of,
)


@dataclass(frozen=True)
class FrameFilter:
    """What a frame must be to stay; what is None or empty is not asked for.

    Attributes
    ----------
    pressure_range : pair of float
        Lowest and highest target pressure, GPa, bounds included; gas-phase frames stand under none
        and stay.
    methods : sequence of str
        Sampling methods that stay.
    max_force : float
        Largest length of the force on one atom, eV/Å.
    energy_window : float
        Largest energy above the lowest frame of the same composition, eV/atom.
    elements : sequence of str
        Frames that hold another element go.
    frame_ids, without : sequence of str
        Frames that stay, and frames that go.
    """

    pressure_range: tuple[float, float] | None = None
    methods: Sequence[str] = ()
    max_force: float | None = None
    energy_window: float | None = None
    elements: Sequence[str] = ()
    frame_ids: Sequence[str] = ()
    without: Sequence[str] = ()


def frame_filter(settings: Mapping[str, Any]) -> FrameFilter:
    """Make a filter of plain settings.

    Raises
    ------
    DatasetError
        If a setting is unknown, none is given or a number makes no sense.
    """
    known = {field.name for field in fields(FrameFilter)}
    unknown = sorted({*settings} - known)
    if unknown or not settings:
        raise DatasetError(
            f'{"Unknown: " + ", ".join(unknown) if unknown else "Nothing to filter by"}; '
            f'known are {", ".join(sorted(known))}.'
        )
    given = dict(settings)
    if given.get('pressure_range') is not None:
        low, high = (float(value) for value in given['pressure_range'])
        if not low <= high:
            raise DatasetError(f'`pressure_range` is {low:g} to {high:g} GPa: the wrong way round.')
        given['pressure_range'] = (low, high)
    for key in ('max_force', 'energy_window'):
        if given.get(key) is not None and not float(given[key]) > 0:
            raise DatasetError(f'`{key}` is {given[key]}; it must be above 0.')
    return FrameFilter(**given)


def filter_frames(
    frames: Sequence[Atoms], chosen: FrameFilter
) -> tuple[list[Atoms], dict[str, str]]:
    """Keep the frames that pass.

    Parameters
    ----------
    frames : sequence of Atoms
        With ``frame_id``.
    chosen : FrameFilter
        What is asked.

    Returns
    -------
    list of Atoms
        In their order.
    dict
        ``frame_id`` of each frame that goes, to all reasons.

    Raises
    ------
    DatasetError
        If forces or energies are asked for and there are none, a frame named is not there, or no
        frame is left.
    """
    _check_possible(frames, chosen)
    lowest = _lowest_energies(frames) if chosen.energy_window is not None else {}
    kept, removed = [], {}
    for frame in frames:
        reasons = [*_identity_reasons(frame, chosen), *_label_reasons(frame, chosen, lowest)]
        if reasons:
            removed[str(frame.info['frame_id'])] = '; '.join(reasons)
        else:
            kept.append(frame)
    if not kept:
        most = Counter(removed.values()).most_common(1)[0]
        raise DatasetError(f'No frame is left of {len(frames)}; {most[1]} because: {most[0]}.')
    return kept, removed


def _identity_reasons(frame: Atoms, chosen: FrameFilter) -> list[str]:
    reasons = []
    identity, method = frame.info['frame_id'], str(frame.info.get('method', 'unknown'))
    if identity in chosen.without or (chosen.frame_ids and identity not in chosen.frame_ids):
        reasons.append('not chosen by name')
    if chosen.methods and method not in chosen.methods:
        reasons.append(f'method {method}')
    others = sorted({*frame.get_chemical_symbols()} - {*chosen.elements})
    if chosen.elements and others:
        reasons.append(f'holds {", ".join(others)}')
    if chosen.pressure_range is not None and not (is_gas_phase(frame) or is_isolated_atom(frame)):
        pressure = target_pressure_of(frame)
        low, high = chosen.pressure_range
        if pressure is None:
            reasons.append('no target pressure on record')
        elif not low - 1e-9 <= pressure <= high + 1e-9:
            reasons.append(f'target pressure {pressure:g} GPa')
    return reasons


def _label_reasons(frame: Atoms, chosen: FrameFilter, lowest: Mapping[str, float]) -> list[str]:
    reasons = []
    if chosen.max_force is not None:
        force = float(np.linalg.norm(frame.arrays[FORCES_KEY], axis=1).max())
        if force > chosen.max_force:
            reasons.append(f'a force of {force:.2f} eV/Å')
    if chosen.energy_window is not None:
        above = _energy_per_atom(frame) - lowest[frame.get_chemical_formula(empirical=True)]
        if above > chosen.energy_window:
            reasons.append(f'{above:.3f} eV/atom above the lowest of its composition')
    return reasons


def _lowest_energies(frames: Sequence[Atoms]) -> dict[str, float]:
    lowest: dict[str, float] = {}
    for frame in frames:
        name, energy = frame.get_chemical_formula(empirical=True), _energy_per_atom(frame)
        lowest[name] = min(energy, lowest.get(name, energy))
    return lowest


def _energy_per_atom(frame: Atoms) -> float:
    return float(frame.info[ENERGY_KEY]) / len(frame)


def _check_possible(frames: Sequence[Atoms], chosen: FrameFilter) -> None:
    if chosen.max_force is not None or chosen.energy_window is not None:
        bare = next((f.info['frame_id'] for f in frames if not is_labelled(f)), None)
        if bare is not None:
            raise DatasetError(
                format_error(
                    f'Frame {bare} has no labels: it cannot be filtered by force or energy.',
                    fix='Label the frames first (insbench.label).',
                )
            )
    there = {frame.info['frame_id'] for frame in frames}
    lacking = sorted(({*chosen.frame_ids} | {*chosen.without}) - there)
    if lacking:
        raise DatasetError(f'No frame is called {", ".join(lacking[:5])}.')
