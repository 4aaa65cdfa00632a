"""Scores and compared spectra of a benchmark as CSV; energies in cm⁻¹, pressures in GPa."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiida_insbench.report.benchmark_story import Data, competitors, failure
from aiida_insbench.report.benchmark_tables import SOURCES
from aiida_insbench.science.scoring.score import WORST

_SCORES = (
    'competitor',
    'target',
    'kind',
    'pressure_gpa',
    'pressure_error_gpa',
    'blind',
    'cost',
    'cost_error',
    *(f'cost_error_{source}' for source in SOURCES),
    'shift_cm1',
    'mean_shift_cm1',
    'residual',
    'w1_cm1',
    'chi2_reduced',
    'peaks_f1',
    'peaks_excess',
    'best_pressure_gpa',
    'cost_at_stated_pressure',
    'failure',
    'node',
)
_SPECTRA = (
    'target',
    'competitor',
    'energy_transfer_cm1',
    'target_intensity',
    'target_error',
    'fitted',
    'background',
    'compared',
)


def scores_csv(data: Data) -> str:
    """One row a competitor and target; `DFT` among them where it has a score.

    A failure has the worst cost and its reason; what is not known is left empty.
    """
    rows = [
        [_plain(value) for value in _score_row(data, cell, name)]
        for cell in data['cells']
        for name in competitors(data, cell)
    ]
    return '\n'.join((_line(_SCORES), *map(_line, rows), ''))


def spectra_csv(data: Data) -> str:
    """Compared spectra, one row a target, competitor and energy.

    Columns ``fitted`` (with background) and ``background`` are in the unit of the target;
    ``compared`` is 1 where a bin was.
    """
    return '\n'.join((_line(_SPECTRA), *_spectrum_lines(data), ''))


def _score_row(data: Data, cell: Mapping[str, Any], name: str) -> list[Any]:
    row, table = cell['row'], cell['scores'].get(name)
    start = [name, row['name'], row['kind'], row['pressure'], row.get('pressure_error', 0.0)]
    start.append(int(bool(row.get('blind'))))
    reason = failure(data, name, cell)
    if table is None:
        return [*start, WORST, *[None] * (len(_SCORES) - len(start) - 3), reason, None]
    score, profile = table['score'], table.get('profile') or {}
    summary, peaks = score.get('summary') or {}, score.get('peaks') or {}
    parts = (table.get('uncertainty') or {}).get('components') or {}
    return [
        *start,
        WORST if reason else table['headline'],
        table['headline_error'],
        *((parts.get(source) or {}).get('cost') for source in SOURCES),
        summary.get('shift'),
        summary.get('bias'),
        summary.get('residual'),
        (score.get('w1') or {}).get('distance'),
        (score.get('chi_square') or {}).get('reduced'),
        peaks.get('f1'),
        peaks.get('excess'),
        profile.get('best'),
        (profile.get('stated_summary') or {}).get('cost'),
        reason,
        table.get('pk'),
    ]


def _spectrum_lines(data: Data) -> Iterator[str]:
    """Lines of one target and competitor at a time: there may be 100 000."""
    for cell in data['cells']:
        for name in competitors(data, cell):
            arrays = (cell.get('overlays') or {}).get(name)
            if not arrays:
                continue
            start = _line([cell['row']['name'], name])
            empty = [None] * len(arrays['energy'])
            columns = [_texts(arrays[key]) for key in ('energy', 'target')]
            columns.append(_texts(cell.get('error') or empty))
            columns += [_texts(arrays[key]) for key in ('simulated', 'background')]
            columns.append(['1' if used else '0' for used in arrays['used']])
            yield from (f'{start},{",".join(row)}' for row in zip(*columns, strict=True))


def _texts(values: Iterable[float | None]) -> list[str]:
    """Six digits that count; None and NaN, which differs from itself, are empty."""
    return [f'{one:.6g}' if one is not None and one == one else '' for one in values]


def _line(values: Iterable[Any]) -> str:
    """One line, quoted where it must be."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator='').writerow(values)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """A cell of the scores."""
    if value is None:
        return ''
    return f'{value:.6g}' if isinstance(value, float) else value
