"""Numbers of JCAMP-DX tables: free format, and the compressed forms PAC, SQZ, DIF and DUP.

Source: McDonald & Wilks, Appl. Spectrosc. 42, 151 (1988), JCAMP-DX 4.24, section 5 and table VII.
A letter stands for the first digit of a number and its sign: SQZ for a value, DIF for a difference
to the value before it, DUP for how often the value (or difference) before it stands there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SQZ = {letter: digit for digit, letter in enumerate('@ABCDEFGHI')}
_SQZ |= {letter: -digit for digit, letter in enumerate('abcdefghi', start=1)}
_DIF = {letter: digit for digit, letter in enumerate('%JKLMNOPQR')}
_DIF |= {letter: -digit for digit, letter in enumerate('jklmnopqr', start=1)}
_DUP = {letter: digit for digit, letter in enumerate('STUVWXYZs', start=1)}

#: More is a damaged file.
_MOST_REPEATED = 1e6
#: An E followed by a sign (and digits) is an exponent; any other E is SQZ's +5.
_TOKEN = re.compile(
    r'(?P<plain>[+-]?(?:\d+\.?\d*|\.\d+)(?:[Ee][+-]\d+)?)'
    r'|(?P<packed>[@A-Ia-i%J-Rj-rS-Zs])(?P<digits>\d*\.?\d*)'
    r'|(?P<invalid>\?)'
    r'|(?P<space>[\s,;]+)'
)


@dataclass(frozen=True)
class Ordinates:
    """Values of a line; whether the last is from a difference, so that the next line repeats it."""

    x: float
    values: list[float]
    ends_in_difference: bool


def plain_numbers(text: str) -> list[float] | None:
    """All numbers of a line in free format; nothing if anything else is on it."""
    values = []
    for token in _tokens(text):
        if token is None or token['plain'] is None:
            return None
        values.append(float(token['plain']))
    return values


def read_ordinates(text: str) -> Ordinates | None:
    """Read a line of ``(X++(Y..Y))``: one abscissa, then ordinates in any form.

    Returns
    -------
    Ordinates or None
        Nothing if the line is not of the form. A ``?`` is a value that is not a number.
    """
    tokens = list(_tokens(text))
    if not tokens or tokens[0] is None or tokens[0]['plain'] is None:
        return None
    values: list[float] = []
    difference: float | None = None  # of the last value, if it came as one
    for token in tokens[1:]:
        if token is None:
            return None
        if token['packed'] is None:
            values.append(float(token['plain'] or 'nan'))
            difference = None
            continue
        letter, digits = token['packed'], token['digits']
        if letter in _SQZ:
            values.append(_signed(_SQZ[letter], digits, negative=letter.islower()))
            difference = None
        elif not values:
            return None  # a difference or a repetition of nothing
        elif letter in _DIF:
            difference = _signed(_DIF[letter], digits, negative=letter.islower())
            values.append(values[-1] + difference)
        else:
            times = float(f'{_DUP[letter]}{digits}')
            if not times <= _MOST_REPEATED:
                return None
            values += _repeated(values[-1], difference or 0.0, int(times) - 1)
    return Ordinates(float(tokens[0]['plain']), values, difference is not None)


def _repeated(value: float, difference: float, times: int) -> list[float]:
    """The next values where a difference (or none) stands several times."""
    return [value + difference * time for time in range(1, times + 1)]


def _tokens(text: str) -> Iterator[dict[str, str] | None]:
    """Tokens of a line; nothing where one cannot be read."""
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            yield None
            return
        place = match.end()
        if match['space'] is None:
            yield match.groupdict()


def _signed(digit: int, digits: str, *, negative: bool) -> float:
    magnitude = float(f'{abs(digit)}{digits}')
    return -magnitude if negative else magnitude
