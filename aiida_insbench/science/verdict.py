"""Judge the Γ modes of a potential by those of a reference, in numbers and in plain words.

Frequencies in cm⁻¹, negative for imaginary modes (written 143i in sentences); pressures in GPa.
Errors are potential − reference over matched optical modes, each counted with its degeneracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.modes import match
from aiida_insbench.science.shifts import (
    ModeSeries,
    Tolerances,
    mode_table,
    shift_and_direction,
    trend,
)

Row = dict[str, Any]


def judge(potential: ModeSeries, reference: ModeSeries | None) -> dict[str, Any]:
    """Table of a potential's modes, beside the reference where there is one, and a verdict.

    Parameters
    ----------
    potential : ModeSeries
        The modes to judge.
    reference : ModeSeries or None
        The modes to judge by, in the same atom order.

    Returns
    -------
    dict
        ``modes`` (rows of `mode_table`, with ``reference`` (cm⁻¹ by label), ``reference_shift``,
        ``reference_slope``, ``reference_direction``, ``reference_overlap``), ``rms_error_cm1`` by
        label, ``rms_error_all_cm1``, ``worst_error_cm1`` (signed), ``worst_error`` (where),
        ``acoustic_cm1``, ``red_modes`` (indices of modes whose shift is red), ``verdict``
        (``passed``, ``sentences``). Without a reference the errors and ``passed`` are None.

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
        **_errors(rows, labels),
        'acoustic_cm1': potential.acoustic,
        'red_modes': [
            row['index']
            for row in rows
            if row['shift'] is not None and trend(row['shift'], potential.tolerances) == 'red'
        ],
        'verdict': _verdict(rows, labels, potential),
    }


def _add_reference(
    rows: list[Row], common: Sequence[str], potential: ModeSeries, reference: ModeSeries
) -> None:
    mine, other = list(potential.pressures), list(reference.pressures)
    indices, overlaps = match(
        potential.optical,
        reference.optical,
        [(mine.index(label), other.index(label)) for label in common],
    )
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
        'reference_shift': None,
        'reference_slope': None,
        'reference_slope_error': None,
        'reference_direction': None,
        'reference_anomalous': None,
    }


def _errors(rows: Sequence[Row], labels: Sequence[str]) -> dict[str, Any]:
    if not labels:
        return {
            'rms_error_cm1': {},
            'rms_error_all_cm1': None,
            'worst_error_cm1': None,
            'worst_error': None,
        }
    size = sum(row['degeneracy'] for row in rows)
    squares = {
        label: sum(row['degeneracy'] * _error(row, label) ** 2 for row in rows) for label in labels
    }
    worst, label = max(
        ((row, label) for row in rows for label in labels), key=lambda pair: abs(_error(*pair))
    )
    return {
        'rms_error_cm1': {label: math.sqrt(squares[label] / size) for label in labels},
        'rms_error_all_cm1': math.sqrt(sum(squares.values()) / size / len(labels)),
        'worst_error_cm1': _error(worst, label),
        'worst_error': {'index': worst['index'], 'irrep': worst['irrep'], 'label': label},
    }


def _error(row: Row, label: str) -> float:
    return float(row['frequencies'][label] - row['reference'][label])


def _verdict(rows: Sequence[Row], labels: Sequence[str], series: ModeSeries) -> dict[str, Any]:
    """Passed if every DFT shift has its sign and nothing is unstable that DFT has stable."""
    if not labels:
        return {'passed': None, 'sentences': _without_reference(rows, series)}
    worse, missed = _instabilities(rows, labels, series)
    shifts, signs_right = _shift_sentences(rows, labels, series.tolerances)
    sentences = [*worse, *shifts, *missed, _error_sentence(rows, labels, series)]
    return {
        'passed': signs_right and not worse,
        'sentences': sentences + _overlap_sentences(rows, series.tolerances),
    }


def _without_reference(rows: Sequence[Row], series: ModeSeries) -> list[str]:
    sentences = ['No reference modes at these pressures: the shifts cannot be judged.']
    for row in rows:
        if row['direction'] == 'unstable':
            bad = [
                label
                for label, value in row['frequencies'].items()
                if value < -series.tolerances.imaginary
            ]
            sentences.append(
                f'Imaginary: {name(row)} at {_places(bad, series)} GPa '
                f'({_listed(row["frequencies"], bad)} cm⁻¹).'
            )
    red = [
        f'{name(row)} {_span(row["frequencies"], list(series.pressures))}'
        for row in rows
        if row['direction'] == 'red'
    ]
    if red:
        sentences.append(f'Red shifts: {", ".join(red)} cm⁻¹.')
    return sentences


def _instabilities(
    rows: Sequence[Row], labels: Sequence[str], series: ModeSeries
) -> tuple[list[str], list[str]]:
    """Return sentences on modes imaginary in one of the two only: worse, then missed."""
    limit = -series.tolerances.imaginary
    worse: list[str] = []
    missed: list[str] = []
    for row in rows:
        mine = {label for label in labels if row['frequencies'][label] < limit}
        theirs = {label for label in labels if row['reference'][label] < limit}
        only_mine = [label for label in labels if label in mine - theirs]
        only_theirs = [label for label in labels if label in theirs - mine]
        for places, text, group in (
            (only_mine, 'Unstable where DFT is stable', worse),
            (only_theirs, 'Stable where DFT is unstable', missed),
        ):
            if places:
                group.append(
                    f'{text}: {name(row)} at {_places(places, series)} GPa, '
                    f'{_listed(row["frequencies"], places)} cm⁻¹ '
                    f'(DFT {_listed(row["reference"], places)} cm⁻¹).'
                )
    return worse, missed


def _shift_sentences(
    rows: Sequence[Row], labels: Sequence[str], tolerances: Tolerances
) -> tuple[list[str], bool]:
    """Return one sentence for each DFT red shift and each wrong sign, one for all blue shifts."""
    if len(labels) < 2:
        return ['Only one pressure in common with DFT: shifts cannot be judged.'], True
    sentences, blue_right, all_right = [], 0, True
    for row in rows:
        mine = row['frequencies'][labels[-1]] - row['frequencies'][labels[0]]
        theirs = row['reference'][labels[-1]] - row['reference'][labels[0]]
        wanted, found = trend(theirs, tolerances), trend(mine, tolerances)
        if wanted == 'flat':
            continue
        right = wanted == found
        all_right &= right
        if right and wanted == 'blue':
            blue_right += 1
            continue
        own = f'{_span(row["frequencies"], labels)} cm⁻¹'
        start = f'The DFT {wanted} shift of {name(row)} ({_span(row["reference"], labels)} cm⁻¹)'
        sentences.append(
            f'{start} is reproduced: {own}, {mine / theirs:.1f} times the DFT shift.'
            if right
            else f'{start} is not reproduced: {own} goes {found}.'
            if found != 'flat'
            else f'{start} is not reproduced: {own} stays flat.'
        )
    if blue_right:
        sentences.append(_blue_sentence(blue_right, _count_blue(rows, labels, tolerances)))
    return sentences, all_right


def _count_blue(rows: Sequence[Row], labels: Sequence[str], tolerances: Tolerances) -> int:
    return sum(
        trend(row['reference'][labels[-1]] - row['reference'][labels[0]], tolerances) == 'blue'
        for row in rows
    )


def _blue_sentence(right: int, total: int) -> str:
    if total == 1:
        return 'The one DFT blue shift is reproduced.'
    count = f'All {total}' if right == total else f'{right} of {total}'
    return f'{count} DFT blue shifts are reproduced.'


def _error_sentence(rows: Sequence[Row], labels: Sequence[str], series: ModeSeries) -> str:
    errors = _errors(rows, labels)
    rms = ' / '.join(f'{errors["rms_error_cm1"][label]:.0f}' for label in labels)
    label, row = errors['worst_error']['label'], rows[errors['worst_error']['index']]
    sign = '+' if errors['worst_error_cm1'] > 0 else '−'
    return (
        f'Γ modes differ from DFT by {rms} cm⁻¹ (rms) at {_places(labels, series)} GPa; worst '
        f'{sign}{abs(errors["worst_error_cm1"]):.0f} cm⁻¹ ({name(row)} at '
        f'{series.pressures[label]:g} GPa: {wavenumber(row["frequencies"][label])}, '
        f'DFT {wavenumber(row["reference"][label])} cm⁻¹).'
    )


def _overlap_sentences(rows: Sequence[Row], tolerances: Tolerances) -> list[str]:
    sentences = []
    for key, text in (('overlap', 'followed across pressures'), ('reference_overlap', 'matched')):
        weak = [row for row in rows if row[key] < tolerances.overlap]
        if weak:
            listed = ', '.join(
                f'{name(row)} at {wavenumber(next(iter(row["frequencies"].values())))} cm⁻¹ '
                f'(overlap {row[key]:.2f})'
                for row in weak
            )
            sentences.append(f'Modes that mix and are {text} with less certainty: {listed}.')
    return sentences


def name(row: Row) -> str:
    """Name of a mode in a sentence: its irrep, or its number where that is unknown."""
    return str(row['irrep']) or f'mode {row["index"] + 1}'


def wavenumber(frequency: float) -> str:
    """Whole cm⁻¹ as spectroscopists write it: 181, or 143i for −143."""
    return f'{-frequency:.0f}i' if frequency <= -0.5 else f'{abs(frequency):.0f}'


def _span(frequencies: dict[str, float], labels: Sequence[str]) -> str:
    return f'{wavenumber(frequencies[labels[0]])} → {wavenumber(frequencies[labels[-1]])}'


def _listed(frequencies: dict[str, float], labels: Sequence[str]) -> str:
    return ' / '.join(wavenumber(frequencies[label]) for label in labels)


def _places(labels: Sequence[str], series: ModeSeries) -> str:
    return ' / '.join(f'{series.pressures[label]:g}' for label in labels)
