"""Judge the Γ modes of a potential by those of a reference, in numbers and in plain words.

Frequencies in cm⁻¹, negative for imaginary modes (written 143i in sentences); pressures in GPa.
Errors are potential − reference over matched optical modes, each counted with its degeneracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida_insbench.science.avoided_crossings import avoided_crossings
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.mode_errors import Row, mode_errors
from aiida_insbench.science.modes import match
from aiida_insbench.science.shifts import ModeSeries, mode_table, shift_and_direction, trend
from aiida_insbench.science.verdict_words import (
    error_sentence,
    instabilities,
    overlap_sentences,
    shift_sentences,
    without_reference,
)


def judge(
    potential: ModeSeries,
    reference: ModeSeries | None,
    *,
    notes: Sequence[str] = (),
    failed: bool = False,
) -> dict[str, Any]:
    """Table of a potential's modes, beside the reference where there is one, and a verdict.

    Parameters
    ----------
    potential : ModeSeries
        The modes to judge.
    reference : ModeSeries or None
        The modes to judge by, in the same atom order.
    notes : sequence of str
        Sentences that come first.
    failed : bool
        Whether something is wrong already that modes do not show.

    Returns
    -------
    dict
        ``modes`` (rows of `mode_table`, with ``reference`` (cm⁻¹ by label), ``reference_shift``,
        ``reference_slope``, ``reference_direction``, ``reference_overlap``,
        ``reference_ins_weight``), `mode_errors`, ``acoustic_cm1``, ``red_modes`` (indices of modes
        whose shift is red), ``avoided_crossings``, ``verdict`` (``passed``, ``sentences``). Without
        a reference the errors and ``passed`` are None.

    Raises
    ------
    ComputationError
        If reference and potential have different numbers of modes.
    """
    rows = mode_table(potential)
    labels = [label for label in potential.pressures if reference and label in reference.pressures]
    if reference is None or not labels:
        for row in rows:
            row.update(_no_reference())
    else:
        _check_same_size(potential, reference)
        _add_reference(rows, labels, potential, reference)
    return {
        'modes': rows,
        **mode_errors(rows, labels),
        'acoustic_cm1': potential.acoustic,
        'red_modes': [
            row['index']
            for row in rows
            if row['shift'] is not None and trend(row['shift'], potential.tolerances) == 'red'
        ],
        'avoided_crossings': crossings(potential),
        'verdict': _verdict(rows, labels, potential, notes=notes, failed=failed),
    }


def crossings(series: ModeSeries) -> list[dict[str, Any]]:
    """`avoided_crossings` of a series, by its own tolerance."""
    return avoided_crossings(
        series.optical, list(series.pressures), overlap=series.tolerances.overlap
    )


def _add_reference(
    rows: list[Row], common: Sequence[str], potential: ModeSeries, reference: ModeSeries
) -> None:
    mine, other = list(potential.pressures), list(reference.pressures)
    indices, overlaps = match(
        potential.optical,
        reference.optical,
        [(mine.index(label), other.index(label)) for label in common],
    )
    weights = reference.ins_weights()
    for row, members, overlap in zip(rows, potential.optical.groups, overlaps, strict=True):
        frequencies = {
            label: float(
                reference.optical.sets[other.index(label)].frequencies[indices[members]].mean()
            )
            for label in common
        }
        found = shift_and_direction(frequencies, reference.pressures, reference.tolerances)
        row['reference'] = frequencies
        row['reference_overlap'] = float(overlap)
        row['reference_ins_weight'] = {
            label: float(weights[label][indices[members]].sum()) for label in common if weights
        }
        row.update({f'reference_{key}': value for key, value in found.items()})


def _check_same_size(potential: ModeSeries, reference: ModeSeries) -> None:
    if len(potential.symbols) != len(reference.symbols):
        raise ComputationError(
            f'The potential has {len(potential.symbols)} atoms in the primitive cell, the '
            f'reference {len(reference.symbols)}.'
        )


def _no_reference() -> Row:
    return {
        'reference': {},
        'reference_overlap': None,
        'reference_ins_weight': {},
        'reference_shift': None,
        'reference_slope': None,
        'reference_slope_error': None,
        'reference_direction': None,
        'reference_anomalous': None,
    }


def _verdict(
    rows: Sequence[Row],
    labels: Sequence[str],
    series: ModeSeries,
    *,
    notes: Sequence[str],
    failed: bool,
) -> dict[str, Any]:
    """Passed if every DFT shift has its sign and nothing is unstable that DFT has stable."""
    if not labels:
        return {
            'passed': False if failed else None,
            'sentences': [*notes, *without_reference(rows, series)],
        }
    worse, missed = instabilities(rows, labels, series)
    shifts, signs_right = shift_sentences(rows, labels, series.tolerances)
    sentences = [*notes, *worse, *shifts, *missed, error_sentence(rows, labels, series)]
    return {
        'passed': signs_right and not worse and not failed,
        'sentences': sentences + overlap_sentences(rows, series.tolerances, crossings(series)),
    }
