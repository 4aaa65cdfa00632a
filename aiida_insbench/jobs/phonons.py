"""``insbench-job phonons``: relaxation and phonons of one potential at every pressure.

The potential is loaded once; each pressure starts from the structure of the one before. Each
pressure leaves two files as soon as it is finished, ``p_1500.npz`` and then ``p_1500.json``. The
first holds ``force_constants`` (compact, shape (n_unit_cell, n_supercell, 3, 3), eV/Å²) and
``supercell_matrix`` and ``primitive_matrix`` in phonopy's convention (columns are axes), ready for
phonopy's classes; the job file's ``supercell_matrix`` has its axes in rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from aiida_insbench.jobs.phonon_records import write_pressure
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.settings import read_settings, require
from aiida_insbench.science.errors import (
    ComputationError,
    ConvergenceError,
    InterruptedJobError,
    JobFileError,
)
from aiida_insbench.science.pressure import check_pressures, pressure_label
from aiida_insbench.science.structures import atoms_from_dict, check_crystal

DEFAULTS: dict[str, Any] = {
    'fmax': 1e-4,
    'stress_tolerance': 5e-3,
    'max_steps': 500,
    'fix_symmetry': True,
    'displacement': 0.01,
    'mesh': [8, 8, 8],
    'symprec': 1e-4,
    'device': 'cpu',
}
#: Share of the volume by which one pressure may change the structure it starts from.
MAX_VOLUME_CHANGE = 0.4


@dataclass(frozen=True)
class PhononTask:
    """A checked job: see `run` for its entries."""

    structure: Atoms
    pressures: tuple[float, ...]
    supercell_matrix: list[list[int]]
    settings: dict[str, Any]
    finished: dict[str, Atoms]


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Relax and compute phonons at every pressure that is not finished yet.

    Parameters
    ----------
    job : dict
        ``potential``, ``structure``, ``pressures``, ``supercell_matrix``, ``settings``,
        ``finished``.
    folder : Path
        Where files are read and written.
    progress : Progress
        Log.

    Returns
    -------
    dict
        ``finished`` (labels whose files are here), ``missing``, ``reasons`` by missing label and
        ``skipped`` (finished before).

    Raises
    ------
    InputError
        If the job file is wrong.
    ConvergenceError
        If every pressure failed.
    """
    task = read_task(job)
    from aiida_insbench.science.potentials import calculator, read_potential

    potential = read_potential(folder / job['potential'])
    potential.metadata.check_elements(task.structure.get_chemical_symbols())
    engine = calculator(potential, device=task.settings['device'])
    return compute_pressures(task=task, engine=engine, folder=folder, progress=progress)


def compute_pressures(
    *, task: PhononTask, engine: Any, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Go through the pressures in rising order with a calculator; see `run`.

    Parameters
    ----------
    task : PhononTask
        The checked job.
    engine : ase Calculator
        Gives energy, forces and stress.
    folder : Path
        Where files are written.
    progress : Progress
        Log.

    Raises
    ------
    ConvergenceError
        If every pressure failed.
    """
    start = task.structure
    finished: list[str] = []
    skipped: list[str] = []
    reasons: dict[str, str] = {}
    for pressure in task.pressures:
        label = pressure_label(pressure)
        if label in task.finished:
            start = task.finished[label]
            skipped.append(label)
            continue
        try:
            start = _one_pressure(task, start, pressure, engine, folder, progress)
        except InterruptedJobError:
            raise
        except ComputationError as exc:
            reasons[label] = str(exc)
            progress.report(f'{label} failed: {exc}', pressure=pressure)
            continue
        finished.append(label)
    if reasons and not finished and not skipped:
        raise ConvergenceError(
            'No pressure could be finished. '
            + ' '.join(f'{label}: {text}' for label, text in reasons.items())
        )
    return {
        'finished': finished,
        'missing': list(reasons),
        'reasons': reasons,
        'skipped': skipped,
    }


def read_task(job: dict[str, Any]) -> PhononTask:
    """Check a job file's entries before anything heavy is loaded.

    Raises
    ------
    InputError
        Naming the entry.
    """
    from aiida_insbench.science.kpoints import check_supercell_matrix

    _, structure, pressures, matrix = require(
        job, 'potential', 'structure', 'pressures', 'supercell_matrix'
    )
    settings = read_settings(job.get('settings', {}), defaults=DEFAULTS)
    for name in ('fmax', 'stress_tolerance', 'max_steps', 'displacement', 'symprec'):
        if not settings[name] > 0:
            raise JobFileError(f'`settings.{name}` is {settings[name]}; it must be above 0.')
    if min(settings['mesh']) < 1:
        raise JobFileError(f'`settings.mesh` is {settings["mesh"]}; each must be at least 1.')
    atoms = atoms_from_dict(structure)
    check_crystal(atoms)
    return PhononTask(
        structure=atoms,
        pressures=check_pressures(pressures),
        supercell_matrix=check_supercell_matrix(matrix).tolist(),
        settings=settings,
        finished={
            label: atoms_from_dict(data) for label, data in (job.get('finished') or {}).items()
        },
    )


def _one_pressure(
    task: PhononTask, start: Atoms, pressure: float, engine: Any, folder: Path, progress: Progress
) -> Atoms:
    """Compute one pressure, write its files and return its structure."""
    from aiida_insbench.science.phonons import calculate_force_constants
    from aiida_insbench.science.relaxation import relax

    settings, label = task.settings, pressure_label(pressure)
    relaxation = relax(
        atoms=start,
        calculator=engine,
        pressure=pressure,
        fmax=settings['fmax'],
        stress_tolerance=settings['stress_tolerance'],
        max_steps=settings['max_steps'],
        fix_symmetry=settings['fix_symmetry'],
        symprec=settings['symprec'],
        max_volume_change=MAX_VOLUME_CHANGE,
    )
    volume = relaxation.atoms.get_volume()
    progress.report(
        f'{label} relaxed', step=relaxation.steps, pressure=pressure, volume=float(volume)
    )
    phonon = calculate_force_constants(
        atoms=relaxation.atoms,
        calculator=engine,
        supercell_matrix=task.supercell_matrix,
        displacement=settings['displacement'],
        symprec=settings['symprec'],
        report=lambda done, total: progress.report(
            f'{label} displaced supercell', step=done, total=total, pressure=pressure
        ),
    )
    write_pressure(folder, label, relaxation=relaxation, phonon=phonon, settings=settings)
    progress.report(f'{label} finished', pressure=pressure)
    return relaxation.atoms
