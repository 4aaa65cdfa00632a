"""What a finished run leaves: a record, thinned frames, scalars, a density of states.

``run_<label>.json``: ``label``, ``ensemble``, ``pressure`` (GPa), ``temperature`` (K),
``timestep_fs``, ``seed``, ``length_ps`` (reached, equilibration included), ``planned_ps``,
``equilibration_ps``, ``n_atoms``, ``frames_written``, ``frames_kept``, ``frame_interval_fs`` (of
those kept), ``sound``, ``violations`` (each with its ``step``), ``averages`` (see `run_averages`,
None if the run ended before them), ``mean_cell`` (Å), ``temperature_by_element`` (K), ``notes``,
``resumed_at`` (step or None), ``steps_per_second``.

``run_<label>.npz``: ``times`` (ps), ``steps``, ``positions`` (Å, not wrapped), ``velocities``
(Å/ps), ``cells`` (Å), ``masses`` (u), ``series_*`` by the names of `run.SERIES`; and of ``nvt`` and
``nve`` ``density_energy`` (cm⁻¹), ``density_<element>``, ``density_total``, ``density_error``
(states per cm⁻¹), see `aiida_insbench.jobs.md_density`; the record's ``density`` is the rest of it,
None without. Likewise ``motion_tensor``, ``motion_masses`` and the record's ``motion``, see
`aiida_insbench.jobs.md_motion`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.jobs.md_density import density_arrays, density_record
from aiida_insbench.jobs.md_motion import motion_of_run
from aiida_insbench.jobs.md_run import Run
from aiida_insbench.jobs.md_task import MDTask
from aiida_insbench.jobs.program import write_arrays, write_json
from aiida_insbench.science.dynamics.averages import run_averages
from aiida_insbench.science.dynamics.correlations import nyquist_energy
from aiida_insbench.science.dynamics.run import MDRun
from aiida_insbench.science.dynamics.velocity_spectrum import VelocitySpectrum, velocity_spectrum
from aiida_insbench.science.dynamics.violations import Violation, with_whole_run
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.energies import energy_grid
from aiida_insbench.science.plain_numbers import finite_or_none

#: Energies of a density of states end here, cm⁻¹, or where frames show no more.
_HIGHEST = 4200.0
#: What a line needs beside it to be seen whole, in resolutions.
_MARGIN = 4.5


@dataclass(frozen=True)
class _Motion:
    """Densities of states: by element, and of each atom as spectra need it."""

    density: VelocitySpectrum | None = None
    record: dict[str, Any] | None = None
    arrays: dict[str, Any] = field(default_factory=dict)


def summarise(
    run: Run, task: MDTask, *, steps_per_second: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Judge a run as a whole, average it, thin it.

    Parameters
    ----------
    run : Run
        At its end; its chunks are read.
    task : MDTask
        Thresholds and settings.
    steps_per_second : float
        For the record.

    Returns
    -------
    tuple of dict
        Record (JSON) and arrays, see the module.
    """
    plan, settings = run.plan, task.settings
    written = run.files.n_frames()
    stride = max(1, math.ceil(written / settings['max_frames']))
    symbols = tuple(plan.atoms.get_chemical_symbols())
    kept = run.files.run(symbols=symbols, masses=plan.atoms.get_masses(), stride=stride)
    start = plan.time(plan.equilibration)
    found = _all_violations(run, kept, task, start)
    notes: list[str] = []
    motion = _motion(run, start, settings['resolution'], notes)
    density = motion.density
    record = {
        'label': plan.label,
        'ensemble': plan.ensemble.name,
        'pressure': plan.ensemble.pressure,
        'temperature': plan.ensemble.temperature,
        'timestep_fs': plan.ensemble.timestep,
        'seed': settings['seed'],
        'length_ps': plan.time(run.step),
        'planned_ps': plan.time(plan.total),
        'equilibration_ps': start,
        'n_atoms': len(symbols),
        'frames_written': written,
        'frames_kept': len(kept.times),
        'frame_interval_fs': plan.frame_steps * stride * plan.ensemble.timestep,
        'sound': not found,
        'violations': [_with_step(one, plan.ensemble.timestep) for one in found],
        'averages': _averages(kept, start, notes),
        'mean_cell': _mean_cell(kept, start),
        'temperature_by_element': density.temperature_by_element if density else {},
        'density': density_record(density) if density else None,
        'motion': motion.record,
        'notes': notes,
        'resumed_at': run.resumed_at,
        'steps_per_second': round(steps_per_second, 3),
    }
    steps = np.rint(kept.times * 1000 / plan.ensemble.timestep).astype(int)
    arrays = {
        'times': kept.times,
        'steps': steps,
        'positions': kept.positions,
        'velocities': kept.velocities,
        'cells': kept.cells,
        'masses': kept.masses,
        **{f'series_{name}': values for name, values in kept.series.items()},
        **(density_arrays(density, timestep=plan.ensemble.timestep) if density else {}),
        **motion.arrays,
    }
    return record, arrays


def write_results(folder: Path, label: str, record: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write the arrays, then the record: where the record is, the run is finished."""
    write_arrays(folder / f'run_{label}.npz', arrays)
    write_json(record_path(folder, label), record)


def record_path(folder: Path, label: str) -> Path:
    """Where the record of a finished run is."""
    return folder / f'run_{label}.json'


def _all_violations(run: Run, kept: MDRun, task: MDTask, start: float) -> list[Violation]:
    """First violation of each check: of every frame written, and of the run as a whole."""
    plan = run.plan
    if len(kept.times) and kept.times[-1] > start and np.isfinite(kept.positions).all():
        return with_whole_run(
            run.violations,
            kept,
            sites=run.sites,
            ensemble=plan.ensemble.name,
            temperature=plan.ensemble.temperature,
            thresholds=task.thresholds,
            equilibration_ps=start,
        )
    return sorted(run.violations.values(), key=lambda one: one.time)


def _with_step(one: Violation, timestep: float) -> dict[str, Any]:
    """As JSON, the frame named by its step: frames are counted differently before thinning."""
    found = one.to_dict()
    del found['frame']
    found['limit'] = finite_or_none(one.limit)
    return {**found, 'step': round(one.time * 1000 / timestep)}


def _averages(kept: MDRun, start: float, notes: list[str]) -> dict[str, Any] | None:
    try:
        return run_averages(kept, equilibration_ps=start)
    except InputError as exc:
        notes.append(str(exc))
        return None


def _mean_cell(kept: MDRun, start: float) -> list[list[float]] | None:
    later = kept.cells[kept.times >= start - 1e-9]
    if len(later) == 0 or not np.isfinite(later).all():
        return None
    cell: list[list[float]] = later.mean(axis=0).tolist()
    return cell


def _motion(run: Run, start: float, resolution: float, notes: list[str]) -> _Motion:
    """What all frames after equilibration say of frequencies, if they allow it."""
    plan = run.plan
    if plan.ensemble.name == 'npt' or resolution == 0 or run.violations:
        return _Motion()
    symbols = tuple(plan.atoms.get_chemical_symbols())
    whole = run.files.run(symbols=symbols, masses=plan.atoms.get_masses())
    chosen = whole.times >= start - 1e-9
    whole = replace(
        whole,
        **{name: getattr(whole, name)[chosen] for name in _PER_FRAME},
    )
    interval = plan.frame_steps * plan.ensemble.timestep
    highest = min(_HIGHEST, nyquist_energy(interval / 1000) - _MARGIN * resolution)
    width = resolution / 4
    try:
        grid = energy_grid((0.0, highest // width * width), width)
        density = velocity_spectrum(whole, grid=grid, resolution=resolution)
        record, arrays = motion_of_run(
            whole,
            grid=grid,
            resolution=resolution,
            labels=plan.labels,
            timestep=plan.ensemble.timestep,
            temperature=plan.ensemble.temperature,
        )
    except InputError as exc:
        notes.append(f'No density of states: {exc}')
        return _Motion()
    return _Motion(density, record, arrays)


_PER_FRAME = ('times', 'positions', 'velocities', 'cells')
