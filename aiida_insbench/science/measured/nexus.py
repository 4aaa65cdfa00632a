"""NeXus files (HDF5): workspaces that Mantid saved, groups of them, and plain NXdata.

Layout of Mantid's SaveNexusProcessed: groups ``mantid_workspace_1``, ``mantid_workspace_2``, … with
``workspace/values`` and ``errors`` of shape (spectra, bins), ``axis1`` (energies or edges of bins,
of one dimension or one row a spectrum) whose attribute ``units`` is ``DeltaE`` (meV) or
``DeltaE_inWavenumber`` and whose ``distribution`` is ``0`` for counts of bins; ``axis2`` holds the
numbers of spectra. NXdata: signal and axes by the attributes of the group, or the older
``signal=1`` of a data set.
"""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import h5py  # type: ignore[import-untyped]  # it has no stubs
import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.measured.energy_units import AXIS_UNITS, units_named
from aiida_insbench.science.measured.spectrum import RawBlock

NEXUS = 'nexus'

#: Compressed, a few kB may claim any number; a whole spectrometer has 10 000 detectors.
_MOST_NUMBERS = 20_000_000
_ENTRY = re.compile(r'mantid_workspace_(\d+)$')
_OTHER_AXES = (
    'tof',
    'wavelength',
    'dspacing',
    'momentumtransfer',
    'qsquared',
    'time',
    'temperature',
    'degrees',
)


def read_nexus(data: bytes, *, name: str) -> list[RawBlock]:
    """Read all spectra of a file.

    Raises
    ------
    InputError
        If the file is damaged or holds no spectrum over energy.
    """
    try:
        with h5py.File(io.BytesIO(data), 'r') as file:
            entries = sorted((int(m[1]), key) for key in file if (m := _ENTRY.match(key)))
            if entries:
                return [
                    raw for number, key in entries for raw in _workspace(name, file[key], number)
                ]
            return _plain(name, file)
    except InputError:
        raise
    except (OSError, RuntimeError, LookupError, MemoryError, TypeError, ValueError) as exc:
        raise InputError(
            format_error(f'{name} cannot be read as HDF5: {exc}.', fix='Was it copied completely?')
        ) from exc


def _workspace(name: str, entry: Any, number: int) -> list[RawBlock]:
    where = f'{name}, {entry.name.strip("/")}'
    if 'workspace' not in entry:
        held = ', '.join(sorted(entry)) or 'nothing'
        raise InputError(
            format_error(
                f'{where} holds no spectra, but {held}.',
                fix='Save a workspace of histograms or points (not events, not a table).',
            )
        )
    group = entry['workspace']
    label = _text(entry.get('workspace_name')) or f'workspace_{number}'
    numbers = _spectrum_numbers(group)
    blocks = _spectra(
        where,
        values=group['values'],
        errors=group.get('errors'),
        axis=group['axis1'],
        label=label,
        number=number,
        numbers=numbers,
        title=_text(entry.get('title')),
        per_bin=_text(group['axis1'].attrs.get('distribution')) == '0',
    )
    return _hidden(blocks, group)


def _hidden(blocks: list[RawBlock], group: Any) -> list[RawBlock]:
    """Bins masked in Mantid, whose counts it sets to zero, do not count.

    ``masked_spectra`` holds pairs of a row and where its bins begin in ``masked_bins``. Older
    versions of Mantid count rows among those with masked bins only, so it is followed only where
    each row has some.
    """
    if 'masked_bins' not in group:
        return blocks
    where = group.name
    bins = _numbers(where, group['masked_bins']).astype(int).ravel()
    pairs = np.atleast_2d(_numbers(where, group['masked_spectra']).astype(int))
    if len(pairs) != len(blocks):
        note = f'{len(bins)} bins are masked in the file, not certain in which spectra: mask them'
        return [replace(block, notes=(*block.notes, note)) for block in blocks]
    parts = np.split(bins, pairs[1:, 1])
    found = []
    for block, part in zip(blocks, parts, strict=True):
        hidden = np.isin(np.arange(len(block.intensity)), part)
        note = f'{np.count_nonzero(hidden)} bins are masked in the file: they do not count'
        found.append(replace(block, hidden=hidden, notes=(*block.notes, note)))
    return found


def _plain(name: str, file: Any) -> list[RawBlock]:
    groups: list[Any] = []
    file.visititems(
        lambda _, one: (
            groups.append(one)
            if isinstance(one, h5py.Group) and _text(one.attrs.get('NX_class')) == 'NXdata'
            else None
        )
    )
    blocks: list[RawBlock] = []
    for group in groups:
        signal, axis = _signal_and_axis(group)
        if signal is None or axis is None:
            continue
        blocks += _spectra(
            f'{name}, {group.name}',
            values=group[signal],
            errors=_errors(group, signal),
            axis=group[axis],
            label=group.name.strip('/'),
            number=len(blocks) + 1,
            numbers=None,
            title=_text(group.get('title')) or _text(group.parent.get('title')),
            per_bin=False,
        )
    if not blocks:
        raise InputError(
            format_error(
                f'{name} is HDF5, but holds neither a workspace of Mantid nor NXdata with a signal '
                'and an axis.',
                fix='Save it with SaveNexusProcessed of Mantid, or export text.',
            )
        )
    return blocks


def _spectra(
    where: str,
    *,
    values: Any,
    errors: Any,
    axis: Any,
    label: str,
    number: int,
    numbers: list[int] | None,
    title: str,
    per_bin: bool,
) -> list[RawBlock]:
    table = np.atleast_2d(_numbers(where, values))
    spread = None if errors is None else np.atleast_2d(_numbers(where, errors))
    axes = np.atleast_2d(_numbers(where, axis))
    count = table.shape[-1]
    fits = axes.shape[-1] in (count, count + 1) and len(axes) in (1, len(table))
    if table.ndim != 2 or not fits or (spread is not None and spread.shape != table.shape):
        raise InputError(
            f'{where}: values of shape {table.shape} do not go with an axis of {axes.shape}.'
        )
    unit = _unit_of(where, axis)
    many = len(table) > 1
    return [
        RawBlock(
            name=f'{label}:{numbers[row] if numbers else row + 1}' if many else label,
            energy=axes[row if len(axes) > 1 else 0],
            intensity=table[row],
            error=None if spread is None else spread[row],
            number=(numbers[row] if numbers else row + 1) if many else number,
            unit=unit,
            title=title,
            per_bin=per_bin and axes.shape[-1] == count + 1,
        )
        for row in range(len(table))
    ]


def _numbers(where: str, stored: Any) -> FloatArray:
    """Content of a data set, unless it claims more than a spectrometer gives."""
    if not isinstance(stored, h5py.Dataset):
        raise InputError(f'{where}: {stored.name} holds no numbers.')
    if stored.size is None or stored.size > _MOST_NUMBERS:
        raise InputError(
            format_error(
                f'{where}: {stored.name} holds more than {_MOST_NUMBERS:.0e} numbers.',
                fix='Save the spectra of banks, summed over their detectors.',
            )
        )
    return np.asarray(stored[()], dtype=np.float64)


def _unit_of(where: str, axis: Any) -> str:
    stated = _text(axis.attrs.get('units'))
    words = ' '.join([stated, *(_text(axis.attrs.get(key)) for key in ('label', 'caption'))])
    if stated.lower() in _OTHER_AXES:
        raise InputError(
            format_error(
                f'{where} is over {stated}, not energy.',
                fix='Convert it (ConvertUnits to DeltaE in Mantid) and save it again.',
            )
        )
    named = units_named(stated) or units_named(words)
    if len(named) == 1:
        return named[0]
    return AXIS_UNITS.get(stated.lower(), '')


def _spectrum_numbers(group: Any) -> list[int] | None:
    axis = group.get('axis2')
    if axis is None or _text(axis.attrs.get('units')) != 'spectraNumber':
        return None
    return [int(value) for value in _numbers(group.name, axis).ravel()]


def _signal_and_axis(group: Any) -> tuple[str | None, str | None]:
    """Names of signal and energy axis, the last one; by the newer or the older convention."""
    signal = _text(group.attrs.get('signal')) or next(
        (key for key in group if str(_text(group[key].attrs.get('signal'))) == '1'), None
    )
    if signal is None or signal not in group:
        return None, None
    given = group.attrs.get('axes')
    if given is None:
        given = group[signal].attrs.get('axes')
    if given is None:
        axis = next((key for key in group if 'axis' in group[key].attrs), None)
        return signal, axis
    words = [_text(one) for one in np.atleast_1d(given)]
    names = [part for word in words for part in re.split(r'[:,]', word.strip('[]')) if part]
    axis = names[-1].strip() if names else None
    return signal, axis if axis in group else None


def _errors(group: Any, signal: str) -> Any:
    named = _text(group[signal].attrs.get('uncertainties'))
    for key in (named, f'{signal}_errors', 'errors', f'{signal}_uncertainties'):
        if key and key in group:
            return group[key]
    return None


def _text(value: Any) -> str:
    """A string of an attribute or data set, however the file stores it."""
    if value is None:
        return ''
    if isinstance(value, h5py.Dataset):
        value = value[()]
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ''
    if isinstance(value, bytes):
        value = value.decode('utf-8', 'replace')
    return str(value).strip('\x00 \n')
