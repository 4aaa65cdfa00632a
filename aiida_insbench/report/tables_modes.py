"""Tables of modes: frequencies and shifts, slopes and kinds of motion, why they shift.

Frequencies in cm⁻¹, slopes in cm⁻¹/GPa; a cell is a string, units stand in the headings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.report.numbers import MISSING, number, wavenumber
from aiida_insbench.report.story import ModeLine, comparison, potential_names
from aiida_insbench.report.tables import Cell, Table, direction_words, gpa, without_empty


def mode_table(lines: Sequence[ModeLine], data: Mapping[str, Any]) -> Table:
    """Modes with frequencies, shift and direction, for DFT and each potential."""
    sources = _sources(lines, data)
    groups = [('', 2)]
    heads = ['Mode', 'Motion of']
    for name, labels in sources:
        groups.append((f'{name} (cm⁻¹ at GPa)', len(labels) + 1))
        heads += [gpa(label) for label in labels] + ['shift']
    rows = []
    for line in lines:
        row = [Cell(_mode_name(line)), Cell(shares_text(line.first.get('participation')))]
        for name, labels in sources:
            found = line.reference if name == 'DFT' else line.potentials.get(name)
            row += _mode_cells(found, labels, line.reference if name != 'DFT' else None)
        rows.append(row)
    return Table(groups, heads, rows)


def kind_table(data: Mapping[str, Any]) -> Table | None:
    """Slopes and kinds of motion of the last potential's modes; columns that are empty left out."""
    block = last_modes(data)
    return _kind_table(block['modes'], block.get('avoided_crossings')) if block else None


def segment_tables(data: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Other crystals that the last potential's becomes: what changes, and their modes."""
    found = []
    for one in (last_modes(data).get('segments') or [])[1:]:
        start, end = one['labels'][0], one['labels'][-1]
        where = f'From {gpa(start)} to {gpa(end)} GPa' if start != end else f'At {gpa(start)} GPa'
        if one.get('modes'):
            found.append((f'{where} {one["change"]}', _kind_table(one['modes'])))
    return found


def last_modes(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Comparison of the last potential that has modes; empty if there is none."""
    for one in reversed(data.get('potentials') or []):
        block = comparison(one)
        if block.get('modes'):
            return block
    return {}


def _kind_table(
    rows: Sequence[Mapping[str, Any]], crossings: Sequence[Mapping[str, Any]] | None = None
) -> Table:
    """Table of rows of `aiida_insbench.science.shifts.mode_table`; what they lack is left out.

    ``ins_weight`` and ``sigma`` may be one number, or one by pressure label.
    """
    label = next(iter(rows[0]['frequencies']))
    heads = [
        'No.',
        'Mode',
        f'cm⁻¹ at {gpa(label)} GPa',
        'Slope (cm⁻¹/GPa)',
        'DFT slope (cm⁻¹/GPa)',
        'γ',
        'Motion of atoms',
        'Motion of molecules',
        'INS weight (%)',
        'σ (cm⁻¹)',
        'σ of slope (cm⁻¹/GPa)',
        'Overlap',
        'Remark',
    ]
    partners = {row['index']: row.get('partner') for row in reversed(crossings or [])}
    return without_empty(heads, [_kind_cells(row, label, partners) for row in rows])


def _kind_cells(
    row: Mapping[str, Any], label: str, partners: Mapping[int, int | None]
) -> list[Cell]:
    times = f' ×{row["degeneracy"]}' if row['degeneracy'] > 1 else ''
    frequency = row['frequencies'].get(label)
    bad = frequency is not None and frequency <= -1.0
    weight = _at(row.get('ins_weight'), label)
    return [
        Cell(str(row['index'] + 1), 'number'),
        Cell(f'{row.get("irrep") or MISSING}{times}'),
        Cell(wavenumber(frequency), 'number bad' if bad else 'number'),
        Cell(slope_text(row, ''), 'number'),
        Cell(slope_text(row, 'reference_'), 'number'),
        Cell(number(row.get('gruneisen'), 2, sign=True), 'number'),
        Cell(shares_text(row.get('participation'))),
        Cell(shares_text(row.get('motion'))),
        Cell(number(None if weight is None else 100 * weight), 'number'),
        Cell(number(_at(row.get('sigma'), label)), 'number'),
        Cell(number(row.get('slope_sigma')), 'number'),
        Cell(number(row.get('overlap'), 2), 'number'),
        Cell(*_remarks(row, partners)),
    ]


def _remarks(row: Mapping[str, Any], partners: Mapping[int, int | None]) -> tuple[str, str]:
    text, kind = remark(row)
    partner = partners.get(row['index'])
    if partner is None:
        return text, kind
    mixed = f'mixes with No. {partner + 1}'
    return (mixed if text == MISSING else f'{text}, {mixed}'), kind


def slope_text(row: Mapping[str, Any], whose: str) -> str:
    """Slope with its standard error, where more than two pressures give one."""
    slope, error = row.get(f'{whose}slope'), row.get(f'{whose}slope_error')
    if slope is None or error is None:
        return number(slope, 1, sign=True)
    digits = 1 if error >= 0.1 else 2
    known = number(error, digits) if error >= 0.01 else '< 0.01'
    return f'{number(slope, digits, sign=True)} ± {known}'


def remark(row: Mapping[str, Any]) -> tuple[str, str]:
    """What is remarkable in a mode, and the class of the cell."""
    if row.get('direction') == 'unstable':
        return 'unstable', 'bad'
    return ('anomalous ▼', 'red') if row.get('anomalous') else (MISSING, '')


def _at(value: Any, label: str) -> float | None:
    """One number, or that of a pressure."""
    found = value.get(label) if isinstance(value, Mapping) else value
    return float(found) if isinstance(found, int | float) else None


def shares_text(shares: Mapping[str, float] | None) -> str:
    """The two largest shares that are not next to nothing."""
    main = sorted((shares or {}).items(), key=lambda item: -item[1])[:2]
    return ', '.join(f'{name} {100 * share:.0f} %' for name, share in main if share >= 0.005) or (
        MISSING
    )


def reason_table(data: Mapping[str, Any]) -> Table | None:
    """Shifts of the last potential's modes, split by pairs of elements and by molecules."""
    for one in reversed(data.get('potentials') or []):
        block = comparison(one)
        reasons = (block.get('attribution') or {}).get('modes') or []
        found = [row for row in reasons if not row.get('reason')]
        if found:
            return _reason_table(block['modes'], found)
    return None


def _reason_table(
    modes: Sequence[Mapping[str, Any]], reasons: Sequence[Mapping[str, Any]]
) -> Table:
    rows_of = {row['index']: row for row in modes}
    parts = {
        'by pair of elements (cm⁻¹)': [row['elements'] for row in reasons],
        'by molecules (cm⁻¹)': [row['bonding'] for row in reasons],
        'by step (cm⁻¹)': [
            {name: step['shift'] for name, step in (row.get('steps') or {}).items()}
            for row in reasons
        ],
    }
    parts = {heading: found for heading, found in parts.items() if found[0]}
    groups = [('', 3), *((heading, len(found[0])) for heading, found in parts.items())]
    heads = ['Mode', 'cm⁻¹', 'Shift', *(key for found in parts.values() for key in found[0])]
    rows = []
    for place, row in enumerate(reasons):
        mode = rows_of.get(row['index'], {})
        cells = [
            Cell(mode.get('irrep') or MISSING),
            Cell(wavenumber(row['frequencies'][0]), 'number'),
            Cell(number(row['shift'], 1, sign=True), 'number'),
        ]
        for found in parts.values():
            cells += [
                Cell(number(found[place].get(key), 1, sign=True), 'number') for key in found[0]
            ]
        rows.append(cells)
    return Table(groups, heads, rows)


def _sources(lines: Sequence[ModeLine], data: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Each column group with the pressures it has."""
    found = []
    for name in ['DFT', *potential_names(data)]:
        rows = [line.reference if name == 'DFT' else line.potentials.get(name) for line in lines]
        labels = [label for row in rows if row for label in row['frequencies']]
        if labels:
            found.append((name, list(dict.fromkeys(labels))))
    return found


def _mode_cells(
    row: Mapping[str, Any] | None, labels: Sequence[str], reference: Mapping[str, Any] | None
) -> list[Cell]:
    if row is None:
        return [Cell(MISSING, 'number') for _ in labels] + [Cell(MISSING)]
    cells = []
    for index, label in enumerate(labels):
        value = row['frequencies'].get(label)
        kind = 'number' if value is None or value > -1.0 else 'number bad'
        cells.append(Cell(wavenumber(value), f'{kind} first' if index == 0 else kind))
    return [*cells, _shift_cell(row, reference)]


def _shift_cell(row: Mapping[str, Any], reference: Mapping[str, Any] | None) -> Cell:
    if row.get('shift') is None:
        return Cell(*direction_words(row.get('direction')))
    word, kind = direction_words(row.get('direction'))
    wrong = bool(
        reference
        and reference.get('direction') in ('red', 'blue')
        and row.get('direction') != reference['direction']
    )
    text = f'{number(row["shift"], 0, sign=True)} {word}'
    return Cell(f'{text} ✗' if wrong else text, f'shift {kind}{" wrong" if wrong else ""}')


def _mode_name(line: ModeLine) -> str:
    times = line.first['degeneracy']
    return f'{line.name} ×{times}' if times > 1 else line.name
