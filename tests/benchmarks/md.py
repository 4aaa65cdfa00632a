"""Molecular dynamics of MgH2 by its potential: cost beside a bare loop, drift of the energy."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase.md.verlet import VelocityVerlet
from ase.units import fs
from md_checks import violations_figures

from aiida_insbench.jobs.md_results import summarise
from aiida_insbench.jobs.md_run import Run
from aiida_insbench.jobs.md_task import MDTask, read_task
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.dynamics.ensembles import draw_momenta
from aiida_insbench.science.potentials import calculator, read_potential
from aiida_insbench.science.structures import atoms_to_dict

sys.path.insert(0, str(Path(__file__).parents[1]))
from lj_rutile import rutile

POTENTIAL = Path(__file__).parent / 'data' / 'mgh2_potential'
#: Steps are whole frames, eight steps each: as many on both sides.
ROUNDS, STEPS = 2, 56


def md_figures(folder: Path) -> Iterator[dict[str, Any]]:
    """Overhead, drift, and what the checks find."""
    engine = calculator(read_potential(POTENTIAL))
    yield overhead(folder, engine)
    yield drift(folder, engine)
    yield from violations_figures()


def overhead(folder: Path, engine: Any) -> dict[str, Any]:
    """Steps of `Run` and of ASE's loop in turn, 72 atoms."""
    spent = {'ours': 0.0, 'bare': 0.0}
    for number in range(ROUNDS):
        task = task_of((2, 2, 3), length=STEPS * 5e-4, equilibration=0.0)
        run = run_of(task, engine, folder / f'round_{number}')
        atoms = task.plans[0].atoms.copy()
        draw_momenta(atoms, temperature=300.0, rng=np.random.default_rng(number))
        atoms.calc = engine
        dynamics = VelocityVerlet(atoms, 0.5 * fs)
        turns = [('ours', run.go), ('bare', functools.partial(dynamics.run, STEPS))]
        for name, go in turns[:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            go()
            spent[name] += time.perf_counter() - started
    ours, bare = spent['ours'], spent['bare']
    return {
        'name': 'validate.md_overhead_ratio',
        'value': round(ours / bare, 3),
        'unit': '1',
        'goal': 1.1,
        'better': 'lower',
        'how': f'NVE of 72 atoms of MgH2, MACE in float64, {ROUNDS} alternating rounds of {STEPS} '
        f'steps: checks, frames every 4 fs and checkpoints included, {ours / ROUNDS / STEPS:.3f} '
        f"s a step, over ASE's loop with the same calculator, {bare / ROUNDS / STEPS:.3f} s",
    }


def drift(folder: Path, engine: Any) -> dict[str, Any]:
    """Slope of the energy of NVE at the default step."""
    task = task_of((2, 2, 1), length=1.0, equilibration=0.25)
    run = run_of(task, engine, folder / 'drift')
    speed = run.go()
    record, _ = summarise(run, task, steps_per_second=speed)
    found = record['averages']['drift']
    return {
        'name': 'validate.nve_drift_mev_atom_ps',
        'value': round(abs(found['mean']), 4),
        'unit': 'meV/atom/ps',
        'goal': 0.1,
        'better': 'lower',
        'how': f'NVE of 24 atoms of MgH2 at {record["averages"]["temperature"]["mean"]:.0f} K, '
        f'MACE in float64, steps of {record["timestep_fs"]:g} fs, 1 ps after 0.25 ps: '
        f'{found["mean"]:.4f} ± {found["error"]:.4f}; violations: {len(record["violations"])}',
    }


def task_of(cells: tuple[int, int, int], **settings: float) -> MDTask:
    """One NVE run of MgH2 at 300 K."""
    return read_task(
        {
            'structures': {'p_0000': atoms_to_dict(rutile())},
            'supercell_matrix': np.diag(cells).tolist(),
            'settings': {'ensembles': ['nve'], 'resolution': 0.0, **settings},
        }
    )


def run_of(task: MDTask, engine: Any, folder: Path) -> Run:
    """That run in a folder of its own."""
    folder.mkdir()
    return Run(
        plan=task.plans[0],
        engine=lambda: engine,
        renew=False,
        thresholds=task.thresholds,
        stop=True,
        folder=folder,
        progress=Progress(folder, 'md'),
    )
