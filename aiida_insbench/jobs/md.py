"""``insbench-job md``: molecular dynamics of one potential, all pressures and ensembles in one job.

Each run leaves ``run_<label>.npz`` and then ``run_<label>.json`` when it is finished (see
`aiida_insbench.jobs.md_results`), labels being such as ``p_1500_npt``. Until then its chunks and
its checkpoint are in ``md/<label>/``: killed at any moment, it goes on from there and gives the
same trajectory to the last bit. The job file is described by `aiida_insbench.jobs.md_task`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida_insbench.jobs.md_results import summarise, write_results
from aiida_insbench.jobs.md_run import Run
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
        of this job has a violation), ``warnings``, ``timestep_fs``.

    Raises
    ------
    InputError
        If the job file is wrong, the potential lacks an element or gives no stress.
    """
    (prefix,) = require(job, 'potential')
    task = read_task(job)
    from aiida_insbench.science.checked_calculators import check_gives_stress
    from aiida_insbench.science.potentials import calculator, read_potential

    potential = read_potential(folder / prefix)
    for plan in task.plans[:1]:
        potential.metadata.check_elements(plan.atoms.get_chemical_symbols())

    def make() -> Any:
        return calculator(potential, device=task.settings['device'], dtype=task.settings['dtype'])

    # built once where it holds nothing of the frames it has seen
    remembers = potential.metadata.flavour == 'ase'
    engine = make()
    if task.plans:
        check_gives_stress(engine, task.plans[0].atoms)
    warnings = [*task.warnings, *small_cells(task, cutoff=potential.metadata.cutoff)]
    for text in warnings:
        progress.report(text)
    found = run_all(
        task,
        engine=make if remembers else lambda: engine,
        renew=remembers,
        folder=folder,
        progress=progress,
    )
    return {**found, 'warnings': warnings, 'timestep_fs': task.settings['timestep']}


def run_all(
    task: MDTask, *, engine: Any, renew: bool, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Do the runs of a task one after the other; see `Run` for `engine` and `renew`."""
    finished, sound = [], True
    for plan in task.plans:
        if not (folder / f'run_{plan.label}.json').exists():
            one = Run(
                plan=plan,
                engine=engine,
                renew=renew,
                thresholds=task.thresholds,
                stop=task.settings['stop_at_violation'],
                folder=folder,
                progress=progress,
            )
            speed = one.go()
            record, arrays = summarise(one, task, steps_per_second=speed)
            write_results(folder, plan.label, record, arrays)
            one.files.remove()
            sound = sound and record['sound']
            progress.report(f'{plan.label} finished', step=one.step, total=plan.total)
        finished.append(plan.label)
    return {'finished': finished, 'skipped': list(task.finished), 'sound': sound}


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
