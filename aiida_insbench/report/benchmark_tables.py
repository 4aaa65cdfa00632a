"""Tables of a benchmark's page as rows of printed cells; units stand in the headings.

Energies in cm⁻¹, pressures in GPa. The score table has bars, so its cells are numbers as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida_insbench.report.benchmark_story import (
    Data,
    competitors,
    failure,
    shown,
)
from aiida_insbench.report.numbers import MISSING, number
from aiida_insbench.report.tables import Cell, Table, without_empty
from aiida_insbench.science.benchmark.table import DFT

_RIGHT = 'number'
#: Sources of errors of costs, in the order of columns.
SOURCES = ('counting', 'committee', 'pressure', 'convergence')


def score_table(data: Data) -> dict[str, Any]:
    """Potentials, DFT and anchors by targets.

    Returns
    -------
    dict
        ``heads``: one a target, with ``name``, ``title`` and ``blind``; ``groups``: ``title`` and
        ``rows``, each with ``name``, ``rank``, ``mean`` and ``cells`` (``text``, ``share`` in
        percent, ``kind``: best, failed, none or empty).
    """
    cells = data['cells']
    lowest = {
        cell['row']['name']: min(
            one['cells'][cell['row']['name']] for one in data['ranking']['ranked']
        )
        for cell in cells
    }
    groups = [
        {
            'title': 'Potentials, best first',
            'rows': [
                {
                    'name': one['name'],
                    'rank': f'{one["rank"]}{"=" if one["tied_with"] else ""}',
                    'mean': f'{number(one["mean"], 3)} ± {number(one["error"], 3)}',
                    'cells': [_score(data, one['name'], cell, lowest) for cell in cells],
                }
                for one in data['ranking']['ranked']
            ],
        }
    ]
    if any(DFT in cell['scores'] for cell in cells):
        row = {'name': 'DFT itself', 'rank': '', 'mean': ''}
        row['cells'] = [_score(data, DFT, cell, {}) for cell in cells]  # type: ignore[assignment]
        groups.append({'title': 'The reference, on measured targets', 'rows': [row]})
    anchors = {cell['row']['name']: _anchors(cell) for cell in cells}
    names = list(dict.fromkeys(name for found in anchors.values() for name in found))
    if names:
        groups.append(
            {
                'title': 'The scale: the target itself, spoilt',
                'rows': [
                    {
                        'name': _anchor_name(name),
                        'rank': '',
                        'mean': '',
                        'cells': [
                            _cost((anchors[cell['row']['name']].get(name) or {}).get('cost'))
                            for cell in cells
                        ],
                    }
                    for name in names
                ],
            }
        )
    return {'heads': [cell['row'] for cell in cells], 'groups': groups}


def comparison_table(data: Data, cell: Mapping[str, Any]) -> Table:
    """All numbers of a target, one row a competitor."""
    heads = [
        'Competitor',
        'Cost',
        'Mean |shift| (cm⁻¹)',
        'Mean shift (cm⁻¹)',
        'Residual',
        'W₁ (cm⁻¹)',
        'χ²/ν',
        'Peaks F₁',
        'over chance',
        'Best P (GPa)',
        'Cost at stated P',
        'Node',
    ]
    rows = []
    for name in competitors(data, cell):
        table = cell['scores'].get(name)
        if table is None:
            rows.append(
                [Cell(name), Cell('1 ✗ failed', 'number bad'), *[Cell(MISSING, _RIGHT)] * 10]
            )
            continue
        score, profile = table['score'], table.get('profile') or {}
        summary, peaks = score.get('summary') or {}, score.get('peaks') or {}
        stated = (profile.get('stated_summary') or {}).get('cost') if profile.get('error') else None
        texts = [
            f'{number(table["headline"], 3)} ± {number(table["headline_error"], 3)}',
            number(summary.get('shift')),
            number(summary.get('bias'), sign=True),
            number(summary.get('residual'), 3),
            number((score.get('w1') or {}).get('distance')),
            number((score.get('chi_square') or {}).get('reduced'), 2),
            number(peaks.get('f1'), 2),
            number(peaks.get('excess'), 2, sign=True),
            number(profile.get('best'), 2) if profile.get('error') else MISSING,
            number(stated, 3),
            str(table.get('pk') or MISSING),
        ]
        rows.append([Cell(shown(name)), *(Cell(text, _RIGHT) for text in texts)])
    return without_empty(heads, rows)


def error_table(data: Data, cell: Mapping[str, Any]) -> Table | None:
    """What the error of each cost is made of; None where nothing is known of it."""
    rows = []
    for name in competitors(data, cell):
        table = cell['scores'].get(name) or {}
        parts = (table.get('uncertainty') or {}).get('components') or {}
        if parts:
            costs = [(parts.get(source) or {}).get('cost') for source in SOURCES]
            texts = [number(cost, 4) for cost in (*costs, table['headline_error'])]
            rows.append([Cell(shown(name)), *(Cell(text, _RIGHT) for text in texts)])
    heads = ['Competitor', *(source.capitalize() for source in SOURCES), 'Together']
    return without_empty(heads, rows) if rows else None


def window_table(score: Mapping[str, Any]) -> Table:
    """Windows of one score, and their means by group."""
    heads = ['Window (cm⁻¹)', 'Group', 'Share of area (%)', 'Shift (cm⁻¹)', 'Residual']
    heads += ['of noise alone', 'Scale', 'W₁ (cm⁻¹)', 'Cost', 'Status', 'At a bound']
    total = sum(row['area'] for row in score['windows']) or 1.0
    rows = [
        [
            Cell(f'{number(row["low"], 0)} – {number(row["high"], 0)}'),
            Cell(row['group']),
            Cell(number(100 * row['area'] / total), _RIGHT),
            Cell(number(row['shift'], sign=True), _RIGHT),
            Cell(number(row['residual'], 3), _RIGHT),
            Cell(number(row['noise_residual'], 3), _RIGHT),
            Cell(number(row['scale'], 2), _RIGHT),
            Cell(number(row['w1']), _RIGHT),
            Cell(number(row['cost'], 2), _RIGHT),
            Cell(row['status'], 'bad' if row['status'] == 'not simulated' else ''),
            Cell(', '.join(row['at_bound']) or MISSING),
        ]
        for row in score['windows']
    ]
    for name, one in score['groups'].items():
        texts = [number(100 * one['area'] / total), number(one['bias'], sign=True)]
        texts += [number(one['residual'], 3), MISSING, MISSING, number(one['w1'])]
        texts.append(number(one['cost'], 2))
        scored = f'{one["counts"]["scored"]} of {sum(one["counts"].values())} scored'
        rows.append(
            [
                Cell('mean of the group'),
                Cell(name),
                *(Cell(text, _RIGHT) for text in texts),
                Cell(scored),
                Cell(MISSING),
            ]
        )
    return Table([], heads, rows)


def fit_table(score: Mapping[str, Any]) -> Table | None:
    """What was fitted, with bounds."""
    fit = score.get('fit')
    if not fit:
        return None
    rows = [
        [
            Cell(one['name']),
            Cell(_significant(one['value']), _RIGHT),
            Cell(_significant(one['error']), _RIGHT),
            Cell(_significant(one['lower']), _RIGHT),
            Cell(_significant(one['upper']), _RIGHT),
            Cell(one['at_bound'] or MISSING),
        ]
        for one in fit['values']
    ]
    return Table([], ['Fitted', 'Value', '±', 'Lower bound', 'Upper bound', 'At a bound'], rows)


def peak_table(score: Mapping[str, Any]) -> Table | None:
    """Measured and predicted peaks, matched, missed and spurious, by energy."""
    peaks = score.get('peaks')
    if not peaks:
        return None
    pairs = [(a, b, 'matched', '') for a, b in peaks['pairs']]
    mine, theirs = ({pair[side] for pair in peaks['pairs']} for side in (0, 1))
    pairs += [(place, None, 'missed', 'bad') for place in peaks['measured'] if place not in mine]
    pairs += [
        (None, place, 'not in the target', 'bad')
        for place in peaks['predicted']
        if place not in theirs
    ]
    pairs.sort(key=lambda row: row[0] if row[0] is not None else row[1])
    rows = [
        [
            Cell(number(a), _RIGHT),
            Cell(number(b), _RIGHT),
            Cell(number(b - a if a is not None and b is not None else None, sign=True), _RIGHT),
            Cell(word, kind),
        ]
        for a, b, word, kind in pairs
    ]
    return Table([], ['Target (cm⁻¹)', 'Predicted (cm⁻¹)', 'Off (cm⁻¹)', ''], rows)


def _score(
    data: Data, name: str, cell: Mapping[str, Any], lowest: Mapping[str, float]
) -> dict[str, Any]:
    target = cell['row']['name']
    if failure(data, name, cell):
        return {'text': '✗ failed', 'share': 100, 'kind': 'failed'}
    table = cell['scores'].get(name)
    found = _cost(None if table is None else table['headline'])
    if table is not None and lowest.get(target) == table['headline'] and len(lowest) > 0:
        found['kind'] = 'best'
    return found


def _cost(value: float | None) -> dict[str, Any]:
    if value is None:
        return {'text': MISSING, 'share': 0, 'kind': 'none'}
    return {'text': number(value, 2), 'share': round(100 * value, 1), 'kind': ''}


def _anchors(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Anchors of a target, from the competitor that has most of them."""
    found = [table.get('anchors') or {} for table in cell['scores'].values()]
    return dict(max(found, key=len, default={}))


def _anchor_name(name: str) -> str:
    if name == 'DFT reference':
        return 'DFT reference, at the stated pressure'
    return f'{name} cm⁻¹' if ' by ' in name else name


def _significant(value: Any) -> str:
    """Three digits that count."""
    return MISSING if value is None else f'{value:.3g}'.replace('-', '−')
