"""Figures of spectra: pressures stacked, and parts by element and by order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from aiida_insbench.report.bands import strongest
from aiida_insbench.report.numbers import number, pressure
from aiida_insbench.report.style import BLACK, PART_LOOKS, figure, to_svg

#: 1 meV in cm⁻¹ (CODATA 2018).
CM1_PER_MEV = 8.065544
#: Step of the stack over the greatest height in it.
_STEP = 1.22
#: Orders from this one on are drawn as one line.
_LUMPED = 4


def stacked_spectra(spectra: Sequence[Mapping[str, Any]], *, bands: int = 6) -> str:
    """Spectra of all pressures, stacked, the strongest bands labelled with their positions."""
    tallest = max(float(np.max(spectrum['total'])) for spectrum in spectra) or 1.0
    colors = _pressure_colors(len(spectra))
    with figure(6.4, 1.3 + 1.1 * len(spectra)) as drawn:
        axes = drawn.add_subplot()
        low, high = energy_range(spectra)
        for index, (spectrum, color) in enumerate(zip(spectra, colors, strict=True)):
            base = index * _STEP
            energy, total = _visible(spectrum, spectrum['total'], tallest, low, high)
            curve = base + total
            axes.fill_between(energy, base, curve, color=color, alpha=0.13, linewidth=0)
            axes.plot(energy, curve, color=color, linewidth=1.3)
            _label_bands(axes, spectrum, base, tallest, (low, high), bands)
            axes.annotate(
                f'{pressure(spectrum["pressure"])} GPa',
                (1.012, base + 0.04),
                xycoords=axes.get_yaxis_transform(),
                annotation_clip=False,
                color=color,
                fontweight='bold',
                fontsize=11,
            )
        axes.set(
            xlim=(low, high),
            ylim=(-0.04, (len(spectra) - 1) * _STEP + 1.22),
            xlabel='Energy transfer (cm⁻¹)',
            ylabel='S(Q,ω), arbitrary units, offset',
            yticks=[],
        )
        _add_mev_axis(axes)
        listed = ', '.join(f'{pressure(one["pressure"])} GPa' for one in spectra)
        return to_svg(
            drawn, 'stack', f'INS spectra at {listed}, stacked, strongest bands labelled in cm⁻¹'
        )


def parts(spectrum: Mapping[str, Any], kind: str) -> str:
    """Draw one spectrum divided by ``elements`` or by ``orders``.

    Parameters
    ----------
    spectrum : dict
        One of the report's spectra.
    kind : {'elements', 'orders'}
        Which parts.
    """
    pieces = element_parts(spectrum) if kind == 'elements' else order_parts(spectrum)
    low, high = energy_range([spectrum])
    tallest = float(np.max(spectrum['total'])) or 1.0
    with figure(5.2, 2.7) as drawn:
        axes = drawn.add_subplot()
        energy, total = _visible(spectrum, spectrum['total'], tallest, low, high)
        axes.fill_between(energy, 0, total, color='#000000', alpha=0.10, linewidth=0)
        axes.plot(energy, total, color=BLACK, linewidth=0.7, label='total')
        for (name, values), look in zip(pieces, _cycled(len(pieces)), strict=True):
            energy, curve = _visible(spectrum, values, tallest, low, high)
            axes.plot(
                energy,
                curve,
                color=look.color,
                linestyle=look.line,
                label=name,
                linewidth=1.3,
            )
        axes.set(
            xlim=(low, high),
            ylim=(0, 1.05),
            xlabel='Energy transfer (cm⁻¹)',
            ylabel='S / max(total)',
        )
        drawn.legend(loc='outside upper left', ncols=6, handlelength=2.4, columnspacing=1.2)
        name = f'{kind}-{spectrum["label"]}'
        return to_svg(
            drawn, name, f'INS spectrum at {pressure(spectrum["pressure"])} GPa by {kind[:-1]}'
        )


def together(curves: Mapping[str, Mapping[str, Any]], name: str, description: str) -> str:
    """Spectra over each other, each in parts of its own area; SVG.

    Parameters
    ----------
    curves : mapping of str to mapping
        By legend: ``energy_transfer`` (cm⁻¹) and ``total``, shape (n,).
    name, description : str
        Of the picture.
    """
    low, high = energy_range(list(curves.values()))
    shown = {}
    for legend, one in curves.items():
        energy = np.asarray(one['energy_transfer'], dtype=float)
        total = np.nan_to_num(np.asarray(one['total'], dtype=float))
        area = float(np.sum(total * np.gradient(energy)))
        shown[legend] = (one, total / area if area > 0 else total)
    tallest = max(float(np.max(values)) for _, values in shown.values()) or 1.0
    with figure(5.2, 3.0) as drawn:
        axes = drawn.add_subplot()
        for (legend, (one, values)), look in zip(shown.items(), _cycled(len(shown)), strict=True):
            x, y = _visible(one, values, tallest, low, high)
            axes.plot(x, y, color=look.color, linestyle=look.line, label=legend)
        axes.set(xlabel='Energy transfer (cm⁻¹)', ylabel='Parts of the largest, areas alike')
        axes.set_xlim(low, high)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=8)
        return to_svg(drawn, name, description)


def element_parts(spectrum: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Parts by element, the greatest first."""
    elements = {key: np.asarray(value) for key, value in (spectrum.get('elements') or {}).items()}
    return sorted(elements.items(), key=lambda item: -float(item[1].sum()))


def order_parts(spectrum: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Parts by order, the high ones together."""
    orders = {int(key): np.asarray(value) for key, value in (spectrum.get('orders') or {}).items()}
    single = [
        ('order 1' if order == 1 else str(order), orders[order])
        for order in sorted(orders)
        if order < _LUMPED
    ]
    rest = [orders[order] for order in sorted(orders) if order >= _LUMPED]
    if not rest:
        return single
    last = max(orders)
    name = str(last) if last == _LUMPED else f'{_LUMPED}–{last}'
    return [*single, (name, np.sum(rest, axis=0))]


def _label_bands(
    axes: Axes,
    spectrum: Mapping[str, Any],
    base: float,
    tallest: float,
    limits: tuple[float, float],
    bands: int,
) -> None:
    inside = [
        band for band in spectrum.get('bands') or [] if limits[0] <= band['position'] <= limits[1]
    ]
    separation = 0.055 * (limits[1] - limits[0])
    grid = np.asarray(spectrum['energy_transfer'], dtype=float)
    total = np.asarray(spectrum['total'], dtype=float)
    for band in strongest(inside, count=bands, separation=separation):
        height = base + float(np.interp(band['position'], grid, total)) / tallest
        axes.annotate(
            number(band['position'], 0),
            (band['position'], height),
            xytext=(0, 3),
            textcoords='offset points',
            ha='center',
            fontsize=8.5,
            color='#333333',
        )


def _add_mev_axis(axes: Axes) -> None:
    def to_mev(wavenumbers: Any) -> Any:
        return wavenumbers / CM1_PER_MEV

    def from_mev(energies: Any) -> Any:
        return energies * CM1_PER_MEV

    top = axes.secondary_xaxis('top', functions=(to_mev, from_mev))
    top.set_xlabel('Energy transfer (meV)', color='#555555')
    top.tick_params(colors='#555555')


def energy_range(spectra: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Range of energies, cut where the last per mille of the intensity remains."""
    ends = []
    for spectrum in spectra:
        energy = np.asarray(spectrum['energy_transfer'], dtype=float)
        total = np.cumsum(np.clip(np.asarray(spectrum['total'], dtype=float), 0, None))
        full = total[-1] if total[-1] > 0 else 1.0
        ends.append(float(energy[min(int(np.searchsorted(total, 0.999 * full)), len(energy) - 1)]))
    low = min(float(spectrum['energy_transfer'][0]) for spectrum in spectra)
    high = min(max(ends) * 1.04, max(float(one['energy_transfer'][-1]) for one in spectra))
    return max(low, 0.0), max(high, low + 1.0)


def _visible(
    spectrum: Mapping[str, Any], values: Any, tallest: float, low: float, high: float
) -> tuple[Any, Any]:
    """Visible part of a curve over the tallest, without points that no eye would miss."""
    energy = np.asarray(spectrum['energy_transfer'], dtype=float)
    inside = (energy >= low) & (energy <= high)
    curve = np.nan_to_num(np.asarray(values, dtype=float))[inside] / tallest
    kept = thinned(energy[inside], curve)
    return energy[inside][kept], curve[kept]


def thinned(x: Any, y: Any, tolerance: float = 0.0015) -> Any:
    """Indices of points that carry a curve: no other is farther than `tolerance` from it.

    Douglas and Peucker's method with vertical distances; keeps files small.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Points in order.
    tolerance : float
        In units of `y`.

    Returns
    -------
    ndarray of int
        Rising, from the first to the last point.
    """
    keep = {0, len(x) - 1}
    pending = [(0, len(x) - 1)]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        inner = slice(first + 1, last)
        line = np.interp(x[inner], x[[first, last]], y[[first, last]])
        distance = np.abs(y[inner] - line)
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            keep.add(middle)
            pending += [(first, middle), (middle, last)]
    return np.array(sorted(keep))


def _pressure_colors(count: int) -> list[str]:
    scale = mpl.colormaps['viridis']
    return [to_hex(scale(0.5 * index / max(count - 1, 1))) for index in range(count)]


def _cycled(count: int) -> list[Any]:
    return [PART_LOOKS[index % len(PART_LOOKS)] for index in range(count)]
