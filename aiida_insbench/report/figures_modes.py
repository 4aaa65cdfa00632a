"""Figures of modes: frequencies and shifts under pressure, the soft mode, training curves.

Imaginary frequencies are drawn below zero, as negative numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from aiida_insbench.report.numbers import pressure
from aiida_insbench.report.story import ModeLine, soft_rows
from aiida_insbench.report.style import (
    BLUE,
    DFT_LOOK,
    VERMILLION,
    Look,
    figure,
    potential_looks,
    to_svg,
)


def mode_shifts(lines: Sequence[ModeLine], name: str, pressures: Mapping[str, float]) -> str:
    """Frequencies of one potential against pressure, beside DFT; red shifts marked with words.

    Parameters
    ----------
    lines : sequence of ModeLine
        The modes.
    name : str
        The potential.
    pressures : mapping of str to float
        GPa by label.
    """
    shown = [line for line in lines if name in line.potentials]
    labels = {label for line in shown for label in line.potentials[name]['frequencies']}
    highest = max(pressures[label] for label in labels)
    lowest = min(pressures[label] for label in labels)
    with figure(5.2, 6.0) as drawn:
        axes = drawn.add_subplot()
        ends = []
        for line in shown:
            row = line.potentials[name]
            red, unstable = row['direction'] == 'red', row['direction'] == 'unstable'
            color = VERMILLION if red or unstable else BLUE
            if line.reference:
                kept = {
                    key: line.reference['frequencies'][key]
                    for key in labels
                    if key in line.reference['frequencies']
                }
                _plot(axes, kept, pressures, Look('#555555', ':', 'o'), fill='white', width=0.9)
            _plot(
                axes,
                row['frequencies'],
                pressures,
                Look(color, '-', 'X' if unstable else 'v' if red else '^'),
                size=7 if unstable else 5,
            )
            last = max(row['frequencies'], key=lambda label: pressures[label])
            text = f'{line.name} {row["direction"]}' if red or unstable else line.name
            ends.append((row['frequencies'][last], text, color))
        span = max(highest - lowest, 0.1)
        _write_ends(axes, ends, highest, span)
        axes.set(
            xlim=(lowest - 0.06 * span, highest + 0.38 * span),
            xlabel='Pressure (GPa)',
            ylabel='Frequency (cm⁻¹)',
            title=name,
        )
        _tick_pressures(axes, labels, pressures)
        _mark_imaginary(axes)
        _legend_modes(axes, shown, name)
        return to_svg(
            drawn,
            f'modes-{_slug(name)}',
            f'Frequencies of Γ modes against pressure, {name} beside DFT',
        )


def soft_mode_figure(line: ModeLine, names: Sequence[str], pressures: Mapping[str, float]) -> str:
    """Draw the softest mode against pressure; the imaginary range is shaded and named."""
    looks = {'DFT': DFT_LOOK, **potential_looks(list(names))}
    with figure(5.2, 3.7) as drawn:
        axes = drawn.add_subplot()
        for name, row in soft_rows(line):
            fill = 'white' if name == 'DFT' else None
            _plot(axes, row['frequencies'], pressures, looks[name], label=name, fill=fill, size=7)
        axes.set(xlabel='Pressure (GPa)', ylabel=f'Frequency of {line.name} (cm⁻¹)')
        axes.margins(x=0.06, y=0.12)
        _tick_pressures(axes, line.first['frequencies'], pressures)
        _mark_imaginary(axes, from_zero=True)
        drawn.legend(loc='outside upper left', ncols=4, handlelength=3)
        return to_svg(drawn, 'soft', f'Frequency of the soft mode {line.name} against pressure')


def training_curve(
    curves: Mapping[str, Mapping[str, Sequence[float]]], key: str, label: str
) -> str:
    """One quantity against epoch for each potential, logarithmic.

    Parameters
    ----------
    curves : mapping of str to dict
        ``training_curve.json`` of each potential.
    key : str
        ``loss``, ``rmse_forces_mev_a`` or the like.
    label : str
        Title of the axis, with unit.
    """
    looks = potential_looks(list(curves))
    with figure(5.2, 3.0) as drawn:
        axes = drawn.add_subplot()
        for name, curve in curves.items():
            points = [
                (epoch, value)
                for epoch, value in zip(
                    curve.get('epoch') or [], curve.get(key) or [], strict=False
                )
                if value is not None and value > 0
            ]
            if points:
                look = looks[name]
                axes.plot(
                    *zip(*points, strict=True),
                    color=look.color,
                    linestyle=look.line,
                    label=name,
                    marker=look.marker,
                    markevery=0.12,
                    markersize=5,
                )
        axes.set(yscale='log', xlabel='Epoch', ylabel=label)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter('{x:g}')
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(axis='y', which='major', color='#e6e6e6')
        if axes.get_legend_handles_labels()[0]:
            drawn.legend(loc='outside upper left', ncols=4, handlelength=3)
        return to_svg(drawn, f'training-{_slug(key)}', f'{label} against epoch')


def _plot(
    axes: Axes,
    frequencies: Mapping[str, float],
    pressures: Mapping[str, float],
    look: Look,
    *,
    label: str = '',
    fill: str | None = None,
    width: float = 1.4,
    size: float = 5,
) -> None:
    points = sorted((pressures[key], value) for key, value in frequencies.items())
    axes.plot(
        *zip(*points, strict=True),
        color=look.color,
        linestyle=look.line,
        linewidth=width,
        marker=look.marker,
        markersize=size,
        markerfacecolor=fill or look.color,
        label=label or None,
    )


def _write_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], at: float, span: float) -> None:
    """Names at the right ends of lines, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    gap = 0.031 * (high - low)
    ordered = sorted(ends, key=lambda end: end[0])
    heights = _spread([end[0] for end in ordered], gap)
    for (value, text, color), height in zip(ordered, heights, strict=True):
        axes.plot(
            [at + 0.03 * span, at + 0.08 * span], [value, height], color='#b0b0b0', linewidth=0.6
        )
        axes.text(
            at + 0.095 * span,
            height,
            text,
            va='center',
            fontsize=8.5,
            color=color,
            fontweight='bold' if color == VERMILLION else 'normal',
        )


def _spread(values: Sequence[float], gap: float) -> list[float]:
    """Rising heights at least `gap` apart, as close to the rising `values` as that allows."""
    blocks: list[list[float]] = []  # mean height and size of each run of touching labels
    for value in values:
        blocks.append([value, 1.0])
        while len(blocks) > 1:
            (below, few), (above, many) = blocks[-2:]
            if above - below >= gap * (few + many) / 2:
                break
            total = few + many
            # the mean keeps a run as close as it can be to where its labels want to stand
            blocks[-2:] = [[(below * few + above * many) / total, total]]
    heights = []
    for mean, size in blocks:
        heights += [mean + gap * (index - (size - 1) / 2) for index in range(int(size))]
    return heights


def _mark_imaginary(axes: Axes, *, from_zero: bool = False) -> None:
    low, high = axes.get_ylim()
    if low >= 0:
        if from_zero or low < 0.15 * high:
            axes.set_ylim(0, high)
        return
    has_imaginary = any(np.min(line.get_ydata()) < -1 for line in axes.get_lines())
    if not has_imaginary:
        axes.set_ylim(max(low, 0) if low > -0.1 * high else low, high)
        return
    low -= 0.05 * (high - low)  # room for the word
    axes.axhspan(low, 0, color='#000000', alpha=0.06, linewidth=0)
    axes.axhline(0, color='#555555', linewidth=0.8)
    axes.set_ylim(low, high)
    axes.text(
        0.015,
        low + 0.02 * (high - low),
        'imaginary (unstable)',
        fontsize=8.5,
        color='#444444',
        transform=axes.get_yaxis_transform(),
    )


def _legend_modes(axes: Axes, lines: Sequence[ModeLine], name: str) -> None:
    handles = [
        axes.plot([], [], color=BLUE, marker='^', markersize=5)[0],
        axes.plot([], [], color=VERMILLION, marker='v', markersize=5)[0],
    ]
    names = ['blue or flat', 'red shift']
    if any(line.potentials[name]['direction'] == 'unstable' for line in lines):
        handles.append(axes.plot([], [], color=VERMILLION, marker='X', markersize=6)[0])
        names.append('unstable')
    if any(line.reference for line in lines):
        handles.append(
            axes.plot(
                [],
                [],
                color='#555555',
                linestyle=':',
                marker='o',
                markersize=5,
                markerfacecolor='white',
            )[0]
        )
        names.append('DFT')
    axes.figure.legend(handles, names, loc='outside lower left', ncols=4, handlelength=2.4)


def _tick_pressures(axes: Axes, labels: Iterable[str], pressures: Mapping[str, float]) -> None:
    values = sorted(pressures[label] for label in labels)
    if len(values) <= 8:
        axes.set_xticks(values, [pressure(value) for value in values])


def _slug(text: str) -> str:
    return ''.join(letter if letter.isalnum() else '-' for letter in text)
