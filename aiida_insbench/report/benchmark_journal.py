"""Figures of a benchmark at journal sizes: overlays in two columns, shifts of the modes in one.

Widths 8.5 and 17.5 cm; text 7 to 8 pt, so that nothing is to be scaled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aiida_insbench.report.benchmark_figures import Overlay, overlay_of, slug
from aiida_insbench.report.benchmark_story import (
    Data,
    as_campaign,
    by_look,
    competitors,
    looks,
    shown,
    target_title,
)
from aiida_insbench.report.figures_shifts import shift_figure
from aiida_insbench.report.line_points import extremes
from aiida_insbench.report.story import mode_lines
from aiida_insbench.report.style import GREY, Look, figure

SINGLE, DOUBLE = 8.5 / 2.54, 17.5 / 2.54  # inches
_SMALL = 7.0  # pt
_COLUMNS = 900  # of extremes kept, finer than print


def journal_figures(data: Data) -> Iterator[tuple[str, Figure]]:
    """Names of files, without ending, and figures: an overlay a target, then the mode shifts."""
    known = looks(data)
    for cell in data['cells']:
        found = {
            name: one
            for name in competitors(data, cell)
            if (one := overlay_of(cell, name)) is not None
        }
        if found:
            yield f'overlay_{slug(cell["row"]["name"])}', _overlay(cell, found, known)
    campaign = as_campaign(data)
    lines = mode_lines(campaign)
    if campaign['potentials'] and any(line.first.get('shift') is not None for line in lines):
        drawn = shift_figure(lines, by_look(data), width=SINGLE, columns=2)
        drawn.draw_without_rendering()
        drawn.set_layout_engine('none')  # laid out once, not for every file
        yield 'mode_shifts', drawn


def _overlay(
    cell: Mapping[str, Any], found: Mapping[str, Overlay], known: Mapping[str, Look]
) -> Figure:
    """Target with errors and all competitors; below, what is left by each."""
    first = next(iter(found.values()))
    height = 2.4 + 0.4 * len(found)
    with figure(DOUBLE, height) as drawn:
        # a layout engine takes longer than the drawing
        drawn.set_layout_engine('none')
        axes = drawn.subplots(
            2,
            1,
            sharex=True,
            gridspec_kw={
                'height_ratios': [4.0, len(found)],
                'left': 0.075,
                'right': 0.985,
                'top': 1 - 0.34 / height,
                'bottom': 0.46 / height,
                'hspace': 0.08,
            },
        )
        _draw_target(axes[0], first)
        for name, one in found.items():
            look = known[name]
            axes[0].plot(
                *extremes(one.energy, one.simulated, _COLUMNS),
                color=look.color,
                linestyle=look.line,
                linewidth=1.1,
                marker=look.marker,
                markersize=3.5,
                markevery=(0.03 * (1 + list(found).index(name)), 0.17),
                label=shown(name),
            )
        _draw_residuals(axes[1], found, known)
        for ax in axes:
            ax.tick_params(labelsize=_SMALL)
            for low, high in first.masked:
                ax.axvspan(low, high, color='#000000', alpha=0.07, linewidth=0)
        axes[0].set_ylabel('Parts of max', fontsize=8)
        axes[-1].set_xlabel('Energy transfer (cm⁻¹)', fontsize=8)
        axes[0].set_xlim(*first.limits)
        axes[0].set_ylim(
            min(-0.03, float(np.nanmin(first.target[first.used]))),
            1.12 * max(float(np.nanmax(one.simulated)) for one in [*found.values(), _as(first)]),
        )
        drawn.text(0.085, 1 - 0.12 / height, _title(cell), fontsize=8, va='center')
        axes[0].legend(
            loc='lower left',
            bbox_to_anchor=(0.0, 0.99),
            borderaxespad=0,
            borderpad=0.2,
            fontsize=_SMALL,
            ncols=6,
            handlelength=3,
        )
        return drawn


def _as(first: Overlay) -> Overlay:
    """The target in the place of a simulation, for the limits."""
    return Overlay(
        first.energy,
        first.target,
        np.where(first.used, first.target, np.nan),
        first.background,
        None,
        first.used,
    )


def _title(cell: Mapping[str, Any]) -> str:
    return f'{cell["row"]["name"]}: {target_title(cell["row"])}'


def _draw_target(ax: Axes, found: Overlay) -> None:
    inside = np.where(found.used, found.target, np.nan)
    ax.plot(
        found.energy, np.where(found.used, np.nan, found.target), color='#b5b5b5', linewidth=0.8
    )
    ax.plot(
        *extremes(found.energy, inside, _COLUMNS), color='#444444', linewidth=0.8, label='target'
    )
    if found.error is not None:
        ax.fill_between(
            found.energy,
            inside - found.error,
            inside + found.error,
            color=GREY,
            alpha=0.35,
            linewidth=0,
        )


def _draw_residuals(ax: Axes, found: Mapping[str, Overlay], known: Mapping[str, Look]) -> None:
    """What is left by each competitor, above each other in the scale of the spectra."""
    size = max(float(np.nanmax(np.abs(one.residual))) for one in found.values()) or 1.0
    for number, (name, one) in enumerate(found.items()):
        base = -2.2 * size * number
        ax.axhline(base, color='#555555', linewidth=0.5)
        if one.error is not None:
            few = slice(None, None, max(1, len(one.energy) // _COLUMNS))
            error = np.where(one.used, one.error, np.nan)[few]
            ax.fill_between(
                one.energy[few], base - error, base + error, color=GREY, alpha=0.35, linewidth=0
            )
        energy, left = extremes(one.energy, one.residual, _COLUMNS)
        ax.plot(energy, base + left, color=known[name].color, linewidth=0.8)
        ax.text(
            0.995,
            base + 0.35 * size,
            shown(name),
            transform=ax.get_yaxis_transform(),
            fontsize=_SMALL,
            ha='right',
        )
    ax.set_ylim(-2.2 * size * (len(found) - 1) - 1.15 * size, 1.15 * size)
    ax.set_yticks([])
    ax.set_ylabel('Left, offset', fontsize=8)
