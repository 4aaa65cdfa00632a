"""The job file of stage ``phonons``, checked before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from aiida_insbench.jobs.settings import read_settings, require
from aiida_insbench.science.errors import JobFileError, format_error
from aiida_insbench.science.kpoints import check_supercell_matrix
from aiida_insbench.science.pressure import check_pressures, pressure_from_label, pressure_label
from aiida_insbench.science.structures import atoms_from_dict, check_crystal

DEFAULTS: dict[str, Any] = {
    'fmax': 1e-4,
    'stress_tolerance': 5e-3,
    'max_steps': 500,
    'fix_symmetry': True,
    'cell_policy': 'static',
    'temperature': 10.0,
    'pressure_tolerance': 0.02,
    'sweep': 'rising',
    'imaginary': 'report',
    'most_followed': 3,
    'adaptive_overlap': 0.0,
    'most_inserted': 4,
    'strained': False,
    'displacements': 'finite',
    'displacement': 0.01,
    'seed': 1,
    'random_cutoff': 0.0,
    'check_supercell': False,
    'mesh': [8, 8, 8],
    'symprec': 1e-4,
    'device': 'cpu',
}
CHOICES = {
    'cell_policy': ('static', 'vibrational', 'experimental'),
    'sweep': ('rising', 'falling', 'both'),
    'imaginary': ('report', 'follow'),
    'displacements': ('finite', 'one-sided', 'random', 'auto'),
}
_POSITIVE = ('fmax', 'stress_tolerance', 'max_steps', 'displacement', 'symprec')
_NOT_NEGATIVE = (
    'temperature',
    'most_followed',
    'most_inserted',
    'adaptive_overlap',
    'seed',
    'random_cutoff',
)


@dataclass(frozen=True)
class FinishedPressure:
    """A pressure that an earlier run finished.

    Attributes
    ----------
    structure : Atoms
        As relaxed.
    arrays : Path or None
        Its NPZ file, of the form this stage writes.
    """

    structure: Atoms
    arrays: Path | None


@dataclass(frozen=True)
class PhononTask:
    """A checked job.

    Attributes
    ----------
    structure : Atoms
        The crystal to start from.
    structures : dict of str to Atoms
        Crystals to start from at some pressures, by label: another phase, or a measured cell.
    pressures : tuple of float
        GPa, rising.
    supercell_matrix : list
        Rows are the supercell's axes in those of `structure`.
    settings : dict
        See `DEFAULTS`.
    finished : dict of str to FinishedPressure
        Not to be computed again.
    """

    structure: Atoms
    structures: dict[str, Atoms]
    pressures: tuple[float, ...]
    supercell_matrix: list[list[int]]
    settings: dict[str, Any]
    finished: dict[str, FinishedPressure]


def read_task(job: Mapping[str, Any], folder: Path) -> PhononTask:
    """Check a job file's entries.

    Parameters
    ----------
    job : dict
        ``potential``, ``structure``, ``pressures``, ``supercell_matrix``; optional are
        ``settings``, ``structures`` (by label), ``finished`` (structures by label) and
        ``finished_arrays`` (names of NPZ files by label).
    folder : Path
        Where the files named lie.

    Raises
    ------
    InputError
        Naming the entry.
    """
    _, structure, pressures, matrix = require(
        job, 'potential', 'structure', 'pressures', 'supercell_matrix'
    )
    settings = _checked_settings(job.get('settings', {}))
    checked = check_pressures(pressures)
    structures = {label: _crystal(data) for label, data in (job.get('structures') or {}).items()}
    _check_structures(structures, checked, settings['cell_policy'])
    arrays = job.get('finished_arrays') or {}
    return PhononTask(
        structure=_crystal(structure),
        structures=structures,
        pressures=checked,
        supercell_matrix=check_supercell_matrix(matrix).tolist(),
        settings=settings,
        finished={
            label: FinishedPressure(
                atoms_from_dict(data), folder / arrays[label] if label in arrays else None
            )
            for label, data in (job.get('finished') or {}).items()
        },
    )


def _checked_settings(given: object) -> dict[str, Any]:
    settings = read_settings(given, defaults=DEFAULTS)
    for name in _POSITIVE:
        if not settings[name] > 0:
            raise JobFileError(f'`settings.{name}` is {settings[name]}; it must be above 0.')
    for name in _NOT_NEGATIVE:
        if not settings[name] >= 0:
            raise JobFileError(f'`settings.{name}` is {settings[name]}; it must not be below 0.')
    if not settings['pressure_tolerance'] > 0 or settings['adaptive_overlap'] >= 1:
        raise JobFileError(
            '`settings.pressure_tolerance` must be above 0 and `settings.adaptive_overlap` below 1.'
        )
    for name, known in CHOICES.items():
        if settings[name] not in known:
            raise JobFileError(
                format_error(
                    f'`settings.{name}` is {settings[name]!r}.', fix=f'Give {" or ".join(known)}.'
                )
            )
    _check_together(settings)
    if min(settings['mesh']) < 1:
        raise JobFileError(f'`settings.mesh` is {settings["mesh"]}; each must be at least 1.')
    return settings


def _check_together(settings: Mapping[str, Any]) -> None:
    """Refuse settings that contradict each other."""
    policy = settings['cell_policy']
    if policy != 'static' and settings['sweep'] != 'rising':
        raise JobFileError(
            format_error(
                f'`sweep: {settings["sweep"]}` does not go with `cell_policy: {policy}`.',
                reason='There each pressure has a cell of its own.',
                fix='Use `cell_policy: static` to look for hysteresis.',
            )
        )
    if policy != 'static' and settings['adaptive_overlap'] > 0:
        raise JobFileError(
            format_error(
                f'`adaptive_overlap` does not go with `cell_policy: {policy}`.',
                fix='Set it to 0 and give the pressures between yourself.',
            )
        )


def _crystal(data: Any) -> Atoms:
    atoms = atoms_from_dict(data)
    check_crystal(atoms)
    return atoms


def _check_structures(
    structures: Mapping[str, Atoms], pressures: tuple[float, ...], policy: str
) -> None:
    labels = {pressure_label(value) for value in pressures}
    for label in structures:
        pressure_from_label(label)
    unknown = sorted(set(structures) - labels)
    if unknown:
        raise JobFileError(
            format_error(
                f'`structures` names {", ".join(unknown)}, which `pressures` does not.',
                fix=f'Labels are {", ".join(sorted(labels))}.',
            )
        )
    lacking = sorted(labels - set(structures))
    if policy == 'experimental' and lacking:
        raise JobFileError(
            format_error(
                f'`cell_policy: experimental` needs a cell at every pressure; {", ".join(lacking)} '
                'has none.',
                fix='Give the measured crystals in `structures`, or relax the cell.',
            )
        )
