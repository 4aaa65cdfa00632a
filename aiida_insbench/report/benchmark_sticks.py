"""From peak to mode: a competitor's modes at Γ as sticks under its spectrum, with what moves.

A stick is as high as the mode's share of the one-phonon neutron intensity. Frequencies in cm⁻¹,
pressures in GPa; between the pressures at which modes are known both are interpolated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aiida_insbench.report.benchmark_story import Data
from aiida_insbench.report.line_panels import Panel, Stick
from aiida_insbench.science.benchmark.table import DFT

_HEIGHT = 84.0
_NAMED = 0.25  # share of a motion from which an element is named
_SMALL = 0.03  # of the highest stick: below it nothing is named
_APART = 0.055  # of the range, between names
_SAME = 1e-6  # GPa


def stick_panel(
    data: Data, cell: Mapping[str, Any], name: str, color: str, limits: tuple[float, float]
) -> Panel | None:
    """Modes at the pressure at which a competitor was scored; None where they are not known.

    Parameters
    ----------
    data : mapping
        See `aiida_insbench.report.benchmark.collect_benchmark`.
    cell : mapping
        The target.
    name : str
        Competitor.
    color : str
        Of the sticks.
    limits : (float, float)
        Energies that are shown, cm⁻¹.
    """
    rows = modes_of(data, name)
    at = scored_at(cell, name)
    sticks = [
        Stick(frequency, weight, color, moving(row))
        for row in rows
        if (frequency := _at(row.get('frequencies'), data, at)) is not None
        and (weight := _at(row.get('ins_weight'), data, at)) is not None
        and limits[0] <= frequency <= limits[1]
    ]
    highest = max((one.height for one in sticks), default=0.0)
    if highest <= 0:
        return None
    shown = _named(sticks, highest, (limits[1] - limits[0]) * _APART)
    return Panel('Γ modes', _HEIGHT, (0.0, 1.35 * highest), sticks=shown, ticks=False)


def modes_of(data: Data, name: str) -> Sequence[Mapping[str, Any]]:
    """Rows of a competitor's modes, those of DFT from the reference."""
    comparison = data.get('comparison') or {}
    table = (
        comparison.get('reference')
        if name == DFT
        else (comparison.get('potentials') or {}).get(name)
    )
    found: Sequence[Mapping[str, Any]] = (table or {}).get('modes') or ()
    return found


def scored_at(cell: Mapping[str, Any], name: str) -> float:
    """Pressure of the spectrum that is drawn, GPa: the best fitting one within the error."""
    profile = (cell['scores'].get(name) or {}).get('profile') or {}
    return float(profile.get('best', cell['row']['pressure']))


def moving(row: Mapping[str, Any]) -> str:
    """Elements that carry a mode, the most mobile first."""
    shares = sorted((row.get('participation') or {}).items(), key=lambda one: -one[1])
    return '+'.join(element for element, share in shares if share >= _NAMED)


def _at(values: Mapping[str, float] | None, data: Data, pressure: float) -> float | None:
    """A number of a mode at a pressure; None beyond those that are known."""
    known = sorted(
        (data['pressures'][label], value)
        for label, value in (values or {}).items()
        if label in data['pressures']
    )
    if not known or not known[0][0] - _SAME <= pressure <= known[-1][0] + _SAME:
        return None
    return float(np.interp(pressure, *np.array(known).T))


def _named(sticks: Sequence[Stick], highest: float, apart: float) -> list[Stick]:
    """Names of the highest sticks, as many as stand side by side."""
    taken: list[float] = []
    named = []
    for one in sorted(sticks, key=lambda stick: -stick.height):
        free = all(abs(one.x - place) >= apart for place in taken)
        if one.height >= _SMALL * highest and free:
            taken.append(one.x)
            named.append(one)
        else:
            named.append(Stick(one.x, one.height, one.color))
    return sorted(named, key=lambda stick: stick.x)
