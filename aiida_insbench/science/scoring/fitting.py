r"""Fit of the stated freedoms, all of them bounded, and of no other.

.. math:: y(E) \approx a\,e^{-\tau\sqrt{E_0/(E + E_f)}}\,s(E) + c\,y_\mathrm{cell}(E)
          + \sum_k b_k B_k(E)

with the simulated spectrum s, scale a, absorption τ of the sample (∝ 1/v of the incident neutrons,
of energy :math:`E + E_f`, in units of its value at 25.3 meV), amplitude c of a given cell spectrum
and Bernstein polynomials :math:`B_k`: as these are positive and add up to one, bounds of the
coefficients are bounds of the background everywhere and of its share of the area.

Weights are :math:`1/(\sigma^2 + f^2)` with the counting error and the floor of the model error.
Both sides are smoothed by a Gaussian as wide as the largest shift, so that a right spectrum at
slightly wrong energies nearly keeps its scale. Smoothing is linear in the data, so errors follow
exactly.

References
----------
Mitchell, Parker, Ramirez-Cuesta & Tomkinson, *Vibrational Spectroscopy with Neutrons* (2005),
ch. 3: what reaches the detector of an indirect-geometry spectrometer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.fit_functions import attenuation, bernstein
from aiida_insbench.science.scoring.fit_result import FitResult, FittedValue
from aiida_insbench.science.scoring.least_squares import bounded_least_squares
from aiida_insbench.science.scoring.model_error import mean_level
from aiida_insbench.science.scoring.settings import FitSettings
from aiida_insbench.science.scoring.spectra import (
    BoolArray,
    Measurement,
    Simulation,
)

_LEAST_BINS = 8
_NEAR = 1e-6  # of the range between bounds, within which a value is at its bound
_DEPENDENT = 1e-8  # smallest singular value of columns of length 1 that can be told apart
_STEPS = 4  # points of the smoothed comparison per standard deviation of the smoothing


@dataclass(frozen=True)
class _Problem:
    """Least squares with bounds: columns on the points compared, smoothed and weighted."""

    names: tuple[str, ...]
    columns: FloatArray  # (n_bins, n_parameters), on the measured bins
    lower: FloatArray
    upper: FloatArray
    operator: FloatArray  # (n_points, n_bins), smoothing and choice of bins
    weights: FloatArray  # (n_points,), square roots


def fit(
    measured: Measurement,
    simulated: Simulation,
    settings: FitSettings,
    *,
    cell: Simulation | None = None,
) -> FitResult:
    """Fit scale, background, cell and transmission.

    Parameters
    ----------
    measured : Measurement
        Of which the bins that the mask keeps and the simulation covers count.
    simulated : Simulation
        Put on the measured bins by its integral.
    settings : FitSettings
        What is free, and how far.
    cell : Simulation, optional
        Measured or given spectrum of the empty cell, in the unit of the measured one.

    Returns
    -------
    FitResult
        Every value with its bounds.

    Raises
    ------
    InputError
        If the simulation or the cell's spectrum does not overlap the measured range, or the
        simulated area is not positive.
    ComputationError
        If the least squares do not converge.
    """
    used = measured.kept & simulated.covers(measured.edges)
    _check_overlap(measured, simulated, used)
    if cell is not None and not (measured.kept & cell.covers(measured.edges)).any():
        raise InputError('The spectrum of the cell does not overlap the measured range.')
    sample = np.where(used, simulated.running.means(measured.edges), 0.0)
    area = float(sample @ measured.widths)
    if not area > 0:
        raise InputError('The simulated intensity in the measured range is not more than zero.')
    # a sum of areas, not a fit: bounds must not hang on how well the bands agree
    ratio = float(measured.values[used] @ measured.widths[used]) / area
    if not ratio > 0:
        raise InputError('The measured intensity where it is simulated is not more than zero.')
    problem = _problem(measured, sample, used, settings, cell, ratio)
    misfit, tau, values = _solve(problem, measured, settings)
    return _result(problem, measured, used, settings, tau, values, misfit)


def _check_overlap(measured: Measurement, simulated: Simulation, used: BoolArray) -> None:
    if int(used.sum()) < _LEAST_BINS:
        edges, theirs = measured.edges, simulated.running.edges
        raise InputError(
            format_error(
                f'The simulated spectrum ({theirs[0]:.0f} to {theirs[-1]:.0f} cm⁻¹) covers '
                f'{int(used.sum())} bins of the measured one ({edges[0]:.0f} to '
                f'{edges[-1]:.0f} cm⁻¹).',
                reason=f'At least {_LEAST_BINS} that are not masked are needed.',
                fix='Check the unit of the energies (meV or cm⁻¹) and the ranges.',
            )
        )


def _problem(
    measured: Measurement,
    sample: FloatArray,
    used: BoolArray,
    settings: FitSettings,
    cell: Simulation | None,
    ratio: float,
) -> _Problem:
    level = mean_level(measured)
    names, columns = ['scale'], [sample]
    lower, upper = [settings.scale_range[0] * ratio], [settings.scale_range[1] * ratio]
    if cell is not None:
        names.append('cell')
        inside = cell.covers(measured.edges)
        columns.append(np.where(inside, cell.running.means(measured.edges), 0.0))
        lower.append(settings.cell_range[0])
        upper.append(settings.cell_range[1])
    if settings.background_order is not None:
        energies = measured.energies
        ends = energies[measured.kept][[0, -1]]
        for index, column in enumerate(
            bernstein(energies, settings.background_order, low=ends[0], high=ends[1]).T
        ):
            names.append(f'background {index}')
            columns.append(column)
            lower.append(settings.background_share[0] * level)
            upper.append(settings.background_share[1] * level)
    operator = _operator(measured, used, settings.smoothing)
    variance = operator**2 @ measured.sigma**2 + (settings.model_floor * level) ** 2
    return _Problem(
        names=tuple(names),
        columns=np.array(columns).T,
        lower=np.array(lower),
        upper=np.array(upper),
        operator=operator,
        weights=1 / np.sqrt(variance),
    )


def _operator(measured: Measurement, used: BoolArray, smoothing: float) -> FloatArray:
    """Means under a Gaussian at even points, over the bins that count; or just these bins."""
    if smoothing == 0:
        return np.eye(len(used))[used]
    low, high = measured.energies[used][[0, -1]]
    points = np.linspace(low, high, max(2, int((high - low) / smoothing * _STEPS) + 1))
    shares = np.exp(-((points[:, None] - measured.energies) ** 2) / (2 * smoothing**2))
    shares *= np.where(used, measured.widths, 0.0)
    total = shares.sum(axis=1)
    # in the middle of a wide mask there is nothing to compare
    seen = total > 0.1 * np.sqrt(2 * np.pi) * smoothing
    if not seen.any():
        seen = total > 0
    return np.asarray(shares[seen] / total[seen, None])


def _solve(
    problem: _Problem, measured: Measurement, settings: FitSettings
) -> tuple[float, float | None, FloatArray]:
    """Linear where it is linear; the absorption by a search outside."""
    target = problem.weights * (problem.operator @ measured.values)

    def at(tau: float) -> tuple[float, FloatArray]:
        columns = problem.columns.copy()
        columns[:, 0] *= attenuation(measured.energies, tau, settings.final_energy)
        matrix = problem.weights[:, None] * (problem.operator @ columns)
        found = bounded_least_squares(matrix, target, lower=problem.lower, upper=problem.upper)
        return float(((matrix @ found - target) ** 2).sum()), found

    if settings.transmission is None:
        misfit, values = at(0.0)
        return misfit, None, values
    search = minimize_scalar(
        lambda tau: at(tau)[0], bounds=(0.0, settings.transmission), method='bounded'
    )
    # the search never reaches its ends
    best = min((0.0, float(search.x), settings.transmission), key=lambda tau: at(tau)[0])
    misfit, values = at(best)
    return misfit, best, values


def _result(
    problem: _Problem,
    measured: Measurement,
    used: BoolArray,
    settings: FitSettings,
    tau: float | None,
    values: FloatArray,
    misfit: float,
) -> FitResult:
    factor = attenuation(measured.energies, tau or 0.0, settings.final_energy)
    columns = problem.columns.copy()
    columns[:, 0] *= factor
    covariance, deficient = _covariance(problem, columns, measured, values)
    errors = np.sqrt(np.diag(covariance))
    fitted = [
        _value(*one)
        for one in zip(problem.names, values, problem.lower, problem.upper, errors, strict=True)
    ]
    if tau is not None and settings.transmission is not None:
        fitted.append(_value('transmission', tau, 0.0, settings.transmission, None))
    parts = {
        kind: columns[:, chosen] @ values[chosen]
        for kind in ('background', 'cell')
        for chosen in [[i for i, name in enumerate(problem.names) if name.startswith(kind)]]
    }
    return FitResult(
        values=tuple(fitted),
        covariance=covariance,
        rank_deficient=deficient,
        used=used,
        factor=values[0] * factor,
        sample=columns[:, 0] * values[0],
        background=parts['background'],
        cell=parts['cell'],
        shares=_shares(measured, used, parts),
        misfit=misfit,
    )


def _covariance(
    problem: _Problem, columns: FloatArray, measured: Measurement, values: FloatArray
) -> tuple[FloatArray, bool]:
    """Covariance by the counting errors; what is at a bound is held there."""
    span = problem.upper - problem.lower
    free = (values - problem.lower > _NEAR * span) & (problem.upper - values > _NEAR * span)
    every = problem.weights[:, None] * (problem.operator @ columns)
    norms = np.linalg.norm(every, axis=0)
    norms[norms == 0] = 1.0
    deficient = np.linalg.matrix_rank(every / norms, tol=_DEPENDENT) < len(values)
    covariance = np.zeros((len(values), len(values)))
    if free.any():
        # of the estimate, that is linear in the data: x = G y
        estimate = np.linalg.pinv((every / norms)[:, free], rcond=_DEPENDENT)
        gain = (estimate / norms[free, None] * problem.weights) @ problem.operator
        covariance[np.ix_(free, free)] = (gain * measured.sigma**2) @ gain.T
    return covariance, bool(deficient)


def _value(name: str, value: float, lower: float, upper: float, error: float | None) -> FittedValue:
    near = _NEAR * (upper - lower)
    at_bound = 'lower' if value - lower <= near else 'upper' if upper - value <= near else None
    return FittedValue(
        name=name,
        value=float(value),
        lower=float(lower),
        upper=float(upper),
        error=None if error is None else float(error),
        at_bound=at_bound,
    )


def _shares(
    measured: Measurement, used: BoolArray, parts: dict[str, FloatArray]
) -> dict[str, float]:
    widths = measured.widths[used]
    total = float(measured.values[used] @ widths)
    return {name: float(part[used] @ widths) / total for name, part in parts.items()}
