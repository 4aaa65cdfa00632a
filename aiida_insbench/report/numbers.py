"""Numbers as they are printed: units kept apart, true minus signs, a dash for what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

MISSING = '–'


def number(value: Any, digits: int = 1, *, sign: bool = False) -> str:
    """Fixed decimals with a true minus sign; a dash for None and what is not finite."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING
    if not math.isfinite(value):
        return MISSING
    text = f'{abs(value):.{digits}f}'
    if float(text) == 0:
        return text
    return ('−' if value < 0 else '+' if sign else '') + text


def short(value: float) -> str:
    """As few digits as tell the number, with a true minus sign."""
    return f'{value:.6g}'.replace('-', '−')


def wavenumber(value: Any) -> str:
    """Whole cm⁻¹, imaginary as 143i."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f'{-value:.0f}i' if value <= -0.5 else f'{abs(value):.0f}'


def arrow(values: Iterable[Any]) -> str:
    """Wavenumbers joined by arrows, in order of pressure."""
    return ' → '.join(wavenumber(value) for value in values)


def pressure(value: float) -> str:
    """Pressure as short as it is exact, without unit."""
    return f'{value:g}'.replace('-', '−')


def pressures(values: Iterable[float]) -> str:
    """Pressures as '0, 1 and 2 GPa'."""
    return f'{joined([pressure(value) for value in values])} GPa'


def joined(words: Iterable[str]) -> str:
    """Words as 'a, b and c'."""
    listed = list(words)
    return ' and '.join([', '.join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def duration(seconds: Any) -> str:
    """Seconds as '12 s', '4 min 56 s' or '3 h 20 min'."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return MISSING
    if seconds < 60:
        return f'{seconds:.1f} s' if seconds < 10 else f'{seconds:.0f} s'
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f'{minutes} min {rest} s' if rest else f'{minutes} min'
    return f'{minutes // 60} h {minutes % 60} min'


def count(amount: int, noun: str) -> str:
    """'1 potential', '3 potentials', '2 processes'."""
    if amount == 1:
        return f'1 {noun}'
    return f'{amount} {noun}{"es" if noun.endswith("s") else "s"}'


def flattened(data: Mapping[str, Any], prefix: str = '') -> list[tuple[str, str]]:
    """Nested settings as (dotted key, value) pairs."""
    rows: list[tuple[str, str]] = []
    for key, value in data.items():
        name = f'{prefix}{key}'
        if isinstance(value, Mapping):
            rows += flattened(value, f'{name}.')
        elif isinstance(value, float):
            rows.append((name, f'{value:g}'))
        elif isinstance(value, list | tuple):
            rows.append((name, ', '.join(_item(item) for item in value)))
        else:
            rows.append((name, MISSING if value is None else str(value)))
    return rows


def _item(value: Any) -> str:
    """One entry of a list: lists in lists as their words, a dash for None."""
    if isinstance(value, list | tuple):
        return ' '.join(_item(one) for one in value)
    return MISSING if value is None else str(value)
