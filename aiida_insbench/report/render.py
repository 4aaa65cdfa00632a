"""The report as one HTML page that needs nothing else: no network, no library, no other file.

Its one script moves the picture of the modes; without it there is a still picture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from aiida_insbench.report import (
    figures_modes,
    figures_shifts,
    figures_spectra,
    tables,
    tables_modes,
)
from aiida_insbench.report.bands import sorted_spectra
from aiida_insbench.report.limits import limits
from aiida_insbench.report.mode_picture import still_picture, viewpoint
from aiida_insbench.report.numbers import (
    MISSING,
    count,
    duration,
    flattened,
    number,
    pressures,
)
from aiida_insbench.report.page import markup, page_environment
from aiida_insbench.report.rounds import round_parts
from aiida_insbench.report.story import (
    ModeLine,
    comparison,
    force_error,
    headline,
    mode_lines,
    passed,
    path,
    potential_names,
    pressures_of,
    soft_mode,
    soft_sentence,
)


def render_html(data: Mapping[str, Any]) -> str:
    """Render the report.

    Parameters
    ----------
    data : dict
        The campaign's numbers, schema 1, as `collect` draws them from the graph. ``reference``
        may be None, and potentials, spectra and parts of them may be missing.

    Returns
    -------
    str
        A whole HTML document.
    """
    lines = mode_lines(data)
    return (
        page_environment()
        .get_template('template.html')
        .render(
            data=data,
            crystal=data.get('crystal') or {},
            campaign=data.get('campaign') or {},
            provenance=data.get('provenance') or {},
            pressures=pressures(sorted(data['pressures'].values())),
            headline=headline(data),
            summary=_summary(data, lines),
            cards=[_card(one, soft_mode(lines)) for one in data.get('potentials') or []],
            limits=limits(data),
            facts=_facts(data),
            settings=flattened((data.get('provenance') or {}).get('settings') or {}),
            dft_level=flattened((data.get('provenance') or {}).get('dft_level') or {}),
            view=_view(data),
            **round_parts(data),
            benchmark=_benchmark(data),
            **_mode_parts(data, lines),
            **_spectrum_parts(data),
            **_potential_parts(data),
        )
    )


def _summary(data: Mapping[str, Any], lines: list[ModeLine]) -> list[str]:
    """Sentences under the headline."""
    sentences = []
    soft = soft_mode(lines)
    if soft is not None:
        sentences.append(soft_sentence(soft))
    errors = [
        f'{number(comparison(one)["rms_error_all_cm1"], 0)} cm⁻¹ with {one["name"]}'
        for one in data.get('potentials') or []
        if comparison(one).get('rms_error_all_cm1') is not None
    ]
    if errors:
        sentences.append(f'All optical Γ modes differ from DFT by {", ".join(errors)} (rms).')
    return sentences


def _card(one: Mapping[str, Any], soft: ModeLine | None) -> dict[str, Any]:
    row = soft.potentials.get(one['name']) if soft else None
    facts = [
        ('Force error (rms)', f'{number(force_error(one))} meV/Å'),
        ('Γ modes (rms)', _with_unit(comparison(one).get('rms_error_all_cm1'))),
    ]
    if soft is not None and row is not None:
        facts.append((f'Soft mode {soft.name}', f'{path(row)} cm⁻¹'))
    verdict = comparison(one).get('verdict') or {}
    words = {
        True: ('right physics', 'pass', '✓'),
        False: ('wrong physics', 'fail', '✗'),
        None: ('not judged', 'open', '?'),
    }
    word, kind, sign = words[passed(one)]
    return {
        'name': one['name'],
        'word': word,
        'kind': kind,
        'sign': sign,
        'facts': facts,
        'sentences': verdict.get('sentences') or ['Modes were not compared.'],
        'frames': one.get('n_frames'),
        'pk': one.get('pk'),
    }


def _benchmark(data: Mapping[str, Any]) -> dict[str, Markup] | None:
    """Parts of the benchmark's page; None of a campaign without one."""
    from aiida_insbench.report.benchmark_render import benchmark_parts

    return benchmark_parts(data['benchmark']) if data.get('benchmark') else None


def _mode_parts(data: Mapping[str, Any], lines: list[ModeLine]) -> dict[str, Any]:
    if not lines:
        return {
            'mode_figures': [],
            'mode_table': None,
            'kind_table': None,
            'segment_tables': [],
            'reason_table': None,
            'soft_figures': [],
            'soft_name': '',
        }
    known = pressures_of(lines)
    names = [
        name for name in potential_names(data) if any(name in line.potentials for line in lines)
    ]
    soft = soft_mode(lines)
    figures = []
    if soft is not None:
        figures.append(figures_modes.soft_mode_figure(soft, names, known))
    if any(line.first.get('shift') is not None for line in lines):
        figures.append(figures_shifts.shift_comparison(lines, names))
    return {
        'mode_figures': markup(figures_modes.mode_shifts(lines, name, known) for name in names),
        'mode_table': tables_modes.mode_table(lines, data),
        'kind_table': tables_modes.kind_table(data),
        'segment_tables': tables_modes.segment_tables(data),
        'reason_table': tables_modes.reason_table(data),
        'soft_figures': markup(figures),
        'soft_name': soft.name if soft else '',
    }


def _view(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Moving picture of the modes: its data as JSON for the script, and the still picture."""
    view = data.get('mode_view')
    if not view or view.get('reason'):
        return view
    turn = viewpoint()
    pk = (data.get('campaign') or {}).get('pk', 'PK')
    command = (
        f'aiida-insbench phonons animate {pk} --potential {view["key"]} --pressure PRESSURE '
        '--mode MODE -o mode.xyz'
    )
    text = json.dumps({**view, 'turn': turn, 'command': command}, separators=(',', ':'))
    return {
        **view,
        # no text in it can end the script element
        'json': Markup(text.replace('<', '\\u003c')),  # noqa: S704 - see above
        'picture': Markup(still_picture(view, turn)),  # noqa: S704 - made here
        'mode': view['modes'][view['default']],
    }


def _spectrum_parts(data: Mapping[str, Any]) -> dict[str, Any]:
    spectra = [one for one in sorted_spectra(data) if len(one['energy_transfer']) > 1]
    return {
        'spectra': spectra,
        'stack': markup([figures_spectra.stacked_spectra(spectra)])[0] if spectra else '',
        'parts': [
            {
                'pressure': one['pressure'],
                'figures': markup(
                    figures_spectra.parts(one, kind)
                    for kind in ('elements', 'orders')
                    if one.get(kind)
                ),
            }
            for one in spectra
        ],
        'band_table': tables.band_table(data),
        'beside': markup(_beside(data, spectra)),
    }


def _beside(data: Mapping[str, Any], spectra: Sequence[Mapping[str, Any]]) -> list[str]:
    """At the first pressure: banks over each other, and q-points of the reference over the mesh."""
    if not spectra:
        return []
    first = spectra[0]
    energies = first['energy_transfer']
    banks = first.get('banks') or {}
    figures = []
    if len(banks) > 1:
        curves = {
            name: {'energy_transfer': energies, 'total': values} for name, values in banks.items()
        }
        figures.append(figures_spectra.together(curves, 'banks', 'Banks of detectors.'))
    groups = ((data.get('benchmark') or {}).get('spectra') or {}).get(
        str(first.get('potential')).replace(' ', '_'), {}
    )
    at_reference = (groups.get('supercell') or {}).get(first['label'])
    if at_reference:
        curves = {
            'mesh of q-points': first,
            'q-points of the reference': {
                'energy_transfer': at_reference['energy'],
                'total': at_reference['total'],
            },
        }
        figures.append(
            figures_spectra.together(curves, 'qpoints', 'Mesh against q-points of the reference.')
        )
    return figures


def _potential_parts(data: Mapping[str, Any]) -> dict[str, Any]:
    curves = {
        one['name']: one['curve']
        for one in data.get('potentials') or []
        if (one.get('curve') or {}).get('epoch')
    }
    quantities = [('rmse_forces_mev_a', 'Force rms (meV/Å)'), ('loss', 'Loss (dimensionless)')]
    return {
        'error_table': tables.error_table(data) if data.get('potentials') else None,
        'split_table': tables.split_table(data),
        'relaxed_table': tables.relaxed_table(data),
        'training': markup(
            figures_modes.training_curve(curves, key, label)
            for key, label in quantities
            if any(curve.get(key) for curve in curves.values())
        ),
    }


def _facts(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Provenance in figures."""
    provenance, campaign = data.get('provenance') or {}, data.get('campaign') or {}
    rows = [('Campaign', f'{campaign.get("label") or MISSING}, {_identity(campaign)}')]
    rows.append(('State', str(campaign.get('state') or MISSING)))
    rows.append(('Wall time', duration(campaign.get('wall_time_s'))))
    if provenance.get('n_pw') is not None:
        failed = provenance.get('n_pw_failed') or 0
        rows.append(
            ('DFT calculations', f'{count(provenance["n_pw"], "calculation")}, {failed} failed')
        )
    if provenance.get('pw_core_seconds') is not None:
        rows.append(('Core time of DFT', duration(provenance['pw_core_seconds'])))
    if provenance.get('n_processes') is not None:
        rows.append(('Processes in the graph', str(provenance['n_processes'])))
    return rows


def _identity(campaign: Mapping[str, Any]) -> str:
    return f'pk {campaign.get("pk", MISSING)} ({campaign.get("uuid", MISSING)})'


def _with_unit(value: Any) -> str:
    return f'{number(value, 0)} cm⁻¹' if value is not None else 'no reference'
