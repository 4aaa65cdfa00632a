"""Pressures in GPa and the labels under which results per pressure are stored.

A label holds the pressure in whole MPa: ``p_1500`` for 1.5 GPa, ``m_0500`` for −0.5 GPa.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from aiida_insbench.science.errors import PressureError, format_error

#: GPa; beyond it no potential here has a meaning, and numbers in MPa or bar lie.
HIGHEST = 10_000.0
_LABEL = re.compile(r'([pm])_([0-9]{4,8})')


def pressure_label(pressure: float) -> str:
    """Label of one pressure, in whole MPa.

    Parameters
    ----------
    pressure : float
        In GPa; positive is compression.

    Returns
    -------
    str
        ``p_1500`` for 1.5 GPa, ``m_0500`` for −0.5 GPa.

    Raises
    ------
    PressureError
        If the pressure is not a finite number.
    """
    value = _as_finite(pressure)
    megapascal = round(value * 1000)
    sign = 'm' if megapascal < 0 else 'p'
    return f'{sign}_{abs(megapascal):04d}'


def pressure_from_label(label: str) -> float:
    """Pressure in GPa of a label.

    Raises
    ------
    PressureError
        If the label is not of the form ``p_1500`` or ``m_0500``.
    """
    match = _LABEL.fullmatch(label)
    if match is None:
        raise PressureError(
            format_error(
                f'{label!r} is not a pressure label.',
                fix='Labels hold the pressure in MPa, for example p_1500 or m_0500.',
            )
        )
    sign = -1.0 if match.group(1) == 'm' else 1.0
    return sign * int(match.group(2)) / 1000


def check_pressures(pressures: Iterable[object]) -> tuple[float, ...]:
    """Check a list of pressures and return it in rising order.

    Parameters
    ----------
    pressures : iterable of numbers
        In GPa. Negative values (tension) are allowed.

    Returns
    -------
    tuple of float
        The pressures in rising order.

    Raises
    ------
    PressureError
        If the list is empty, a value is not a finite number, or two pressures share one label
        because they differ by less than 1 MPa.
    """
    values = sorted(_as_finite(pressure) for pressure in pressures)
    if not values:
        raise PressureError('The list of pressures is empty. Give at least one, in GPa.')
    labels: dict[str, float] = {}
    for value in values:
        label = pressure_label(value)
        if label in labels:
            raise PressureError(
                format_error(
                    f'The pressures {labels[label]} and {value} GPa share the label {label}.',
                    reason='Results are stored under the pressure in whole MPa.',
                    fix='Remove one of them.',
                )
            )
        labels[label] = value
    return tuple(values)


def parse_pressures(text: str) -> tuple[float, ...]:
    """Read pressures as a user types them, ``"0,1,2"``.

    Raises
    ------
    PressureError
        As `check_pressures`; the message names the word that is not a number.
    """
    words = [word.strip() for word in text.split(',') if word.strip()]
    return check_pressures(words)


def pressure_labels(pressures: Sequence[float]) -> dict[str, float]:
    """Map labels to pressures (GPa), in rising order; raises `PressureError` on collisions."""
    return {pressure_label(value): value for value in check_pressures(pressures)}


def _as_finite(pressure: object) -> float:
    problem = format_error(
        f'{pressure!r} is not a pressure.',
        fix='Give a finite number in GPa, for example 1.5 (positive is compression).',
    )
    if isinstance(pressure, bool):
        raise PressureError(problem)
    try:
        value = float(pressure)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError) as exc:
        raise PressureError(problem) from exc
    if not math.isfinite(value):
        raise PressureError(problem)
    if abs(value) > HIGHEST:
        raise PressureError(
            format_error(
                f'{value:g} GPa is no pressure of a crystal.',
                fix=f'Give at most {HIGHEST:g} GPa; 1 GPa is 1000 MPa or 10 kbar.',
            )
        )
    return value
