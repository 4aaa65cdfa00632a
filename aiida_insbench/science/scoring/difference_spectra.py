r"""What pressure changes in a spectrum: S(P) − S(0), measured against simulated.

Only for data from the same cell, as its lines and background go out only then. The simulated
difference has the scale that was fitted at the lower pressure; in each window, beside straight
lines,

.. math:: R = \min_a \frac{\int (D_\perp - a\,d_\perp)^2 dE}{\int D_\perp^2\,dE}

with measured and simulated differences D, d and a near 1 within a stated factor; R is at most 1.
There is no shift here: to move bands is what pressure does. Energies in cm⁻¹.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.alignment import WindowData
from aiida_insbench.science.scoring.fitting import fit
from aiida_insbench.science.scoring.settings import ScoringSettings
from aiida_insbench.science.scoring.spectra import BoolArray, Measurement, Simulation
from aiida_insbench.science.scoring.windows import Window, find_windows


@dataclass(frozen=True)
class DifferenceRow:
    """One window.

    Attributes
    ----------
    low, high : float
        Ends, cm⁻¹.
    group : str
        Row of the window table.
    status : str
        ``scored``, ``no signal`` or ``too coarse``.
    area : float
        Weight: area of the measured difference beside a straight line; that of the predicted one
        where none is measured.
    residual : float or None
        0 … 1; 1 for a predicted difference beyond noise where none is measured.
    correlation : float or None
        Pearson's r of the two; below zero where bands move the wrong way.
    """

    low: float
    high: float
    group: str
    status: str
    area: float = 0.0
    residual: float | None = None
    correlation: float | None = None


@dataclass(frozen=True)
class DifferenceScore:
    """All windows.

    Attributes
    ----------
    cost : float or None
        Mean residual by area, 0 best … 1 worst; None where nothing is measured to change.
    rows : tuple of DifferenceRow
        The table.
    overlay : dict of ndarray, shape (n,)
        On the measured bins: ``energy``, ``target``, ``error``, ``simulated`` (both differences, in
        the unit of the measured intensity) and ``used``.
    """

    cost: float | None
    rows: tuple[DifferenceRow, ...]
    overlay: dict[str, FloatArray] = field(default_factory=dict, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; arrays of the overlay are left out."""
        return {'cost': self.cost, 'windows': [asdict(row) for row in self.rows]}


def score_difference(
    measured: tuple[Measurement, Measurement],
    simulated: tuple[Simulation, Simulation],
    settings: ScoringSettings,
    *,
    cells: tuple[str, str],
) -> DifferenceScore:
    """Score a difference of spectra.

    Parameters
    ----------
    measured, simulated : tuple of two
        At the lower and at the higher pressure; measured ones on the same bins.
    settings : ScoringSettings
        Fit and windows.
    cells : (str, str)
        Which cell, and which run of it, each spectrum was measured in.

    Returns
    -------
    DifferenceScore
        Cost and table.

    Raises
    ------
    InputError
        If the cells or the bins differ, or the simulation does not overlap.
    """
    lower, higher = measured
    _check(lower, higher, cells)
    fitted = fit(lower, simulated[0], settings.fit)
    used = fitted.used & higher.kept & simulated[1].covers(higher.edges)
    theirs = fitted.factor * (
        simulated[1].running.means(lower.edges) - simulated[0].running.means(lower.edges)
    )
    values = np.where(used, higher.values - lower.values, 0.0)
    sigma = np.hypot(lower.sigma, higher.sigma)
    pieces = [
        (window, _data(window, lower, values, sigma, used), theirs[_inside(window, lower, used)])
        for window in find_windows(lower, settings.windows)
    ]
    powers = [data.power for _, data, _ in pieces]
    floor = settings.windows.signal_floor**2 * max(powers)
    rows = tuple(_row(window, data, other, settings, floor) for window, data, other in pieces)
    area = sum(row.area for row in rows)
    return DifferenceScore(
        cost=sum(row.area * (row.residual or 0.0) for row in rows) / area if area > 0 else None,
        rows=rows,
        overlay={
            'energy': np.asarray(lower.energies),
            'target': values,
            'error': sigma,
            'simulated': np.where(used, theirs, 0.0),
            'used': used.astype(np.float64),
        },
    )


def _check(lower: Measurement, higher: Measurement, cells: tuple[str, str]) -> None:
    if cells[0] != cells[1] or not cells[0].strip():
        raise InputError(
            format_error(
                f'A difference needs spectra from the same cell, not {cells[0]!r} and '
                f'{cells[1]!r}.',
                reason='Lines and background of the cell go out only then.',
                fix='Score the spectra one by one.',
            )
        )
    if lower.edges.shape != higher.edges.shape or not np.allclose(lower.edges, higher.edges):
        raise InputError('A difference needs both measured spectra on the same bins.')


def _inside(window: Window, measured: Measurement, used: BoolArray) -> BoolArray:
    centres = measured.energies
    return np.asarray((centres >= window.low) & (centres < window.high) & used)


def _data(
    window: Window, measured: Measurement, values: FloatArray, sigma: FloatArray, used: BoolArray
) -> WindowData:
    inside = _inside(window, measured, used)
    return WindowData(
        low_edges=measured.edges[:-1][inside],
        high_edges=measured.edges[1:][inside],
        values=values[inside],
        sigma=sigma[inside],
        factor=np.ones(int(inside.sum())),
    )


def _row(
    window: Window,
    data: WindowData,
    theirs: FloatArray,
    settings: ScoringSettings,
    floor: float,
) -> DifferenceRow:
    names = (window.low, window.high, window.group)
    if len(data.values) < settings.windows.min_bins:
        return DifferenceRow(*names, status='too coarse')
    target, other = data.structure(data.values), data.structure(theirs)
    power, own, common = float(target @ target), float(other @ other), float(target @ other)
    if power <= floor or data.noise_power > settings.windows.noise_share * power:
        hidden = max(floor, data.noise_power, power)
        if own <= hidden * (1 + 1e-9):
            return DifferenceRow(*names, status='no signal')
        spurious = _area(data, other) * float(1 - np.sqrt(hidden / own))
        return DifferenceRow(*names, status='no signal', area=spurious, residual=1.0)
    factor = settings.windows.scale_factor
    scale = float(np.clip(common / own, 1 / factor, factor)) if own > 0 else 1.0
    residual = 1 - (2 * scale * common - scale**2 * own) / power
    return DifferenceRow(
        *names,
        status='scored',
        area=_area(data, target),
        residual=min(1.0, max(0.0, residual)),
        correlation=common / float(np.sqrt(power * own)) if own > 0 else None,
    )


def _area(data: WindowData, structure: FloatArray) -> float:
    return float((np.abs(structure) / np.sqrt(data.weights)) @ data.widths)
