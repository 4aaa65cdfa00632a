"""Force constants that the stage ``analyse`` is given: of potentials, and of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phonopy import Phonopy

from aiida_insbench.jobs.analyse_reference import frozen_phonon_reference
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import JobFileError, format_error
from aiida_insbench.science.phonons import load_force_constants

#: Name under which the reference goes among the potentials, none of which can have it.
DFT = ''


def read_phonons(
    job: Mapping[str, Any], folder: Path, *, symprec: float, progress: Progress
) -> dict[str, dict[str, Phonopy]]:
    """Read all force constants.

    Parameters
    ----------
    job : mapping
        ``phonons``, ``reference``, ``reference_structures``, ``reference_phonons``.
    folder : Path
        Where the files lie.
    symprec : float
        The one that frozen-phonon frames were made with, Å.
    progress : Progress
        Gets one line a source.

    Returns
    -------
    dict
        By source and pressure label; the reference, if there is one, is `DFT` and comes first.

    Raises
    ------
    JobFileError
        If there is nothing to analyse, or two references are given.
    InputError
        If a file cannot be read.
    """
    files: Mapping[str, Mapping[str, str]] = job.get('phonons') or {}
    if not any(files.values()):
        raise JobFileError('`phonons` names no force constants: there is nothing to analyse.')
    if job.get('reference') and job.get('reference_phonons'):
        raise JobFileError(
            format_error(
                'Both `reference` and `reference_phonons` are given.',
                reason='Potentials are judged by one reference.',
                fix='Leave one out.',
            )
        )
    phonons: dict[str, dict[str, Phonopy]] = {}
    if job.get('reference'):
        phonons[DFT] = frozen_phonon_reference(job, folder, symprec=symprec)
        progress.report('DFT force constants from frozen-phonon frames')
    elif job.get('reference_phonons'):
        phonons[DFT] = _load(job['reference_phonons'], folder)
        progress.report('force constants of DFT')
    for name, by_label in files.items():
        if by_label:
            phonons[name] = _load(by_label, folder)
            progress.report(f'force constants of {name}')
    return phonons


def read_strained(job: Mapping[str, Any], folder: Path) -> dict[str, dict[str, Phonopy]]:
    """Read the force constants of strained states, by potential and label.

    Raises
    ------
    JobFileError
        If one is of no potential.
    InputError
        If a file cannot be read.
    """
    files: Mapping[str, Mapping[str, str]] = job.get('strained') or {}
    unknown = sorted(set(files) - set(job.get('phonons') or {}))
    if unknown:
        raise JobFileError(f'`strained` names {", ".join(unknown)}, which `phonons` does not.')
    return {name: _load(by_label, folder) for name, by_label in files.items()}


def _load(files: Mapping[str, str], folder: Path) -> dict[str, Phonopy]:
    return {label: load_force_constants(folder / path) for label, path in files.items()}
