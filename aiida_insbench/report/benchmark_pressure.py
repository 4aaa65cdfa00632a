"""What pressure does, in a benchmark's page: measured band shifts beside those of the modes.

Slopes in cm⁻¹/GPa, bands in cm⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida_insbench.report.benchmark_story import Data, potential_order, shown
from aiida_insbench.report.numbers import MISSING, number
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
