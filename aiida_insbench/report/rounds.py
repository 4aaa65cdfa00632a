"""Rounds of a campaign in its report: why it stopped, what each round brought, a learning curve.

Distances of spectra in cm⁻¹, pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from aiida_insbench.report.numbers import MISSING, number, pressure
from aiida_insbench.report.story import comparison
from aiida_insbench.report.style import BLACK, GREY, figure, potential_looks, to_svg
from aiida_insbench.report.tables import Cell, Table, without_empty
from aiida_insbench.science.campaign.stopping import StoppingRules
from aiida_insbench.science.pressure import pressure_from_label

_RIGHT = 'number'
Data = Mapping[str, Any]


def round_parts(data: Data) -> dict[str, Any]:
    """Variables of the template."""
    rounds = data.get('rounds') or []
    if not rounds:
        return {'rounds': None}
    return {
        'rounds': {
            'reason': rounds[-1]['decision']['sentence'],
            'table': round_table(data),
            'calibration': calibration_sentences(rounds),
            'curve': Markup(learning_curve(data)),  # noqa: S704 - made here
            'tolerated': _tolerated(data.get('stopping') or {}),
            'judged_by': rounds[-1]['judged_by'],
        }
    }


def _tolerated(stopping: Data) -> str:
    rules = StoppingRules.from_dict(stopping)
    return f'{rules.tolerance_shift:g} cm⁻¹, and {rules.tolerance_area:g} % of the area not shared'


def round_table(data: Data) -> Table:
    """One row a round and pressure."""
    heads = ['Round', 'Frames', 'P (GPa)', 'Members apart (cm⁻¹)', 'Area not shared (%)']
    heads += ['Without a spectrum', 'Since the round before (cm⁻¹)', 'Expected error (cm⁻¹)']
    heads += ['Core-hours', 'Times tolerated']
    rows = []
    for one in data['rounds']:
        expected = (one.get('calibration') or {}).get('expected_error_cm1') or {}
        labels = sorted({*one['committee'], *(one['change'] or {})}, key=pressure_from_label)
        for place, label in enumerate(labels):
            apart = one['committee'].get(label) or {}
            whole = [str(one['number']), str(one['n_frames'])] if place == 0 else ['', '']
            texts = [
                pressure(pressure_from_label(label)),
                number(apart.get('shift_cm1')),
                number(apart.get('area_percent')),
                ', '.join(apart.get('missing') or []) or MISSING,
                number(((one['change'] or {}).get(label) or {}).get('shift_cm1')),
                number(expected.get(label)),
            ]
            end = [number(one['core_hours'], 2), _times(one['excess'])] if place == 0 else ['', '']
            rows.append([Cell(text, _RIGHT) for text in (*whole, *texts, *end)])
    return without_empty(heads, rows)


def calibration_sentences(rounds: Sequence[Data]) -> list[str]:
    """What the committee's disagreement was worth on frames it had not seen."""
    found = []
    for one in rounds:
        known = one.get('calibration')
        if not known or known['factor'] is None:
            continue
        rank = known['rank_correlation']
        quality = '' if rank is None else f'; rank correlation over atoms {number(rank, 2)}'
        found.append(
            f'Before round {one["number"]}, a member was {number(known["factor"], 2)} times as far '
            f'from DFT as members were from each other, by forces on the {known["n_atoms"]} atoms '
            f'of the new frames ({number(known["rms_error_mev_a"])} against '
            f'{number(known["rms_distance_mev_a"])} meV/Å){quality}.'
        )
    return found


def learning_curve(data: Data) -> str:
    """Disagreement within the committee, and error against DFT, over labelled frames; SVG."""
    rounds = data['rounds']
    frames = [one['n_frames'] for one in rounds]
    labels = sorted(
        {label for one in rounds for label in one['committee']}, key=pressure_from_label
    )
    looks = potential_looks([f'{pressure_from_label(label):g} GPa' for label in labels])
    with figure(7.4, 3.0) as drawn:
        axes = drawn.add_subplot()
        for label, (name, look) in zip(labels, looks.items(), strict=True):
            points = [
                (count, one['committee'][label]['shift_cm1'])
                for count, one in zip(frames, rounds, strict=True)
                if (one['committee'].get(label) or {}).get('shift_cm1') is not None
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    color=look.color,
                    linestyle=look.line,
                    marker=look.marker,
                    label=f'members apart, {name}',
                )
        errors = _errors(data)
        if errors:
            axes.plot(
                *zip(*errors, strict=True),
                color=BLACK,
                marker='s',
                linestyle=':',
                label='Γ modes against DFT (rms, weighted)',
            )
        tolerance = (data.get('stopping') or {}).get('tolerance_shift')
        if tolerance:
            axes.axhline(tolerance, color=GREY, linestyle='--', linewidth=1.0, label='tolerated')
        axes.set(xlabel='labelled frames', ylabel='cm⁻¹', xticks=frames)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=7, loc='center left', bbox_to_anchor=(1.01, 0.5))
        return to_svg(drawn, 'learning_curve', 'Disagreement and error against labelled frames.')


def _errors(data: Data) -> list[tuple[int, float]]:
    """Error of each round's modes against DFT, weighted by INS intensity, by labelled frames."""
    by_name = {one['name']: comparison(one) for one in data.get('potentials') or []}
    found = []
    for one in data['rounds']:
        error = by_name.get(one['name'], {}).get('ins_weighted_rms_error_all_cm1')
        if error is not None:
            found.append((one['n_frames'], error))
    return found


def _times(excess: float | None) -> str:
    return '∞' if excess is None else number(excess, 2)
