"""Spectra computed by OCLIMAX for VISION: csv of both banks, to be read beside measured ones.

Layout as OCLIMAX 3.0 writes it: the parameters as comments, ``E_UNIT`` among them (0: cm⁻¹,
1: meV, 2: THz), then a header ``deltaE,Total-backward,Total-forward,[backward 0-1 0-2 ...]``.
"""

from __future__ import annotations

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.measured.energy_units import MEV, THZ, WAVENUMBER
from aiida_insbench.science.measured.spectrum import RawBlock
from aiida_insbench.science.measured.text_files import TextFile
from aiida_insbench.science.measured.text_tables import read_table

OCLIMAX = 'oclimax'

_UNITS = {'0': WAVENUMBER, '1': MEV, '2': THZ}
_HEADER = ('deltae', 'total-backward', 'total-forward')


def is_oclimax(file: TextFile) -> bool:
    """Whether a file has the header of OCLIMAX's csv."""
    return _header_at(file) is not None


def read_oclimax(file: TextFile) -> list[RawBlock]:
    """Read the spectra of both banks and their mean, which is called ``sum``.

    Returns
    -------
    list of RawBlock
        ``backward``, ``forward``, ``sum``; the columns of single orders are left out.

    Raises
    ------
    InputError
        If the header is missing or the table cannot be read.
    """
    if _header_at(file) is None:
        raise InputError(
            format_error(
                f'{file.name} has no header "deltaE,Total-backward,Total-forward", as files of '
                'OCLIMAX have.',
                fix='Give another `format`, or none.',
            )
        )
    block = read_table(file).blocks[0]
    values = np.array(block.rows, dtype=np.float64)
    if values.shape[1] < len(_HEADER):
        raise InputError(
            f'{file.name}, line {block.lines[0]}: fewer columns than the header names.'
        )
    unit = _unit(file)
    dropped = values.shape[1] - len(_HEADER)
    notes = (
        'a computed spectrum (OCLIMAX), not a measured one',
        *((f'{dropped} columns of single orders were left out',) if dropped else ()),
        *(() if unit else ('E_UNIT is not among the parameters',)),
    )
    spectra = {
        'backward': values[:, 1],
        'forward': values[:, 2],
        'sum': values[:, 1:3].mean(axis=1),
    }
    made = 'the block `sum` is the mean of both banks, made on reading: each counts alike'
    return [
        RawBlock(
            name=name,
            energy=values[:, 0],
            intensity=intensity,
            number=number,
            unit=unit,
            lines=block.lines,
            notes=(*notes, made) if name == 'sum' else notes,
        )
        for number, (name, intensity) in enumerate(spectra.items())
    ]


def _header_at(file: TextFile) -> int | None:
    for index, line in enumerate(file.lines):
        names = [word.strip() for word in line.strip().lstrip('#').lower().split(',')]
        if tuple(names[:3]) == _HEADER:
            return index
    return None


def _unit(file: TextFile) -> str:
    """The unit that the parameters name; their values are on the line after their names."""
    for line, after in zip(file.lines, file.lines[1:], strict=False):
        names = [word.strip() for word in line.strip().lstrip('#').split(',')]
        values = [word.strip() for word in after.strip().lstrip('#').split(',')]
        if 'E_UNIT' in names and len(values) == len(names):
            return _UNITS.get(values[names.index('E_UNIT')], '')
    return ''
