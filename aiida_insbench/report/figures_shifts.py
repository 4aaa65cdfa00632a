"""Figure of the shifts of all modes under pressure, DFT beside the potentials, red ones marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aiida_insbench.report.story import ModeLine, soft_rows
from aiida_insbench.report.style import (
    DFT_LOOK,
    GREY,
    VERMILLION,
    figure,
    potential_looks,
    to_svg,
)


def shift_comparison(lines: Sequence[ModeLine], names: Sequence[str]) -> str:
    """Shift of every mode from the first to the last pressure, as inline SVG."""
    drawn = shift_figure(lines, names, width=5.2)
    return to_svg(drawn, 'shifts', 'Shift of each mode under pressure, DFT and potentials')


def shift_figure(
    lines: Sequence[ModeLine], names: Sequence[str], *, width: float, columns: int = 4
) -> Figure:
    """Draw shifts from the first to the last pressure.

    Parameters
    ----------
    lines : sequence of ModeLine
        The modes; those that DFT (or, without it, the first potential) shifts red are marked.
    names : sequence of str
        Potentials, in the order that gives them their looks.
    width : float
        In inches.
    columns : int
        Of the legend.
    """
    shown = [line for line in lines if line.first.get('shift') is not None][::-1]
    looks = {'DFT': DFT_LOOK, **potential_looks(list(names))}
    used: dict[str, Any] = {}
    with figure(width, 1.5 + 0.3 * len(shown)) as drawn:
        axes = drawn.add_subplot()
        axes.axvline(0, color='#555555', linewidth=0.8)
        for height, line in enumerate(shown):
            axes.axhline(height, color='#e6e6e6', linewidth=0.8, zorder=0)
            for name, row in soft_rows(line):
                if row.get('shift') is None:
                    continue
                look = looks[name]
                hollow = name == 'DFT'
                (used[name],) = axes.plot(
                    [row['shift']],
                    [height],
                    linestyle='',
                    marker=look.marker,
                    markersize=8.5 if hollow else 6,
                    color=look.color,
                    markerfacecolor='white' if hollow else look.color,
                    zorder=2 if hollow else 3,
                )
        axes.set(
            yticks=range(len(shown)),
            yticklabels=[_mode_label(line) for line in shown],
            ylim=(-0.7, len(shown) - 0.3),
            xlabel='Shift, last − first pressure (cm⁻¹)',
        )
        for text, line in zip(axes.get_yticklabels(), shown, strict=True):
            if line.first.get('direction') == 'red':
                text.set(color=VERMILLION, fontweight='bold')
        axes.tick_params(axis='y', length=0)
        _write_sides(axes)
        drawn.legend(
            list(used.values()),
            list(used),
            loc='outside upper left',
            ncols=columns,
            handletextpad=0.2,
            columnspacing=1.2,
        )
        return drawn


def _mode_label(line: ModeLine) -> str:
    """Name and first frequency; a mode that goes red says so without colour, too."""
    first = next(iter(line.first['frequencies'].values()))
    mark = '▼ ' if line.first.get('direction') == 'red' else ''
    return f'{mark}{line.name}  {abs(first):.0f}{"i" if first < -0.5 else ""}'


def _write_sides(axes: Axes) -> None:
    low, high = axes.get_xlim()
    for shown, text, side, align in (
        (low < 0, '◂ red', -7, 'right'),
        (high > 0, 'blue ▸', 7, 'left'),
    ):
        if shown:
            axes.annotate(
                text,
                (0, 1),
                xycoords=axes.get_xaxis_transform(),
                xytext=(side, 2),
                textcoords='offset points',
                ha=align,
                fontsize=8.5,
                color=GREY,
            )
