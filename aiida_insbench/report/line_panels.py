"""Curves on panels above each other as SVG written directly: dozens a second, and small.

Sizes in units of the drawing, of which it is `WIDTH` wide. Sizes of text stand in the page's style
sheet, so that a phone can have greater ones; room is left for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from aiida_insbench.report.line_marks import marker, stroke
from aiida_insbench.report.line_points import reduced
from aiida_insbench.report.numbers import short
from aiida_insbench.report.style import Look

WIDTH = 560.0
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 76.0, 10.0, 8.0, 50.0, 10.0


@dataclass(frozen=True)
class Curve:
    """A line; not finite values are gaps.

    Attributes
    ----------
    x, y : ndarray, shape (n,)
        Points, x rising.
    look : Look
        Colour, dashes; the marker stands at a few points along the line, if it has one.
    width : float
        Of the line.
    phase : int
        By which markers are moved, so that those of several curves stand apart.
    """

    x: Any
    y: Any
    look: Look
    width: float = 1.4
    phase: int = 0


@dataclass(frozen=True)
class Band:
    """Area between two curves over x."""

    x: Any
    low: Any
    high: Any
    color: str
    opacity: float = 0.2


@dataclass(frozen=True)
class Mark:
    """One marker at a point of the panel, filled or hollow."""

    x: float
    y: float
    shape: str
    color: str
    filled: bool = True


@dataclass(frozen=True)
class Stick:
    """A line upwards from zero, with a text at its top."""

    x: float
    height: float
    color: str
    text: str = ''


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes
    ----------
    label : str
        Of the vertical axis.
    height : float
        In units.
    limits : (float, float)
        Of the vertical axis.
    curves, bands, marks, sticks : sequence
        What is in it.
    ticks : bool
        Whether the vertical axis has numbers.
    notes : sequence of (float, str)
        Texts at the right end, at a height of the vertical axis.
    """

    label: str
    height: float
    limits: tuple[float, float]
    curves: Sequence[Curve] = ()
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    ticks: bool = True
    notes: Sequence[tuple[float, str]] = ()
    sticks: Sequence[Stick] = ()


def draw(
    panels: Sequence[Panel],
    *,
    name: str,
    description: str,
    xlabel: str,
    limits: tuple[float, float],
    shaded: Sequence[tuple[float, float]] = (),
    lines_at: Sequence[float] = (),
) -> str:
    """SVG of panels over one horizontal axis.

    Parameters
    ----------
    panels : sequence of Panel
        From top to bottom.
    name : str
        Prefix of every id in it.
    description : str
        What is seen, for those who do not see it.
    xlabel : str
        Of the horizontal axis.
    limits : (float, float)
        Of the horizontal axis.
    shaded : sequence of (float, float)
        Parts of the horizontal axis that are grey.
    lines_at : sequence of float
        Upright dashed lines.
    """
    height = _TOP + _BOTTOM + sum(one.height for one in panels) + _GAP * (len(panels) - 1)
    parts = [
        f'<svg role="img" aria-label="{escape(description)}" class="figure lines" '
        f'viewBox="0 0 {WIDTH:g} {height:g}" xmlns="http://www.w3.org/2000/svg">'
    ]
    top = _TOP
    for number, panel in enumerate(panels):
        frame = _Frame(top, panel, limits, f'{name}-clip{number}')
        parts += frame.parts(shaded, lines_at, last=number == len(panels) - 1)
        top += panel.height + _GAP
    parts.append(
        f'<text x="{(_LEFT + WIDTH - _RIGHT) / 2:g}" y="{height - 7:g}" text-anchor="middle">'
        f'{escape(xlabel)}</text></svg>'
    )
    return '\n'.join(parts)


@dataclass(frozen=True)
class _Frame:
    """A panel with its place in the drawing."""

    top: float
    panel: Panel
    limits: tuple[float, float]
    clip: str

    def x(self, values: Any) -> Any:
        low, high = self.limits
        return _LEFT + (np.asarray(values, dtype=float) - low) / (high - low) * (
            WIDTH - _LEFT - _RIGHT
        )

    def y(self, values: Any) -> Any:
        low, high = self.panel.limits
        share = (np.asarray(values, dtype=float) - low) / (high - low)
        # far outside is cut by the clip path anyway: huge numbers help nobody
        return self.top + self.panel.height * (1 - np.clip(share, -2, 3))

    def parts(
        self, shaded: Sequence[tuple[float, float]], lines_at: Sequence[float], *, last: bool
    ) -> list[str]:
        top, height, right = self.top, self.panel.height, WIDTH - _RIGHT
        inside = f'x="{_LEFT:g}" y="{top:g}" width="{right - _LEFT:g}" height="{height:g}"'
        found = [f'<clipPath id="{self.clip}"><rect {inside}/></clipPath>']
        found.append(f'<g clip-path="url(#{self.clip})">')
        for low, high in shaded:
            left, end = self.x(low), self.x(high)
            found.append(
                f'<rect x="{left:.1f}" y="{top:g}" width="{max(end - left, 0):.1f}" '
                f'height="{height:g}" fill="#000" fill-opacity="0.07"/>'
            )
        found += [
            f'<path d="M{self.x(place):.1f} {top:g}V{top + height:g}" stroke="#555" '
            'stroke-dasharray="5 4" fill="none"/>'
            for place in lines_at
        ]
        low, high = self.panel.limits
        if low < 0 < high:
            found.append(f'<path d="M{_LEFT:g} {self.y(0):.1f}H{right:g}" class="zero"/>')
        found += [self._band(one) for one in self.panel.bands]
        for one in self.panel.curves:
            found += self._curve(one)
        for stick in self.panel.sticks:
            found += self._stick(stick)
        for mark in self.panel.marks:
            place = float(self.x(mark.x)), float(self.y(mark.y))
            found.append(marker(*place, mark.shape, mark.color, 4.5, filled=mark.filled))
        return [*found, '</g>', *self._axes(last=last)]

    def _curve(self, curve: Curve) -> list[str]:
        x, y = self.x(curve.x), self.y(curve.y)
        runs = _runs(np.isfinite(y))
        pieces = [_path(*reduced(x[run], y[run])) for run in runs]
        if not pieces:
            return []
        found = [f'<path d="{"".join(pieces)}" {stroke(curve.look, curve.width)}/>']
        if curve.look.marker:
            places = np.concatenate([np.arange(run.start, run.stop) for run in runs])
            start = len(places) // 20 + curve.phase * len(places) // 30
            chosen = places if len(places) < 12 else places[start :: len(places) // 6]
            found += [
                marker(float(x[one]), float(y[one]), curve.look.marker, curve.look.color, 4.0)
                for one in chosen
            ]
        return found

    def _stick(self, stick: Stick) -> list[str]:
        x, top, bottom = float(self.x(stick.x)), float(self.y(stick.height)), float(self.y(0.0))
        found = [
            f'<path d="M{x:.1f} {bottom:.1f}V{top:.1f}" stroke="{stick.color}" stroke-width="2"/>'
        ]
        if stick.text:
            found.append(
                f'<text x="{x:.1f}" y="{top - 4:.1f}" text-anchor="middle">'
                f'{escape(stick.text)}</text>'
            )
        return found

    def _band(self, band: Band) -> str:
        pieces = []
        low, high = self.y(band.low), self.y(band.high)
        for run in _runs(np.isfinite(low) & np.isfinite(high)):
            x, lower = reduced(self.x(band.x)[run], low[run])
            back, upper = reduced(self.x(band.x)[run], high[run])
            pieces.append(
                _path(np.concatenate((x, back[::-1])), np.concatenate((lower, upper[::-1]))) + 'Z'
            )
        return f'<path d="{"".join(pieces)}" fill="{band.color}" fill-opacity="{band.opacity:g}"/>'

    def _axes(self, *, last: bool) -> list[str]:
        bottom = self.top + self.panel.height
        found = [
            f'<path d="M{_LEFT:g} {self.top:g}V{bottom:g}H{WIDTH - _RIGHT:g}" class="axis"/>',
            f'<text transform="translate(14 {self.top + self.panel.height / 2:g}) rotate(-90)" '
            f'text-anchor="middle">{escape(self.panel.label)}</text>',
        ]
        for value, place in zip(
            _ticks(self.limits, 7), self.x(_ticks(self.limits, 7)), strict=True
        ):
            found.append(f'<path d="M{place:.1f} {bottom:g}v4" class="axis"/>')
            if last:
                found.append(
                    f'<text x="{place:.1f}" y="{bottom + 19:g}" text-anchor="middle">'
                    f'{short(value)}</text>'
                )
        if self.panel.ticks:
            values = _ticks(self.panel.limits, max(2, int(self.panel.height / 45)))
            for value, place in zip(values, self.y(values), strict=True):
                found.append(
                    f'<path d="M{_LEFT:g} {place:.1f}h-4" class="axis"/>'
                    f'<text x="{_LEFT - 7:g}" y="{place + 4:.1f}" text-anchor="end">'
                    f'{short(value)}</text>'
                )
        found += [
            f'<text x="{WIDTH - _RIGHT - 4:g}" y="{self.y(at) - 4:.1f}" text-anchor="end" '
            f'class="strong">{escape(text)}</text>'
            for at, text in self.panel.notes
        ]
        return found


def _ticks(limits: tuple[float, float], count: int) -> list[float]:
    low, high = limits
    slack = 1e-9 * (high - low)
    values = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(value) for value in values if low - slack <= value <= high + slack]


def _runs(finite: Any) -> list[slice]:
    """Pieces without a gap."""
    ends = np.flatnonzero(np.diff(np.concatenate(([0], finite.astype(int), [0]))))
    return [slice(int(a), int(b)) for a, b in zip(ends[::2], ends[1::2], strict=True)]


def _path(x: Any, y: Any) -> str:
    """Move to the first point, lines to the others; one decimal."""
    return 'M' + ' '.join(f'{a:.1f} {b:.1f}' for a, b in zip(x.tolist(), y.tolist(), strict=True))
