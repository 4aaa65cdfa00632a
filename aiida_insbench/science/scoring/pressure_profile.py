"""Scores of a spectrum whose pressure is known within an error: profiled, and both P reported.

Clamp cells lose pressure on cooling, and 0.2 GPa are 4 cm⁻¹ for a band that shifts by 20 cm⁻¹/GPa.
The headline is that of the best pressure within the error; it stands beside the one at the stated
pressure. Pressures in GPa.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.score import score_summary, with_windows
from aiida_insbench.science.scoring.settings import ScoringSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation
from aiida_insbench.science.scoring.window_scores import Summary

SpectrumAt = Callable[[float], Simulation]


@dataclass(frozen=True)
class PressureProfile:
    """Scores over pressure.

    Attributes
    ----------
    stated, error : float
        GPa.
    stated_summary, best_summary : Summary
        At the stated pressure and at the best one.
    best : float
        Pressure of the lowest cost within the error, GPa.
    pressures, costs : tuple of float
        The profile.
    at_end : bool
        Whether the best pressure is at an end of the range: then the true one may be beyond.
    narrowed : bool
        Whether the range was cut to the simulated pressures.
    """

    stated: float
    error: float
    stated_summary: Summary
    best_summary: Summary
    best: float
    pressures: tuple[float, ...]
    costs: tuple[float, ...]
    at_end: bool
    narrowed: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            'stated': self.stated,
            'error': self.error,
            'stated_summary': self.stated_summary.to_dict(),
            'best': self.best,
            'best_summary': self.best_summary.to_dict(),
            'pressures': list(self.pressures),
            'costs': list(self.costs),
            'at_end': self.at_end,
            'narrowed': self.narrowed,
        }


def profile_pressure(
    measured: Measurement,
    spectrum_at: SpectrumAt,
    settings: ScoringSettings,
    *,
    pressure: float,
    error: float,
    simulated_range: tuple[float, float] | None = None,
    n_points: int = 7,
    cell: Simulation | None = None,
) -> PressureProfile:
    """Profile the score over the pressures that the error allows.

    Parameters
    ----------
    measured : Measurement
        Data.
    spectrum_at : callable
        Gives the simulated spectrum at a pressure; see `mode_interpolation` and
        `quantile_interpolation`.
    settings : ScoringSettings
        Rules.
    pressure, error : float
        As stated; the range is pressure ± error. An error of 0 scores the stated pressure alone.
    simulated_range : (float, float), optional
        The range is cut to it.
    n_points : int
        Points of the profile, before the best is refined between its neighbours; at least 3.
    cell : Simulation, optional
        As in `score_spectrum`.

    Returns
    -------
    PressureProfile
        Best and stated pressure with their scores.

    Raises
    ------
    InputError
        If the error is negative, or the stated pressure is not simulated.
    """
    if not (math.isfinite(pressure) and math.isfinite(error) and error >= 0 and n_points >= 3):
        raise InputError(
            f'A profile needs a pressure, an error ≥ 0 and at least 3 points: {pressure} ± '
            f'{error} GPa, {n_points}.'
        )
    low, high, narrowed = _range(pressure, error, simulated_range)
    fixed = with_windows(measured, settings)

    def at(place: float) -> Summary:
        return score_summary(measured, spectrum_at(place), fixed, cell=cell)

    places = np.unique(np.append(np.linspace(low, high, n_points), pressure))
    found = {float(place): at(float(place)) for place in places}
    if high > low:
        best = _best(found)
        index = int(np.searchsorted(places, best))
        around = places[max(0, index - 1)], places[min(len(places) - 1, index + 1)]
        search = minimize_scalar(
            lambda place: at(float(place)).cost,
            bounds=around,
            method='bounded',
            options={'xatol': 1e-3 * (high - low), 'maxiter': 12},
        )
        found[float(search.x)] = at(float(search.x))
    best = _best(found)
    every = sorted(found)
    return PressureProfile(
        stated=float(pressure),
        error=float(error),
        stated_summary=found[float(pressure)],
        best_summary=found[best],
        best=best,
        pressures=tuple(every),
        costs=tuple(found[place].cost for place in every),
        at_end=high > low and min(best - low, high - best) < 0.01 * (high - low),
        narrowed=narrowed,
    )


def _best(found: dict[float, Summary]) -> float:
    return min(found, key=lambda place: (found[place].cost, place))


def _range(
    pressure: float, error: float, simulated: tuple[float, float] | None
) -> tuple[float, float, bool]:
    low, high = pressure - error, pressure + error
    if simulated is None:
        return low, high, False
    if not simulated[0] <= pressure <= simulated[1]:
        raise InputError(
            f'The stated pressure, {pressure:g} GPa, is not within the simulated ones, '
            f'{simulated[0]:g} to {simulated[1]:g} GPa.'
        )
    narrowed = low < simulated[0] or high > simulated[1]
    return max(low, simulated[0]), min(high, simulated[1]), narrowed
