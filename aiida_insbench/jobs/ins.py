"""Stage ``ins``: powder spectra at every pressure, from force constants.

Job: ``force_constants`` (label → phonopy YAML), ``temperature`` (K), ``instrument``,
``incident_energy`` (meV, of direct geometry only), ``energy_range`` and ``bin_width`` (cm⁻¹),
``mesh``, ``max_order`` (null: by need) and ``settings`` (the other fields of `PowderOptions`).
Each pressure writes ``<label>.npz``: ``energy_transfer``,
``total``, ``order_<n>``, ``element_<symbol>``, ``bank_<name>``, ``momentum_transfer_<name>``.
A pressure whose crystal is unstable is left out and named, unless all are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import (
    ComputationError,
    InputError,
    InterruptedJobError,
    JobFileError,
    format_error,
)
from aiida_insbench.science.pressure import pressure_from_label

if TYPE_CHECKING:
    from aiida_insbench.science.ins.instruments import Instrument
    from aiida_insbench.science.ins.powder import PowderOptions, PowderResult

_REQUIRED = ('force_constants', 'temperature', 'instrument', 'energy_range', 'bin_width', 'mesh')
_OPTIONAL = ('schema', 'stage', 'max_order', 'incident_energy', 'settings')
_SETTINGS = {
    'directions': int,
    'cross_section': str,
    'kernel': str,
    'tolerance': float,
    'direction_tolerance': float,
    'minimum_frequency': float,
    'maximum_imaginary_weight': float,
}


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Compute the spectra of a job.

    Parameters
    ----------
    job : dict
        See the module's description.
    folder : Path
        Working folder.
    progress : Progress
        Gets one line per pressure.

    Returns
    -------
    dict
        ``spectra``: per label bands, sum rules, census of modes, displacements; ``finished``,
        ``missing`` and ``reasons``; ``units``.

    Raises
    ------
    InputError
        If the job file is wrong.
    ComputationError
        If no pressure gave a spectrum.
    """
    check_job(job, folder)
    from aiida_insbench.science.ins.instruments import get_instrument
    from aiida_insbench.science.ins.spectrum import UNITS

    instrument = get_instrument(job['instrument'], incident_energy=job.get('incident_energy'))
    options = _options(job)
    labels = sorted(job['force_constants'], key=pressure_from_label)
    spectra: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    failure: ComputationError | None = None
    for step, label in enumerate(labels, start=1):
        try:
            result = _compute(job, folder, label, instrument, options)
        except InterruptedJobError:
            raise
        except ComputationError as exc:
            failure = exc
            reasons[label] = str(exc)
            progress.report(f'{label}: {exc}', step=step, total=len(labels))
            continue
        _write_arrays(folder / f'{label}.npz', result)
        spectra[label] = _summary(result)
        progress.report(
            f'spectrum at {label}',
            step=step,
            total=len(labels),
            pressure=pressure_from_label(label),
            norm=result.sum_rules.norm,
        )
    if failure is not None and not spectra:
        raise type(failure)(f'No pressure gave a spectrum. {labels[-1]}: {failure}') from failure
    return {
        'spectra': spectra,
        'finished': list(spectra),
        'missing': list(reasons),
        'reasons': reasons,
        'units': UNITS,
        'instrument': {'name': instrument.name, 'citation': instrument.citation},
    }


def check_job(job: Mapping[str, Any], folder: Path) -> None:
    """Check a job before anything is computed.

    Raises
    ------
    JobFileError
        If keys are missing or unknown, a value has the wrong type or a file is not there.
    PressureError
        If a key of ``force_constants`` is no pressure label.
    """
    missing = [key for key in _REQUIRED if key not in job]
    if missing:
        raise JobFileError(f'The job lacks {", ".join(missing)}.')
    _refuse_unknown(job, (*_REQUIRED, *_OPTIONAL), 'job')
    _check_files(job['force_constants'], folder)
    for key in ('temperature', 'bin_width'):
        if not _is_number(job[key]):
            raise JobFileError(f'`{key}` must be a finite number, not {job[key]!r}.')
    energy_range = job['energy_range']
    if not isinstance(energy_range, list) or not (
        len(energy_range) == 2 and all(_is_number(value) for value in energy_range)
    ):
        raise JobFileError(f'`energy_range` must be two numbers in cm⁻¹, not {energy_range!r}.')
    if not isinstance(job['mesh'], list) or not isinstance(job['instrument'], str):
        raise JobFileError('`mesh` must be a list and `instrument` a name.')
    incident = job.get('incident_energy')
    if incident is not None and not _is_number(incident):
        raise JobFileError(f'`incident_energy` must be a number in meV, not {incident!r}.')
    max_order = job.get('max_order')
    if max_order is not None and (not _is_integer(max_order) or max_order < 1):
        raise JobFileError(f'`max_order` must be a whole number ≥ 1 or null, not {max_order!r}.')
    _check_settings(job.get('settings', {}))


def _check_files(files: object, folder: Path) -> None:
    if not isinstance(files, dict) or not files:
        raise JobFileError('`force_constants` must map pressure labels to file names.')
    for label, name in files.items():
        pressure_from_label(label)
        if not isinstance(name, str) or Path(name).name != name:
            raise JobFileError(f'`force_constants` at {label} must be a file name, not {name!r}.')
        if not (folder / name).is_file():
            raise JobFileError(f'`force_constants` at {label}: there is no file {name}.')


def _check_settings(settings: object) -> None:
    if not isinstance(settings, dict):
        raise JobFileError(f'`settings` must be a mapping, not {settings!r}.')
    _refuse_unknown(settings, (*_SETTINGS, 'resolution', 'quirks'), 'settings')
    for key, kind in _SETTINGS.items():
        value = settings.get(key)
        good = _CHECKS[kind]
        if key in settings and not good(value):
            raise JobFileError(f'`settings.{key}` must be of type {kind.__name__}, not {value!r}.')
    quirks = settings.get('quirks', [])
    if not isinstance(quirks, list) or not all(map(_is_text, quirks)):
        raise JobFileError(f'`settings.quirks` must be a list of names, not {quirks!r}.')
    resolution = settings.get('resolution')
    if isinstance(resolution, list):
        if not resolution or not all(_is_number(value) for value in resolution):
            raise JobFileError('`settings.resolution` as a list must hold numbers.')
    elif not (resolution is None or isinstance(resolution, str)):
        raise JobFileError(f'`settings.resolution` cannot be {resolution!r}.')
    for key in ('minimum_frequency', 'maximum_imaginary_weight'):
        if key in settings and settings[key] <= 0:
            raise JobFileError(f'`settings.{key}` must be > 0, not {settings[key]}.')


def _refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise JobFileError(
            format_error(
                f'Unknown keys in {where}: {", ".join(unknown)}.',
                fix=f'Known are {", ".join(sorted(known))}.',
            )
        )


def _options(job: Mapping[str, Any]) -> PowderOptions:
    from aiida_insbench.science.ins.directions import DIRECTIONS
    from aiida_insbench.science.ins.powder import PowderOptions

    options = PowderOptions(max_order=job.get('max_order'), **job.get('settings', {}))
    if options.directions is not None and options.directions not in DIRECTIONS:
        raise InputError(
            f'`settings.directions` must be one of {DIRECTIONS}, not {options.directions}.'
        )
    return options


def _compute(
    job: Mapping[str, Any],
    folder: Path,
    label: str,
    instrument: Instrument,
    options: PowderOptions,
) -> PowderResult:
    from aiida_insbench.science.ins.modes import modes_from_phonopy
    from aiida_insbench.science.ins.powder import powder_spectrum

    modes = modes_from_phonopy(folder / job['force_constants'][label], mesh=job['mesh'])
    low, high = job['energy_range']
    return powder_spectrum(
        modes,
        instrument=instrument,
        temperature=float(job['temperature']),
        energy_range=(float(low), float(high)),
        bin_width=float(job['bin_width']),
        options=options,
    )


def _write_arrays(path: Path, result: PowderResult) -> None:
    """Write a spectrum; a kill never leaves half a file under the final name."""
    import numpy as np

    spectrum = result.spectrum
    arrays = {'energy_transfer': spectrum.energy_transfer, 'total': spectrum.total}
    arrays |= {f'order_{n}': values for n, values in enumerate(spectrum.by_order, start=1)}
    arrays |= {f'element_{name}': values for name, values in spectrum.by_element.items()}
    arrays |= {f'bank_{name}': values for name, values in spectrum.by_bank.items()}
    for name, values in zip(spectrum.banks, spectrum.momentum_transfer, strict=True):
        arrays[f'momentum_transfer_{name}'] = values
    partial = path.with_name(path.name + '.part')
    with partial.open('wb') as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)
    partial.replace(path)


def _summary(result: PowderResult) -> dict[str, Any]:
    """What `result.json` says of one pressure."""
    from aiida_insbench.science.ins.spectrum import UNITS, find_bands

    spectrum, census, rules = result.spectrum, result.census, result.sum_rules
    bands = find_bands(spectrum.energy_transfer, spectrum.total)
    return {
        'bands': [{'position': band.position, 'height': band.height} for band in bands],
        'sum_rule': rules.norm,
        'first_moment': rules.first_moment,
        'missing_weight': rules.missing_weight,
        'largest_momentum_transfer': rules.momentum_transfer,
        'orders': spectrum.n_orders,
        'completeness': float(census.completeness.min()),
        'n_modes': census.n_modes,
        'n_imaginary': census.n_imaginary,
        'n_near_zero': census.n_near_zero,
        'n_translations': census.n_translations,
        'lowest_frequency': census.lowest_frequency,
        'imaginary_weight': max(census.left_out.values()),
        'imaginary_weight_by_element': dict(census.left_out),
        'msd': dict(result.displacements),
        'directions': dict(result.directions),
        'direction_error': result.direction_error,
        'warnings': list(result.warnings),
        'units': UNITS,
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_CHECKS = {int: _is_integer, float: _is_number, str: _is_text}
