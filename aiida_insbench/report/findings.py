"""The findings of a campaign in about ten plain lines, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida_insbench.report.bands import band_chains, sorted_spectra
from aiida_insbench.report.numbers import (
    MISSING,
    count,
    duration,
    joined,
    number,
    pressure,
    pressures,
)
from aiida_insbench.report.story import (
    comparison,
    force_error,
    headline,
    mode_lines,
    passed,
    path,
    potential_names,
    soft_mode,
    soft_rows,
)
from aiida_insbench.science.pressure import pressure_from_label


def findings(data: Mapping[str, Any]) -> list[str]:
    """Lines to print at the end of a campaign.

    Parameters
    ----------
    data : dict
        The report's data.

    Returns
    -------
    list of str
        The headline first, then what it rests on, then what it cost.
    """
    lines = [headline(data)]
    lines += [_error_line(one) for one in data.get('potentials') or []]
    soft = soft_mode(mode_lines(data))
    if soft is not None:
        lines += [
            f'Soft mode {soft.name}, {name}: {path(row)} cm⁻¹ at '
            f'{pressures(map(pressure_from_label, row["frequencies"]))}.'
            for name, row in soft_rows(soft)
        ]
    lines += [_verdict_line(one) for one in data.get('potentials') or []]
    lines += _band_lines(data)
    lines += _mesh_lines(data)
    lines.append(_cost_line(data))
    return lines


def _error_line(one: Mapping[str, Any]) -> str:
    errors = one.get('errors') or {}
    parts = [f'forces {number(force_error(one))} meV/Å'] if force_error(one) else []
    if errors.get('rmse_energy_mev_atom') is not None:
        parts.append(f'energies {number(errors["rmse_energy_mev_atom"], 2)} meV/atom')
    if errors.get('rmse_stress_gpa') is not None:
        parts.append(f'stress {number(errors["rmse_stress_gpa"], 2)} GPa')
    block = comparison(one)
    if block.get('rms_error_all_cm1') is not None:
        worst = number(block.get('worst_error_cm1'), 0, sign=True)
        parts.append(f'Γ modes {number(block["rms_error_all_cm1"], 0)} cm⁻¹ (worst {worst})')
    if not parts:
        return f'{one["name"]}: no errors known.'
    return f'{one["name"]}, rms errors against DFT: {"; ".join(parts)}.'


def _verdict_line(one: Mapping[str, Any]) -> str:
    word = {True: 'PASSED', False: 'FAILED', None: 'NOT JUDGED'}[passed(one)]
    sentences = (comparison(one).get('verdict') or {}).get('sentences') or []
    return f'{one["name"]}: {word}.{" " + sentences[0] if sentences else ""}'


def _band_lines(data: Mapping[str, Any]) -> list[str]:
    spectra = sorted_spectra(data)
    if not spectra:
        return []
    where = f'{spectra[0]["instrument"]}, {number(spectra[0]["temperature"], 0)} K'
    at = pressures(spectrum['pressure'] for spectrum in spectra)
    lines = []
    for direction in ('red', 'blue', 'flat'):
        chains = sorted(
            (one for one in band_chains(spectra) if one.direction == direction),
            key=lambda one: one.positions[0],
        )
        if chains and len(spectra) > 1:
            listed = ', '.join(
                ' → '.join(number(value, 0) for value in one.positions) for one in chains
            )
            lines.append(f'INS bands going {direction} ({where}, {at}): {listed} cm⁻¹.')
    return lines


def _mesh_lines(data: Mapping[str, Any]) -> list[str]:
    lines = []
    for one in data.get('potentials') or []:
        minima = {
            label: cell.get('minimum_frequency')
            for label, cell in (one.get('relaxed') or {}).items()
            if cell.get('minimum_frequency') is not None
        }
        bad = {label: value for label, value in minima.items() if value < -1.0}
        at = (
            joined(
                f'{-value:.0f}i cm⁻¹ at {pressure(pressure_from_label(label))} GPa'
                for label, value in bad.items()
            )
            if bad
            else ''
        )
        if bad:
            lines.append(f'{one["name"]}: imaginary on the q-point mesh, {at}.')
        elif minima:
            lines.append(f'{one["name"]}: no imaginary mode on the q-point mesh.')
    return lines


def _cost_line(data: Mapping[str, Any]) -> str:
    provenance, campaign = data.get('provenance') or {}, data.get('campaign') or {}
    wall = campaign.get('wall_time_s')
    parts = [f'{count(len(potential_names(data)), "potential")}']
    if provenance.get('n_pw') is not None:
        failed = provenance.get('n_pw_failed') or 0
        cost = duration(provenance.get('pw_core_seconds'))
        text = f'{count(provenance["n_pw"], "DFT calculation")} ({failed} failed'
        parts.append(f'{text}, {cost} of core time)' if cost != MISSING else f'{text})')
    if provenance.get('n_processes') is not None:
        parts.append(count(provenance['n_processes'], 'process'))
    if wall is not None:
        parts.append(f'{duration(wall)} of wall time')
    return f'Campaign {campaign.get("pk", MISSING)}: {", ".join(parts)}.'
