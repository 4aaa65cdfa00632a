"""JCAMP-DX files: ``XYDATA=(X++(Y..Y))``, ``XYPOINTS=(XY..XY)``, linked blocks.

Source: McDonald & Wilks, Appl. Spectrosc. 42, 151 (1988), JCAMP-DX 4.24. Abscissae of XYDATA are
counted from FIRSTX to LASTX in NPOINTS; those on the lines check that no line is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.measured.energy_units import units_named
from aiida_insbench.science.measured.jcamp_ordinates import plain_numbers, read_ordinates
from aiida_insbench.science.measured.spectrum import RawBlock
from aiida_insbench.science.measured.text_files import TextFile

JCAMP = 'jcamp'

_RECORD = re.compile(r'^\s*##([^=]*)=(.*)$')
_TABLES = ('XYDATA', 'XYPOINTS')
_OTHER_TABLES = ('PEAKTABLE', 'NTUPLES', 'DATATABLE', 'PEAKASSIGNMENTS', 'RADATA')
_NOT_NEUTRONS = re.compile(r'\b(?:INFRARED|RAMAN|NMR|MASS|UV|CHROMATOGRAM)\b')


@dataclass
class _Block:
    """Records of one spectrum: labels in capitals without blanks, dashes and the like."""

    records: dict[str, str] = field(default_factory=dict)
    table: str = ''
    form: str = ''
    lines: list[tuple[int, str]] = field(default_factory=list)


def is_jcamp(file: TextFile) -> bool:
    """Whether the first line that is not empty is a labelled record of JCAMP-DX."""
    first = next((line for line in file.lines if line.strip()), '')
    match = _RECORD.match(first)
    return match is not None and _label(match[1]) in ('TITLE', 'JCAMPDX')


def read_jcamp(file: TextFile) -> list[RawBlock]:
    """Read all spectra of a file.

    Raises
    ------
    InputError
        If there is no table of a form that is read, records are missing, a line cannot be read,
        points are missing, or the data are of another kind than neutron spectra.
    """
    blocks = [block for block in _blocks(file) if block.table]
    if not blocks:
        raise InputError(
            format_error(
                f'{file.name} has neither XYDATA nor XYPOINTS.',
                reason='Tables of peaks and NTUPLES are no spectra.',
                fix='Export the spectrum as XYDATA=(X++(Y..Y)) or XYPOINTS=(XY..XY).',
            )
        )
    return [_raw(file.name, block, number) for number, block in enumerate(blocks, start=1)]


def _blocks(file: TextFile) -> list[_Block]:
    blocks: list[_Block] = []
    current, in_table = _Block(), False
    for number, full in enumerate(file.lines, start=1):
        text = full.split('$$')[0]
        match = _RECORD.match(text)
        if match is None:
            if in_table and text.strip():
                current.lines.append((number, text))
            continue
        label, value = _label(match[1]), match[2].strip()
        in_table = label in _TABLES
        if label == 'TITLE':
            current = _Block()
            blocks.append(current)
        if in_table:
            current.table, current.form = label, value.replace(' ', '').upper()
        elif label in _OTHER_TABLES:
            in_table = False
        current.records.setdefault(label, value)
        if current not in blocks:
            blocks.append(current)
    return blocks


def _label(text: str) -> str:
    return re.sub(r'[\s\-_/]', '', text).upper()


def _raw(name: str, block: _Block, number: int) -> RawBlock:
    title = block.records.get('TITLE', '')
    where = f'{name}, block {title or number}'
    kind = block.records.get('DATATYPE', '').upper()
    if _NOT_NEUTRONS.search(kind):
        raise InputError(
            format_error(
                f'{where} is of the type {kind}, no neutron spectrum.',
                fix='Import positions of bands as a table of band shifts instead.',
            )
        )
    if not block.lines:
        raise InputError(f'{where}: {block.table} is empty.')
    if block.table == 'XYPOINTS':
        x, y, lines = _points(name, block.lines)
        x = x * _factor(where, block.records, 'XFACTOR')
    else:
        x, y, lines = _ordinates(name, where, block)
    stated = block.records.get('NPOINTS')
    if stated is not None and _float(where, 'NPOINTS', stated) != len(y):
        raise InputError(
            format_error(
                f'{where} holds {len(y)} points, NPOINTS says {stated}.',
                fix='Copy or download the file again; if it is complete, correct NPOINTS.',
            )
        )
    units = units_named(block.records.get('XUNITS', ''))
    return RawBlock(
        name=title or str(number),
        energy=x,
        intensity=y * _factor(where, block.records, 'YFACTOR'),
        number=number,
        unit=units[0] if len(units) == 1 else '',
        title=title,
        lines=lines,
    )


def _points(name: str, rows: Sequence[tuple[int, str]]) -> tuple[np.ndarray, np.ndarray, list[int]]:
    values: list[float] = []
    lines: list[int] = []
    for number, text in rows:
        found = plain_numbers(text)
        if found is None or len(found) % 2:
            raise InputError(
                format_error(
                    f'{name}, line {number}: {text.strip()[:40]!r} is not pairs of X and Y.',
                    fix='Correct the line; was the file cut there?',
                )
            )
        values += found
        lines += [number] * (len(found) // 2)
    return np.array(values[::2]), np.array(values[1::2]), lines


def _ordinates(name: str, where: str, block: _Block) -> tuple[np.ndarray, np.ndarray, list[int]]:
    if not block.form.startswith('(X++(Y..Y))'):
        raise InputError(
            format_error(
                f'{where}: XYDATA has the form {block.form}.', fix='(X++(Y..Y)) is what is read.'
            )
        )
    missing = [label for label in ('FIRSTX', 'LASTX', 'NPOINTS') if label not in block.records]
    if missing:
        raise InputError(f'{where} lacks the records {", ".join(missing)}.')
    first, last, count = (
        _float(where, label, block.records[label]) for label in ('FIRSTX', 'LASTX', 'NPOINTS')
    )
    if count < 2 or not count.is_integer() or first == last:
        raise InputError(f'{where}: NPOINTS {count:g} and FIRSTX, LASTX give no axis.')
    step = (last - first) / (count - 1)
    factor = _factor(where, block.records, 'XFACTOR')
    values: list[float] = []
    lines: list[int] = []
    repeats = False
    for number, text in block.lines:
        row = read_ordinates(text)
        if row is None:
            raise InputError(
                format_error(
                    f'{name}, line {number}: {text.strip()[:40]!r} is not of the form X, Y, Y, ….',
                    fix='Correct the line; was the file cut there?',
                )
            )
        found = row.values
        expected = first + step * (len(values) - repeats)
        if repeats:
            _check_repeated(name, number, found, values)
            found = found[1:]
        if abs(row.x * factor - expected) > abs(step) * 1.01 + 1e-9 * abs(expected):
            raise InputError(
                format_error(
                    f'{name}, line {number} is of X = {row.x * factor:g}; after the lines before '
                    f'it X is {expected:g}.',
                    fix='A line or a point is missing; copy or download the file again.',
                )
            )
        values += found
        lines += [number] * len(found)
        repeats = row.ends_in_difference
    return first + step * np.arange(len(values)), np.array(values), lines


def _check_repeated(name: str, number: int, found: list[float], values: list[float]) -> None:
    if not found or abs(found[0] - values[-1]) > 1e-6 * max(1.0, abs(values[-1])):
        raise InputError(
            format_error(
                f'{name}, line {number} does not begin with the last value of the line before it.',
                reason='In compressed differences that shows that numbers were changed.',
                fix='Copy or download the file again.',
            )
        )


def _factor(where: str, records: Mapping[str, str], label: str) -> float:
    return _float(where, label, records.get(label, '1'))


def _float(where: str, label: str, text: str) -> float:
    values = plain_numbers(text)
    if values is None or len(values) != 1:
        raise InputError(f'{where}: {label} is {text!r}, not a number.')
    return values[0]
