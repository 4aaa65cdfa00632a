"""The report of a benchmark as one HTML page: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from aiida_insbench.report import (
    benchmark_figures,
    benchmark_pressure,
    benchmark_sources,
    benchmark_tables,
    figures_modes,
    figures_shifts,
    tables_modes,
)
from aiida_insbench.report.benchmark_story import (
    Data,
    as_campaign,
    by_look,
    cards,
    competitors,
    failure,
    headline,
    looks,
    potential_order,
    shown,
    target_title,
    tie_sentence,
)
from aiida_insbench.report.line_marks import sample
from aiida_insbench.report.numbers import count, duration, flattened, number, pressure, pressures
from aiida_insbench.report.page import markup, page_environment
from aiida_insbench.report.story import mode_lines, pressures_of, soft_mode
from aiida_insbench.report.style import BLACK, Look
from aiida_insbench.science.benchmark.records import digest
from aiida_insbench.science.benchmark.table import DFT


def render_benchmark(data: Data) -> str:
    """Render the report.

    Parameters
    ----------
    data : dict
        Schema 1, see `aiida_insbench.report.benchmark.collect_benchmark`. ``spectra``,
        ``comparison``, ``potentials``, ``verdicts`` and ``provenance`` may be empty or None.

    Returns
    -------
    str
        A whole HTML document.
    """
    known = looks(data)
    tabs = [*potential_order(data), *([DFT] if _has_dft(data) else [])]
    return (
        page_environment()
        .get_template('benchmark.html')
        .render(
            data=data,
            benchmark=data.get('benchmark') or {},
            crystal=data.get('crystal') or {},
            provenance=data.get('provenance') or {},
            pressures=pressures(sorted(data['pressures'].values())),
            headline=headline(data),
            ties=tie_sentence(data),
            cards=cards(data),
            scores=benchmark_tables.score_table(data),
            blind_table=benchmark_sources.blind_table(data),
            tabs=[_legend_entry(shown(name), known[name]) for name in tabs],
            targets=[_target(data, cell, tabs, known) for cell in data['cells']],
            shift_tables=benchmark_pressure.shift_tables(data),
            parts=_parts(data),
            agreement=data['ranking'].get('agreement'),
            agreement_table=benchmark_sources.agreement_table(data),
            dynamics_table=benchmark_sources.dynamics_table(data),
            validations=_validations(data),
            target_table=benchmark_sources.target_table(data),
            lineage_table=benchmark_sources.lineage_table(data),
            facts=_facts(data),
            rules=flattened(data.get('rules') or {}),
            rules_hash=digest(data.get('rules') or {}),
            dft_level=_dft_level(data),
            **_modes(data),
        )
    )


def _has_dft(data: Data) -> bool:
    return any(DFT in cell['scores'] for cell in data['cells'])


def _legend_entry(name: str, look: Look) -> dict[str, Any]:
    return {'name': name, 'sample': Markup(sample(look))}  # noqa: S704 - made here


def _target(
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
        'legend': [_legend_entry(text, look) for text, look in legend],
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
    return {
        **panel,
        'there': True,
        'sample': _legend_entry(shown(name), look)['sample'],
        'figure': Markup(benchmark_figures.overlay(cell, name, look)),  # noqa: S704 - made here
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


def _parts(data: Data) -> list[dict[str, Any]]:
    """Components of every simulated spectrum, by competitor and group of targets."""
    found = []
    spectra = data.get('spectra') or {}
    for name in [*potential_order(data), DFT]:
        for group, by_label in (spectra.get(name) or {}).items():
            usable = {label: one for label, one in by_label.items() if len(one['energy']) > 1}
            kinds = [
                kind
                for kind in ('elements', 'orders')
                if usable and all(one.get(kind) for one in usable.values())
            ]
            if kinds:
                first = next(iter(usable.values()))
                found.append(
                    {
                        'title': f'{shown(name)}, {first["instrument"]}, '
                        f'{number(first["temperature"], 0)} K ({group.replace("_", " ")})',
                        'figures': [_component(name, group, usable, kind) for kind in kinds],
                    }
                )
    return found


def _component(name: str, group: str, spectra: Mapping[str, Any], kind: str) -> dict[str, Any]:
    legend = benchmark_figures.component_legend(spectra, kind)
    drawn = benchmark_figures.components(name, group, spectra, kind)
    return {
        'legend': [
            _legend_entry('total', Look(BLACK, '-', '')),
            *(_legend_entry(part, look) for part, look in legend),
        ],
        'figure': Markup(drawn),  # noqa: S704 - made here
    }


def _modes(data: Data) -> dict[str, Any]:
    """Shifts of the modes against DFT's, as in the report of a campaign."""
    campaign = as_campaign(data)
    lines = mode_lines(campaign)
    names = by_look(data)
    if not lines or not campaign['potentials']:
        return {'mode_figures': [], 'mode_table': None, 'reason_table': None, 'mode_words': []}
    known = pressures_of(lines)
    figures = []
    soft = soft_mode(lines)
    if any(line.first.get('shift') is not None for line in lines):
        figures.append(figures_shifts.shift_comparison(lines, names))
    if soft is not None and len(known) > 1:
        figures.append(figures_modes.soft_mode_figure(soft, names, known))
    figures += [
        figures_modes.mode_shifts(lines, name, known)
        for name in names[::-1]
        if any(name in line.potentials for line in lines)
    ]
    # of several potentials this table takes the last
    best_last = {**campaign, 'potentials': campaign['potentials'][::-1]}
    return {
        'mode_figures': markup(figures),
        'mode_table': tables_modes.mode_table(lines, campaign),
        'reason_table': tables_modes.reason_table(best_last),
        'mode_words': [
            (one['name'], (one['comparison'].get('verdict') or {}).get('sentences') or [])
            for one in campaign['potentials']
        ],
    }


def _validations(data: Data) -> list[tuple[str, str]]:
    verdicts = data.get('verdicts') or {}
    return [(name, verdicts[name]['summary']) for name in potential_order(data) if name in verdicts]


def _dft_level(data: Data) -> list[tuple[str, list[tuple[str, str]]]]:
    """Levels of DFT that the potentials learnt, each once, with whose it is."""
    levels: dict[str, tuple[list[str], Any]] = {}
    for name, one in (data.get('potentials') or {}).items():
        if one.get('dft_level'):
            levels.setdefault(digest(one['dft_level']), ([], one['dft_level']))[0].append(name)
    return [(', '.join(names), flattened(level)) for names, level in levels.values()]


def _facts(data: Data) -> list[tuple[str, str]]:
    """Provenance in figures."""
    provenance, one = data.get('provenance') or {}, data.get('benchmark') or {}
    rows = [('Benchmark', f'{one.get("label") or "–"}, pk {one.get("pk", "–")}')]
    rows.append(
        ('Rules', f'{data["ranking"]["version"]}, SHA-256 {digest(data.get("rules") or {})}')
    )
    rows.append(('Wall time', duration(one.get('wall_time_s'))))
    if provenance.get('n_processes') is not None:
        rows.append(
            (
                'Processes',
                f'{count(provenance["n_processes"], "process")}, of these '
                f'{count(provenance.get("n_jobs") or 0, "job")}; '
                f'{provenance.get("n_cached") or 0} taken from the cache',
            )
        )
    if provenance.get('n_pw'):
        rows.append(('DFT', f'{count(provenance["n_pw"], "calculation")} of pw.x'))
    return rows
