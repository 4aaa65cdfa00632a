"""A measured spectrum with its conditions as csv that anything reads, and back without loss.

Comments hold ``# name: JSON``, one a line; then a header and one line a bin. Numbers are written so
that they are read back to the last bit.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.measured.conditions import Conditions, as_masks, check_conditions
from aiida_insbench.science.measured.spectrum import MeasuredSpectrum
from aiida_insbench.science.measured.text_files import TextFile
from aiida_insbench.science.safe_json import load_json

INSBENCH = 'insbench'

_FIRST = '# aiida-insbench measured spectrum'
_VERSION = 1
_TEXTS = ('title', 'block', 'unit_in_file', 'format', 'sha256')
_ENERGY, _INTENSITY, _ERROR = 'energy_transfer_cm1', 'intensity', 'error'
_LOW, _HIGH, _SPREAD, _KEPT = 'bin_low_cm1', 'bin_high_cm1', 'energy_error_cm1', 'kept'
_COLUMNS = (_ENERGY, _INTENSITY, _ERROR, _LOW, _HIGH, _SPREAD, _KEPT)


def write_insbench(spectrum: MeasuredSpectrum, conditions: Conditions | None = None) -> str:
    """Text of a spectrum and its conditions; `read_insbench` reads it."""
    lines = [f'{_FIRST}, version {_VERSION}']
    values: dict[str, Any] = {name: getattr(spectrum, name) for name in _TEXTS}
    values['blocks'] = list(spectrum.blocks)
    values['masks'] = [[mask.low, mask.high, mask.reason] for mask in spectrum.masks]
    values['notes'] = list(spectrum.notes)
    if conditions is not None:
        values['conditions'] = conditions.as_dict()
    lines += [f'# {key}: {json.dumps(value)}' for key, value in values.items()]
    columns: dict[str, np.ndarray[Any, Any]] = {
        _ENERGY: spectrum.energy_transfer,
        _INTENSITY: spectrum.intensity,
    }
    if spectrum.error is not None:
        columns[_ERROR] = spectrum.error
    if spectrum.bin_edges is not None:
        columns[_LOW], columns[_HIGH] = spectrum.bin_edges[:-1], spectrum.bin_edges[1:]
    if spectrum.energy_error is not None:
        columns[_SPREAD] = spectrum.energy_error
    columns[_KEPT] = spectrum.kept.astype(int)
    lines.append(','.join(columns))
    lines += [
        ','.join(repr(value.item()) for value in row) for row in zip(*columns.values(), strict=True)
    ]
    return '\n'.join(lines) + '\n'


def is_insbench(file: TextFile) -> bool:
    """Whether `write_insbench` made a file."""
    return bool(file.lines) and file.lines[0].startswith(_FIRST)


def read_insbench(file: TextFile) -> tuple[MeasuredSpectrum, Conditions | None]:
    """Read what `write_insbench` wrote.

    Raises
    ------
    InputError
        If the file is of another version or was damaged: names the line.
    """
    if not is_insbench(file) or not file.lines[0].endswith(f' {_VERSION}'):
        raise InputError(
            format_error(
                f'{file.name}, line 1 is not "{_FIRST}, version {_VERSION}".',
                fix='Give another `format`, or update the package if the version is newer.',
            )
        )
    stored: dict[str, Any] = {}
    for number, line in enumerate(file.lines[1:], start=2):
        if not line.startswith('#'):
            break
        key, _, text = line[1:].partition(':')
        stored[key.strip()] = load_json(text, name=f'{file.name}, line {number}: {key.strip()!r}')
    else:
        raise InputError(f'{file.name} holds no table.')
    table = _table(file, number)
    missing = [key for key in (*_TEXTS, 'blocks', 'masks', 'notes') if key not in stored]
    if missing:
        raise InputError(f'{file.name} lacks {", ".join(missing)} among its comments.')
    edges = None
    if _LOW in table and _HIGH in table:
        edges = np.append(table[_LOW], table[_HIGH][-1])
    spectrum = MeasuredSpectrum(
        energy_transfer=table[_ENERGY],
        intensity=table[_INTENSITY],
        error=table.get(_ERROR),
        bin_edges=edges,
        energy_error=table.get(_SPREAD),
        kept=table[_KEPT].astype(bool),
        masks=as_masks(stored['masks']),
        blocks=tuple(stored['blocks']),
        notes=tuple(stored['notes']),
        **{key: str(stored[key]) for key in _TEXTS},
    )
    given = stored.get('conditions')
    return spectrum, None if given is None else check_conditions(given)


def _table(file: TextFile, start: int) -> dict[str, FloatArray]:
    names = file.lines[start - 1].split(',')
    if not {_ENERGY, _INTENSITY, _KEPT} <= set(names) <= set(_COLUMNS):
        raise InputError(f'{file.name}, line {start}: {", ".join(names)} is not its header.')
    rows = []
    for number, line in enumerate(file.lines[start:], start=start + 1):
        if not line.strip():
            continue
        try:
            row = [float(word) for word in line.split(',')]
        except ValueError as exc:
            raise InputError(f'{file.name}, line {number}: {exc}.') from exc
        if len(row) != len(names) or not np.all(np.isfinite(row)):
            raise InputError(
                f'{file.name}, line {number} must hold {len(names)} finite numbers: was it cut?'
            )
        rows.append(row)
    if not rows:
        raise InputError(f'{file.name} holds no points.')
    values = np.array(rows, dtype=np.float64)
    return {name: values[:, column].copy() for column, name in enumerate(names)}
