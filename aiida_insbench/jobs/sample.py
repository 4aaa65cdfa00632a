"""``insbench-job sample``: structures to be labelled, written to ``frames.extxyz``.

Methods are ``strain-rattle``, ``equal-energy`` (needs a potential) and ``frozen-phonon``; see
`aiida_insbench.science.sampling`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from ase import Atoms

from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.settings import read_settings, require
from aiida_insbench.science.errors import InputError, JobFileError
from aiida_insbench.science.frames import check_frames, write_frames
from aiida_insbench.science.pressure import check_pressures, pressure_from_label
from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict, check_crystal

FRAMES_FILE = 'frames.extxyz'
_PREFIX = re.compile(r'^[a-zA-Z][a-zA-Z0-9_]*$')
#: The same as the dataclasses' own; a test compares them.
_CONTACT = {'minimum_contact': 0.7}


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Draw frames.

    Parameters
    ----------
    job : dict
        ``method``, ``prefix``, ``settings`` and what the method needs.
    folder : Path
        Where files are read and written.
    progress : Progress
        Log.

    Returns
    -------
    dict
        ``n_frames``, ``by_method``, ``refused``, ``details``.

    Raises
    ------
    InputError
        If the job file is wrong.
    ConvergenceError
        If a relaxation fails or frames keep having atoms too close.
    """
    method, prefix = require(job, 'method', 'prefix')
    if method not in _METHODS:
        raise JobFileError(f'`method` is {method!r}; known are {", ".join(_METHODS)}.')
    if not isinstance(prefix, str) or not _PREFIX.match(prefix):
        raise JobFileError(f'`prefix` is {prefix!r}; give letters, digits, _, a letter first.')
    frames, refused, details = _METHODS[method](job, folder, progress)
    if not frames:
        raise InputError('No frame was asked for: all counts are 0.')
    check_frames(frames, labelled=False, name=FRAMES_FILE)
    partial = folder / f'{FRAMES_FILE}.part'
    partial.write_text(write_frames(frames), encoding='utf-8')
    partial.replace(folder / FRAMES_FILE)
    progress.report('frames written', step=len(frames), total=len(frames))
    by_method = Counter(str(frame.info['method']) for frame in frames)
    return {
        'n_frames': len(frames),
        'by_method': dict(by_method),
        'refused': refused,
        'details': details,
    }


def _strain_rattle(
    job: dict[str, Any], _folder: Path, _progress: Progress
) -> tuple[list[Atoms], int, dict[str, Any]]:
    from aiida_insbench.science.sampling.strain_rattle import StrainRattle, strain_rattle_frames

    atoms, pressures, cells, seed = _common(job)
    settings = read_settings(
        job.get('settings', {}),
        defaults=_CONTACT,
        required={'volume_range': [0.945, 1.015], 'strain': 0.005, 'rattle': {}},
    )
    frames, refused = strain_rattle_frames(
        atoms=atoms,
        pressures=pressures,
        cells=cells,
        settings=StrainRattle(
            volume_range=(settings['volume_range'][0], settings['volume_range'][1]),
            strain=settings['strain'],
            rattle=_read_rattle(settings['rattle']),
            minimum_contact=settings['minimum_contact'],
        ),
        seed=seed,
        prefix=job['prefix'],
    )
    return frames, refused, {'seed': seed, 'frames_by_pressure': _by_pressure(frames)}


def _equal_energy(
    job: dict[str, Any], folder: Path, progress: Progress
) -> tuple[list[Atoms], int, dict[str, Any]]:
    atoms, pressures, cells, seed = _common(job)
    (prefix,) = require(job, 'potential')
    settings = read_settings(
        job.get('settings', {}),
        defaults={
            'displacement': 0.01,
            'fmax': 1e-4,
            'max_steps': 500,
            'symprec': 1e-4,
            'device': 'cpu',
            **_CONTACT,
        },
        required={'temperature': 60.0, 'frequency_floor': 80.0, 'strain': 0.004},
    )
    device = settings.pop('device')
    from aiida_insbench.science.potentials import calculator, read_potential
    from aiida_insbench.science.sampling.equal_energy import EqualEnergy, equal_energy_frames

    potential = read_potential(folder / prefix)
    potential.metadata.check_elements(atoms.get_chemical_symbols())
    sample = equal_energy_frames(
        atoms=atoms,
        calculator=calculator(potential, device=device),
        pressures=pressures,
        cells=cells,
        settings=EqualEnergy(**settings),
        seed=seed,
        prefix=job['prefix'],
        report=lambda what, done, total: progress.report(what, step=done, total=total),
    )
    relaxations = sample.relaxations
    details = {
        'seed': seed,
        'frames_by_pressure': _by_pressure(sample.frames),
        'lowest_frequency': sample.lowest,
        'modes_at_floor': sample.floored,
        'structures': {label: atoms_to_dict(found.atoms) for label, found in relaxations.items()},
        'space_groups': {label: found.space_group_after for label, found in relaxations.items()},
        'relax_steps': {label: found.steps for label, found in relaxations.items()},
    }
    return sample.frames, sample.refused, details


def _frozen_phonon(
    job: dict[str, Any], _folder: Path, _progress: Progress
) -> tuple[list[Atoms], int, dict[str, Any]]:
    from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames

    (given,) = require(job, 'structures')
    settings = read_settings(
        job.get('settings', {}), defaults={'displacement': 0.01, 'symprec': 1e-3}
    )
    structures = {label: atoms_from_dict(data) for label, data in given.items()}
    for label, atoms in structures.items():
        pressure_from_label(label)
        check_crystal(atoms, name=f'structures.{label}')
    frames = frozen_phonon_frames(structures=structures, prefix=job['prefix'], **settings)
    return frames, 0, {'frames_by_pressure': _by_pressure(frames)}


def _common(job: dict[str, Any]) -> tuple[Atoms, tuple[float, ...], list[Any], int]:
    from aiida_insbench.science.sampling.cells import sampling_cell

    structure, pressures, given, seed = require(job, 'structure', 'pressures', 'cells', 'seed')
    atoms = atoms_from_dict(structure)
    check_crystal(atoms)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise JobFileError(f'`seed` is {seed!r}; give a whole number ≥ 0.')
    cells = []
    for cell in given:
        matrix, count = require(cell, 'supercell_matrix', 'count')
        cells.append(sampling_cell(supercell_matrix=matrix, count=count))
    return atoms, check_pressures(pressures), cells, seed


def _read_rattle(given: dict[str, Any]) -> dict[str, tuple[float, float]]:
    rattle = {}
    for element, bounds in given.items():
        checked = read_settings({element: bounds}, defaults={}, required={element: [0.01, 0.02]})
        rattle[element] = (checked[element][0], checked[element][1])
    return rattle


def _by_pressure(frames: list[Atoms]) -> dict[str, int]:
    from aiida_insbench.science.pressure import pressure_label

    return dict(Counter(pressure_label(frame.info['target_pressure']) for frame in frames))


_METHODS = {
    'strain-rattle': _strain_rattle,
    'equal-energy': _equal_energy,
    'frozen-phonon': _frozen_phonon,
}
