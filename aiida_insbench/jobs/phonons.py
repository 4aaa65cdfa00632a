"""``insbench-job phonons``: relaxation and phonons of one potential at every pressure.

The potential is loaded once; each pressure starts from the structure of the one before. Each
pressure leaves two files as soon as it is finished, ``p_1500.npz`` and then ``p_1500.json``: see
`aiida_insbench.jobs.phonon_records`. The job file is described by
`aiida_insbench.jobs.phonon_task`; its ``supercell_matrix`` has its axes in rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida_insbench.jobs.adaptive_pressures import insert_pressures
from aiida_insbench.jobs.hysteresis import sweep_back
from aiida_insbench.jobs.phonon_states import Workplace
from aiida_insbench.jobs.phonon_task import PhononTask, read_task
from aiida_insbench.jobs.pressure_sweep import PressureSweep
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.strained_state import write_strained_state
from aiida_insbench.jobs.vibrational_policy import VibrationalCells
from aiida_insbench.science.errors import ConvergenceError
from aiida_insbench.science.pressure import pressure_label


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Relax and compute phonons at every pressure that is not finished yet.

    Parameters
    ----------
    job : dict
        See `read_task`.
    folder : Path
        Where files are read and written.
    progress : Progress
        Log.

    Returns
    -------
    dict
        See `compute_pressures`; with ``memory_estimate_gb``.

    Raises
    ------
    InputError
        If the job file is wrong, the supercell does not fit in memory, or the potential gives no
        stress.
    ConvergenceError
        If every pressure failed.
    """
    task = read_task(job, folder)
    from aiida_insbench.science.checked_calculators import check_gives_stress
    from aiida_insbench.science.devices import check_device
    from aiida_insbench.science.memory_estimate import GIGABYTE, check_memory
    from aiida_insbench.science.potentials import batched, calculator, read_potential

    potential = read_potential(folder / job['potential'])
    potential.metadata.check_elements(task.structure.get_chemical_symbols())
    needed = check_memory(
        atoms=task.structure,
        supercell_matrix=task.supercell_matrix,
        metadata=potential.metadata,
    )
    engine = calculator(potential, device=task.settings['device'])
    if task.settings['cell_policy'] != 'experimental':
        check_gives_stress(engine, task.structure)
    # on a CPU batches were measured to be no faster than frame after frame
    device = check_device(task.settings['device'])
    batch = None if device == 'cpu' else batched(potential, device=device)
    result = compute_pressures(
        task=task, engine=engine, folder=folder, progress=progress, batch=batch
    )
    return {**result, 'memory_estimate_gb': round(needed / GIGABYTE, 3)}


def compute_pressures(
    *, task: PhononTask, engine: Any, folder: Path, progress: Progress, batch: Any = None
) -> dict[str, Any]:
    """Go through the pressures with a calculator.

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
    batch : BatchedPotential, optional
        Gives the forces of many displaced supercells at once.

    Returns
    -------
    dict
        ``finished`` (labels whose files are here), ``skipped`` (finished before), ``missing`` and
        ``reasons`` (by missing label), ``inserted`` (labels nobody asked for), ``warnings``,
        ``hysteresis`` (see `sweep_back`) or None, ``supercell_convergence`` (see
        `compare_supercells`) or None.

    Raises
    ------
    ConvergenceError
        If every pressure failed.
    """
    sweep = PressureSweep(Workplace(task, engine, folder, progress, batch))
    settings = task.settings
    if settings['cell_policy'] == 'vibrational':
        VibrationalCells(sweep).go_through(task.pressures)
    else:
        falling = settings['sweep'] == 'falling'
        sweep.go_through(task.pressures[::-1] if falling else task.pressures)
    missing = _missing(sweep)
    inserted = insert_pressures(sweep) if settings['adaptive_overlap'] > 0 else []
    if settings['strained']:
        write_strained_state(sweep)
    return {
        'finished': sorted(sweep.finished, key=sweep.labels().index),
        'skipped': sweep.skipped,
        'missing': missing,
        'reasons': {label: sweep.reasons.get(label, 'not reached') for label in missing},
        'inserted': inserted,
        'hysteresis': sweep_back(sweep) if settings['sweep'] == 'both' else None,
        'supercell_convergence': sweep.check_supercell() if settings['check_supercell'] else None,
        'warnings': sweep.all_warnings(),
    }


def _missing(sweep: PressureSweep) -> list[str]:
    """Labels asked for that are not there; an error if none is."""
    asked = [pressure_label(value) for value in sweep.place.task.pressures]
    missing = [label for label in asked if label not in sweep.labels()]
    if len(missing) == len(asked):
        raise ConvergenceError(
            'No pressure could be finished. '
            + ' '.join(f'{label}: {sweep.reasons.get(label, "not reached.")}' for label in missing)
        )
    return missing
