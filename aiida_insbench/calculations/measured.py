"""Calcfunctions on measured spectra: import from a file, subtract an empty cell, band shifts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Dict, SinglefileData

from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.measured.band_shifts import read_band_shifts
from aiida_insbench.science.measured.conditions import Conditions, check_conditions
from aiida_insbench.science.measured.read import read_spectrum
from aiida_insbench.science.measured.reading_options import ReadingOptions
from aiida_insbench.science.measured.reduction import apply_masks, subtract_empty_cell
from aiida_insbench.science.measured.spectrum import Mask, MeasuredSpectrum
from aiida_insbench.science.measured.spectrum_csv import is_insbench, read_insbench
from aiida_insbench.science.measured.text_files import is_hdf5, read_text

_READING = ('format', 'unit', 'block', 'keep_range', 'energy_error', 'counts_per_bin')
_READING_ALONE = ('sure_of_unit',)
#: Texts of a measured spectrum kept beside its arrays.
_KEPT = ('block', 'title', 'unit_in_file', 'format')
_ONE_BY_ONE = ('error', 'energy_error')
_SUBTRACTION = ('transmission', 'scale')


@calcfunction  # type: ignore[untyped-decorator]
def import_spectrum(file: SinglefileData, settings: Dict) -> SpectrumData:
    """Take a measured spectrum from a file.

    Parameters
    ----------
    file : SinglefileData
        The file, of any format of `aiida_insbench.science.measured.reading_options`.
    settings : Dict
        Conditions of the measurement, see `Conditions`, and what is said about the file, see
        `ReadingOptions`.

    Returns
    -------
    SpectrumData
        See `measured_node`.

    Raises
    ------
    InputError
        Naming file, line and remedy.
    """
    with file.open(mode='rb') as handle:
        return imported_spectrum(handle.read(), name=file.filename, settings=settings.get_dict())


@calcfunction  # type: ignore[untyped-decorator]
def subtract_cell(sample: SpectrumData, empty: SpectrumData, settings: Dict) -> SpectrumData:
    """Subtract the spectrum of the empty cell.

    Parameters
    ----------
    sample : SpectrumData
        Measured.
    empty : SpectrumData
        Measured alike, without the sample.
    settings : Dict
        ``transmission`` (of the sample, 1) and ``scale`` (of the empty cell).

    Raises
    ------
    InputError
        If they were not measured alike or do not overlap.
    """
    return without_cell(sample, empty, settings.get_dict())


@calcfunction  # type: ignore[untyped-decorator]
def import_band_shifts(file: SinglefileData) -> Dict:
    """Take a table of measured band shifts from a file.

    Parameters
    ----------
    file : SinglefileData
        A csv file, see `read_band_shifts`.

    Returns
    -------
    Dict
        ``rows``: see `BandShift`, energies in cm⁻¹ and slopes in cm⁻¹/GPa; ``file``.

    Raises
    ------
    InputError
        Naming file and line.
    """
    with file.open(mode='rb') as handle:
        rows = read_band_shifts(handle.read(), name=file.filename)
    return Dict({'rows': [asdict(row) for row in rows], 'file': file.filename})


def imported_spectrum(data: bytes, *, name: str, settings: Mapping[str, Any]) -> SpectrumData:
    """Measured spectrum of a file, not stored; see `import_spectrum`."""
    said = dict(settings)
    reading = {key: said.pop(key) for key in (*_READING, *_READING_ALONE) if key in said}
    if reading.get('keep_range') is not None:
        low, high = reading['keep_range']
        reading['keep_range'] = (float(low), float(high))
    conditions = check_conditions(_with_those_in_file(said, data, name))
    options = ReadingOptions(
        **reading,
        instrument=conditions.instrument,
        incident_energy=conditions.incident_energy,
    )
    spectrum = read_spectrum(data, name=name, options=options)
    if conditions.masks:
        spectrum = apply_masks(spectrum, conditions.masks)
    return measured_node(spectrum, conditions, source=name)


def _with_those_in_file(said: dict[str, Any], data: bytes, name: str) -> dict[str, Any]:
    """Conditions said, and those a file of `spectrum export` brings; they may not contradict."""
    if is_hdf5(data):
        return said
    file = read_text(data, name=name)
    inside = read_insbench(file)[1] if is_insbench(file) else None
    if inside is None:
        return said
    known = inside.as_dict()
    different = [key for key, value in said.items() if key in known and value != known[key]]
    if different:
        raise InputError(
            format_error(
                f'{name} says '
                + ', '.join(f'{key} {known[key]!r}, not {said[key]!r}' for key in different)
                + '.',
                fix='Leave them out, or correct the file.',
            )
        )
    return {**known, **said}


def without_cell(
    sample: SpectrumData, empty: SpectrumData, settings: Mapping[str, Any]
) -> SpectrumData:
    """Difference, not stored; see `subtract_cell`."""
    if unknown := sorted(set(settings) - set(_SUBTRACTION)):
        raise InputError(f'Unknown settings {", ".join(unknown)}; known: {", ".join(_SUBTRACTION)}')
    conditions, of_cell = conditions_of(sample), conditions_of(empty)
    different = [
        name
        for name in ('instrument', 'incident_energy')
        if getattr(conditions, name) != getattr(of_cell, name)
    ]
    if different:
        raise InputError(
            format_error(
                f'Sample and empty cell differ in {", ".join(different)}.',
                fix='Take an empty cell measured on the same instrument.',
            )
        )
    made = subtract_empty_cell(measured_of(sample), measured_of(empty), **settings)
    return measured_node(made, conditions, source=sample.details['file'])


def measured_node(
    spectrum: MeasuredSpectrum, conditions: Conditions, *, source: str
) -> SpectrumData:
    """Node of a measured spectrum, not stored.

    Arrays beside ``energy_transfer`` and ``total``: ``kept`` (1 where a bin counts, 0 where it is
    masked), ``error`` and ``energy_error`` (standard deviations) and ``bin_edges`` (n + 1) if the
    file has them. ``details``: ``conditions``, ``masks``, ``notes``, ``file``; block, title, unit
    and format of the file.
    """
    parts: dict[str, Any] = {'kept': spectrum.kept.astype(np.float64)}
    for name in (*_ONE_BY_ONE, 'bin_edges'):
        if getattr(spectrum, name) is not None:
            parts[name] = getattr(spectrum, name)
    return SpectrumData(
        energy_transfer=spectrum.energy_transfer,
        total=spectrum.intensity,
        components=parts,
        origin='measured',
        instrument=conditions.instrument,
        bank=spectrum.block,
        temperature=conditions.temperature,
        pressure=conditions.pressure,
        sample=conditions.sample,
        quantity=f'intensity, {conditions.intensity}',
        units={'energy_transfer': 'cm^-1'},
        doi=conditions.doi,
        file_hash=spectrum.sha256,
        details={
            **{name: getattr(spectrum, name) for name in _KEPT},
            'blocks': list(spectrum.blocks),
            'conditions': conditions.as_dict(),
            'masks': [[mask.low, mask.high, mask.reason] for mask in spectrum.masks],
            'notes': [*spectrum.notes, *conditions.remarks()],
            'file': source,
        },
    )


def conditions_of(node: SpectrumData) -> Conditions:
    """Conditions of a measured spectrum.

    Raises
    ------
    InputError
        If it is not a measured one, or was not imported.
    """
    if node.origin != 'measured':
        raise InputError(f'SpectrumData<{node.pk}> is simulated; give a measured one.')
    if 'conditions' not in node.details:
        raise InputError(
            f'SpectrumData<{node.pk}> says nothing of its conditions. Import the file it came from '
            'with `aiida-insbench spectrum import`.'
        )
    return check_conditions(node.details['conditions'])


def measured_of(node: SpectrumData) -> MeasuredSpectrum:
    """The measured spectrum in a node; raises as `conditions_of`."""
    conditions_of(node)
    details, names = node.details, node.get_arraynames()
    return MeasuredSpectrum(
        energy_transfer=node.energy_transfer,
        intensity=node.total,
        kept=node.get_array('kept') > 0,
        masks=tuple(Mask(*one) for one in details['masks']),
        blocks=tuple(details['blocks']),
        sha256=node.base.attributes.get('file_hash'),
        notes=tuple(details['notes']),
        **{name: details[name] for name in _KEPT},
        **{name: node.get_array(name) for name in (*_ONE_BY_ONE, 'bin_edges') if name in names},
    )
