"""Equation of state of a potential against that of DFT.

Volumes in Å³, of the same number of atoms; pressures in GPa. Where one of the two has too few
points for B0', both are fitted in second order: moduli of different orders differ by some percent
for the same crystal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiida_insbench.science.equation_of_state import FittedState, fit_pressures
from aiida_insbench.science.errors import InputError, format_error

Points = Sequence[tuple[float, float]]

_SAME = 1e-3  # GPa
#: Ratio of volumes beyond which they are of different numbers of atoms.
_ALIKE = (0.67, 1.5)


@dataclass(frozen=True)
class VolumeDeviation:
    """Volumes at one pressure.

    Attributes
    ----------
    pressure : float
        In GPa.
    potential, dft : float
        Volumes in Å³.
    percent : float
        Of the potential from DFT.
    fitted : tuple of str
        Which of ``potential`` and ``dft`` have no point there: read off the fit.
    """

    pressure: float
    potential: float
    dft: float
    percent: float
    fitted: tuple[str, ...]


@dataclass(frozen=True)
class StateComparison:
    """Potential less DFT.

    Attributes
    ----------
    potential, dft : FittedState
        Both fits, of one order.
    v0_percent, b0_percent : float
        Differences, % of DFT's.
    b0_prime : float or None
        Difference; None in second order.
    volumes : tuple of VolumeDeviation
        At every pressure of either that is within the range of both.
    outside : tuple of float
        Pressures of one that are outside the range of the other, in GPa: not compared.
    notes : tuple of str
        In sentences.
    """

    potential: FittedState
    dft: FittedState
    v0_percent: float
    b0_percent: float
    b0_prime: float | None
    volumes: tuple[VolumeDeviation, ...]
    outside: tuple[float, ...]
    notes: tuple[str, ...]


def compare(potential_points: Points, dft_points: Points) -> StateComparison:
    """Compare volumes under pressure.

    Parameters
    ----------
    potential_points, dft_points : sequences of (volume, pressure)
        In Å³ and GPa.

    Raises
    ------
    InputError
        If points of one cannot be fitted, or volumes are of different numbers of atoms.
    ConvergenceError
        If points do not determine an equation of state.
    """
    potential, dft = (_fit(points) for points in (potential_points, dft_points))
    if potential.order != dft.order:
        potential, dft = (_fit(points, 2) for points in (potential_points, dft_points))
    ratio = potential.state.v0 / dft.state.v0
    if not _ALIKE[0] < ratio < _ALIKE[1]:
        raise InputError(
            format_error(
                f"V0 of the potential is {ratio:.2f} times DFT's.",
                reason='The volumes seem to be of different numbers of atoms.',
                fix='Give volumes per atom.',
            )
        )
    pressures = _distinct([p for points in (potential_points, dft_points) for _, p in points])
    inside = [p for p in pressures if potential.covers(p) and dft.covers(p)]
    outside = tuple(p for p in pressures if p not in inside)
    volumes = tuple(_deviation(p, (potential_points, potential), (dft_points, dft)) for p in inside)
    notes = [f'Potential: {note}' for note in potential.notes]
    notes += [f'DFT: {note}' for note in dft.notes]
    if outside:
        listed = ', '.join(f'{p:g}' for p in outside)
        notes.append(f'Not compared, since one of the two has no points so far out: {listed} GPa.')
    third = potential.order == 3
    return StateComparison(
        potential,
        dft,
        100 * (ratio - 1),
        100 * (potential.state.b0 / dft.state.b0 - 1),
        potential.state.b0_prime - dft.state.b0_prime if third else None,
        volumes,
        outside,
        tuple(notes),
    )


def _fit(points: Points, order: int | None = None) -> FittedState:
    return fit_pressures(
        volumes=[volume for volume, _ in points],
        pressures=[pressure for _, pressure in points],
        order=order,
    )


def _distinct(pressures: list[float]) -> list[float]:
    """In rising order, each once to 1 MPa."""
    kept: list[float] = []
    for pressure in sorted(pressures):
        if not kept or pressure - kept[-1] > _SAME:
            kept.append(pressure)
    return kept


def _deviation(
    pressure: float, potential: tuple[Points, FittedState], dft: tuple[Points, FittedState]
) -> VolumeDeviation:
    first, second = _volume(pressure, *potential), _volume(pressure, *dft)
    fitted = [name for name, one in (('potential', first), ('dft', second)) if one[1]]
    percent = 100 * (first[0] / second[0] - 1)
    return VolumeDeviation(pressure, first[0], second[0], percent, tuple(fitted))


def _volume(pressure: float, points: Points, fit: FittedState) -> tuple[float, bool]:
    """Volume at a pressure, and whether it is off the fit."""
    for volume, given in points:
        if abs(given - pressure) <= _SAME:
            return volume, False
    return fit.state.volume(pressure), True
