r"""The window table: shift, residual and cost of each window, and their sums by area.

.. math:: c_k = 1 - \left(1 - \frac{|\delta_k|}{\delta_\max}\right)(1 - R_k), \qquad
          C = \frac{\sum_k A_k c_k + \sum_q S_q}{\sum_k A_k + \sum_q S_q}

over windows k with measured signal. Areas :math:`A_k` are those between the measured spectrum and
its best straight line in the window: they hang on no fitted background, so all potentials get the
same weights. A window with signal that is not simulated counts with c = 1. Where there is no signal
above noise, nothing can be aligned: such a window q has no shift and no residual, but predicted
structure beyond the measured one, and beyond what noise would hide, counts with its own area
:math:`S_q` as wholly wrong, so that spurious bands cost. Energies in cm⁻¹.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.alignment import Alignment, WindowData, align
from aiida_insbench.science.scoring.fit_result import FitResult
from aiida_insbench.science.scoring.settings import WindowSettings
from aiida_insbench.science.scoring.spectra import (
    BoolArray,
    Measurement,
    Simulation,
)
from aiida_insbench.science.scoring.wasserstein import wasserstein
from aiida_insbench.science.scoring.windows import Window, find_windows

Status = Literal['scored', 'no signal', 'not simulated', 'too coarse']
_ALIGNED = 0.5  # residual below which bands are recognised
_COVERED = 0.5  # of a window's measured width; below it the window counts as not simulated


@dataclass(frozen=True)
class WindowScore:
    """One row of the table; what a status has not is None.

    Attributes
    ----------
    low, high : float
        Ends, cm⁻¹.
    group : str
        Row of the summary.
    status : str
        ``scored``, ``no signal``, ``not simulated`` or ``too coarse``.
    area : float
        Weight: between the measured spectrum, less cell, and a straight line.
    spurious : float
        Predicted area that counts against the prediction where there is no signal.
    shift, residual, cost : float or None
        See the module.
    noise_residual : float or None
        Residual that counting noise alone gives a perfect prediction.
    scale : float or None
        Of this window, in units of the fitted scale.
    w1 : float or None
        Wasserstein's distance in the window, cm⁻¹; None where an area is not positive.
    at_bound : tuple of str
        What is at a bound: ``shift``, ``scale``, ``line``.
    """

    low: float
    high: float
    group: str
    status: Status
    area: float = 0.0
    spurious: float = 0.0
    shift: float | None = None
    residual: float | None = None
    cost: float | None = None
    noise_residual: float | None = None
    scale: float | None = None
    w1: float | None = None
    at_bound: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), 'at_bound': list(self.at_bound)}


@dataclass(frozen=True)
class Summary:
    """Sums over windows by area.

    Attributes
    ----------
    cost : float
        0 best, 1 worst.
    shift, bias, residual, w1 : float or None
        Mean of |δ|, of δ, of R and of W1, cm⁻¹; None where no window is scored.
    aligned_share : float
        Share of the area whose residual is below a half: the part in which shifts mean something.
    area : float
        Measured area that counts.
    spurious_share : float
        Share of spurious area in all that counts.
    counts : dict of str to int
        Windows by status.
    """

    cost: float
    shift: float | None
    bias: float | None
    residual: float | None
    w1: float | None
    aligned_share: float
    area: float
    spurious_share: float
    counts: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def score_windows(
    measured: Measurement,
    simulated: Simulation,
    fitted: FitResult,
    settings: WindowSettings,
) -> tuple[WindowScore, ...]:
    """Score every window.

    Parameters
    ----------
    measured : Measurement
        Its whole unmasked range is divided into windows.
    simulated : Simulation
        What is judged.
    fitted : FitResult
        Of the two.
    settings : WindowSettings
        Bounds and limits.

    Returns
    -------
    tuple of WindowScore
        By rising energy.

    Raises
    ------
    InputError
        If no window has signal above noise.
    """
    windows = find_windows(measured, settings)
    values = fitted.reduced(measured)

    def cut(window: Window, chosen: BoolArray) -> WindowData:
        return _cut(window, measured, values, fitted.factor, chosen)

    whole = [cut(window, measured.kept) for window in windows]
    floor = settings.signal_floor**2 * max(data.power for data in whole)
    rows = tuple(
        _score(window, data, cut(window, fitted.used), simulated, settings, floor)
        for window, data in zip(windows, whole, strict=True)
    )
    if not any(row.status in ('scored', 'not simulated') for row in rows):
        raise InputError('No window of the measured spectrum has a signal that can be scored.')
    return rows


def summarise(rows: Iterable[WindowScore]) -> Summary:
    """Sum windows up by area; see the module."""
    rows = tuple(rows)
    scored = [row for row in rows if row.status == 'scored']
    missing = sum(row.area for row in rows if row.status == 'not simulated')
    spurious = sum(row.spurious for row in rows)
    area = sum(row.area for row in scored) + missing
    aligned = sum(row.area for row in scored if (row.residual or 0.0) < _ALIGNED)
    counts = dict.fromkeys(('scored', 'no signal', 'not simulated', 'too coarse'), 0)
    for row in rows:
        counts[row.status] += 1
    total = area + spurious
    costs = sum(row.area * (row.cost or 0.0) for row in scored) + missing + spurious
    return Summary(
        cost=float(costs / total) if total > 0 else 0.0,
        shift=_mean(scored, [abs(row.shift or 0.0) for row in scored]),
        bias=_mean(scored, [row.shift for row in scored]),
        residual=_mean(scored, [row.residual for row in scored]),
        w1=_mean(scored, [row.w1 for row in scored]),
        aligned_share=float(aligned / area) if area > 0 else 0.0,
        area=float(area),
        spurious_share=float(spurious / total) if total > 0 else 0.0,
        counts=counts,
    )


def by_group(rows: Sequence[WindowScore], settings: WindowSettings) -> dict[str, Summary]:
    """Summary of each group that has windows, in the order of the settings."""
    parts = {name: [row for row in rows if row.group == name] for name, _ in settings.groups}
    return {name: summarise(part) for name, part in parts.items() if part}


def _mean(rows: Sequence[WindowScore], values: Sequence[float | None]) -> float | None:
    pairs = [
        (row.area, value) for row, value in zip(rows, values, strict=True) if value is not None
    ]
    total = sum(area for area, _ in pairs)
    return float(sum(area * value for area, value in pairs) / total) if total > 0 else None


def _cut(
    window: Window,
    measured: Measurement,
    values: FloatArray,
    factor: FloatArray,
    chosen: BoolArray,
) -> WindowData:
    bins = window.bins(measured.energies)
    inside = chosen[bins]
    return WindowData(
        low_edges=measured.edges[:-1][bins][inside],
        high_edges=measured.edges[1:][bins][inside],
        values=values[bins][inside],
        sigma=measured.sigma[bins][inside],
        factor=factor[bins][inside],
    )


def _score(
    window: Window,
    whole: WindowData,
    seen: WindowData,
    simulated: Simulation,
    settings: WindowSettings,
    floor: float,
) -> WindowScore:
    row = WindowScore(window.low, window.high, window.group, 'too coarse')
    if len(whole.values) < settings.min_bins:
        return row
    if not _has_signal(whole, floor, settings):
        return replace(
            row, status='no signal', spurious=_spurious(seen, simulated, settings, floor)
        )
    row = replace(row, area=_area(whole, whole.values))
    if len(seen.values) < settings.min_bins or seen.widths.sum() < _COVERED * whole.widths.sum():
        return replace(row, status='not simulated', cost=1.0)
    found = align(seen, simulated.running, settings)
    return replace(
        row,
        status='scored',
        shift=found.shift,
        residual=found.residual,
        cost=window_cost(found, settings),
        noise_residual=min(1.0, seen.noise_power / seen.power),
        scale=found.scale,
        w1=_transport(seen, simulated),
        at_bound=found.at_bound,
    )


def window_cost(found: Alignment, settings: WindowSettings) -> float:
    """Cost of one window: 0 best, 1 worst."""
    return 1 - (1 - min(1.0, abs(found.shift) / settings.max_shift)) * (1 - found.residual)


def _has_signal(data: WindowData, floor: float, settings: WindowSettings) -> bool:
    """Whether structure stands out of noise and of what the strongest window calls small."""
    power = data.power
    return power > floor and data.noise_power <= settings.noise_share * power


def _area(data: WindowData, values: FloatArray) -> float:
    """Area between values and their best straight line."""
    return float((np.abs(data.structure(values)) / np.sqrt(data.weights)) @ data.widths)


def _spurious(
    data: WindowData, simulated: Simulation, settings: WindowSettings, floor: float
) -> float:
    """Area of predicted structure beyond the measured one and beyond what noise would hide."""
    if len(data.values) < settings.min_bins:
        return 0.0
    values = data.simulated(simulated.running, np.zeros(1))[0]
    power = float((data.structure(values) ** 2).sum())
    hidden = max(floor, data.noise_power, data.power)
    # 1e-9: what is the same up to rounding is not beyond
    if power <= hidden * (1 + 1e-9):
        return 0.0
    return _area(data, values) * float(1 - np.sqrt(hidden / power))


def _transport(data: WindowData, simulated: Simulation) -> float | None:
    """Wasserstein's distance over the window, masked bins left out of both spectra."""
    theirs = data.simulated(simulated.running, np.zeros(1))[0]
    if not (data.values @ data.widths > 0 and theirs @ data.widths > 0):
        return None
    edges, mine, other = data.low_edges, data.values, theirs
    gaps = data.high_edges[:-1] < data.low_edges[1:]
    ends = np.insert(edges, np.flatnonzero(gaps) + 1, data.high_edges[:-1][gaps])
    mine = np.insert(mine, np.flatnonzero(gaps) + 1, 0.0)
    other = np.insert(other, np.flatnonzero(gaps) + 1, 0.0)
    return wasserstein(np.append(ends, data.high_edges[-1]), mine, other).distance
