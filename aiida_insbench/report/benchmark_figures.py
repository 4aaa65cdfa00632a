"""Figures of a benchmark's page: overlays with residuals, profiles over pressure, components.

Intensities are parts of the target's greatest value among the bins that are scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_insbench.report.benchmark_story import shown
from aiida_insbench.report.figures_spectra import element_parts, energy_range, order_parts
from aiida_insbench.report.line_panels import Band, Curve, Mark, Panel, draw
from aiida_insbench.report.numbers import pressure
from aiida_insbench.report.style import BLACK, GREY, PART_LOOKS, Look

ENERGY = 'Energy transfer (cm⁻¹)'
TARGET_LOOK = Look('#444444', '-', '')
BACKGROUND_LOOK = Look('#666666', ':', '')
MASKED_LOOK = Look('#b5b5b5', '-', '')
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Overlay:
    """A target and one competitor, in parts of the target's greatest scored value.

    Attributes
    ----------
    energy, target, simulated, background : ndarray, shape (n,)
        Curves; simulated ones are gaps where nothing is compared.
    error : ndarray, shape (n,), or None
        Of the target, from counting.
    used : bool ndarray, shape (n,)
        What is compared.
    """

    energy: Numbers
    target: Numbers
    simulated: Numbers
    background: Numbers
    error: Numbers | None
    used: NDArray[np.bool_]

    @property
    def residual(self) -> Numbers:
        """Target less simulated; a gap where nothing is compared."""
        return np.where(self.used, self.target - self.simulated, np.nan)

    @property
    def masked(self) -> list[tuple[float, float]]:
        """Ranges that are not compared."""
        ends = np.flatnonzero(np.diff(np.concatenate(([0], (~self.used).astype(int), [0]))))
        edges = np.concatenate(
            (
                self.energy[:1],
                (self.energy[1:] + self.energy[:-1]) / 2,
                self.energy[-1:],
            )
        )
        return [
            (float(edges[a]), float(edges[b])) for a, b in zip(ends[::2], ends[1::2], strict=True)
        ]

    @property
    def limits(self) -> tuple[float, float]:
        """Range of energies."""
        return float(self.energy[0]), float(self.energy[-1])


def overlay_of(cell: Mapping[str, Any], name: str) -> Overlay | None:
    """Arrays of a competitor on a target; None if there are none."""
    arrays = (cell.get('overlays') or {}).get(name)
    if not arrays:
        return None
    energy, target, simulated, background = (
        np.array(arrays[key], dtype=float)  # None becomes NaN
        for key in ('energy', 'target', 'simulated', 'background')
    )
    used = np.array(arrays['used'], dtype=float) > 0
    if not used.any():
        return None
    highest = float(np.nanmax(np.abs(target[used]))) or 1.0
    error = cell.get('error')
    return Overlay(
        energy=energy,
        target=target / highest,
        simulated=np.where(used, simulated / highest, np.nan),
        background=np.where(used, background / highest, np.nan),
        error=None if error is None else np.array(error, dtype=float) / highest,
        used=used,
    )


def overlay(cell: Mapping[str, Any], name: str, look: Look, between: Sequence[Panel] = ()) -> str:
    """One competitor over a target, peaks marked above, other panels and what is left below."""
    found = overlay_of(cell, name)
    if found is None:
        return ''
    top = _top([found])
    curves, bands = _target(found)
    curves += [
        Curve(found.energy, found.background, BACKGROUND_LOOK, 1.6),
        Curve(found.energy, found.simulated, _plain(look), 1.8),
    ]
    main = Panel(
        'Parts of max', 250, (_bottom([found]), top), curves, bands, _peaks(cell, name, look, top)
    )
    row = cell['row']
    return draw(
        [main, *between, _residual(found, look, 90)],
        name=f'overlay-{slug(row["name"])}-{slug(name)}',
        description=f'{row["name"]} and {shown(name)}, with the difference below',
        xlabel=ENERGY,
        limits=found.limits,
        shaded=found.masked,
    )


def together(cell: Mapping[str, Any], looks: Mapping[str, Look]) -> str:
    """All competitors over a target, one panel of residuals each."""
    found = {name: one for name in looks if (one := overlay_of(cell, name)) is not None}
    if not found:
        return ''
    first = next(iter(found.values()))
    curves, bands = _target(first)
    curves += [
        Curve(one.energy, one.simulated, looks[name], 1.5, phase)
        for phase, (name, one) in enumerate(found.items())
    ]
    size = max(float(np.nanmax(np.abs(one.residual))) for one in found.values())
    panels = [
        Panel('Parts of max', 240, (_bottom(found.values()), _top(found.values())), curves, bands)
    ]
    panels += [_residual(one, looks[name], 62, size, shown(name)) for name, one in found.items()]
    row = cell['row']
    return draw(
        panels,
        name=f'together-{slug(row["name"])}',
        description=f'{row["name"]} and all competitors, with the differences below',
        xlabel=ENERGY,
        limits=first.limits,
        shaded=first.masked,
    )


def profile(cell: Mapping[str, Any], looks: Mapping[str, Look]) -> str:
    """Costs over the pressures that the error allows; empty without such a range."""
    found = {
        name: cell['scores'][name]['profile']
        for name in looks
        if len(((cell['scores'].get(name) or {}).get('profile') or {}).get('pressures') or []) > 1
    }
    if not found:
        return ''
    curves = [
        Curve(np.array(one['pressures']), np.array(one['costs'], dtype=float), looks[name])
        for name, one in found.items()
    ]
    places = [place for one in found.values() for place in one['pressures']]
    top = max(cost for one in found.values() for cost in one['costs'])
    row = cell['row']
    return draw(
        [Panel('Cost', 170, (0.0, min(1.05, 1.12 * top)), curves)],
        name=f'profile-{slug(row["name"])}',
        description=f'Cost of each competitor on {row["name"]} against pressure',
        xlabel='Pressure (GPa)',
        limits=(min(places), max(places)),
        lines_at=[row['pressure']],
    )


def components(name: str, group: str, spectra: Mapping[str, Any], kind: str) -> str:
    """Spectra of one competitor, one panel a pressure, by ``elements`` or ``orders``."""
    shapes = [{**one, 'energy_transfer': one['energy']} for one in spectra.values()]
    limits = energy_range(shapes)
    panels = []
    for one in shapes:
        tallest = max(float(np.max(one['total'])), 1e-300)
        energy = np.array(one['energy'])
        curves = [
            Curve(energy, np.array(values) / tallest, look, 1.4)
            for (_, values), look in zip(_parts(one, kind), PART_LOOKS, strict=False)
        ]
        total = np.array(one['total']) / tallest
        panels.append(
            Panel(
                '',
                105,
                (0.0, 1.08),
                [Curve(energy, total, Look(BLACK, '-', ''), 0.7), *curves],
                [Band(energy, 0 * total, total, '#000000', 0.08)],
                ticks=False,
                notes=[(0.86, f'{pressure(one["pressure"])} GPa')],
            )
        )
    return draw(
        panels,
        name=f'{kind}-{slug(group)}-{slug(name)}',
        description=f'Spectra of {shown(name)} by {kind}',
        xlabel=ENERGY,
        limits=limits,
    )


def component_legend(spectra: Mapping[str, Any], kind: str) -> list[tuple[str, Look]]:
    """Names and looks of the parts, those of the first spectrum."""
    first = next(iter(spectra.values()))
    return [(name, look) for (name, _), look in zip(_parts(first, kind), PART_LOOKS, strict=False)]


def target_legend(cell: Mapping[str, Any]) -> list[tuple[str, Look]]:
    """Names and looks of what is drawn of a target itself."""
    found = [one for name in cell['scores'] if (one := overlay_of(cell, name)) is not None]
    entries = [('target', TARGET_LOOK)]
    if any(not one.used.all() for one in found):
        entries.append(('masked', MASKED_LOOK))
    if any(np.nanmax(np.abs(one.background)) > 0 for one in found):
        entries.append(('background', BACKGROUND_LOOK))
    return entries


def slug(text: str) -> str:
    """Text as part of an id or a name of a file; texts that differ stay different."""
    return ''.join(
        letter if letter == '_' or (letter.isascii() and letter.isalnum()) else f'-{ord(letter):x}-'
        for letter in text
    )


def _target(found: Overlay) -> tuple[list[Curve], list[Band]]:
    """Target with its counting error; grey where it is masked."""
    inside = np.where(found.used, found.target, np.nan)
    outside = np.where(found.used, np.nan, found.target)
    bands = []
    if found.error is not None:
        bands.append(Band(found.energy, inside - found.error, inside + found.error, GREY, 0.35))
    return [
        Curve(found.energy, outside, MASKED_LOOK, 1.0),
        Curve(found.energy, inside, TARGET_LOOK, 1.1),
    ], bands


def _residual(
    found: Overlay, look: Look, height: float, size: float | None = None, note: str = ''
) -> Panel:
    """What is left, within its counting error."""
    left = found.residual
    largest = 1.15 * max(size or float(np.nanmax(np.abs(left))), 1e-6)
    bands = []
    if found.error is not None:
        error = np.where(found.used, found.error, np.nan)
        bands.append(Band(found.energy, -error, error, GREY, 0.35))
    curves = [Curve(found.energy, left, Look(look.color, '-', ''), 0.9)]
    notes = [(0.35 * largest, note)] if note else []
    return Panel('Left', height, (-largest, largest), curves, bands, notes=notes)


def _peaks(cell: Mapping[str, Any], name: str, look: Look, top: float) -> list[Mark]:
    """Measured peaks above, predicted ones below: filled where they match."""
    peaks = (cell['scores'][name].get('score') or {}).get('peaks')
    if not peaks:
        return []
    mine = {pair[0] for pair in peaks['pairs']}
    theirs = {pair[1] for pair in peaks['pairs']}
    return [
        Mark(place, 0.975 * top, 'v', '#444444', place in mine) for place in peaks['measured']
    ] + [Mark(place, 0.925 * top, '^', look.color, place in theirs) for place in peaks['predicted']]


def _parts(one: Mapping[str, Any], kind: str) -> list[tuple[str, Any]]:
    return element_parts(one) if kind == 'elements' else order_parts(one)


def _plain(look: Look) -> Look:
    return Look(look.color, look.line, '')


def _top(found: Any) -> float:
    """Room for peaks above the highest curve."""
    return 1.16 * max(
        float(np.nanmax(np.concatenate((one.target[one.used], one.simulated[one.used]))))
        for one in found
    )


def _bottom(found: Any) -> float:
    return min(-0.03, *(float(np.nanmin(one.target[one.used])) for one in found))
