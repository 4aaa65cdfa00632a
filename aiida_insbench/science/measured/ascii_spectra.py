"""Text tables as spectra: ISIS database, Mantid's SaveAscii, VISION's three blocks, csv and xye.

Sources of the layouts: ``Hexane.dat`` of the ISIS INS database (title, ``C (CM-1) COUNTS ERROR``,
three columns); Mantid, SaveAscii versions 1 (``X , Y0 , E0 , Y1 , E1``) and 2 (``# X , Y , E`` and
perhaps ``DX``, the number of each spectrum alone on its line); VISION's reduced data, which are
SaveAscii's with the spectra 0, 1, 2 = backward, forward, both, in meV.
"""

from __future__ import annotations

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.measured.column_headers import (
    ENERGY,
    ENERGY_ERROR,
    ERROR,
    INTENSITY,
    Column,
    key_and_value,
    stated_unit,
)
from aiida_insbench.science.measured.energy_units import MEV, TO_WAVENUMBER, units_named
from aiida_insbench.science.measured.number_fields import number
from aiida_insbench.science.measured.spectrum import RawBlock
from aiida_insbench.science.measured.text_files import TextFile
from aiida_insbench.science.measured.text_tables import TextBlock, TextTable, read_table

ISIS, MANTID, VISION, CSV, XYE = ASCII_FORMATS = ('isis', 'mantid', 'vision', 'csv', 'xye')

VISION_BANKS = ('backward', 'forward', 'sum')
_VISION_START = -2.0  # meV, lower edge of the first bin
_DEFAULT_KINDS = (ENERGY, INTENSITY, ERROR)
_START_ROOM = 0.1  # meV
_MAY_LIE_OUTSIDE = 0.1  # share of VISION's sums that need not lie between its banks


def read_ascii(
    file: TextFile,
    *,
    format: str | None = None,  # noqa: A002  the word users know
    on_vision: bool | None = None,
) -> tuple[str, list[RawBlock]]:
    """Read a table of text.

    Parameters
    ----------
    file : TextFile
        Decoded lines.
    format : str, optional
        One of `ASCII_FORMATS`; found out if not given.
    on_vision : bool, optional
        Whether the instrument is VISION, if it is known.

    Returns
    -------
    format : str
        As found.
    blocks : list of RawBlock
        In the order of the file.

    Raises
    ------
    InputError
        If the table cannot be read: names file, line and remedy.
    """
    table = read_table(file)
    unit_note = stated_unit(_columns_of(table), table.remarks)
    blocks = [
        raw
        for position, block in enumerate(table.blocks, start=1)
        for raw in _raw_blocks(file.name, table, block, position, unit_note)
    ]
    vision = len(blocks) == 3 and _as_vision(blocks, on_vision)
    if format == VISION:
        if len(blocks) != 3 or not _on_one_axis(blocks):
            points = ', '.join(str(len(block.intensity)) for block in blocks)
            raise InputError(
                format_error(
                    f'{file.name} has {len(blocks)} blocks of {points} points; data of VISION have '
                    'three of the same energies.',
                    fix='Give another `format`, or none.',
                )
            )
        vision = True
    found = format or (VISION if vision else _format_of(file, table))
    return found, _named_as_vision(blocks) if found == VISION else blocks


def _format_of(file: TextFile, table: TextTable) -> str:
    first = [line.strip() for line in file.lines if line.strip()][:2]
    if any(line.upper().startswith('C ') and 'COUNTS' in line.upper() for line in first):
        return ISIS
    names = [column.text.upper() for column in _columns_of(table)]
    if names[:1] == ['X'] or any(block.number is not None for block in table.blocks):
        return MANTID
    return CSV if table.layout.separator else XYE


def _columns_of(table: TextTable) -> tuple[Column, ...]:
    return next((block.columns for block in table.blocks if block.columns), ())


def _raw_blocks(
    name: str, table: TextTable, block: TextBlock, position: int, unit_note: tuple[str, str]
) -> list[RawBlock]:
    values = np.array(block.rows, dtype=np.float64)
    kinds, notes = _kinds(name, block, values.shape[1])
    unit, note = unit_note
    notes += [note] if note else []
    energy = values[:, kinds.index(ENERGY)]
    if block.edge is not None:
        energy = np.append(energy, block.edge)
        notes.append(
            f'line {block.lines[-1] + 1} holds an energy alone: energies are taken as edges of '
            'bins, this one as the last; intensities as per unit of energy'
        )
    spread = values[:, kinds.index(ENERGY_ERROR)] if ENERGY_ERROR in kinds else None
    signals = [index for index, kind in enumerate(kinds) if kind == INTENSITY]
    spreads = [index for index, kind in enumerate(kinds) if kind == ERROR]
    if spreads and len(spreads) != len(signals):
        raise InputError(
            f'{name}: the header names {len(signals)} intensities but {len(spreads)} errors.'
        )
    raws = []
    for order, column in enumerate(signals):
        identity = block.number if len(signals) == 1 else order
        label = block.title or str(position if identity is None else identity)
        raws.append(
            RawBlock(
                name=label,
                energy=energy,
                intensity=values[:, column],
                error=values[:, spreads[order]] if spreads else None,
                energy_error=spread,
                common_energy_error=_energy_error(name, table),
                number=position if identity is None else identity,
                unit=unit,
                title=block.title or _title(table),
                lines=block.lines,
                notes=tuple(notes),
            )
        )
    return raws


def _kinds(name: str, block: TextBlock, width: int) -> tuple[list[str], list[str]]:
    if len(block.columns) == width:
        return [column.kind for column in block.columns], []
    if width > len(_DEFAULT_KINDS):
        raise InputError(
            format_error(
                f'{name}, line {block.lines[0]}: {width} columns without a header that names them.',
                fix='Put a header in front, such as "# X , Y , E", with DX for errors of energies.',
            )
        )
    words = ', '.join(_DEFAULT_KINDS[:width])
    return list(_DEFAULT_KINDS[:width]), [f'no header names the columns: taken as {words}']


def _energy_error(name: str, table: TextTable) -> float | None:
    """One error of all energies in cm⁻¹ from a comment such as ``energy_error_cm1: 3``."""
    for remark in table.remarks:
        pair = key_and_value(remark)
        if pair is None or not pair[0].startswith('energy_error'):
            continue
        value = number(pair[1].split()[0])
        units = units_named(remark)
        if value is None or not value >= 0 or len(units) != 1:
            raise InputError(
                format_error(
                    f'{name}: {remark!r} is no error of energies.',
                    fix='Write it as "energy_error_cm1: 2.5".',
                )
            )
        return value * TO_WAVENUMBER[units[0]]
    return None


def _title(table: TextTable) -> str:
    given = dict(filter(None, map(key_and_value, table.remarks)))
    if 'title' in given:
        return given['title']
    plain = (remark for remark in table.remarks if key_and_value(remark) is None)
    return ' '.join(table.title.split()) or next(plain, '')


def _as_vision(blocks: list[RawBlock], on_vision: bool | None) -> bool:
    """Whether three blocks are VISION's: one axis, numbers 0 to 2, the last between the others.

    The third block is the mean over all detectors, so it lies between the banks nearly everywhere.
    """
    backward, forward, both = blocks
    if on_vision is False or [block.number for block in blocks] != [0, 1, 2]:
        return False
    if not _on_one_axis(blocks) or not (on_vision or _starts_as_vision(backward)):
        return False
    lower = np.minimum(backward.intensity, forward.intensity)
    upper = np.maximum(backward.intensity, forward.intensity)
    room = 1e-4 * np.abs(upper)
    outside = (both.intensity < lower - room) | (both.intensity > upper + room)
    return bool(outside.mean() <= _MAY_LIE_OUTSIDE)


def _on_one_axis(blocks: list[RawBlock]) -> bool:
    return all(np.array_equal(block.energy, blocks[0].energy) for block in blocks)


def _starts_as_vision(block: RawBlock) -> bool:
    return abs(float(block.energy[0]) - _VISION_START) <= _START_ROOM


def _named_as_vision(blocks: list[RawBlock]) -> list[RawBlock]:
    notes = ['the three blocks are taken as VISION writes them: backward, forward, sum']
    unit = blocks[0].unit
    if not unit and _starts_as_vision(blocks[0]):
        unit = MEV
        notes.append('energies are in meV, as VISION writes them; the file does not say')
    return [
        RawBlock(
            **{
                **vars(block),
                'name': bank,
                'unit': unit,
                'notes': (*block.notes, *notes),
            }
        )
        for block, bank in zip(blocks, VISION_BANKS, strict=True)
    ]
