"""One run from its plan to its files, as the job itself and its child processes do it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_insbench.jobs.md_files import UNFINISHED
from aiida_insbench.jobs.md_results import record_path, summarise, write_results
from aiida_insbench.jobs.md_run import Run
from aiida_insbench.jobs.md_task import MDTask, RunPlan
from aiida_insbench.jobs.progress import Progress

if TYPE_CHECKING:
    from aiida_insbench.science.potential_files import Potential


@dataclass(frozen=True)
class Engine:
    """What gives a run its calculator; see `Run`.

    Attributes
    ----------
    make : callable
        Returns the calculator.
    renew : bool
        Whether a run asks for another one at every checkpoint.
    """

    make: Callable[[], Any]
    renew: bool


def make_engine(potential: Potential, settings: Mapping[str, Any]) -> Engine:
    """Build the calculator once, if it holds nothing of the frames it has seen.

    Raises
    ------
    InputError
        If there is no such device, or the potential makes no calculator.
    """
    from aiida_insbench.science.potentials import calculator

    def make() -> Any:
        return calculator(potential, device=settings['device'], dtype=settings['dtype'])

    if potential.metadata.flavour == 'ase':
        return Engine(make=make, renew=True)
    built = make()
    return Engine(make=lambda: built, renew=False)


def do_run(
    plan: RunPlan, task: MDTask, *, engine: Engine, folder: Path, progress: Progress
) -> None:
    """Go to the end of a run and write its results; nothing is left to do if they are there.

    Raises
    ------
    JobFileError
        If its checkpoint cannot be read.
    """
    if record_path(folder, plan.label).exists():
        # killed between its last two acts
        shutil.rmtree(folder / UNFINISHED / plan.label, ignore_errors=True)
        return
    run = Run(
        plan=plan,
        engine=engine.make,
        renew=engine.renew,
        thresholds=task.thresholds,
        stop=task.settings['stop_at_violation'],
        folder=folder,
        progress=progress,
    )
    speed = run.go()
    record, arrays = summarise(run, task, steps_per_second=speed)
    write_results(folder, plan.label, record, arrays)
    run.files.remove()
    progress.report(f'{plan.label} finished', step=run.step, total=plan.total)
