"""Fields of a line as numbers: separators, decimal commas, exponents as Fortran writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBER = re.compile(r'([+-]?(?:\d+\.?\d*|\.\d+))(?:[eEdD]([+-]?\d+)|([+-]\d{3}))?')
_DECIMAL_COMMA = re.compile(r'[+-]?\d+,\d+(?:[eEdD][+-]?\d+)?')
#: NaN and infinity as programs write them, and Fortran's mark of a number too wide for its field.
_NOT_FINITE = re.compile(r'[+-]?(?:nan|inf|infinity|1\.#(?:qnan|snan|ind|inf)\d*|\*+)', re.I)
_STARTS_AS_NUMBER = re.compile(r'\s*(?:[+-]?[\d.]|[+-]?nan\b|[+-]?inf\b)', re.I)


@dataclass(frozen=True)
class Layout:
    """How fields are separated (blanks if empty) and what a decimal point is."""

    separator: str = ''
    decimal_comma: bool = False

    def fields(self, line: str) -> list[str]:
        """Cut a line; empty fields at its end do not count."""
        if not self.separator:
            return line.split()
        fields = [field.strip().strip('"') for field in line.split(self.separator)]
        while fields and not fields[-1]:
            fields.pop()
        return fields

    def numbers(self, line: str) -> list[float] | None:
        """All fields of a line as numbers, or nothing if one is none."""
        values = [number(field, decimal_comma=self.decimal_comma) for field in self.fields(line)]
        found = [value for value in values if value is not None]
        return found if found and len(found) == len(values) else None


def number(text: str, *, decimal_comma: bool = False) -> float | None:
    """Read a number, ``1.5D+03``, ``1.5-103`` and ``1.#QNAN`` among them; nothing if it is none."""
    if decimal_comma:
        text = text.replace(',', '.')
    if _NOT_FINITE.fullmatch(text):
        sign = '-' if text.startswith('-') else ''
        return float(f'{sign}inf') if 'inf' in text.lower() else float('nan')
    match = _NUMBER.fullmatch(text)  # Fortran leaves out the E of exponents of three digits
    return None if match is None else float(f'{match[1]}e{match[2] or match[3] or 0}')


def find_layout(lines: Sequence[str]) -> Layout:
    """Find how the fields of these lines are separated.

    Parameters
    ----------
    lines : sequence of str
        Of a table, comments and headers among them: only those that start as a number count.
    """
    data = [line.strip() for line in lines if _STARTS_AS_NUMBER.match(line)]
    many = [line for line in data if len(re.split(r'[;,\t: ]+', line)) > 1] or data
    if not many:
        return Layout()
    for separator in (';', '\t'):
        if _in_most(separator, many):
            decimal = any(',' in line for line in many) and not any('.' in line for line in many)
            mixed = any(_DECIMAL_COMMA.search(line) for line in many)
            return Layout(separator, decimal or mixed)
    if _in_most(',', many):
        tokens = [token for line in many for token in line.split()]
        several = all(len(line.split()) > 1 for line in many)
        if several and all(_DECIMAL_COMMA.fullmatch(t) or t.isdigit() for t in tokens):
            return Layout('', decimal_comma=True)
        return Layout(',')
    return Layout(':') if _in_most(':', many) else Layout()


def _in_most(separator: str, lines: Sequence[str]) -> bool:
    return 2 * sum(separator in line for line in lines) > len(lines)
