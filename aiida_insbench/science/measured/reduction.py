"""Masks, empty cell and ranges of measured spectra. Whatever is done is told in `notes`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.rebinning import bin_edges
from aiida_insbench.science.measured.ascii_spectra import VISION_BANKS
from aiida_insbench.science.measured.bins import on_other_bins
from aiida_insbench.science.measured.point_checks import NEGATIVE_ERRORS
from aiida_insbench.science.measured.spectrum import Mask, MeasuredSpectrum

_WHOLE = 1 - 1e-9  # share of a bin that counts as all of it


def apply_masks(spectrum: MeasuredSpectrum, masks: Iterable[Mask]) -> MeasuredSpectrum:
    """Take ranges out of what counts; the points stay.

    Parameters
    ----------
    spectrum : MeasuredSpectrum
    masks : iterable of Mask
        In cm⁻¹; both ends belong to a mask.

    Raises
    ------
    InputError
        If no point is left.
    """
    kept = spectrum.kept.copy()
    added = tuple(masks)
    notes = list(spectrum.notes)
    for mask in added:
        inside = (spectrum.energy_transfer >= mask.low) & (spectrum.energy_transfer <= mask.high)
        kept &= ~inside
        notes.append(f'masked {mask.range} ({mask.reason}): {np.count_nonzero(inside)} points')
    if not np.any(kept):
        raise InputError(
            format_error('The masks leave no point of the spectrum.', fix='Are they in cm⁻¹?')
        )
    return replace(spectrum, kept=kept, masks=(*spectrum.masks, *added), notes=tuple(notes))


def cut(spectrum: MeasuredSpectrum, low: float, high: float) -> MeasuredSpectrum:
    """Keep only bins whose centre lies in a range of cm⁻¹.

    Raises
    ------
    InputError
        If the range does not rise or holds fewer than two points.
    """
    if not low < high:
        raise InputError(f'A range must rise, not go from {low} to {high} cm⁻¹.')
    axis = spectrum.energy_transfer
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    if len(inside) < 2:
        first, last = spectrum.range
        raise InputError(
            format_error(
                f'The range {low:g} to {high:g} cm⁻¹ holds {len(inside)} points of the spectrum.',
                fix=f'The spectrum goes from {first:.4g} to {last:.4g} cm⁻¹.',
            )
        )
    part = slice(int(inside[0]), int(inside[-1]) + 1)
    edges = spectrum.bin_edges
    note = f'cut to {low:g} to {high:g} cm⁻¹: {len(inside)} of {len(axis)} points are left'
    return replace(
        spectrum,
        energy_transfer=axis[part],
        intensity=spectrum.intensity[part],
        error=_part(spectrum.error, part),
        bin_edges=None if edges is None else edges[part.start : part.stop + 1],
        energy_error=_part(spectrum.energy_error, part),
        kept=spectrum.kept[part],
        notes=(*spectrum.notes, note),
    )


def subtract_empty_cell(
    sample: MeasuredSpectrum,
    empty: MeasuredSpectrum,
    *,
    transmission: float = 1.0,
    scale: float | None = None,
) -> MeasuredSpectrum:
    r"""Subtract the spectrum of the empty cell.

    .. math:: I = I_\mathrm{sample} - T s\, I_\mathrm{empty}

    The empty cell is put on the sample's bins with its integral conserved; errors add in squares.

    Parameters
    ----------
    sample, empty : MeasuredSpectrum
        Of the same cell and bank. Intensities are taken as per unit of energy.
    transmission : float
        T of the sample, in (0, 1]: it shades the cell behind it.
    scale : float, optional
        s, such as the ratio of the currents of protons; 1 if not given. It must be given where the
        files have different units of energy: densities per meV are 8.07 times those per cm⁻¹.

    Returns
    -------
    MeasuredSpectrum
        On the sample's bins. Bins not wholly covered by the empty cell, and those that are masked
        in it, are not subtracted and do not count (`kept`).

    Raises
    ------
    InputError
        If transmission or scale is impossible, the ranges do not overlap, or banks or units differ.
    """
    _check_factors(transmission, scale)
    _check_alike(sample, empty, scale)
    factor = transmission * (1.0 if scale is None else scale)
    old, new = _edges(empty), _edges(sample)
    values, errors, covered = on_other_bins(old, empty.intensity, new, errors=empty.error)
    masked, _, _ = on_other_bins(old, (~empty.kept).astype(np.float64), new)
    usable = (covered >= _WHOLE) & (masked <= 1e-9)
    if not np.any(usable):
        raise InputError(
            format_error(
                f'The empty cell ({_said(empty)}) covers no bin of the sample ({_said(sample)}).',
                fix='Are the units of both right? Measure or give the cell over the same range.',
            )
        )
    intensity = np.where(usable, sample.intensity - factor * values, sample.intensity)
    notes = [
        *sample.notes,
        f'empty cell subtracted ({empty.title or "no title"}, sha256 {empty.sha256[:12] or "-"}), '
        f'times {factor:g} = transmission {transmission:g} × scale {factor / transmission:g}',
    ]
    outside = int(np.count_nonzero(~usable))
    if outside:
        notes.append(
            f'{outside} of {len(usable)} bins lie outside the empty cell or in its masks: nothing '
            'was subtracted there, and they do not count'
        )
    error, told = _errors(sample, errors, factor, usable)
    notes += told
    kept = sample.kept & usable
    if error is not None:
        low = int(np.count_nonzero(kept & (intensity < -NEGATIVE_ERRORS * error)))
        if low:
            notes.append(
                f'{low} bins are more than {NEGATIVE_ERRORS:g} errors below zero after '
                'subtraction: transmission or scale may be too high'
            )
    return replace(sample, intensity=intensity, error=error, kept=kept, notes=tuple(notes))


def _check_factors(transmission: float, scale: float | None) -> None:
    if not (math.isfinite(transmission) and 0 < transmission <= 1):
        raise InputError(f'`transmission` must be in (0, 1], not {transmission}.')
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise InputError(f'`scale` must be > 0, not {scale}.')


def _check_alike(sample: MeasuredSpectrum, empty: MeasuredSpectrum, scale: float | None) -> None:
    banks = {sample.block, empty.block}
    if len(banks) == 2 and banks <= set(VISION_BANKS):
        raise InputError(
            format_error(
                f'The sample is of the block {sample.block!r}, the empty cell of {empty.block!r}.',
                fix='Choose the same `block` of both files.',
            )
        )
    if scale is None and sample.unit_in_file != empty.unit_in_file:
        raise InputError(
            format_error(
                f'The sample was in {sample.unit_in_file}, the empty cell in {empty.unit_in_file}.',
                reason='Densities per unit of energy differ by the ratio of the units.',
                fix='Give `scale`, with that ratio in it; 1 if intensities are of the same scale.',
            )
        )


def _errors(
    sample: MeasuredSpectrum,
    errors: FloatArray | None,
    factor: float,
    usable: np.ndarray,
) -> tuple[FloatArray | None, list[str]]:
    if sample.error is None:
        return None, ['the sample has no errors, so the difference has none']
    if errors is None:
        return sample.error, ['the empty cell has no errors: those of the sample alone are kept']
    both = np.hypot(sample.error, factor * errors)
    return np.where(usable, both, sample.error), []


def _edges(spectrum: MeasuredSpectrum) -> FloatArray:
    edges = spectrum.bin_edges
    return bin_edges(spectrum.energy_transfer) if edges is None else edges


def _part(values: FloatArray | None, part: slice) -> FloatArray | None:
    return None if values is None else values[part]


def _said(spectrum: MeasuredSpectrum) -> str:
    low, high = spectrum.range
    return f'{low:.4g} to {high:.4g} cm⁻¹'
