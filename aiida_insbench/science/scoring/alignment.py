r"""Shift and residual of one window: how far a band is off, and how wrong it is when moved there.

With means over the window's bins (weights: bin widths), the structure of the measured spectrum is
what is left of it beside a straight line, :math:`y_\perp`, and

.. math:: R(\delta) = \min_{a} \frac{\int (y_\perp - a\,s_\perp(E + \delta))^2\,dE}
          {\int y_\perp^2\,dE}, \qquad
          \delta^* = \arg\min_{|\delta| \le \delta_\max} R(\delta)

with the scale a within a factor of the fitted one. :math:`\delta^* > 0` means that the prediction
lies too high. The residual is R(δ*) with the straight line bounded as well, and no more than 1.
With nothing at a bound it is :math:`1 - r^2`, Pearson's r of the two structures; 0 is the
same, 1 as bad as no feature at all. The straight line makes it so: a featureless spectrum can
follow the trend within a window, and must not be paid for that. A shift means little where the
residual is large. Intensities weigh energies; they are never themselves the axis.

References
----------
Li, Hibbert, Fuller & Vaughn, *Chemom. Intell. Lab. Syst.* 82, 50 (2006): squared correlation as a
match of spectra, and that it falls fast with the shift of a peak.
Henschel, Andersson, Jespers, Ghahremanpour & van der Spoel, *J. Chem. Theory Comput.* 16, 3307
(2020): Pearson's r for calculated against measured infrared spectra.
von der Esch, Peters, Sauerland & Ochsenfeld, *J. Chem. Theory Comput.* 17, 985 (2021): that
Pearson's r is the most suitable of such measures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize_scalar

from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.rebinning import RunningIntegral
from aiida_insbench.science.scoring.least_squares import bounded_least_squares
from aiida_insbench.science.scoring.settings import WindowSettings

_NEAR = 1e-6
_CHUNK = 65536  # numbers held at once in the search over shifts


@dataclass(frozen=True)
class WindowData:
    """Measured bins of one window, less background and cell.

    Parameters
    ----------
    low_edges, high_edges : ndarray, shape (n,)
        Edges of the bins; masked bins are left out, so they need not touch.
    values : ndarray, shape (n,)
        Means over the bins.
    sigma : ndarray, shape (n,)
        Counting errors, 0 where not known.
    factor : ndarray, shape (n,)
        By which the simulated spectrum is multiplied.
    """

    low_edges: FloatArray
    high_edges: FloatArray
    values: FloatArray
    sigma: FloatArray
    factor: FloatArray

    @property
    def widths(self) -> FloatArray:
        """Bin widths, cm⁻¹."""
        return self.high_edges - self.low_edges

    @property
    def weights(self) -> FloatArray:
        """Shares of the bins in the window; their sum is 1."""
        return np.asarray(self.widths / self.widths.sum())

    @property
    def place(self) -> FloatArray:
        """Energy from 0 at the first bin to 1 at the last."""
        centres = (self.low_edges + self.high_edges) / 2
        return np.asarray((centres - centres[0]) / (centres[-1] - centres[0]))

    def structure(self, values: FloatArray) -> FloatArray:
        """Weighted deviation from the best straight line, along the last axis.

        Its sum of squares is the mean square of the deviation.
        """
        weighted = values * np.sqrt(self.weights)
        return np.asarray(weighted - (weighted @ self._lines) @ self._lines.T)

    @cached_property
    def _lines(self) -> FloatArray:
        """Straight lines, orthonormal and weighted: shape (n, 2)."""
        root = np.sqrt(self.weights)
        return np.asarray(
            np.linalg.qr(np.stack((root, self.place * root), axis=1), mode='reduced')[0]
        )

    @cached_property
    def power(self) -> float:
        """Mean square of the measured structure; 0 where two bins or fewer leave none."""
        if len(self.values) < 3:
            return 0.0
        return float((self.structure(self.values) ** 2).sum())

    @property
    def noise_power(self) -> float:
        """What counting noise adds to it."""
        return float(self.weights @ self.sigma**2)

    def simulated(self, running: RunningIntegral, shifts: FloatArray) -> FloatArray:
        """Scaled simulation, taken from higher energies by each shift: shape (n_shifts, n)."""
        ends = running.upto(self.high_edges + shifts[:, None])
        starts = running.upto(self.low_edges + shifts[:, None])
        return np.asarray((ends - starts) / self.widths * self.factor)


@dataclass(frozen=True)
class Alignment:
    """One window aligned.

    Attributes
    ----------
    shift : float
        Prediction − measurement, cm⁻¹; positive where the prediction is too blue.
    residual : float
        From 0, the same, to 1, as bad as featureless.
    scale : float
        In units of the fitted scale.
    line : (float, float)
        Straight line at the two ends, unit of the intensity.
    at_bound : tuple of str
        Which of ``shift``, ``scale`` and ``line`` are at a bound.
    """

    shift: float
    residual: float
    scale: float
    line: tuple[float, float]
    at_bound: tuple[str, ...]


def align(data: WindowData, running: RunningIntegral, settings: WindowSettings) -> Alignment:
    """Find shift and residual of a window.

    Parameters
    ----------
    data : WindowData
        At least `min_bins` bins with structure in them.
    running : RunningIntegral
        Of the simulated spectrum.
    settings : WindowSettings
        Bounds.

    Returns
    -------
    Alignment
        The smallest shift among equally good ones.

    Raises
    ------
    ComputationError
        If the window holds no structure, or the bounded fit does not converge.
    """
    target = data.structure(data.values)
    power = float(target @ target)
    if not power > 0:
        raise ComputationError('A window without structure cannot be aligned.')

    def misfit(shifts: FloatArray) -> FloatArray:
        theirs = data.structure(data.simulated(running, shifts))
        own, common = (theirs**2).sum(axis=1), theirs @ target
        scale = np.clip(
            common / np.where(own > 0, own, 1.0), 1 / settings.scale_factor, settings.scale_factor
        )
        return np.asarray(1 - (2 * scale * common - scale**2 * own) / power)

    shift = _best_shift(misfit, settings, len(target))
    return _bounded(data, running, settings, shift, power)


def _best_shift(
    misfit: Callable[[FloatArray], FloatArray], settings: WindowSettings, size: int
) -> float:
    limit, step = settings.max_shift, settings.shift_step
    half = int(np.floor(limit / step))
    shifts = np.unique(np.concatenate(([-limit], np.arange(-half, half + 1) * step, [limit])))
    shifts = shifts[np.argsort(np.abs(shifts), kind='stable')]  # of equals the smallest is taken
    rows = max(1, _CHUNK // size)
    values = np.concatenate(
        [misfit(shifts[start : start + rows]) for start in range(0, len(shifts), rows)]
    )
    # 1e-12: misfits that differ by rounding are equal
    best = int(np.argmax(values <= values.min() + 1e-12))
    start = float(shifts[best])
    search = minimize_scalar(
        lambda shift: float(misfit(np.array([shift]))[0]),
        bounds=(max(-limit, start - step), min(limit, start + step)),
        method='bounded',
        options={'xatol': 1e-3},
    )
    return float(search.x) if search.fun < values[best] - 1e-12 else start


def _bounded(
    data: WindowData,
    running: RunningIntegral,
    settings: WindowSettings,
    shift: float,
    power: float,
) -> Alignment:
    """Scale and straight line within their bounds, at the shift found."""
    root = np.sqrt(data.weights)
    theirs = data.simulated(running, np.array([shift]))[0]
    level = float(data.weights @ np.abs(data.values))
    matrix = np.stack((theirs, (1 - data.place) * level, data.place * level), axis=1)
    share = max(settings.line_share, _NEAR)
    factor = max(settings.scale_factor, 1 + _NEAR)
    lower, upper = np.array([1 / factor, -share, -share]), np.array([factor, share, share])
    weighted, target = matrix * root[:, None] / level, data.values * root / level
    found = bounded_least_squares(weighted, target, lower=lower, upper=upper)
    residual = float(((weighted @ found - target) ** 2).sum()) * level**2 / power
    near = (found - lower < _NEAR) | (upper - found < _NEAR)
    named = {
        'shift': settings.max_shift - abs(shift) < 1e-3,
        'scale': bool(near[0]),
        'line': bool(near[1:].any()),
    }
    return Alignment(
        shift=shift,
        residual=float(min(residual, 1.0)),
        scale=float(found[0]),
        line=(float(found[1] * level), float(found[2] * level)),
        at_bound=tuple(name for name, there in named.items() if there),
    )
