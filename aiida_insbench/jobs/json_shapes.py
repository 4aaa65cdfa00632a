"""Kinds of values in JSON: what an entry of a job file must be, said once, checked before it runs.

A shape is a function of a value and of where it stands; it raises `JobFileError` if the value is of
another kind. Ranges and meanings are checked by the stages themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from aiida_insbench.science.errors import JobFileError

Shape = Callable[[Any, str], None]
_SHOWN = 80


def refuse(value: Any, where: str, wanted: str) -> None:
    """Raise for a value of another kind."""
    shown = repr(value)
    if len(shown) > _SHOWN:
        shown = f'{shown[:_SHOWN]}…'
    raise JobFileError(f'`{where}` is {shown}; it must be {wanted}.')


def anything(_value: Any, _where: str) -> None:
    """Anything."""


def number(value: Any, where: str) -> None:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(value, where, 'a number')
    if not math.isfinite(as_float(value)):
        raise JobFileError(f'`{where}` is not finite; give a number.')


def whole(value: Any, where: str) -> None:
    """A whole number that 32 bits hold."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**31:
        refuse(value, where, 'a whole number')


def text(value: Any, where: str) -> None:
    """A text."""
    if not isinstance(value, str):
        refuse(value, where, 'a text')


def file(value: Any, where: str) -> None:
    """Name of a file or prefix of files."""
    if not isinstance(value, str) or not value or '\0' in value:
        refuse(value, where, 'the name of a file')


def flag(value: Any, where: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        refuse(value, where, 'true or false')


def optional(shape: Shape) -> Shape:
    """Null, or a value of a shape."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            shape(value, where)

    return check


def list_of(shape: Shape, length: int | None = None) -> Shape:
    """A list of values of a shape, perhaps of a certain length."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list) or length not in (None, len(value)):
            refuse(value, where, 'a list' if length is None else f'a list of {length}')
        for index, entry in enumerate(value):
            shape(entry, f'{where}[{index}]')

    return check


def dict_of(shape: Shape) -> Shape:
    """A dictionary whose values are of a shape."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(value, where, 'a dictionary')
        for key, entry in value.items():
            shape(entry, f'{where}.{key}')

    return check


def entries(needed: Mapping[str, Shape], others: Mapping[str, Shape] | None = None) -> Shape:
    """A dictionary with these entries; `others` may be there; what is not named is not checked."""
    known = {**needed, **(others or {})}

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            refuse(value, where, 'a dictionary')
        lacking = [name for name in needed if name not in value]
        if lacking:
            raise JobFileError(f'`{where}` lacks {", ".join(lacking)}.')
        for name, shape in known.items():
            if name in value:
                shape(value[name], f'{where}.{name}')

    return check


def as_float(value: float) -> float:
    """A number as a float; a whole number beyond all floats is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
