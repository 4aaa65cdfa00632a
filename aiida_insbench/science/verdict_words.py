"""A verdict on Γ modes in plain words.

Frequencies in cm⁻¹, imaginary ones written 143i; pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.science.mode_errors import Row, mode_errors
from aiida_insbench.science.shifts import ModeSeries, Tolerances, trend


def without_reference(rows: Sequence[Row], series: ModeSeries) -> list[str]:
    """Sentences on a potential that there is nothing to judge by."""
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


def instabilities(
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


def shift_sentences(
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


def error_sentence(rows: Sequence[Row], labels: Sequence[str], series: ModeSeries) -> str:
    """One sentence on the rms and the worst error."""
    errors = mode_errors(rows, labels)
    rms = ' / '.join(f'{errors["rms_error_cm1"][label]:.0f}' for label in labels)
    label, row = errors['worst_error']['label'], rows[errors['worst_error']['index']]
    sign = '+' if errors['worst_error_cm1'] > 0 else '−'
    return (
        f'Γ modes differ from DFT by {rms} cm⁻¹ (rms) at {_places(labels, series)} GPa; worst '
        f'{sign}{abs(errors["worst_error_cm1"]):.0f} cm⁻¹ ({name(row)} at '
        f'{series.pressures[label]:g} GPa: {wavenumber(row["frequencies"][label])}, '
        f'DFT {wavenumber(row["reference"][label])} cm⁻¹).'
    )


def overlap_sentences(
    rows: Sequence[Row], tolerances: Tolerances, crossings: Sequence[Mapping[str, Any]] = ()
) -> list[str]:
    """Sentences that name the modes followed or matched with little overlap, and their partners."""
    partners = {row['index']: row['partner'] for row in reversed(crossings)}
    sentences = []
    for key, text in (('overlap', 'followed across pressures'), ('reference_overlap', 'matched')):
        weak = [row for row in rows if row[key] < tolerances.overlap]
        if weak:
            listed = []
            for row in weak:
                partner = partners.get(row['index']) if key == 'overlap' else None
                mixed = '' if partner is None else f', mixes with {_placed(rows[partner])}'
                listed.append(f'{_placed(row)} (overlap {row[key]:.2f}{mixed})')
            sentences.append(
                f'Modes that mix and are {text} with less certainty: {", ".join(listed)}.'
            )
    return sentences


def name(row: Row) -> str:
    """Name of a mode in a sentence: its irrep, or its number where that is unknown."""
    return str(row['irrep']) or f'mode {row["index"] + 1}'


def wavenumber(frequency: float) -> str:
    """Whole cm⁻¹ as spectroscopists write it: 181, or 143i for −143."""
    return f'{-frequency:.0f}i' if frequency <= -0.5 else f'{abs(frequency):.0f}'


def _placed(row: Row) -> str:
    return f'{name(row)} at {wavenumber(next(iter(row["frequencies"].values())))} cm⁻¹'


def _span(frequencies: dict[str, float], labels: Sequence[str]) -> str:
    return f'{wavenumber(frequencies[labels[0]])} → {wavenumber(frequencies[labels[-1]])}'


def _listed(frequencies: dict[str, float], labels: Sequence[str]) -> str:
    return ' / '.join(wavenumber(frequencies[label]) for label in labels)


def _places(labels: Sequence[str], series: ModeSeries) -> str:
    return ' / '.join(f'{series.pressures[label]:g}' for label in labels)
