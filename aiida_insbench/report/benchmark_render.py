"""The report of a benchmark as one HTML page: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Mapping
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
from aiida_insbench.report.benchmark_panels import legend_entry, target_block
from aiida_insbench.report.benchmark_story import (
    Data,
    as_campaign,
    by_look,
    cards,
    headline,
    looks,
    potential_order,
    shown,
    tie_sentence,
)
from aiida_insbench.report.numbers import count, duration, flattened, number, pressures
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
    return page_environment().get_template('benchmark.html').render(**_context(data))


def benchmark_parts(data: Data) -> dict[str, Markup]:
    """Parts of the report that another page can take in.

    Parameters
    ----------
    data : dict
        As of `render_benchmark`.

    Returns
    -------
    dict of str to Markup
        ``style``: rules of the style sheet; ``scores``: scores, spectra over their targets, what
        pressure changes, band shifts; ``checks``: frequency errors, molecular dynamics.
    """
    environment, context = page_environment(), _context(data)
    return {
        name: Markup(environment.get_template(f'benchmark_{name}.html').render(**context))  # noqa: S704 - made here
        for name in ('style', 'scores', 'checks')
    }


def _context(data: Data) -> dict[str, Any]:
    """Variables of the templates."""
    known = looks(data)
    tabs = [*potential_order(data), *([DFT] if _has_dft(data) else [])]
    return dict(
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
        tabs=[legend_entry(shown(name), known[name]) for name in tabs],
        targets=[target_block(data, cell, tabs, known) for cell in data['cells']],
        differences=_differences(data, known),
        shift_tables=benchmark_pressure.shift_tables(data),
        parts=_parts(data),
        agreement=data['ranking'].get('agreement'),
        agreement_table=benchmark_sources.agreement_table(data),
        dynamics_table=benchmark_sources.dynamics_table(data),
        validations=_validations(data),
        target_table=benchmark_sources.target_table(data),
        lineage_table=benchmark_sources.lineage_table(data),
        cost_table=benchmark_sources.cost_table(data),
        training=_training(data),
        facts=_facts(data),
        rules=flattened(data.get('rules') or {}),
        rules_hash=digest(data.get('rules') or {}),
        dft_level=_dft_level(data),
        **_modes(data),
    )


def _has_dft(data: Data) -> bool:
    return any(DFT in cell['scores'] for cell in data['cells'])


def _differences(data: Data, known: Mapping[str, Look]) -> list[dict[str, Any]]:
    """What pressure changes: a figure and a table for each pair of targets."""
    found = []
    for target, one in (data.get('differences') or {}).items():
        asked = {name: look for name, look in known.items() if name in one['scores']}
        drawn = benchmark_pressure.difference_figure(target, one, asked)
        entries = [('target', benchmark_figures.TARGET_LOOK)]
        entries += [(shown(name), look) for name, look in asked.items()]
        found.append(
            {
                'title': benchmark_pressure.difference_title(target, one),
                'legend': [legend_entry(text, look) for text, look in entries],
                'figure': Markup(drawn),  # noqa: S704 - made here
                'table': benchmark_pressure.difference_table(data, one),
            }
        )
    return found


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
            legend_entry('total', Look(BLACK, '-', '')),
            *(legend_entry(part, look) for part, look in legend),
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


def _training(data: Data) -> list[Markup]:
    """Training curves of the potentials that have one, each with its look."""
    known = data.get('potentials') or {}
    # those without a curve keep their place, and so the others their looks
    curves = {name: (known.get(name) or {}).get('curve') or {} for name in by_look(data)}
    quantities = [('rmse_forces_mev_a', 'Force rms (meV/Å)'), ('loss', 'Loss (dimensionless)')]
    return markup(
        figures_modes.training_curve(curves, key, label)
        for key, label in quantities
        if any(curve.get('epoch') and curve.get(key) for curve in curves.values())
    )


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
