"""Scores of all potentials on all targets as one table: ranking, agreement, verdicts.

Costs go from 0, the same spectrum, to 1, as bad as featureless. A potential without a spectrum
where one is asked for has the worst cost and a reason, never a missing row. Shifts in cm⁻¹,
pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.science.benchmark.agreement import rank_agreement
from aiida_insbench.science.benchmark.words import potential_sentences
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring import VERSION
from aiida_insbench.science.scoring.ranking import (
    SHARED,
    CellScore,
    Ranked,
    rank_potentials,
)
from aiida_insbench.science.scoring.score import WORST

#: Name under which DFT itself competes on measured spectra.
DFT = 'dft'
MEASURED, OF_DFT = KINDS = ('measured', 'dft')
_RULES = {'good_shift': 10.0, 'good_residual': 0.25, 'significance': 1.0}


def benchmark_table(
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    cells: Sequence[Mapping[str, Any]],
    failures: Mapping[str, Mapping[str, str]],
    comparison: Mapping[str, Any] | None = None,
    rules: Mapping[str, Any] | None = None,
    shifts: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """Rank potentials and say what each is good for.

    Parameters
    ----------
    scores : mapping
        By potential and target: tables of `aiida_insbench.science.scoring.cell.CellResult`.
    cells : sequence of mapping
        Targets: ``name``, ``kind`` (``measured`` or ``dft``), ``pressure`` (GPa), ``blind``.
    failures : mapping of str to mapping
        By potential (all of them, with or without failures) and target: the reason.
    comparison : mapping, optional
        Result of stage ``analyse`` on the same potentials.
    rules : mapping, optional
        ``good_shift`` (cm⁻¹) and ``good_residual``: up to which a spectrum counts as reproduced;
        ``significance``: standard errors between ranks; ``weights``: of targets by name.
    shifts : mapping, optional
        Scores of measured band shifts by competitor and table: `PressureScore.to_dict` with
        ``words``. They stand beside the ranking and are no part of it.

    Returns
    -------
    dict
        ``version``; ``cells``; ``ranked`` (best first: ``name``, ``rank``, ``mean``, ``error``,
        ``tied_with``, ``failures``, ``cells``); ``blind``: the same over blind targets, None
        without; ``frequency_errors`` (cm⁻¹ by potential, weighted by INS intensity, against DFT);
        ``agreement`` of the ranking with those, see `rank_agreement`; ``dft``: what DFT itself
        costs on measured targets; ``errors``: parts of the error of each cost by potential, target
        and source, see `uncertainty`; ``pressure_scores`` by competitor and table: ``cost``,
        ``signs_right``, ``signs_known``, ``red_missed``, ``rms_slope`` (cm⁻¹/GPa), ``words``;
        ``verdicts``: sentences by potential.

    Raises
    ------
    InputError
        If there is no target, a name is given twice, or a kind is not known.
    """
    chosen = _checked_rules(rules)
    names = _checked_cells(cells)
    weights = {name: float(chosen['weights'].get(name, 1.0)) for name in names}
    table = {
        name: _row(scores.get(name, {}), failures.get(name, {}), names)
        for name in sorted({*scores, *failures} - {DFT})
    }
    ranked = _ranked(table, weights, chosen)
    blind = {cell['name']: weights[cell['name']] for cell in cells if cell.get('blind')}
    # members of committees are in a comparison, too
    errors = {name: one for name, one in frequency_errors(comparison).items() if name in table}
    dft = {name: cell['headline'] for name, cell in scores.get(DFT, {}).items()}
    return {
        'version': VERSION,
        'cells': [dict(cell) for cell in cells],
        'ranked': [_plain(one) for one in ranked],
        'blind': [_plain(one) for one in _ranked(table, blind, chosen)] if blind else None,
        'frequency_errors': errors,
        'agreement': rank_agreement({one.name: one.mean for one in ranked}, errors),
        'dft': dft,
        'errors': {name: _error_parts(row) for name, row in scores.items()},
        'pressure_scores': {
            name: {table: _shift_summary(score) for table, score in row.items()}
            for name, row in (shifts or {}).items()
        },
        'verdicts': {
            one.name: potential_sentences(
                _plain(one),
                n_potentials=len(ranked),
                scores=scores.get(one.name, {}),
                cells=cells,
                dft=dft,
                comparison=_of(comparison, one.name),
                shifts=(shifts or {}).get(one.name, {}),
                rules=chosen,
            )
            for one in ranked
        },
        'rules': {name: value for name, value in chosen.items() if name != 'weights'},
    }


def frequency_errors(comparison: Mapping[str, Any] | None) -> dict[str, float | None]:
    """Root-mean-square errors of Γ modes against DFT, weighted by INS intensity, cm⁻¹."""
    tables = (comparison or {}).get('potentials', {})
    return {name: table.get('ins_weighted_rms_error_all_cm1') for name, table in tables.items()}


def _error_parts(row: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Parts of the errors of costs, by target and source."""
    return {
        name: {
            source: one['cost']
            for source, one in ((cell.get('uncertainty') or {}).get('components') or {}).items()
        }
        for name, cell in row.items()
    }


def _shift_summary(score: Mapping[str, Any]) -> dict[str, Any]:
    names = ('cost', 'signs_right', 'signs_known', 'red_missed', 'rms_slope', 'words')
    return {name: score[name] for name in names}


def _row(
    scores: Mapping[str, Mapping[str, Any]], failures: Mapping[str, str], names: Sequence[str]
) -> dict[str, CellScore]:
    row = {}
    for name in names:
        if name in scores:
            cell = scores[name]
            row[name] = CellScore(
                float(cell['headline']), float(cell['headline_error']), common=_common(cell)
            )
        elif name in failures:
            row[name] = CellScore(WORST, failure=failures[name])
    return row  # what is in neither is counted as missing by the ranking


def _common(cell: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Changes of the cost by what all potentials share; none in scores of earlier releases."""
    components = (cell.get('uncertainty') or {}).get('components') or {}
    return {
        source: tuple(one['changes'])
        for source, one in components.items()
        if source in SHARED and one.get('changes')
    }


def _ranked(
    table: Mapping[str, Mapping[str, CellScore]],
    weights: Mapping[str, float],
    rules: Mapping[str, Any],
) -> tuple[Ranked, ...]:
    rows = {
        name: {cell: row[cell] for cell in weights if cell in row} for name, row in table.items()
    }
    return rank_potentials(rows, weights=dict(weights), significance=rules['significance'])


def _plain(one: Ranked) -> dict[str, Any]:
    return {
        'name': one.name,
        'rank': one.rank,
        'mean': one.mean,
        'error': one.error,
        'tied_with': list(one.tied_with),
        'failures': dict(one.failures),
        'cells': dict(one.cells),
    }


def _of(comparison: Mapping[str, Any] | None, name: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = (comparison or {}).get('potentials', {}).get(name)
    return found


def _checked_rules(given: Mapping[str, Any] | None) -> dict[str, Any]:
    table = dict((given or {}).get('table', {}))
    weights = table.pop('weights', {})
    if unknown := sorted(set(table) - set(_RULES)):
        raise InputError(f'Unknown rules of the table: {", ".join(unknown)}.')
    return {**_RULES, **table, 'weights': dict(weights)}


def _checked_cells(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [str(cell['name']) for cell in cells]
    if not names:
        raise InputError('A benchmark needs a target: a measured spectrum, or DFT.')
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f'Targets of the same name: {", ".join(repeated)}.')
    if wrong := [cell['kind'] for cell in cells if cell['kind'] not in KINDS]:
        raise InputError(f'A target is {" or ".join(KINDS)}, not {wrong[0]!r}.')
    return names
