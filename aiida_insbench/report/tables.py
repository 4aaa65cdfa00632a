"""Tables of the report as rows of printed cells, and spectra as CSV.

A cell is a string; units stand in the headings.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiida_insbench.report.bands import band_chains, sorted_spectra
from aiida_insbench.report.numbers import (
    MISSING,
    number,
    pressure,
    wavenumber,
)
from aiida_insbench.report.story import comparison
from aiida_insbench.science.errors import PressureError
from aiida_insbench.science.pressure import pressure_from_label


@dataclass(frozen=True)
class Cell:
    """One cell: text, and a class for the page's style sheet."""

    text: str
    kind: str = ''


@dataclass(frozen=True)
class Table:
    """A table with grouped headings.

    Attributes
    ----------
    groups : list of (heading, number of columns)
        First row of headings; empty if there is none.
    heads : list of str
        Second row of headings.
    rows : list of list of Cell
        As many cells as `heads`.
    """

    groups: list[tuple[str, int]]
    heads: list[str]
    rows: list[list[Cell]]


def spectra_csv(data: Mapping[str, Any]) -> str:
    """All spectra as CSV, one row a pressure and energy.

    Columns: ``pressure_gpa``, ``energy_transfer_cm1``, ``total``, ``order_1`` …, ``element_H`` ….
    Intensities are those of the spectra, S(Q,ω) along the instrument's trajectory, in one
    arbitrary unit for all; parts that a spectrum lacks are left empty.
    """
    spectra = sorted_spectra(data)
    orders = sorted({key for one in spectra for key in one.get('orders') or {}}, key=int)
    elements = sorted({key for one in spectra for key in one.get('elements') or {}})
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator='\n')
    writer.writerow(
        ['pressure_gpa', 'energy_transfer_cm1', 'total']
        + [f'order_{key}' for key in orders]
        + [f'element_{key}' for key in elements]
    )
    for one in spectra:
        parts = [(one.get('orders') or {}).get(key) for key in orders]
        parts += [(one.get('elements') or {}).get(key) for key in elements]
        for index, energy in enumerate(one['energy_transfer']):
            values = [one['total'][index]] + [part[index] if part else '' for part in parts]
            writer.writerow([f'{one["pressure"]:g}', f'{energy:.6g}', *map(_six, values)])
    return buffer.getvalue()


def error_table(data: Mapping[str, Any]) -> Table:
    """Errors of each potential against the validation frames and the reference modes."""
    heads = [
        'Potential',
        'Trained on',
        'Force rms (meV/Å)',
        'Force mean (meV/Å)',
        'Energy rms (meV/atom)',
        'Stress rms (GPa)',
        'Γ modes rms (cm⁻¹)',
        'Γ modes worst (cm⁻¹)',
    ]
    rows = []
    for one in data.get('potentials') or []:
        errors, block = one.get('errors') or {}, comparison(one)
        frames = one.get('n_frames')
        rows.append(
            [
                Cell(one['name']),
                Cell(f'{frames} frames' if frames is not None else MISSING),
                Cell(number(errors.get('rmse_forces_mev_a')), 'number'),
                Cell(number(errors.get('mae_forces_mev_a')), 'number'),
                Cell(number(errors.get('rmse_energy_mev_atom'), 2), 'number'),
                Cell(number(errors.get('rmse_stress_gpa'), 3), 'number'),
                Cell(number(block.get('rms_error_all_cm1')), 'number'),
                Cell(number(block.get('worst_error_cm1'), 0, sign=True), 'number'),
            ]
        )
    return without_empty(heads, rows)


def split_table(data: Mapping[str, Any]) -> Table | None:
    """Force errors by element and by pressure, and Γ-mode errors by pressure."""
    potentials = data.get('potentials') or []
    blocks = [
        ('Force rms by element (meV/Å)', [_forces_by(one, 'by_element') for one in potentials]),
        ('Force rms at GPa (meV/Å)', [_forces_by(one, 'by_pressure') for one in potentials]),
        (
            'Γ modes rms at GPa (cm⁻¹)',
            [comparison(one).get('rms_error_cm1') or {} for one in potentials],
        ),
    ]
    groups, heads = [('', 1)], ['Potential']
    rows = [[Cell(one['name'])] for one in potentials]
    for heading, values in blocks:
        keys = sorted({key for found in values for key in found}, key=_label_order)
        if not keys:
            continue
        groups.append((heading, len(keys)))
        heads += [key if 'element' in heading else gpa(key) for key in keys]
        for row, found in zip(rows, values, strict=True):
            row += [Cell(number(found.get(key)), 'number') for key in keys]
    return Table(groups, heads, rows) if len(heads) > 1 else None


def relaxed_table(data: Mapping[str, Any]) -> Table | None:
    """Cells relaxed with each potential."""
    heads = [
        'Potential',
        'P (GPa)',
        'a (Å)',
        'b (Å)',
        'c (Å)',
        'V (Å³)',
        'Space group',
        'Residual stress (GPa)',
        'Lowest on mesh (cm⁻¹)',
    ]
    rows = []
    for one in data.get('potentials') or []:
        cells = one.get('relaxed') or {}
        for label in sorted(cells, key=pressure_from_label):
            cell = cells[label]
            lowest = cell.get('minimum_frequency')
            bad = lowest is not None and lowest < -1.0
            rows.append(
                [
                    Cell(one['name']),
                    Cell(gpa(label), 'number'),
                    *(Cell(number(cell.get(axis), 4), 'number') for axis in 'abc'),
                    Cell(number(cell.get('volume'), 3), 'number'),
                    Cell(str(cell.get('space_group') or MISSING)),
                    Cell(_small(cell.get('residual_stress_gpa')), 'number'),
                    Cell(
                        f'{wavenumber(lowest)}{" imaginary" if bad else ""}',
                        'number bad' if bad else 'number',
                    ),
                ]
            )
    return Table([], heads, rows) if rows else None


def band_table(data: Mapping[str, Any]) -> Table | None:
    """Strongest bands of the spectra followed by position."""
    spectra = sorted_spectra(data)
    chains = band_chains(spectra, count=8)
    if len(spectra) < 2 or not chains:
        return None
    heads = [f'{pressure(one["pressure"])} GPa' for one in spectra]
    rows = [
        [
            *(Cell(number(value, 0), 'number') for value in chain.positions),
            Cell(number(chain.shift, 0, sign=True), 'number'),
            Cell(*direction_words(chain.direction)),
        ]
        for chain in sorted(chains, key=lambda one: one.positions[0])
    ]
    return Table(
        [('Band (cm⁻¹)', len(spectra)), ('Shift', 2)], [*heads, '(cm⁻¹)', 'direction'], rows
    )


def without_empty(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    """Leave out columns that hold nothing."""
    kept = [index for index in range(len(heads)) if any(row[index].text != MISSING for row in rows)]
    return Table(
        [], [heads[index] for index in kept], [[row[index] for index in kept] for row in rows]
    )


def direction_words(direction: str | None) -> tuple[str, str]:
    """Direction of a shift as text and class of a cell."""
    return {
        'red': ('red ▼', 'red'),
        'blue': ('blue ▲', 'blue'),
        'flat': ('flat', ''),
        'unstable': ('unstable', 'bad'),
    }.get(direction or '', (MISSING, ''))


def _forces_by(one: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Force error by element or by pressure."""
    blocks = (one.get('errors') or {}).get(group) or {}
    return {key: (block or {}).get('rmse_forces_mev_a') for key, block in blocks.items()}


def gpa(label: str) -> str:
    """Pressure of a label, without unit."""
    return pressure(pressure_from_label(label))


def _label_order(key: str) -> tuple[float, str]:
    """Elements by name, labels by pressure."""
    try:
        return (pressure_from_label(key), key)
    except PressureError:
        return (0.0, key)


def _small(value: Any) -> str:
    """Small numbers with two digits that count, down to where they are nothing."""
    if value is None:
        return MISSING
    if value != 0 and abs(value) < 1e-3:
        return '< 0.001'
    return number(value, 3)


def _six(value: Any) -> str:
    return value if isinstance(value, str) else f'{value:.6g}'
