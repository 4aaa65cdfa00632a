"""Inputs that several methods of the sample stage read from the job file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ase import Atoms

from aiida_insbench.jobs.settings import require
from aiida_insbench.science.errors import DatasetError, JobFileError
from aiida_insbench.science.pressure import check_pressures, pressure_from_label, pressure_label
from aiida_insbench.science.sampling.cells import SamplingCell, sampling_cell
from aiida_insbench.science.structures import atoms_from_dict, check_crystal
from aiida_insbench.science.vacuum import refuse_vacuum_under_pressure

#: Frames, number of draws refused, what else the result reports.
Sampled = tuple[list[Atoms], int, dict[str, Any]]


def read_seed(job: dict[str, Any]) -> int:
    """The seed, a whole number ≥ 0."""
    (seed,) = require(job, 'seed')
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise JobFileError(f'`seed` is {seed!r}; give a whole number ≥ 0.')
    return seed


def read_cells(job: dict[str, Any]) -> list[SamplingCell]:
    """Supercells and numbers of frames."""
    (given,) = require(job, 'cells')
    cells = []
    for cell in given:
        matrix, count = require(cell, 'supercell_matrix', 'count')
        cells.append(sampling_cell(supercell_matrix=matrix, count=count))
    return cells


def read_crystal(job: dict[str, Any], *, pressures: tuple[float, ...] = ()) -> Atoms:
    """The crystal, refused if it has vacuum and a pressure is asked for."""
    (given,) = require(job, 'structure')
    atoms = atoms_from_dict(given)
    check_crystal(atoms)
    refuse_vacuum_under_pressure(atoms, pressures=pressures)
    return atoms


def read_crystals(job: dict[str, Any]) -> dict[str, Atoms]:
    """The crystals by pressure label, in the job file's order."""
    (given,) = require(job, 'structures')
    crystals = {label: atoms_from_dict(data) for label, data in given.items()}
    for label, atoms in crystals.items():
        pressure = pressure_from_label(label)
        check_crystal(atoms, name=f'structures.{label}')
        refuse_vacuum_under_pressure(atoms, pressures=[pressure], name=f'structures.{label}')
    return crystals


def read_pressures(job: dict[str, Any]) -> tuple[float, ...] | None:
    """Pressures in rising order, None if the job file has none."""
    given = job.get('pressures')
    return None if given is None else check_pressures(given)


def read_trajectory(folder: Path, name: str) -> list[Atoms]:
    """Frames of a trajectory in extended XYZ.

    Raises
    ------
    DatasetError
        If the file is missing or cannot be read.
    """
    from aiida_insbench.science.frames import read_frames

    try:
        text = (folder / name).read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f'The trajectory {name} cannot be read: {exc}') from exc
    return read_frames(text, name=name)


def frames_by_pressure(frames: list[Atoms]) -> dict[str, int]:
    """Number of frames at each target pressure."""
    return dict(Counter(pressure_label(frame.info['target_pressure']) for frame in frames))
