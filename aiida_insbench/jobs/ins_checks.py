"""Checks of the job of stage ``ins``, before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida_insbench.science.errors import JobFileError, format_error
from aiida_insbench.science.pressure import pressure_from_label

LARGEST_ORDER = 200
_SOURCES = ('force_constants', 'motions')
_REQUIRED = ('temperature', 'instrument', 'energy_range', 'bin_width')
_OPTIONAL = (
    'schema',
    'stage',
    'mesh',
    'supercell_matrix',
    'tolerance',
    'max_order',
    'incident_energy',
    'isotopes',
    'sum_rule',
    'map',
    'keep',
    'settings',
)
#: What a run cannot be asked for.
_OF_MODES = ('mesh', 'supercell_matrix', 'isotopes', 'sum_rule', 'map')
_SETTINGS = {
    'directions': int,
    'cross_section': str,
    'kernel': str,
    'coherent': bool,
    'coherent_points': int,
    'coherent_spacing': float,
    'tolerance': float,
    'direction_tolerance': float,
    'minimum_frequency': float,
    'maximum_imaginary_weight': float,
}


def check_job(job: Mapping[str, Any], folder: Path) -> None:
    """Check a job.

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
    _refuse_unknown(job, (*_SOURCES, *_REQUIRED, *_OPTIONAL), 'job')
    _check_sources(job, folder)
    _check_numbers(job)
    _check_instrument(job['instrument'])
    _check_map(job.get('map'))
    if job.get('keep', 'site') not in ('site', 'element'):
        raise JobFileError(f'`keep` must be site or element, not {job["keep"]!r}.')
    if not isinstance(job.get('mesh'), list | None):
        raise JobFileError(f'`mesh` must be a list or null, not {job["mesh"]!r}.')
    _check_isotopes(job.get('isotopes'))
    max_order = job.get('max_order')
    if max_order is not None and not (_is_integer(max_order) and 1 <= max_order <= LARGEST_ORDER):
        raise JobFileError(
            f'`max_order` must be a whole number from 1 to {LARGEST_ORDER} or null, not '
            f'{max_order!r}.'
        )
    _check_settings(job.get('settings', {}))


def _check_sources(job: Mapping[str, Any], folder: Path) -> None:
    """One source for all pressures; a run has no mesh, isotopes of its own, and no map yet."""
    given = [name for name in _SOURCES if job.get(name)]
    if len(given) != 1:
        raise JobFileError(
            'Give `force_constants` or `motions`: each must map pressure labels to files; not both.'
        )
    if given == ['force_constants']:
        _check_files(job['force_constants'], folder, name='force_constants')
        _check_supercell(job)
        return
    if not isinstance(job['motions'], dict) or not all(
        isinstance(one, dict) and {'file', 'record'} <= set(one) for one in job['motions'].values()
    ):
        raise JobFileError('`motions` must give `file` and `record` by pressure label.')
    files = {label: one['file'] for label, one in job['motions'].items()}
    _check_files(files, folder, name='motions')
    if unfit := [name for name in _OF_MODES if job.get(name) is not None]:
        raise JobFileError(
            format_error(
                f'{", ".join(f"`{name}`" for name in unfit)} belong to force constants; here are '
                'densities of states of runs.',
                fix='Leave them out; isotopes are chosen for the run.',
            )
        )


def _check_supercell(job: Mapping[str, Any]) -> None:
    matrix = job.get('supercell_matrix')
    if matrix is None:
        return
    if job.get('mesh') is not None or job.get('sum_rule') is not None:
        raise JobFileError('`supercell_matrix` stands in place of `mesh` and `sum_rule`.')
    from aiida_insbench.science.kpoints import check_supercell_matrix

    check_supercell_matrix(matrix)


def _check_numbers(job: Mapping[str, Any]) -> None:
    for key in ('temperature', 'bin_width'):
        if not (_is_number(job[key]) and job[key] > 0):
            raise JobFileError(f'`{key}` must be a finite number > 0, not {job[key]!r}.')
    energy_range = job['energy_range']
    if not isinstance(energy_range, list) or not (
        len(energy_range) == 2 and all(_is_number(value) for value in energy_range)
    ):
        raise JobFileError(f'`energy_range` must be two numbers in cm⁻¹, not {energy_range!r}.')
    incident = job.get('incident_energy')
    if incident is not None and not _is_number(incident):
        raise JobFileError(f'`incident_energy` must be a number in meV, not {incident!r}.')
    tolerance = job.get('tolerance')
    if tolerance is not None and not (_is_number(tolerance) and tolerance > 0):
        raise JobFileError(
            f'`tolerance` must be a number > 0 in per cent or null, not {tolerance!r}.'
        )


def _check_instrument(instrument: object) -> None:
    if not isinstance(instrument, str | dict):
        raise JobFileError(f'`instrument` must be a name or a description, not {instrument!r}.')
    if isinstance(instrument, str) and instrument.endswith(('.yaml', '.yml')):
        raise JobFileError(
            format_error(
                f'`instrument` is the file {instrument}, which the compute node does not have.',
                fix='Give the content of the file as a mapping.',
            )
        )


def _check_map(asked: object) -> None:
    if asked is None:
        return
    if not (isinstance(asked, list) and len(asked) == 3 and all(map(_is_number, asked))):
        raise JobFileError(
            f'`map` must be the lowest, the highest and the step of Q in Å⁻¹, not {asked!r}.'
        )
    low, high, step = asked
    if not 0 < low < high or not 0 < step <= high - low:
        raise JobFileError(f'`map` must rise from above 0 in steps that fit, not {asked!r}.')


def _check_files(files: object, folder: Path, *, name: str) -> None:
    if not isinstance(files, dict) or not files:
        raise JobFileError(f'`{name}` must map pressure labels to file names.')
    for label, file in files.items():
        pressure_from_label(label)
        if not isinstance(file, str) or Path(file).name != file:
            raise JobFileError(f'`{name}` at {label} must be a file name, not {file!r}.')
        if not (folder / file).is_file():
            raise JobFileError(f'`{name}` at {label}: there is no file {file}.')


def _check_isotopes(isotopes: object) -> None:
    if not isinstance(isotopes, dict | None):
        raise JobFileError(f'`isotopes` must be a mapping, not {isotopes!r}.')
    for site, given in (isotopes or {}).items():
        shares = given.values() if isinstance(given, dict) else [1.0]
        if not isinstance(given, str | dict) or not all(map(_is_number, shares)):
            raise JobFileError(
                f'`isotopes` of {site} must be an isotope, or shares by isotope, not {given!r}.'
            )


def _check_settings(settings: object) -> None:
    if not isinstance(settings, dict):
        raise JobFileError(f'`settings` must be a mapping, not {settings!r}.')
    if 'resolution' in settings:
        raise JobFileError(
            '`settings.resolution` is no part of this stage: contributions have none. Apply it to '
            'them afterwards.'
        )
    _refuse_unknown(settings, (*_SETTINGS, 'quirks', 'displacements'), 'settings')
    for key, kind in _SETTINGS.items():
        value = settings.get(key)
        if key in settings and not _CHECKS[kind](value):
            raise JobFileError(f'`settings.{key}` must be of type {kind.__name__}, not {value!r}.')
    quirks = settings.get('quirks', [])
    if not isinstance(quirks, list) or not all(map(_is_text, quirks)):
        raise JobFileError(f'`settings.quirks` must be a list of names, not {quirks!r}.')
    displacements = settings.get('displacements')
    if not isinstance(displacements, dict | None):
        raise JobFileError(f'`settings.displacements` must be a mapping, not {displacements!r}.')
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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_CHECKS = {int: _is_integer, float: _is_number, str: _is_text, bool: _is_bool}
