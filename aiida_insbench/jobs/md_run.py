"""One run of molecular dynamics, step by step: recorded, looked at, resumed where it was killed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.jobs.md_files import Checkpoint, RunFiles
from aiida_insbench.jobs.md_task import RunPlan
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.dynamics.ensembles import Dynamics, draw_momenta
from aiida_insbench.science.dynamics.frame_checks import FrameChecks
from aiida_insbench.science.dynamics.run import A_PER_PS, SERIES
from aiida_insbench.science.dynamics.thresholds import Thresholds
from aiida_insbench.science.dynamics.violation import Violation
from aiida_insbench.science.errors import ComputationError

#: Å that no atom moves in one step while forces make sense.
_LONGEST_MOVE = 1.0


class Run:
    """A run that goes from its plan's beginning, or from its checkpoint, to its end.

    Parameters
    ----------
    plan : RunPlan
        What to do.
    engine : callable
        Makes the calculator. Called again at every checkpoint if `renew`, for calculators whose
        sums depend on the frames before (neighbour lists that are kept): a run resumed then does
        the same sums.
    renew : bool
        See `engine`.
    thresholds : Thresholds
        Of the checks.
    stop : bool
        End at the first frame that is no sound crystal.
    folder : Path
        Of the job.
    progress : Progress
        Log.
    """

    def __init__(
        self,
        *,
        plan: RunPlan,
        engine: Callable[[], Any],
        renew: bool,
        thresholds: Thresholds,
        stop: bool,
        folder: Path,
        progress: Progress,
    ) -> None:
        self.plan, self._engine, self._renew, self._stop = plan, engine, renew, stop
        self.files = RunFiles(folder, plan.label)
        self._progress = progress
        self._checks = FrameChecks(plan.atoms, thresholds, temperature=plan.ensemble.temperature)
        self.sites = self._checks.sites
        self.violations: dict[str, Violation] = {}
        self.step = 0
        self.resumed_at: int | None = None
        self._clear()

    def go(self) -> float:
        """Do all steps that are left; return steps per second."""
        dynamics = self._begin()
        started, first = time.monotonic(), self.step
        try:
            while self.step < self.plan.total and not (self._stop and self.violations):
                dynamics = self._advance(dynamics)
        except ComputationError as exc:
            self._note([self._ended(str(exc))])
        if self._frames['times'] or self._series['time']:
            self._write(dynamics)
        return (self.step - first) / max(time.monotonic() - started, 1e-9)

    def _begin(self) -> Dynamics:
        plan = self.plan
        rng = np.random.default_rng(plan.seed)
        found = self.files.read_checkpoint()
        atoms = plan.atoms.copy()
        atoms.calc = self._engine()
        if found is None:
            draw_momenta(atoms, temperature=plan.ensemble.temperature, rng=rng)
            dynamics = Dynamics(atoms, self._ensemble(), rng)
            self._record(dynamics)
            return dynamics
        self.step = self.resumed_at = found.step
        rng.bit_generator.state = found.record['random']
        self._checks.restore(found.record['checks'])
        self.violations = {
            one['check']: Violation.from_dict(one) for one in found.record['violations']
        }
        draw_momenta(atoms, temperature=plan.ensemble.temperature, rng=np.random.default_rng(0))
        dynamics = Dynamics(atoms, self._ensemble(), rng)
        dynamics.restore(found.arrays)
        return dynamics

    def _ensemble(self) -> Any:
        """What holds from the present step on: ``nve`` is equilibrated with a thermostat."""
        ensemble = self.plan.ensemble
        if ensemble.name == 'nve' and self.step < self.plan.equilibration:
            return replace(ensemble, name='nvt')
        return ensemble

    def _advance(self, dynamics: Dynamics) -> Dynamics:
        """One step, and what is due after it."""
        before = dynamics.atoms.positions.copy()
        dynamics.step()
        self.step += 1
        moved = np.abs(dynamics.atoms.positions - before).max()
        if not moved < _LONGEST_MOVE:
            raise ComputationError(f'An atom moved by {moved:.3g} Å in one step.')
        if self.step == self.plan.equilibration and dynamics.ensemble != self._ensemble():
            dynamics = Dynamics(dynamics.atoms, self._ensemble(), dynamics.rng)
        self._record(dynamics)
        if self.step % self.plan.chunk_steps == 0:
            self._write(dynamics)
            if self._renew:
                dynamics.atoms.calc = self._engine()
        return dynamics

    def _record(self, dynamics: Dynamics) -> None:
        plan, atoms = self.plan, dynamics.atoms
        now = plan.time(self.step)
        if self.step % plan.series_steps == 0:
            for name, value in {'time': now, **dynamics.scalars()}.items():
                self._series[name].append(value)
        if self.step % plan.frame_steps:
            return
        velocities = atoms.get_velocities() / A_PER_PS
        frame = (now, atoms.positions.copy(), velocities, atoms.cell.array.copy())
        for name, value in zip(('times', 'positions', 'velocities', 'cells'), frame, strict=True):
            self._frames[name].append(value)
        self._note(self._checks.check_all(now, self.step, *frame[1:]))

    def _note(self, found: list[Violation]) -> None:
        for one in found:
            if one.check not in self.violations:
                self.violations[one.check] = one
                self._progress.report(
                    f'{self.plan.label} at {one.time:.3f} ps: {one.reason}',
                    step=self.step,
                    total=self.plan.total,
                )

    def _write(self, dynamics: Dynamics) -> None:
        """Write a chunk and its checkpoint, say how far the run is, forget the frames."""
        record = {
            'random': dynamics.rng.bit_generator.state,
            'checks': self._checks.state(),
            'violations': [one.to_dict() for one in self.violations.values()],
        }
        self.files.write(
            Checkpoint(self.step, dynamics.state(), record),
            frames=self._frames,
            series=self._series,
        )
        scalars = self._series['temperature'][-1:] or [math.nan]
        self._progress.report(
            self.plan.label,
            step=self.step,
            total=self.plan.total,
            time_ps=self.plan.time(self.step),
            temperature=scalars[0] if math.isfinite(scalars[0]) else -1.0,
        )
        self._clear()

    def _clear(self) -> None:
        self._frames: dict[str, list[Any]] = {
            name: [] for name in ('times', 'positions', 'velocities', 'cells')
        }
        self._series: dict[str, list[float]] = {name: [] for name in SERIES}

    def _ended(self, reason: str) -> Violation:
        """The run cannot go on: forces that are no numbers, or steps without sense."""
        return Violation(
            'finite', self.plan.time(self.step), self.step, (), math.nan, math.inf, '1', reason
        )
