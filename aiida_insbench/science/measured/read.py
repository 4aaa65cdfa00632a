"""A file of a measured spectrum, of whatever format, as a checked `MeasuredSpectrum` in cm⁻¹.

The format is found in the content, never in the name.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.instruments import Instrument
from aiida_insbench.science.measured.ascii_spectra import read_ascii
from aiida_insbench.science.measured.block_choice import choose_block
from aiida_insbench.science.measured.energy_units import (
    TO_WAVENUMBER,
    WAVENUMBER,
    check_against_instrument,
    check_unit,
    find_unit,
)
from aiida_insbench.science.measured.jcamp import JCAMP, is_jcamp, read_jcamp
from aiida_insbench.science.measured.nexus import NEXUS
from aiida_insbench.science.measured.nexus_apart import read_nexus_apart
from aiida_insbench.science.measured.oclimax import OCLIMAX, is_oclimax, read_oclimax
from aiida_insbench.science.measured.point_checks import check_counts, check_energies
from aiida_insbench.science.measured.reading_options import ReadingOptions
from aiida_insbench.science.measured.spectrum import MeasuredSpectrum, RawBlock
from aiida_insbench.science.measured.spectrum_csv import INSBENCH, is_insbench, read_insbench
from aiida_insbench.science.measured.text_files import TextFile, is_hdf5, read_text

_NOTHING_SAID = ReadingOptions()


def read_spectrum_file(
    path: str | Path,
    options: ReadingOptions = _NOTHING_SAID,
) -> MeasuredSpectrum:
    """Read a spectrum from a file; see `read_spectrum`."""
    source = Path(path)
    try:
        data = source.read_bytes()
    except OSError as exc:
        raise InputError(f'{source} cannot be read: {exc.strerror or exc}.') from exc
    return read_spectrum(data, name=source.name, options=options)


def read_spectrum(
    data: bytes,
    *,
    name: str,
    options: ReadingOptions = _NOTHING_SAID,
) -> MeasuredSpectrum:
    """Read one spectrum.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        Of the file, for messages.
    options : ReadingOptions
        What the user says about it.

    Raises
    ------
    InputError
        If the file is no spectrum, its unit is not known or wrong, a block must be chosen, or its
        numbers are unsound: names file, line and remedy.
    """
    found, raws, spectrum, notes = _read(data, name, options)
    if spectrum is not None:
        return spectrum
    raw, note = choose_block(raws, options.block, format=found, name=name)
    return _finish(data, name, options, found, raw, raws, (*notes, *note))


def read_all_blocks(
    data: bytes,
    *,
    name: str,
    options: ReadingOptions = _NOTHING_SAID,
) -> tuple[MeasuredSpectrum, ...]:
    """Read all blocks of a file, in its order; raises as `read_spectrum`."""
    found, raws, spectrum, notes = _read(data, name, options)
    if spectrum is not None:
        return (spectrum,)
    return tuple(_finish(data, name, options, found, raw, raws, notes) for raw in raws)


def _read(
    data: bytes, name: str, options: ReadingOptions
) -> tuple[str, list[RawBlock], MeasuredSpectrum | None, tuple[str, ...]]:
    wanted = options.format
    if is_hdf5(data):
        if wanted not in (None, NEXUS):
            raise InputError(f'{name} is HDF5 (NeXus), not {wanted}.')
        return NEXUS, read_nexus_apart(data, name=name), None, ()
    file = read_text(data, name=name)
    if wanted == NEXUS:
        raise InputError(f'{name} is text, not NeXus (HDF5).')
    if wanted == INSBENCH or (wanted is None and is_insbench(file)):
        return INSBENCH, [], _reread(file, options), ()
    found, raws = _blocks(file, wanted, options.known_instrument())
    return found, raws, None, file.notes


def _reread(file: TextFile, options: ReadingOptions) -> MeasuredSpectrum:
    """A spectrum that this package wrote: its unit, block and range are settled."""
    spectrum = read_insbench(file)[0]
    asked = {
        'unit': options.unit is not None and check_unit(options.unit) != WAVENUMBER,
        'block': options.block not in (None, spectrum.block),
        'keep_range': options.keep_range is not None,
        'energy_error': options.energy_error is not None,
        'counts_per_bin': bool(options.counts_per_bin),
    }
    wrong = [name for name, given in asked.items() if given]
    if wrong:
        raise InputError(
            format_error(
                f'{file.name} was written by aiida-insbench, in cm⁻¹: {", ".join(wrong)} cannot be '
                'chosen any more.',
                fix='Leave it out, or read the original file.',
            )
        )
    return spectrum


def _blocks(
    file: TextFile, wanted: str | None, instrument: Instrument | None
) -> tuple[str, list[RawBlock]]:
    if wanted == JCAMP or (wanted is None and is_jcamp(file)):
        return JCAMP, read_jcamp(file)
    if wanted == OCLIMAX or (wanted is None and is_oclimax(file)):
        return OCLIMAX, read_oclimax(file)
    on_vision = None if instrument is None else instrument.name.startswith('VISION')
    return read_ascii(file, format=wanted, on_vision=on_vision)


def _finish(
    data: bytes,
    name: str,
    options: ReadingOptions,
    found: str,
    raw: RawBlock,
    raws: list[RawBlock],
    notes: tuple[str, ...],
) -> MeasuredSpectrum:
    raw = check_energies(replace(raw, notes=(*notes, *raw.notes)), name=name)
    unit, raw = _unit(raw, options, name)
    factor = TO_WAVENUMBER[unit]
    if options.keep_range is not None:
        raw = _kept(raw, options.keep_range, factor, name)
    raw = _per_energy(check_counts(raw, name=name), options.counts_per_bin, unit)
    count = len(raw.intensity)
    axis = raw.energy * factor
    edges = axis if len(axis) == count + 1 else None
    common = raw.common_energy_error if options.energy_error is None else options.energy_error
    spread = None if raw.energy_error is None else raw.energy_error * factor
    return MeasuredSpectrum(
        energy_transfer=axis if edges is None else (edges[1:] + edges[:-1]) / 2,
        intensity=raw.intensity,
        error=raw.error,
        bin_edges=edges,
        energy_error=spread if common is None else np.full(count, float(common)),
        kept=np.ones(count, dtype=bool) if raw.hidden is None else ~raw.hidden,
        block=raw.name,
        blocks=tuple(one.name for one in raws),
        title=raw.title,
        unit_in_file=unit,
        format=found,
        sha256=hashlib.sha256(data).hexdigest(),
        notes=raw.notes,
    )


def _unit(raw: RawBlock, options: ReadingOptions, name: str) -> tuple[str, RawBlock]:
    """The unit said by the user, else by the file, else the only one the instrument allows."""
    instrument = options.window_instrument()
    low, high = float(raw.energy[0]), float(raw.energy[-1])
    notes = list(raw.notes)
    if options.unit is not None:
        unit = check_unit(options.unit)
        if raw.unit and raw.unit != unit:
            if not options.sure_of_unit:
                raise InputError(
                    format_error(
                        f'The energies of {name} are in {raw.unit} by its header or layout, `unit` '
                        f'says {unit}.',
                        fix='Leave `unit` out, or give `sure_of_unit=True` if the file is wrong.',
                    )
                )
            notes.append(
                f'by its header or layout the file is in {raw.unit}; {unit} was given as right'
            )
    elif raw.unit:
        unit = raw.unit
    else:
        unit = find_unit(low, high, instrument=instrument, name=name)
        notes.append(
            f'the file does not say the unit of energy: {unit} is the only one in the window of '
            f'{instrument.name if instrument else "the instrument"}'
        )
    if instrument is not None and not options.sure_of_unit:
        check_against_instrument(low, high, unit=unit, instrument=instrument, name=name)
    return unit, replace(raw, notes=tuple(notes))


def _kept(raw: RawBlock, limits: tuple[float, float], factor: float, name: str) -> RawBlock:
    """Points (or whole bins) inside a range of cm⁻¹."""
    count = len(raw.intensity)
    lower, upper = raw.energy[:count] * factor, raw.energy[-count:] * factor
    inside = np.flatnonzero((lower >= limits[0]) & (upper <= limits[1]))
    if not len(inside):
        raise InputError(
            f'{name} has no point in `keep_range`, {limits[0]:g} to {limits[1]:g} cm⁻¹.'
        )
    part = slice(int(inside[0]), int(inside[-1]) + 1)
    axis = slice(part.start, part.stop + len(raw.energy) - count)
    note = (
        f'{count - len(inside)} of {count} points outside {limits[0]:g} to {limits[1]:g} cm⁻¹ were '
        'dropped, as asked'
    )
    return replace(
        raw,
        energy=raw.energy[axis],
        intensity=raw.intensity[part],
        error=None if raw.error is None else raw.error[part],
        energy_error=None if raw.energy_error is None else raw.energy_error[part],
        hidden=None if raw.hidden is None else raw.hidden[part],
        lines=tuple(raw.lines)[part],
        notes=(*raw.notes, note),
    )


def _per_energy(raw: RawBlock, asked: bool | None, unit: str) -> RawBlock:
    """Counts of bins divided by the widths of the bins, in the file's unit."""
    per_bin = raw.per_bin if asked is None else asked
    if not per_bin:
        return raw
    if len(raw.energy) != len(raw.intensity) + 1:
        raise InputError(
            format_error(
                'Counts of bins cannot be divided by widths: the file has no edges of bins.',
                fix='Leave `counts_per_bin` out, or export a histogram with its edges.',
            )
        )
    widths = np.diff(raw.energy)
    said = 'as the file says' if asked is None else 'as was said'
    return replace(
        raw,
        intensity=raw.intensity / widths,
        error=None if raw.error is None else raw.error / widths,
        per_bin=False,
        notes=(*raw.notes, f'intensities are counts of bins, {said}: divided by widths in {unit}'),
    )
