r"""Uncertainty of a score: from counting, committee, pressure and convergence, and all together.

- *Counting*: intensities are drawn anew within their errors, and scored again: a parametric
  bootstrap. As each draw has the noise twice, costs rise by a bias, which is told; the error is
  their scatter.
- *Committee*: standard deviation over the members of a committee of potentials.
- *Pressure*: root mean square of the changes one error above and below the stated pressure, as far
  as that is simulated.
- *Convergence*: largest change among simulations with coarser settings, or, where there are none,
  root mean square of the changes among spectra spoilt by the simulation's own error, see
  `convergence_draws`.

The total is the root of the sum of squares, as the components have different causes. That of the
pressure is common to all potentials on one target. Energies in cm⁻¹.

References
----------
Efron, *Ann. Statist.* 7, 1 (1979); Efron & Tibshirani, *An Introduction to the Bootstrap* (1993),
ch. 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.convergence_draws import spoilt_by
from aiida_insbench.science.scoring.pressure_profile import SpectrumAt
from aiida_insbench.science.scoring.score import score_summary, with_windows
from aiida_insbench.science.scoring.settings import ScoringSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation
from aiida_insbench.science.scoring.window_scores import Summary

#: What has an uncertainty: cost, mean |shift| in cm⁻¹, mean residual.
QUANTITIES = ('cost', 'shift', 'residual')
_DRAWS = 40
#: So many times fewer draws for convergence, which is no more than an estimate.
_FEWER = 4
_PLAIN_RESOLUTION = 5.0  # cm⁻¹, where an instrument's is not known


@dataclass(frozen=True)
class Component:
    """One source of uncertainty.

    Attributes
    ----------
    cost, shift, residual : float
        Standard errors; NaN where a shift or a residual is not known.
    samples : int
        Number of scores behind it.
    bias : float
        Mean cost of these scores less that of the score itself.
    changes : tuple of float
        Change of the cost in each of them, where they mean the same for every potential on the
        target: one set of redrawn counts, one side of the pressure. Else empty.
    """

    cost: float
    shift: float
    residual: float
    samples: int
    bias: float = 0.0
    changes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Uncertainty:
    """All sources that were looked at.

    Attributes
    ----------
    components : dict of str to Component
        ``counting``, ``committee``, ``pressure``, ``convergence``, those that are known.
    cost, shift, residual : float
        Totals.
    """

    components: dict[str, Component]
    cost: float
    shift: float
    residual: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; NaN becomes None."""
        plain = asdict(self)
        return {key: _plain(value) for key, value in plain.items()}


def uncertainty(
    measured: Measurement,
    simulated: Simulation,
    settings: ScoringSettings,
    *,
    seed: int,
    draws: int = _DRAWS,
    committee: Sequence[Simulation] = (),
    spectrum_at: SpectrumAt | None = None,
    pressure: float | None = None,
    pressure_error: float | None = None,
    simulated_range: tuple[float, float] | None = None,
    coarser: Sequence[Simulation] = (),
    convergence: float | None = None,
    cell: Simulation | None = None,
) -> Uncertainty:
    """Uncertainty of one score from all sources that are given.

    Parameters
    ----------
    measured : Measurement
        With counting errors, or that source is left out.
    simulated : Simulation
        What is scored.
    settings : ScoringSettings
        Rules; windows stay those of the data as measured.
    seed, draws : int
        Of the bootstrap; a quarter as many for the error of convergence.
    committee : sequence of Simulation
        Spectra of at least two members.
    spectrum_at : callable, optional
        Spectrum at a pressure.
    pressure, pressure_error : float, optional
        GPa, with `spectrum_at`.
    simulated_range : (float, float), optional
        Pressures one error away are cut to it, GPa.
    coarser : sequence of Simulation
        With coarser meshes, fewer directions and the like.
    convergence : float, optional
        What the simulation itself says it is off, in per cent of its area; not beside `coarser`.
    cell : Simulation, optional
        As in `score_spectrum`.

    Returns
    -------
    Uncertainty
        Components and totals.

    Raises
    ------
    InputError
        If there are fewer than two draws, one single member, a pressure without its error, or two
        sources of the error of convergence.
    """
    fixed = with_windows(measured, settings)

    def scored(data: Measurement, spectrum: Simulation) -> FloatArray:
        return _numbers(score_summary(data, spectrum, fixed, cell=cell))

    centre = scored(measured, simulated)
    found: dict[str, Component] = {}
    if measured.error is not None:
        rows = [scored(one, simulated) for one in _redrawn(measured, seed, draws)]
        found['counting'] = _common(_scatter(rows, centre), rows, centre)
    if committee:
        if len(committee) < 2:
            raise InputError('A committee has at least two members.')
        found['committee'] = _scatter([scored(measured, one) for one in committee], centre)
    if spectrum_at is not None:
        if pressure is None or pressure_error is None or not pressure_error >= 0:
            raise InputError('The error of a pressure needs the pressure and an error ≥ 0.')
        places = _sides(pressure, pressure_error, simulated_range)
        at, *sides = (scored(measured, spectrum_at(place)) for place in (pressure, *places))
        if sides:
            found['pressure'] = _common(_component(_rms(sides, at), sides, at), sides, at)
    spoilt = _spoilt(measured, simulated, coarser, convergence, seed=seed, draws=draws)
    if spoilt or coarser:
        rows = [scored(measured, one) for one in spoilt or coarser]
        largest = np.abs(np.array(rows) - centre).max(axis=0)
        found['convergence'] = _component(_rms(rows, centre) if spoilt else largest, rows, centre)
    totals = [
        float(np.sqrt(np.nansum([getattr(one, name) ** 2 for one in found.values()])))
        for name in QUANTITIES
    ]
    return Uncertainty(found, *totals)


def _sides(
    pressure: float, error: float, simulated: tuple[float, float] | None
) -> tuple[float, ...]:
    """Pressures one error below and above, those that differ from the stated one."""
    low, high = simulated or (-np.inf, np.inf)
    places = (max(pressure - error, low), min(pressure + error, high))
    return tuple(place for place in places if place != pressure)


def _spoilt(
    measured: Measurement,
    simulated: Simulation,
    coarser: Sequence[Simulation],
    percent: float | None,
    *,
    seed: int,
    draws: int,
) -> list[Simulation]:
    """Spectra that differ by what convergence leaves open; none where that is not known."""
    if percent is None:
        return []
    if coarser:
        raise InputError('`coarser` and `convergence` are two sources of one error; give one.')
    plain = np.full(len(measured.energies), _PLAIN_RESOLUTION)
    return spoilt_by(
        simulated,
        percent,
        energies=measured.energies,
        resolution=plain if measured.resolution is None else measured.resolution,
        seed=seed,
        draws=max(2, draws // _FEWER),
    )


def _redrawn(measured: Measurement, seed: int, draws: int) -> list[Measurement]:
    if draws < 2:
        raise InputError(f'A bootstrap needs at least two draws, not {draws}.')
    generator = np.random.default_rng(seed)
    return [
        replace(measured, intensity=measured.values + generator.normal(0.0, 1.0, size) * sigma)
        for size, sigma in [(len(measured.energies), measured.sigma)] * draws
    ]


def _numbers(summary: Summary) -> FloatArray:
    values = [getattr(summary, name) for name in QUANTITIES]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _scatter(rows: Sequence[FloatArray], centre: FloatArray) -> Component:
    return _component(np.std(rows, axis=0, ddof=1), rows, centre)


def _rms(rows: Sequence[FloatArray], centre: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(((np.array(rows) - centre) ** 2).mean(axis=0)))


def _component(errors: FloatArray, rows: Sequence[FloatArray], centre: FloatArray) -> Component:
    bias = float(np.mean([row[0] for row in rows]) - centre[0])
    cost, shift, residual = (float(error) for error in errors)
    return Component(cost, shift, residual, samples=len(rows), bias=bias)


def _common(one: Component, rows: Sequence[FloatArray], centre: FloatArray) -> Component:
    return replace(one, changes=tuple(float(row[0] - centre[0]) for row in rows))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
