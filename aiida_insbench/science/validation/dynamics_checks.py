"""Checks of molecular dynamics: every pressure run, every run sound, how long they last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.science.dynamics.lifetime import lifetime
from aiida_insbench.science.plain_numbers import finite_or_none
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.validation.check import DYNAMICS, Check


def dynamics_checks(
    runs: Mapping[str, Mapping[str, Any]], *, pressures: Sequence[str]
) -> tuple[list[Check], dict[str, Any]]:
    """Judge the records of runs.

    Parameters
    ----------
    runs : mapping
        Records by label (``p_1500_npt``), see `aiida_insbench.jobs.md_results`.
    pressures : sequence of str
        Labels of pressures at which there must be a run.

    Returns
    -------
    tuple of (list of Check, dict)
        A check for each violation, and for each sound run and each pressure without a run one of
        its own; and a table: ``runs`` (rows, in rising order of pressure) and ``lifetime``
        (``mean``, ``low``, ``high`` in ps, None for no bound; ``failures``, ``total``) or None.
    """
    ordered = sorted(runs.values(), key=lambda one: (one['pressure'], one['ensemble']))
    checks: list[Check] = []
    for record in ordered:
        checks += _of_run(record)
    there = {label.rpartition('_')[0] for label in runs}
    for label in sorted(set(pressures) - there, key=pressure_from_label):
        reason = f'No run at {pressure_from_label(label):g} GPa: there is no crystal to start from.'
        checks.append(Check(DYNAMICS, 'run', label, None, None, '1', False, reason))
    return checks, {'runs': [_row(one) for one in ordered], 'lifetime': _lifetime(ordered)}


def _of_run(record: Mapping[str, Any]) -> list[Check]:
    label = record['label']
    if record['sound']:
        reason = f'{label}: sound for {record["length_ps"]:.3g} ps at {record["temperature"]:g} K.'
        return [Check(DYNAMICS, 'sound', label, 0.0, 0.0, '1', True, reason)]
    return [
        Check(
            DYNAMICS,
            one['check'],
            label,
            one['value'],
            one['limit'],
            one['unit'],
            False,
            f'{label} at {one["time"]:.3f} ps (step {one["step"]}): {one["reason"]}',
        )
        for one in record['violations']
    ]


def _first(record: Mapping[str, Any]) -> float | None:
    return min((one['time'] for one in record['violations']), default=None)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    averages = record['averages'] or {}
    return {
        'label': record['label'],
        'pressure': record['pressure'],
        'ensemble': record['ensemble'],
        'length_ps': record['length_ps'],
        'n_atoms': record['n_atoms'],
        'timestep_fs': record['timestep_fs'],
        'sound': record['sound'],
        'first_violation_ps': _first(record),
        'checks': [one['check'] for one in record['violations']],
        **{f'mean_{name}': averages.get(name) for name in ('temperature', 'pressure', 'volume')},
        'drift': averages.get('drift'),
    }


def _lifetime(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    if not records:
        return None
    # a run stops at its first violation, which may be its very first frame
    found = lifetime(
        [_first(one) for one in records],
        [max(one['length_ps'], _first(one) or 0.0, 1e-6) for one in records],
    )
    bounds = {'mean': found.mean, 'low': found.low, 'high': found.high}
    return {
        **{name: finite_or_none(value) for name, value in bounds.items()},
        'failures': found.failures,
        'total': found.total,
    }
