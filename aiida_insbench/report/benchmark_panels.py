"""Blocks of a benchmark's page: one target with a panel for each competitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from aiida_insbench.report import benchmark_figures, benchmark_tables
from aiida_insbench.report.benchmark_sticks import stick_panel
from aiida_insbench.report.benchmark_story import Data, competitors, failure, shown, target_title
from aiida_insbench.report.line_marks import sample
from aiida_insbench.report.numbers import number, pressure
from aiida_insbench.report.style import Look


def legend_entry(name: str, look: Look) -> dict[str, Any]:
    """Name and sample of a line."""
    return {'name': name, 'sample': Markup(sample(look))}  # noqa: S704 - made here


def target_block(
    data: Data, cell: Mapping[str, Any], tabs: Sequence[str], known: Mapping[str, Look]
) -> dict[str, Any]:
    """One target: all together, then a panel for each tab."""
    row, there = cell['row'], competitors(data, cell)
    legend = benchmark_figures.target_legend(cell)
    asked = {name: known[name] for name in there}
    return {
        'name': row['name'],
        'title': target_title(row),
        'together': Markup(benchmark_figures.together(cell, asked)),  # noqa: S704 - made here
        'profile': Markup(benchmark_figures.profile(cell, asked)),  # noqa: S704 - made here
        'legend': [legend_entry(text, look) for text, look in legend],
        'table': benchmark_tables.comparison_table(data, cell),
        'errors': benchmark_tables.error_table(data, cell),
        'panels': [_panel(data, cell, name, known[name]) for name in tabs],
    }


def _panel(data: Data, cell: Mapping[str, Any], name: str, look: Look) -> dict[str, Any]:
    """One competitor on one target."""
    table = cell['scores'].get(name)
    panel: dict[str, Any] = {'name': shown(name), 'failure': failure(data, name, cell)}
    if table is None:
        return {**panel, 'there': False}
    score = table['score']
    found = benchmark_figures.overlay_of(cell, name)
    modes = found and stick_panel(data, cell, name, look.color, found.limits)
    between = [modes] if modes else []
    return {
        **panel,
        'there': True,
        'sample': legend_entry(shown(name), look)['sample'],
        'figure': Markup(  # noqa: S704 - made here
            benchmark_figures.overlay(cell, name, look, between)
        ),
        'sticks': bool(between),
        'words': table.get('scale') or '',
        'facts': _score_facts(table),
        'pressure': _pressure_sentence(table.get('profile')),
        'notes': [*score.get('notes', []), *(table.get('warnings') or [])],
        'windows': benchmark_tables.window_table(score),
        'fit': benchmark_tables.fit_table(score),
        'fit_note': _fit_note(score.get('fit')),
        'peaks': benchmark_tables.peak_table(score),
        'peak_note': _peak_note(score.get('peaks')),
    }


def _score_facts(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    score = table['score']
    summary = score.get('summary') or {}
    facts = [
        ('Cost', f'{number(table["headline"], 3)} ± {number(table["headline_error"], 3)}'),
        ('Mean |shift|', f'{number(summary.get("shift"))} cm⁻¹'),
        ('Residual', number(summary.get('residual'), 3)),
    ]
    if score.get('chi_square'):
        facts.append(('χ²/ν', number(score['chi_square']['reduced'], 2)))
    if score.get('peaks'):
        facts.append(('Peaks F₁', number(score['peaks']['f1'], 2)))
    return facts


def _pressure_sentence(profile: Mapping[str, Any] | None) -> str:
    if not profile or not profile.get('error'):
        return ''
    stated, best = profile['stated_summary']['cost'], profile['best_summary']['cost']
    text = (
        f'Stated {pressure(profile["stated"])} ± {pressure(profile["error"])} GPa: cost '
        f'{number(stated, 3)}. Best fitting {number(profile["best"], 2)} GPa: cost '
        f'{number(best, 3)}'
    )
    if profile['at_end']:
        text += ', at an end of the range: the true pressure may lie beyond'
    if profile['narrowed']:
        text += '; the range is cut to the simulated pressures'
    return f'{text}.'


def _fit_note(fit: Mapping[str, Any] | None) -> str:
    if not fit:
        return ''
    shares = f'Background: {number(100 * fit["background_share"])} % of the measured area'
    cell = fit.get('cell_share')
    if cell:
        shares += f'; empty cell: {number(100 * cell)} %'
    return f'{shares}. {fit["bins"]} bins were compared. Nothing else was free.'


def _peak_note(peaks: Mapping[str, Any] | None) -> str:
    if not peaks:
        return ''
    return (
        f'Recall {number(peaks["recall"], 2)}, precision {number(peaks["precision"], 2)}, F₁ '
        f'{number(peaks["f1"], 2)}; as many random peaks reach {number(peaks["null_f1"], 2)}, so '
        f'{number(peaks["excess"], 2, sign=True)} is won over chance (1 is perfect). Mean distance '
        f'of matched peaks {number(peaks["mean_distance"])} cm⁻¹.'
    )
