"""Headers of tables: which column is which, and in what unit energies are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aiida_insbench.science.measured.energy_units import units_named

ENERGY, INTENSITY, ERROR, ENERGY_ERROR = 'energy', 'intensity', 'error', 'energy_error'

_IN_BRACKETS = re.compile(r'[(\[][^)\]]*[)\]]')
_OUTSIDE_BRACKETS = r'(?![^()]*\))'
#: In this order: an "energy error" is no energy.
_KINDS = (
    (
        ENERGY_ERROR,
        re.compile(r'^(?:dx|x[ _-]?err\w*|(?:energy|x|e)\w*[ _-]*(?:err|sigma|unc)\w*)'),
    ),
    (ERROR, re.compile(r'err|fehler|sigma|σ|std|e\.?s\.?d|uncert|deviation|^d[yi]\d*$|^e\d+$')),
    (INTENSITY, re.compile(r'intens|count|signal|^y\d*$|^[si]$|^s *\(|sqw|yield|^total')),
    (
        ENERGY,
        re.compile(r'energ|delta ?_?e|^x$|^en$|omega|ω|wave ?num|freq|transfer|^h?w$|neutron loss'),
    ),
)
_SAYS_UNIT = re.compile(r'unit|energ|transfer|abscissa|x[ -]?axis|delta ?e', re.I)
_KEY = re.compile(r'^([A-Za-z][\w .()/⁻¹-]{0,40}?)\s*[:=]\s*(\S.*)$')


@dataclass(frozen=True)
class Column:
    """A column of a table: what it holds and its header."""

    kind: str
    text: str


def find_columns(text: str, *, count: int, separator: str = '') -> tuple[Column, ...]:
    """Columns named by a line of text.

    Parameters
    ----------
    text : str
        Without its mark of a comment.
    count : int
        Of columns in the data: another number of names is no header of them.
    separator : str
        Of the data's fields, if not blanks.

    Returns
    -------
    tuple of Column
        Empty if the line is no header: it must name one energy and one intensity or more.
    """
    names = _names(text, separator)
    columns: list[Column] = []
    for name in names:
        kind = _kind(name, first=not columns)
        if kind is not None:
            columns.append(Column(kind, name))
    kinds = [column.kind for column in columns]
    if len(names) != count or len(columns) != count:
        return ()
    return tuple(columns) if kinds.count(ENERGY) == 1 and INTENSITY in kinds else ()


def stated_unit(columns: Sequence[Column], remarks: Sequence[str]) -> tuple[str, str]:
    """The unit of energy that a header or remarks state, and what to note.

    Remarks count that speak of a unit, an axis or an energy; a unit in a title does not.

    Returns
    -------
    unit, note : str
        Empty if there is none; the unit is empty, too, if several are named.
    """
    headers = [column.text for column in columns if column.kind == ENERGY]
    for texts in (headers, [remark for remark in remarks if _SAYS_UNIT.search(remark)]):
        units = {unit for text in texts for unit in units_named(text)}
        if len(units) == 1:
            return units.pop(), ''
        if units:
            return '', f'the file names several units of energy: {", ".join(sorted(units))}'
    return '', ''


def key_and_value(remark: str) -> tuple[str, str] | None:
    """``key: value`` or ``key = value`` in a comment; the key in small letters."""
    match = _KEY.match(remark.strip())
    return (match[1].strip().lower().replace(' ', '_'), match[2].strip()) if match else None


def _names(text: str, separator: str) -> list[str]:
    for one in (separator, ',', ';', '\t'):
        if one and one in text:
            parts = re.split(re.escape(one) + _OUTSIDE_BRACKETS, text)
            return [part.strip().strip('"') for part in parts if part.strip()]
    return _joined(text.split())


def _joined(words: Sequence[str]) -> list[str]:
    """Names of one or more words: what names no column belongs to the name before it."""
    names: list[str] = []
    for word in words:
        begins = _kind(word, first=not names) is not None and word[0] not in '([/'
        same = names and begins and _kind(names[-1], first=False) == _kind(word, first=False)
        if not names or (begins and not same and _kind(names[-1], first=len(names) == 1)):
            names.append(word)
        else:
            names[-1] += f' {word}'
    return names


def _kind(name: str, *, first: bool) -> str | None:
    bare = _IN_BRACKETS.sub(' ', name.lower()).strip() or name.lower()
    if bare == 'e':
        return ENERGY if first else ERROR
    if name.lower().startswith('s('):
        return INTENSITY
    for kind, pattern in _KINDS:
        if pattern.search(bare):
            return kind
    return ENERGY if first and units_named(name) else None
