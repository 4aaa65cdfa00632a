"""What pressure does, in a benchmark's page: shifts of bands, and differences of spectra.

Slopes in cm⁻¹/GPa, energies in cm⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aiida_insbench.report.benchmark_figures import ENERGY, TARGET_LOOK, slug
from aiida_insbench.report.benchmark_story import Data, potential_order, shown
from aiida_insbench.report.line_panels import Band, Curve, Panel, draw
from aiida_insbench.report.numbers import MISSING, number, pressure
from aiida_insbench.report.style import GREY, Look
from aiida_insbench.report.tables import Cell, Table
from aiida_insbench.science.benchmark.table import DFT

_RIGHT = 'number'


def shift_tables(data: Data) -> list[dict[str, Any]]:
    """Tables of measured and predicted slopes.

    Returns
    -------
    list of dict
        One a table of band shifts: ``name``, ``file``, ``table``.
    """
    return [
        {'name': name, 'file': one.get('file') or '', 'table': _table(data, one['scores'])}
        for name, one in (data.get('shifts') or {}).items()
        if one['scores']
    ]


def difference_title(target: str, one: Mapping[str, Any]) -> str:
    """A difference in words."""
    low, high = (pressure(value) for value in one['pressures'])
    return f'{target} − {one["lower"]}: {high} GPa less {low} GPa'


def difference_figure(target: str, one: Mapping[str, Any], looks: Mapping[str, Look]) -> str:
    """Difference of the targets under those of the competitors, in parts of its greatest value."""
    found = {name: one['overlays'][name] for name in looks if name in one['overlays']}
    if not found:
        return ''
    first = {
        key: np.array(values, dtype=float) for key, values in next(iter(found.values())).items()
    }
    used = first['used'] > 0
    highest = float(np.max(np.abs(first['target'][used]), initial=0.0)) or 1.0
    curves, size = [], 1.0
    for phase, (name, arrays) in enumerate(found.items()):
        inside = np.array(arrays['used'], dtype=float) > 0
        values = np.where(inside, np.array(arrays['simulated'], dtype=float) / highest, np.nan)
        size = max(size, float(np.nanmax(np.abs(values), initial=0.0)))
        curves.append(Curve(first['energy'], values, looks[name], 1.5, phase))
    mine = np.where(used, first['target'] / highest, np.nan)
    error = first['error'] / highest
    bands = [Band(first['energy'], mine - error, mine + error, GREY, 0.35)] if error.any() else []
    curves.insert(0, Curve(first['energy'], mine, TARGET_LOOK, 1.1))
    return draw(
        [Panel('Parts of max', 220, (-1.08 * size, 1.08 * size), curves, bands)],
        name=f'difference-{slug(target)}',
        description=f'What pressure changes: {difference_title(target, one)}',
        xlabel=ENERGY,
        limits=(float(first['energy'][0]), float(first['energy'][-1])),
    )


def difference_table(data: Data, one: Mapping[str, Any]) -> Table:
    """Costs of a difference, one row a competitor."""
    heads = ['Competitor', 'Cost', 'Correlation', 'Windows scored', 'Below zero in (cm⁻¹)']
    rows = []
    for name in [*potential_order(data), DFT]:
        score = one['scores'].get(name)
        if score is None:
            if name != DFT:
                missing = [Cell(MISSING, _RIGHT)] * 3
                rows.append([Cell(name), Cell('✗ no spectrum', 'number bad'), *missing])
            continue
        scored = [row for row in score['windows'] if row['status'] == 'scored']
        wrong = [
            f'{number(row["low"], 0)} – {number(row["high"], 0)}'
            for row in scored
            if (row['correlation'] or 0.0) < 0
        ]
        rows.append(
            [
                Cell(shown(name)),
                Cell(number(score['cost'], 3), _RIGHT),
                Cell(number(_correlation(scored), 2, sign=True), _RIGHT),
                Cell(f'{len(scored)} of {len(score["windows"])}', _RIGHT),
                Cell(', '.join(wrong) or MISSING, 'bad' if wrong else ''),
            ]
        )
    return Table([], heads, rows)


def _correlation(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Mean of Pearson's r by area; a window where nothing is predicted counts as 0."""
    area = sum(row['area'] for row in rows)
    return sum(row['area'] * (row['correlation'] or 0.0) for row in rows) / area if area else None


def _table(data: Data, scores: Mapping[str, Any]) -> Table:
    names = [name for name in [*potential_order(data), DFT] if name in scores]
    bands = scores[names[0]]['bands']
    heads = ['Band (cm⁻¹)', 'Assigned', 'By', 'Measured', *map(shown, names)]
    rows = []
    for place, band in enumerate(bands):
        measured = f'{number(band["measured"], 2, sign=True)} ± {number(band["measured_error"], 2)}'
        if band['error_assumed']:
            measured += ' (assumed)'
        by = f'{band.get("technique", "")}, {number(band.get("temperature"), 0)} K'
        rows.append(
            [
                Cell(number(band['position'], 0), _RIGHT),
                Cell(_name(band)),
                Cell(by),
                Cell(measured, _RIGHT),
                *(_slope(scores[name]['bands'][place]) for name in names),
            ]
        )
    for title, text in (('Signs right', _signs), ('Pressure score', _cost)):
        end = [Cell(text(scores[name]), _RIGHT) for name in names]
        rows.append([Cell(title), Cell(''), Cell(''), Cell(''), *end])
    return Table([], heads, rows)


def _name(band: Mapping[str, Any]) -> str:
    """Label of the band as its source has it."""
    return str(band['label']).rpartition(f'{band["position"]:g} cm⁻¹')[0].strip() or MISSING


def _slope(band: Mapping[str, Any]) -> Cell:
    if band['predicted'] is None:
        return Cell('✗ no mode', 'number bad')
    text = number(band['predicted'], 2, sign=True)
    if band['predicted_error']:
        text += f' ± {number(band["predicted_error"], 2)}'
    if band['sign_right'] is False:
        return Cell(f'✗ {text}', 'number bad')
    return Cell(text, _RIGHT)


def _signs(score: Mapping[str, Any]) -> str:
    return f'{score["signs_right"]} of {score["signs_known"]}'


def _cost(score: Mapping[str, Any]) -> str:
    return number(score['cost'], 2)
