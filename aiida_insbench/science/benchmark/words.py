"""What a potential is good for, in sentences. Shifts in cm⁻¹, pressures in GPa."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MARGIN = 2.0  # standard errors within which a potential is as good as DFT


def potential_sentences(
    ranked: Mapping[str, Any],
    *,
    n_potentials: int,
    scores: Mapping[str, Mapping[str, Any]],
    cells: Sequence[Mapping[str, Any]],
    dft: Mapping[str, float],
    comparison: Mapping[str, Any] | None,
    rules: Mapping[str, Any],
    shifts: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """Sentences on one potential.

    Parameters
    ----------
    ranked : mapping
        Its row of the ranking.
    n_potentials : int
        How many were ranked.
    scores : mapping
        Its tables by target.
    cells : sequence of mapping
        All targets.
    dft : mapping of str to float
        Cost of DFT itself by measured target.
    comparison : mapping, optional
        Its table of stage ``analyse``.
    rules : mapping
        ``good_shift``, ``good_residual``.
    shifts : mapping, optional
        Its scores of measured band shifts, by table.
    """
    found = [_place(ranked, n_potentials)]
    found += [f'Failed on {cell}: {reason}' for cell, reason in ranked['failures'].items()]
    for kind, beside in (('measured', 'the measured spectrum'), ('dft', "DFT's spectrum")):
        row = [cell for cell in cells if cell['kind'] == kind]
        if row:
            found.append(_transfer(scores, row, beside, rules))
    if within := _as_good_as_dft(scores, cells, dft):
        found.append(within)
    found += [
        f'Measured band shifts ({table}): {score["words"]}; pressure score {score["cost"]:.2f} '
        '(0 best, 1 worst).'
        for table, score in (shifts or {}).items()
    ]
    if comparison is not None:
        found += list(comparison['verdict']['sentences'])
    return found


def _place(ranked: Mapping[str, Any], n_potentials: int) -> str:
    tied = f', not told apart from {", ".join(ranked["tied_with"])}' if ranked['tied_with'] else ''
    return (
        f'Rank {ranked["rank"]} of {n_potentials}{tied}: mean cost {ranked["mean"]:.3f} ± '
        f'{ranked["error"]:.3f} over {len(ranked["cells"])} targets (0 the same, 1 featureless).'
    )


def _transfer(
    scores: Mapping[str, Mapping[str, Any]],
    cells: Sequence[Mapping[str, Any]],
    beside: str,
    rules: Mapping[str, Any],
) -> str:
    """Up to which pressure spectra are reproduced without a gap."""
    ordered = sorted(cells, key=lambda cell: float(cell['pressure']))
    good: list[float] = []
    for cell in ordered:
        summary = (scores.get(cell['name']) or {}).get('score', {}).get('summary')
        if not _is_good(summary, rules):
            where = f'{cell["pressure"]:g} GPa'
            why = _why_not(summary)
            if not good:
                return f'Does not reproduce {beside} at {where}: {why}.'
            return f'Transferable to {good[-1]:g} GPa by {beside}; not to {where}: {why}.'
        good.append(float(cell['pressure']))
    return (
        f'Transferable to {good[-1]:g} GPa by {beside} (mean shift within '
        f'{rules["good_shift"]:g} cm⁻¹, residual within {rules["good_residual"]:g}).'
    )


def _is_good(summary: Mapping[str, Any] | None, rules: Mapping[str, Any]) -> bool:
    if summary is None or summary['shift'] is None or summary['residual'] is None:
        return False
    return bool(
        summary['shift'] <= rules['good_shift'] and summary['residual'] <= rules['good_residual']
    )


def _why_not(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return 'no spectrum'
    if summary['shift'] is None or summary['residual'] is None:
        return 'no window could be scored'
    return f'mean shift {summary["shift"]:.1f} cm⁻¹, residual {summary["residual"]:.2f}'


def _as_good_as_dft(
    scores: Mapping[str, Mapping[str, Any]],
    cells: Sequence[Mapping[str, Any]],
    dft: Mapping[str, float],
) -> str:
    """Where the potential's distance to the measurement is DFT's own."""
    within: list[str] = []
    beyond: list[str] = []
    for cell in cells:
        name = cell['name']
        if cell['kind'] != 'measured' or name not in dft or name not in scores:
            continue
        mine = scores[name]
        margin = _MARGIN * float(mine['headline_error'])
        close = float(mine['headline']) <= dft[name] + margin
        (within if close else beyond).append(f'{cell["pressure"]:g}')
    if not within and not beyond:
        return ''
    if not beyond:
        return f'As near to the measurement as DFT itself, within errors: {", ".join(within)} GPa.'
    return f'Farther from the measurement than DFT itself at {", ".join(beyond)} GPa.'
