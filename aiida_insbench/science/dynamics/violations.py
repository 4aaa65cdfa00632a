"""What went wrong in a run of molecular dynamics: the first violation of each check.

The checks of frames (`frame_checks`) look at all frames, as a bond that breaks while the run warms
up is broken all the same; those of whole runs (`run_checks`) at what comes after equilibration.
Nothing is looked at after the first number that is none. Å, ps, K, GPa, eV.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from ase import Atoms

from aiida_insbench.science.dynamics import run_checks
from aiida_insbench.science.dynamics.ensembles import ENSEMBLES
from aiida_insbench.science.dynamics.frame_checks import FrameChecks
from aiida_insbench.science.dynamics.lifetime import Lifetime, lifetime
from aiida_insbench.science.dynamics.run import SERIES, FloatArray, MDRun
from aiida_insbench.science.dynamics.thresholds import Thresholds
from aiida_insbench.science.dynamics.unit_sites import UnitSites
from aiida_insbench.science.dynamics.violation import Violation
from aiida_insbench.science.errors import InputError, format_error

__all__ = ['Lifetime', 'Violation', 'find_violations', 'lifetime', 'with_whole_run']
_SLACK = 1e-9  # ps: times are sums of steps


def find_violations(
    run: MDRun,
    *,
    reference: Atoms,
    ensemble: str,
    temperature: float,
    pressure: float,
    thresholds: Thresholds,
    equilibration_ps: float,
) -> list[Violation]:
    """Check a run.

    Parameters
    ----------
    run : MDRun
        All frames and scalars.
    reference : Atoms
        Crystal it started from, at rest, in the same periodic images. Masses are the run's.
    ensemble : str
        ``nve``, ``nvt`` or ``npt``.
    temperature : float
        Target in K.
    pressure : float
        In GPa; it is said where the volume is out of bounds.
    thresholds : Thresholds
        Limits.
    equilibration_ps : float
        Beginning of the run that averages leave out.

    Returns
    -------
    list of Violation
        The first of each check, the earliest first.

    Raises
    ------
    InputError
        If ensemble, temperature or equilibration make no sense, run and reference do not belong
        together, or no frame is left after equilibration though no check of frames failed.
    """
    _check_input(run, reference, ensemble, equilibration_ps)
    rest = reference.copy()
    rest.set_masses(run.masses)
    checks = FrameChecks(rest, thresholds, temperature=temperature)
    return with_whole_run(
        _of_frames(run, checks, pressure),
        run,
        sites=checks.sites,
        ensemble=ensemble,
        temperature=temperature,
        thresholds=thresholds,
        equilibration_ps=equilibration_ps,
    )


def with_whole_run(
    of_frames: Mapping[str, Violation],
    run: MDRun,
    *,
    sites: UnitSites,
    ensemble: str,
    temperature: float,
    thresholds: Thresholds,
    equilibration_ps: float,
) -> list[Violation]:
    """Add what a run as a whole did to what its frames did.

    Parameters
    ----------
    of_frames : mapping
        First violation of each check of frames, by name; all frames were looked at.
    run : MDRun
        Scalars, and frames, which may be thinned.
    sites : UnitSites
        Of the checks of frames.
    ensemble, temperature, thresholds, equilibration_ps
        See `find_violations`, as for what is returned and raised.
    """
    found = dict(of_frames)
    broken = run_checks.not_finite(run)
    if broken is not None and broken.time <= found.get('finite', broken).time:
        found['finite'] = broken
    end = found['finite'].time if 'finite' in found else math.inf
    before = _rows(run, -math.inf, end)
    later = [*run_checks.energy_explosion(run, before, temperature, thresholds)]
    series = _rows(run, equilibration_ps, end)
    frames = np.flatnonzero((run.times >= equilibration_ps - _SLACK) & (run.times < end))
    if len(frames) and len(series['time']):
        if ensemble == 'nve':
            later += run_checks.drift(run, series, thresholds)
        else:
            later += run_checks.mean_temperature(run, series, temperature, thresholds)
        later += run_checks.diffusion(run, frames, sites, thresholds)
    elif not found and not later:
        raise _nothing_left(run, equilibration_ps)
    found.update({one.check: one for one in later})
    return sorted(found.values(), key=lambda one: one.time)


def _of_frames(run: MDRun, checks: FrameChecks, pressure: float) -> dict[str, Violation]:
    """First violation of each check of frames, up to the first frame that is no numbers."""
    found: dict[str, Violation] = {}
    for index, time in enumerate(run.times):
        for one in checks.check_all(
            time, index, run.positions[index], run.velocities[index], run.cells[index]
        ):
            if one.check == 'volume':
                reason = one.reason.removesuffix('.') + f', at {pressure:g} GPa.'
                one = replace(one, reason=reason)
            found.setdefault(one.check, one)
        if 'finite' in found:
            break
    return found


def _rows(run: MDRun, start: float, end: float) -> dict[str, FloatArray]:
    """Scalars from a time on and before another."""
    time = run.series['time']
    chosen = (time >= start - _SLACK) & (time < end)
    return {name: np.asarray(run.series[name])[chosen] for name in SERIES}


def _check_input(run: MDRun, reference: Atoms, ensemble: str, equilibration_ps: float) -> None:
    if ensemble not in ENSEMBLES:
        raise InputError(f'The ensemble is {ensemble!r}; known are {", ".join(ENSEMBLES)}.')
    if not (math.isfinite(equilibration_ps) and equilibration_ps >= 0):
        raise InputError(
            f'The equilibration is {equilibration_ps} ps; give 0 or a number above it.'
        )
    if tuple(reference.get_chemical_symbols()) != tuple(run.symbols):
        raise InputError(
            f'The run has atoms {"".join(run.symbols[:6])}…, the reference '
            f'{"".join(reference.get_chemical_symbols()[:6])}…: give the crystal the run started '
            'from, its atoms in the same order.'
        )


def _nothing_left(run: MDRun, equilibration_ps: float) -> InputError:
    last = f'The last frame is at {run.times[-1]:g} ps.' if len(run.times) else 'There is no frame.'
    return InputError(
        format_error(
            f'Zero frames are left after equilibration of {equilibration_ps:g} ps.',
            reason=last,
            fix='Run longer, or give less time to equilibration.',
        )
    )
