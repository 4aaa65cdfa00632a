r"""Fits of the Birch–Murnaghan equation of state.

Least squares, with all points alike. Standard errors are those of the fit, from the scatter of the
residuals: the covariance is :math:`s^2 (J^TJ)^{-1}` with :math:`s^2` the sum of squares over the
number of points left over (Press et al., *Numerical Recipes* (2007), section 15.4). With as many
points as parameters there is no scatter to judge by, and no error is given.

B0' takes more points than V0 and B0: below four pressures, or five energies, it is held at 4, which
is the equation of second order; `FittedState.order` says so. Volumes in Å³, pressures and moduli in
GPa, energies in eV.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase.units import GPa
from scipy.optimize import least_squares

from aiida_insbench.science.birch_murnaghan import BirchMurnaghan
from aiida_insbench.science.errors import ConvergenceError, InputError, format_error

FloatArray = npt.NDArray[np.float64]

#: Points that fit B0' as well.
_THIRD_ORDER = {'GPa': 4, 'eV': 5}
_SECOND_ORDER = {'GPa': 2, 'eV': 3}
#: Range of volumes below which nothing is fitted.
_NARROWEST = 1e-3
#: B0' of crystals: 2 to 8, molecular ones up to 12.
_USUAL = (0.0, 15.0)
#: Condition of the scaled problem above which errors are no longer told.
_ILL = 1e5
#: What bulk moduli are scaled by, GPa: so that steps of the fit are of order one.
_SCALE = 100.0


@dataclass(frozen=True)
class FittedState:
    """A fitted equation of state.

    Attributes
    ----------
    state : BirchMurnaghan
        The equation.
    order : int
        3, or 2 if B0' was held at 4.
    errors : dict or None
        Standard errors of ``v0``, ``b0``, ``b0_prime`` (not in second order) and ``e0`` (of
        energies); None if no point is left over.
    residuals : ndarray, shape (n_points,)
        What was given less what was fitted, in rising order of volume.
    unit : str
        Of the residuals, ``GPa`` or ``eV``.
    pressures : tuple of float
        Lowest and highest pressure that points stand for, GPa.
    notes : tuple of str
        What to know about the fit, in sentences.
    """

    state: BirchMurnaghan
    order: int
    errors: dict[str, float] | None
    residuals: FloatArray
    unit: str
    pressures: tuple[float, float]
    notes: tuple[str, ...]

    def covers(self, pressure: float) -> bool:
        """Whether a pressure is within the points, to 1 MPa."""
        return self.pressures[0] - 1e-3 <= pressure <= self.pressures[1] + 1e-3


def fit_pressures(
    *, volumes: Sequence[float], pressures: Sequence[float], order: int | None = None
) -> FittedState:
    """Fit P(V).

    Parameters
    ----------
    volumes, pressures : sequences of float
        In Å³ and GPa, of the same points.
    order : int, optional
        2 or 3; by default what the number of points allows.

    Raises
    ------
    InputError
        If points are too few, not finite, of one volume, or the volume does not fall with pressure.
    ConvergenceError
        If the points do not determine the parameters.
    """
    points = _points(volumes, pressures, unit='GPa')
    rising = np.flatnonzero(np.diff(points[1]) >= 0)
    if len(rising):
        low, high = points[:, rising[0]], points[:, rising[0] + 1]
        raise InputError(
            format_error(
                f'The pressure does not fall from {low[0]:.4f} Å³ ({low[1]:g} GPa) to '
                f'{high[0]:.4f} Å³ ({high[1]:g} GPa).',
                reason='No equation of state has such points: the crystal is unstable or jumps to '
                'another structure.',
                fix='Fit the points of one structure.',
            )
        )
    order = _order(len(points[0]), 'GPa', order)
    slope = np.polyfit(np.log(points[0]), points[1], 1)
    start = [float(np.exp(-slope[1] / slope[0])), float(-slope[0])]
    return _fit(points, start, order=order, unit='GPa')


def fit_energies(
    *, volumes: Sequence[float], energies: Sequence[float], order: int | None = None
) -> FittedState:
    """Fit E(V); arguments and errors as of `fit_pressures`, energies in eV.

    Raises
    ------
    InputError
        If points are too few, not finite or of one volume, or energies have two minima or none.
    ConvergenceError
        If the points do not determine the parameters.
    """
    points = _points(volumes, energies, unit='eV')
    order = _order(len(points[0]), 'eV', order)
    signs = np.sign(np.diff(points[1]))
    curve = np.polyfit(points[0], points[1], 2)
    if np.any(np.diff(signs[signs != 0]) < 0) or curve[0] <= 0:
        raise InputError(
            format_error(
                'The energies have more than one minimum, or none, as a function of volume.',
                fix='Fit the points of one structure.',
            )
        )
    v0 = float(np.clip(-curve[1] / (2 * curve[0]), 0.7 * points[0, 0], 1.4 * points[0, -1]))
    start = [v0, float(2 * curve[0] * v0 / GPa), float(points[1].min())]
    return _fit(points, start, order=order, unit='eV')


def _points(volumes: Sequence[float], values: Sequence[float], *, unit: str) -> FloatArray:
    """Volumes and values in rising order of volume, shape (2, n)."""
    if len(volumes) != len(values):
        raise InputError(f'There are {len(volumes)} volumes and {len(values)} values in {unit}.')
    points = np.array([volumes, values], dtype=float).reshape(2, -1)
    if not np.isfinite(points).all() or (points[0] <= 0).any():
        raise InputError('Volumes must be finite and above 0, pressures and energies finite.')
    points = points[:, np.argsort(points[0])]
    if points.shape[1] < _SECOND_ORDER[unit]:
        raise InputError(
            f'{points.shape[1]} points are too few for an equation of state: two pressures or '
            'three energies at least.'
        )
    same = np.flatnonzero(np.diff(points[0]) <= 1e-9 * points[0, :-1])
    if len(same):
        raise InputError(f'Two points have the volume {points[0, same[0]]:.4f} Å³; give one.')
    if np.ptp(points[0]) < _NARROWEST * points[0, 0]:
        raise InputError(
            f'The volumes differ by {100 * np.ptp(points[0]) / points[0, 0]:.2g} %: give a range '
            f'of {100 * _NARROWEST:g} % at least.'
        )
    return points


def _order(n_points: int, unit: str, order: int | None) -> int:
    possible = 3 if n_points >= _THIRD_ORDER[unit] else 2
    if order not in (None, 2, 3) or (order == 3 and possible == 2):
        raise InputError(
            f'An equation of state of order {order} cannot be fitted to {n_points} points.'
        )
    return order or possible


def _fit(points: FloatArray, start: list[float], *, order: int, unit: str) -> FittedState:
    names = ['v0', 'b0', *(['e0'] if unit == 'eV' else []), *(['b0_prime'] if order == 3 else [])]
    # energies are fitted from the lowest one on: of −1000 eV nothing would be left in the steps
    base = start[2] if unit == 'eV' else 0.0
    scales = np.array(
        [{'v0': start[0], 'b0': _SCALE, 'e0': 1.0, 'b0_prime': 1.0}[n] for n in names]
    )
    begin = np.array([start[0], start[1], *([0.0] * (unit == 'eV')), *([4.0] * (order == 3))])
    size = float(np.ptp(points[1]))

    def residuals(values: FloatArray) -> FloatArray:
        state = BirchMurnaghan(**dict(zip(names, values * scales, strict=True)))
        model: Callable[..., FloatArray] = state.energy if unit == 'eV' else state.pressure
        return np.asarray((points[1] - base - model(points[0])) / size)

    lowest = np.full(len(names), -np.inf)
    lowest[0] = 0.05
    found = least_squares(
        residuals, begin / scales, bounds=(lowest, np.inf), jac='3-point', x_scale='jac',
        ftol=1e-14, xtol=1e-14, gtol=1e-14, max_nfev=2000,
    )  # fmt: skip
    values = dict(zip(names, (found.x * scales).tolist(), strict=True))
    if 'e0' in values:
        values['e0'] += base
    state = BirchMurnaghan(**values)
    _check_fit(found, state)
    rest = found.fun * size
    covered = state.pressure(points[0]) if unit == 'eV' else points[1]
    limits = float(covered.min()), float(covered.max())
    errors = _errors(names, found.jac * size / scales, rest)
    return FittedState(
        state, order, errors, rest, unit, limits, _notes(state, points, order, errors)
    )


def _check_fit(found: object, state: BirchMurnaghan) -> None:
    jacobian = np.asarray(found.jac)  # type: ignore[attr-defined]
    scaled = jacobian / np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300)
    condition = float(np.linalg.cond(scaled))
    if not found.success or condition > _ILL or state.b0 <= 0:  # type: ignore[attr-defined]
        raise ConvergenceError(
            format_error(
                f'The points do not determine an equation of state: V0 = {state.v0:.3f} Å³, '
                f"B0 = {state.b0:.2f} GPa, B0' = {state.b0_prime:.2f}, condition {condition:.1e}.",
                fix='Give more points, over a wider range of volumes.',
            )
        )


def _errors(names: list[str], jacobian: FloatArray, rest: FloatArray) -> dict[str, float] | None:
    left = len(rest) - len(names)
    if left < 1:
        return None
    # the inverse by QR keeps what forming JᵀJ loses
    scale = np.linalg.norm(jacobian, axis=0)
    inverse = np.linalg.inv(np.linalg.qr(jacobian / scale)[1])
    variances = (inverse**2).sum(axis=1) * float(rest @ rest) / left
    return dict(zip(names, (np.sqrt(variances) / scale).tolist(), strict=True))


def _notes(
    state: BirchMurnaghan, points: FloatArray, order: int, errors: dict[str, float] | None
) -> tuple[str, ...]:
    notes = []
    if order == 2:
        notes.append(f"B0' is held at 4: {points.shape[1]} points are fitted in second order.")
    low, high = points[0, 0], points[0, -1]
    if not low * (1 - 1e-3) <= state.v0 <= high * (1 + 1e-3):
        notes.append(
            f'V0 is extrapolated: {state.v0:.4f} Å³ is outside the points, {low:.4f} to '
            f'{high:.4f} Å³.'
        )
    if errors is not None and errors.get('b0_prime', 0.0) > 2.0:
        notes.append(f"B0' is not determined by these points: {errors['b0_prime']:.1f} of error.")
    if not _USUAL[0] <= state.b0_prime <= _USUAL[1]:
        notes.append(
            f"B0' = {state.b0_prime:.1f} is unlike any crystal's: points of two structures, or bad "
            'ones.'
        )
    return tuple(notes)
