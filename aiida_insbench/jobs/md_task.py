"""The job file of stage ``md``, checked before anything heavy is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.jobs.settings import read_settings, require
from aiida_insbench.science.dynamics.ensembles import ENSEMBLES, Ensemble
from aiida_insbench.science.dynamics.thresholds import Thresholds, read_thresholds
from aiida_insbench.science.dynamics.timestep import check_timestep, default_timestep
from aiida_insbench.science.errors import InputError, JobFileError, format_error
from aiida_insbench.science.ins.isotopes import labels_of_sites, masses_of_labels
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.sampling.cells import build_supercell
from aiida_insbench.science.structures import atoms_from_dict, check_crystal

DEFAULTS: dict[str, Any] = {
    'temperature': 300.0,
    'length': 10.0,
    'equilibration': 2.0,
    'timestep': 0.0,
    'thermostat_time': 100.0,
    'barostat_time': 1000.0,
    'frame_interval': 4.0,
    'series_interval': 10.0,
    'chunk': 0.25,
    'max_frames': 1000,
    'resolution': 10.0,
    'stop_at_violation': True,
    'seed': 1,
    'processes': 1,
    'device': 'cpu',
    'dtype': 'float64',
}
#: Settings that are lists or mappings.
_OPEN = ('ensembles', 'thresholds', 'isotopes')
_POSITIVE = (
    'temperature',
    'length',
    'thermostat_time',
    'barostat_time',
    'frame_interval',
    'series_interval',
    'chunk',
    'max_frames',
)
_NOT_NEGATIVE = ('equilibration', 'timestep', 'resolution', 'seed', 'processes')
_PS = 1000.0  # fs


@dataclass(frozen=True)
class RunPlan:
    """One run: a crystal, an ensemble, and how many steps of what.

    Attributes
    ----------
    label : str
        Pressure label and ensemble, ``p_1500_npt``.
    atoms : Atoms
        Supercell at rest with the masses of its isotopes.
    ensemble : Ensemble
        Of the run proper.
    equilibration, length : int
        Steps before the run proper, and of it.
    frame_steps, series_steps, chunk_steps : int
        Steps between frames, scalars and checkpoints; a chunk is a whole number of frames.
    seed : tuple of int
        Entropy of the run's random numbers.
    labels : tuple of str
        Kinds of the unit cell's atoms, of which the supercell holds copies in this order.
    """

    label: str
    atoms: Atoms
    ensemble: Ensemble
    equilibration: int
    length: int
    frame_steps: int
    series_steps: int
    chunk_steps: int
    seed: tuple[int, ...]
    labels: tuple[str, ...]

    @property
    def total(self) -> int:
        """All steps."""
        return self.equilibration + self.length

    def time(self, step: int) -> float:
        """Time of a step in ps."""
        return step * self.ensemble.timestep / _PS


@dataclass(frozen=True)
class MDTask:
    """A checked job.

    Attributes
    ----------
    plans : tuple of RunPlan
        Runs that are not finished, in rising order of pressure.
    finished : tuple of str
        Labels of runs not to be done again.
    settings : dict
        See `DEFAULTS`; with ``timestep`` filled in.
    thresholds : Thresholds
        Limits of the checks.
    warnings : tuple of str
        What the user should know before.
    """

    plans: tuple[RunPlan, ...]
    finished: tuple[str, ...]
    settings: dict[str, Any]
    thresholds: Thresholds
    warnings: tuple[str, ...]


def read_task(job: Mapping[str, Any]) -> MDTask:
    """Check a job file's entries.

    Parameters
    ----------
    job : dict
        ``structures`` (unit cells by pressure label), ``supercell_matrix`` (rows are axes),
        optional ``settings`` (see `DEFAULTS`; and ``ensembles``, ``thresholds``, ``isotopes``) and
        ``finished`` (labels of runs).

    Raises
    ------
    InputError
        Naming the entry.
    """
    structures, matrix = require(job, 'structures', 'supercell_matrix')
    settings = read_md_settings(job.get('settings', {}))
    if not isinstance(structures, Mapping) or not structures:
        raise JobFileError('`structures` is empty: give a crystal by pressure label (p_1500).')
    crystals = {
        label: _supercell(label, data, matrix, settings['isotopes'])
        for label, data in sorted(structures.items(), key=lambda one: pressure_from_label(one[0]))
    }
    masses = np.concatenate([atoms.get_masses() for atoms, _ in crystals.values()])
    settings['timestep'] = settings['timestep'] or default_timestep(masses.tolist())
    warnings = check_timestep(settings['timestep'], masses=masses.tolist())
    finished = tuple(job.get('finished') or ())
    plans = [
        _plan(label, atoms, name, settings, labels)
        for label, (atoms, labels) in crystals.items()
        for name in settings['ensembles']
    ]
    return MDTask(
        plans=tuple(one for one in plans if one.label not in finished),
        finished=finished,
        settings=settings,
        thresholds=read_thresholds(settings['thresholds']),
        warnings=tuple(warnings),
    )


def read_md_settings(given: object) -> dict[str, Any]:
    """Fill in defaults and refuse what makes no sense.

    Raises
    ------
    InputError
        Naming the setting.
    """
    if not isinstance(given, Mapping):
        raise JobFileError(f'`settings` is {given!r}; give a dictionary.')
    closed = {name: value for name, value in given.items() if name not in _OPEN}
    settings = read_settings(closed, defaults=DEFAULTS)
    for name in (*_POSITIVE, *_NOT_NEGATIVE):
        value = settings[name]
        if not math.isfinite(value) or value < 0 or (name in _POSITIVE and value == 0):
            least = 'above 0' if name in _POSITIVE else '0 or above'
            raise JobFileError(f'`settings.{name}` is {value}; it must be {least}.')
    if settings['dtype'] not in ('float64', 'float32'):
        raise JobFileError(f'`settings.dtype` is {settings["dtype"]!r}; give float64 or float32.')
    settings['ensembles'] = _ensembles(given.get('ensembles', ['nvt', 'npt', 'nve']))
    settings['thresholds'] = dict(given.get('thresholds', {}))
    settings['isotopes'] = dict(given.get('isotopes', {}))
    read_thresholds(settings['thresholds'])
    _check_lengths(settings)
    return settings


def _ensembles(given: object) -> list[str]:
    names = list(given) if isinstance(given, list | tuple) else [given]
    if not names or len(set(names)) < len(names) or set(names) - set(ENSEMBLES):
        raise JobFileError(
            f'`settings.ensembles` is {given!r}; give some of {", ".join(ENSEMBLES)}, each once.'
        )
    return [str(name) for name in names]


def _check_lengths(settings: Mapping[str, Any]) -> None:
    frames = settings['length'] * _PS / settings['frame_interval']
    if frames < 2:
        raise InputError(
            format_error(
                f'`length` is {settings["length"]:g} ps and `frame_interval` '
                f'{settings["frame_interval"]:g} fs: no frames would be left after equilibration.',
                fix='Run longer or write more often.',
            )
        )


def _supercell(
    label: str, data: Any, matrix: Any, isotopes: Mapping[str, Any]
) -> tuple[Atoms, tuple[str, ...]]:
    """Supercell with the masses of its isotopes, and the kinds of the unit cell's atoms."""
    cell = atoms_from_dict(data)
    check_crystal(cell, name=f'structures.{label}')
    labels = labels_of_sites(cell.get_chemical_symbols(), isotopes)
    cell.set_masses(masses_of_labels(labels, cell.get_masses()))
    return build_supercell(atoms=cell, supercell_matrix=matrix), tuple(labels)


def _plan(
    label: str, atoms: Atoms, name: str, settings: Mapping[str, Any], labels: tuple[str, ...]
) -> RunPlan:
    step = settings['timestep']
    frame = max(1, math.floor(settings['frame_interval'] / step + 1e-9))
    per_chunk = max(1, round(settings['chunk'] * _PS / step / frame))
    pressure = pressure_from_label(label)
    return RunPlan(
        label=f'{label}_{name}',
        atoms=atoms,
        ensemble=Ensemble(
            name=name,
            temperature=settings['temperature'],
            timestep=step,
            pressure=pressure,
            thermostat_time=settings['thermostat_time'],
            barostat_time=settings['barostat_time'],
        ),
        equilibration=_steps(settings['equilibration'], step, frame),
        length=max(_steps(settings['length'], step, frame), 2 * frame),
        frame_steps=frame,
        series_steps=max(1, math.floor(settings['series_interval'] / step + 1e-9)),
        chunk_steps=per_chunk * frame,
        # tension and compression of the same size must not share their numbers
        seed=(
            settings['seed'],
            round(abs(pressure) * 1000),
            int(pressure < 0),
            ENSEMBLES.index(name),
        ),
        labels=labels,
    )


def _steps(time: float, step: float, frame: int) -> int:
    """Steps of a time in ps, a whole number of frames."""
    return math.ceil(time * _PS / step / frame - 1e-9) * frame
