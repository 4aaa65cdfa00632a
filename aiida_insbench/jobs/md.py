"""``insbench-job md``: molecular dynamics of one potential, all pressures and ensembles in one job.

Each run leaves ``run_<label>.npz`` and then ``run_<label>.json`` when it is finished (see
`aiida_insbench.jobs.md_results`), labels being such as ``p_1500_npt``. Until then its chunks and
its checkpoint are in ``md/<label>/``: killed at any moment, it goes on from there and gives the
same trajectory to the last bit. The job file is described by `aiida_insbench.jobs.md_task`; how
runs go side by side by `aiida_insbench.jobs.md_processes`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.md_processes import SideBySide, threads_of_job, usable_cores
from aiida_insbench.jobs.md_results import record_path
from aiida_insbench.jobs.md_single import Engine, do_run, make_engine
from aiida_insbench.jobs.md_task import MDTask, read_task
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.settings import require
from aiida_insbench.science.structures import cell_heights


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Do every run that is not finished yet.

    Parameters
    ----------
    job : dict
        See `read_task`; and ``potential``, the prefix of its files.
    folder : Path
        Where files are read and written.
    progress : Progress
        Log.

    Returns
    -------
    dict
        ``finished`` (labels of this job), ``skipped`` (finished before), ``sound`` (whether no run
        of this job has a violation), ``warnings``, ``timestep_fs``, ``processes``.

    Raises
    ------
    InputError
        If the job file is wrong, the potential lacks an element or gives no stress: before any
        run, and before any child process, begins.
    ComputationError
        If the processes of a run were killed too often, when the others are done.
    """
    (prefix,) = require(job, 'potential')
    task = read_task(job)
    processes = task.settings['processes'] or threads_of_job()
    engine, cutoff = checked_engine(folder / prefix, task)
    warnings = [*task.warnings, *small_cells(task, cutoff=cutoff), *few_cores(task, processes)]
    for text in warnings:
        progress.report(text)
    labels = [plan.label for plan in task.plans]
    if processes == 1:
        for plan in task.plans:
            do_run(plan, task, engine=engine, folder=folder, progress=progress)
    else:
        del engine  # children have their own
        SideBySide(labels, job=job, folder=folder, processes=processes, progress=progress).go()
    return {
        'finished': labels,
        'skipped': list(task.finished),
        'sound': all(is_sound(folder, label) for label in labels),
        'warnings': warnings,
        'timestep_fs': task.settings['timestep'],
        'processes': processes,
    }


def checked_engine(prefix: Path, task: MDTask) -> tuple[Engine, float]:
    """The engine of a potential that knows the crystal and gives stress, and its cutoff in Å.

    Raises
    ------
    InputError
        If it does not, or cannot be read.
    """
    from aiida_insbench.science.checked_calculators import check_gives_stress
    from aiida_insbench.science.potentials import read_potential

    potential = read_potential(prefix)
    for plan in task.plans[:1]:
        potential.metadata.check_elements(plan.atoms.get_chemical_symbols())
    engine = make_engine(potential, task.settings)
    for plan in task.plans[:1]:
        check_gives_stress(engine.make(), plan.atoms)
    return engine, potential.metadata.cutoff


def is_sound(folder: Path, label: str) -> bool:
    """Whether a finished run has no violation."""
    record = json.loads(record_path(folder, label).read_text(encoding='utf-8'))
    return bool(record['sound'])


def few_cores(task: MDTask, processes: int) -> list[str]:
    """Say that processes will share cores."""
    wanted, cores = min(processes, len(task.plans)), usable_cores()
    if wanted <= cores:
        return []
    return [f'{wanted} processes share {cores} cores: fewer `processes` need less memory.']


def small_cells(task: MDTask, *, cutoff: float) -> list[str]:
    """Say which cells are narrower than twice the range of the potential."""
    narrow = {
        plan.label: width
        for plan in task.plans
        if (width := float(cell_heights(plan.atoms.cell.array).min())) < 2 * cutoff
    }
    if not narrow:
        return []
    return [
        f'The supercells of {", ".join(narrow)} are {min(narrow.values()):.1f} Å wide or more, '
        f"less than twice the potential's cutoff of {cutoff:g} Å: atoms feel their own images, "
        'which is exact for the periodic crystal but leaves out waves longer than the cell.'
    ]
