"""Calcfunction of the benchmark on measured band shifts: signs first, magnitudes after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ExitCode, calcfunction
from aiida.orm import Dict

from aiida_insbench.calculations.scores import ERROR_BAD_INPUT
from aiida_insbench.science.benchmark.table import DFT
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.measured.band_shifts import BandShift
from aiida_insbench.science.scoring.band_assignment import ShiftSettings, score_modes, shift_words


@calcfunction  # type: ignore[untyped-decorator]
def score_band_shifts(table: Dict, comparison: Dict, settings: Dict) -> Dict | ExitCode:
    """Score the slopes of one competitor's Γ modes against measured ones.

    Parameters
    ----------
    table : Dict
        Of `insbench.import_band_shifts`.
    comparison : Dict
        Output of `insbench.analyse`; a competitor that is not in it has no modes.
    settings : Dict
        ``competitor``: its name, ``dft`` for the reference; more see `ShiftSettings`.

    Returns
    -------
    Dict or ExitCode
        ``cost``, ``bands`` (each with its ``mode``, ``technique`` and ``temperature``),
        ``signs_right``, ``signs_known``, ``red_missed``, ``rms_slope`` (cm⁻¹/GPa), ``words``,
        ``settings``, ``pressures`` (GPa by label); 210 with the reason if nothing can be scored.
    """
    given = settings.get_dict()
    name = str(given.pop('competitor', ''))
    try:
        bands = bands_of(table)
        chosen = ShiftSettings.from_dict(given)
        score, assigned = score_modes(bands, modes_in(comparison.get_dict(), name), chosen)
    except InputError as exc:
        return ExitCode(ERROR_BAD_INPUT, f'The shifts cannot be scored: {exc}')
    found = score.to_dict()
    found['bands'] = [
        {**row, 'mode': mode, 'technique': band.technique, 'temperature': band.temperature,
         'doi': band.doi}
        for row, mode, band in zip(found['bands'], assigned, bands, strict=True)
    ]  # fmt: skip
    return Dict(
        {
            **found,
            'words': shift_words(found),
            'settings': vars(chosen),
            'pressures': comparison.get_dict().get('pressures'),
        }
    )


def bands_of(table: Dict) -> list[BandShift]:
    """Bands of an imported table.

    Raises
    ------
    InputError
        If it is none.
    """
    rows = table.get_dict().get('rows')
    try:
        found = [BandShift(**row) for row in rows or ()]
    except TypeError as exc:
        raise InputError(f'This is no table of `insbench.import_band_shifts`: {exc}.') from exc
    if not found:
        raise InputError('The table of band shifts holds no `rows`.')
    return found


def modes_in(comparison: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """Rows of a competitor's modes, ``dft`` being the reference; empty without any."""
    if name == DFT:
        table = comparison.get('reference') or {}
    else:
        table = (comparison.get('potentials') or {}).get(name) or {}
    found: Sequence[Mapping[str, Any]] = table.get('modes') or ()
    return found
