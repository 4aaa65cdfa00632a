"""DFT force constants for the stage ``analyse``, from labelled frozen-phonon frames.

Lengths in Å.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from phonopy import Phonopy

from aiida_insbench.science.errors import DatasetError, JobFileError
from aiida_insbench.science.frames import check_frames, read_frames
from aiida_insbench.science.phonons import FROZEN_PHONON, force_constants_from_frozen_phonon
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.structures import atoms_from_dict
from aiida_insbench.science.supercells import to_ase

#: Undisplaced atoms of frozen-phonon frames may be off their structure by this, Å.
POSITION_TOLERANCE = 1e-4


def frozen_phonon_reference(
    job: Mapping[str, Any], folder: Path, *, symprec: float
) -> dict[str, Phonopy]:
    """Force constants of the unit cell at each pressure that frames are labelled at.

    Parameters
    ----------
    job : mapping
        ``reference`` (file of frames) and ``reference_structures`` (undisplaced cells by label).
    folder : Path
        Where the file lies.
    symprec : float
        The one the frames were made with, Å.

    Raises
    ------
    JobFileError
        If the file cannot be read.
    DatasetError
        If frames are missing, unlabelled, or not displaced from the structures.
    """
    path = folder / str(job['reference'])
    try:
        frames = read_frames(path.read_text(encoding='utf-8'), name=path.name)
    except (OSError, UnicodeDecodeError) as exc:
        raise JobFileError(f'{path.name} cannot be read: {exc}') from exc
    frames = [frame for frame in frames if frame.info.get('method') == FROZEN_PHONON]
    check_frames(frames, labelled=True, name=path.name)
    structures = job.get('reference_structures') or {}
    by_label: dict[str, list[Atoms]] = {}
    for frame in frames:
        by_label.setdefault(pressure_label(frame.info['target_pressure']), []).append(frame)
    if not by_label or set(by_label) - set(structures):
        raise DatasetError(
            f'{path.name} holds frozen-phonon frames at {sorted(by_label)}; '
            f'`reference_structures` are given at {sorted(structures)}.'
        )
    phonons = {}
    for label, chosen in by_label.items():
        phonons[label] = force_constants_from_frozen_phonon(chosen, symprec=symprec)
        _check_reference_cell(
            phonons[label],
            atoms_from_dict(structures[label]),
            where=f'Frozen-phonon frames at {label}',
        )
    return phonons


def _check_reference_cell(phonon: Phonopy, structure: Atoms, *, where: str) -> None:
    """Refuse frozen-phonon frames that are not displaced from the structure given."""
    cell = to_ase(phonon.primitive)
    if cell.get_chemical_symbols() != structure.get_chemical_symbols():
        raise DatasetError(f'{where} do not hold the atoms of the reference structure.')
    if not np.allclose(cell.cell.array, structure.cell.array, atol=POSITION_TOLERANCE):
        raise DatasetError(f'{where} do not have the cell of the reference structure.')
    _, lengths = find_mic(cell.positions - structure.positions, structure.cell, pbc=True)
    if lengths.max() > POSITION_TOLERANCE:
        raise DatasetError(
            f'{where} are not displaced from the reference structure: atom {lengths.argmax()} '
            f'stands {lengths.max():.5f} Å off.'
        )
