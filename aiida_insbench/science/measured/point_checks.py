"""Checks of a spectrum as it stands in a file: order and finiteness of energies, sound counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.measured.spectrum import RawBlock

#: Fewest points of a spectrum.
MIN_POINTS = 10
#: Errors by which a count may lie below zero, as it does after a background was subtracted.
NEGATIVE_ERRORS = 5.0

_COPY = 'Correct the file, or read only a part of it with `keep_range`.'


def check_energies(block: RawBlock, *, name: str) -> RawBlock:
    """Bring energies into rising order, or refuse.

    Raises
    ------
    InputError
        If an energy is not finite, occurs twice, or energies neither rise nor fall throughout.
    """
    count = len(block.intensity)
    if count < 2:
        raise InputError(f'{name}: block {block.name!r} has {count} points; a spectrum needs more.')
    wrong = np.flatnonzero(~np.isfinite(block.energy))
    if len(wrong):
        place = block.place(int(wrong[0]))
        raise InputError(
            format_error(
                f'{name}, {place}: the energy is {block.energy[wrong[0]]}, not a number.',
                fix='Correct or remove the line.',
            )
        )
    steps = np.diff(block.energy)
    _refuse_duplicates(block, name)
    if np.all(steps > 0):
        return block
    if np.all(steps < 0):
        return _reversed(block)
    rising = np.count_nonzero(steps > 0) * 2 > len(steps)
    first = int(np.flatnonzero(steps < 0 if rising else steps > 0)[0])
    raise InputError(
        format_error(
            f'{name}, {block.place(first + 1)}: the energy {block.energy[first + 1]:g} comes after '
            f'{block.energy[first]:g}.',
            reason='Energies must rise (or fall) throughout: that they do not may mean that '
            'columns, blocks or files were mixed.',
            fix='Sort the lines, or separate blocks by an empty line.',
        )
    )


def _refuse_duplicates(block: RawBlock, name: str) -> None:
    order = np.argsort(block.energy, kind='stable')
    same = np.flatnonzero(np.diff(block.energy[order]) == 0)
    if not len(same):
        return
    first, second = (int(order[same[0] + step]) for step in (0, 1))
    more = f' ({len(same)} energies are repeated)' if len(same) > 1 else ''
    raise InputError(
        format_error(
            f'{name}, {block.place(second)}: the energy {block.energy[second]:g} stands in '
            f'{block.place(first)}, too{more}.',
            fix='Keep one of the lines; if these are two spectra, separate them by an empty line.',
        )
    )


def _reversed(block: RawBlock) -> RawBlock:
    def turned(values: FloatArray | None) -> FloatArray | None:
        return None if values is None else values[::-1].copy()

    return replace(
        block,
        energy=block.energy[::-1].copy(),
        intensity=block.intensity[::-1].copy(),
        error=turned(block.error),
        energy_error=turned(block.energy_error),
        hidden=None if block.hidden is None else block.hidden[::-1].copy(),
        lines=tuple(block.lines)[::-1],
        notes=(*block.notes, 'energies fell in the file: they were put into rising order'),
    )


def check_counts(block: RawBlock, *, name: str) -> RawBlock:
    """Check intensities and errors.

    Errors that are all zero count as none given. Without errors the scatter of the points stands in
    for them where a count is negative.

    Raises
    ------
    InputError
        If there are too few points, a value is not finite, an error is negative, or a count is more
        than `NEGATIVE_ERRORS` errors below zero.
    """
    if len(block.intensity) < MIN_POINTS:
        raise InputError(
            format_error(
                f'{name}: block {block.name!r} has {len(block.intensity)} points, fewer than '
                f'{MIN_POINTS}.',
                fix='Is it a table of peaks? Those are imported as band shifts.',
            )
        )
    for what, values in (('intensity', block.intensity), ('error', block.error)):
        if values is not None:
            _refuse_not_finite(block, what, values, name)
    for what, values in (('error', block.error), ('error of the energy', block.energy_error)):
        if values is not None and np.any(~(values >= 0)):
            first = int(np.flatnonzero(~(values >= 0))[0])
            raise InputError(
                format_error(
                    f'{name}, {block.place(first)}: the {what} is {values[first]:g}, but must be '
                    '≥ 0.',
                    fix='Are the columns energy, intensity, error? Name them in a header.',
                )
            )
    notes = list(block.notes)
    error = block.error
    if error is not None and not np.any(error > 0):
        error = None
        notes.append('all errors are zero: they count as not given')
    elif error is not None and np.any(error == 0):
        zero = np.count_nonzero(error == 0)
        notes.append(f'{zero} of {len(error)} points have the error 0')
    if not np.any(block.intensity != 0):
        raise InputError(f'{name}: all intensities of block {block.name!r} are zero.')
    notes += _negative(block, error, name)
    return replace(block, error=error, notes=tuple(notes))


def _refuse_not_finite(block: RawBlock, what: str, values: FloatArray, name: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        more = f' ({len(wrong)} points are so)' if len(wrong) > 1 else ''
        raise InputError(
            format_error(
                f'{name}, {block.place(int(wrong[0]))}: the {what} is {values[wrong[0]]}, not a '
                f'number{more}.',
                fix=_COPY,
            )
        )


def _negative(block: RawBlock, error: FloatArray | None, name: str) -> list[str]:
    """A note on negative counts, or an error if noise cannot make them."""
    values = block.intensity
    negative = values < 0
    if not np.any(negative):
        return []
    scale = np.full(len(values), _scatter(values)) if error is None else error
    beyond = np.flatnonzero(values < -NEGATIVE_ERRORS * scale)
    source = 'the scatter of the points' if error is None else 'their errors'
    if len(beyond):
        worst = int(beyond[0])
        raise InputError(
            format_error(
                f'{name}, {block.place(worst)}: the intensity is {values[worst]:g}, more than '
                f'{NEGATIVE_ERRORS:g} errors ({scale[worst]:.2g}) below zero; {len(beyond)} points '
                'are so.',
                reason='Counts are not negative; a background that was subtracted is too high.',
                fix=_COPY,
            )
        )
    return [
        f'{np.count_nonzero(negative)} of {len(values)} intensities are negative, none by more '
        f'than {NEGATIVE_ERRORS:g} times {source}: kept, as after subtraction of a background'
    ]


def _scatter(values: FloatArray) -> float:
    """Standard deviation of points about a smooth curve, from second differences (median)."""
    second = np.abs(values[2:] - 2 * values[1:-1] + values[:-2])
    return float(1.4826 * np.median(second) / np.sqrt(6))
