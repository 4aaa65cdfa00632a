"""Densities of states of runs against harmonic ones of the same supercells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from phonopy import Phonopy

from aiida_insbench.jobs.md_density import read_density
from aiida_insbench.jobs.settings import require
from aiida_insbench.science.dynamics.harmonic_density import HarmonicDensity, harmonic_density
from aiida_insbench.science.dynamics.spectrum_comparison import (
    SpectrumComparison,
    compare_with_harmonic,
)
from aiida_insbench.science.dynamics.timestep import crystal_energies
from aiida_insbench.science.errors import InputError, StructureError
from aiida_insbench.science.ins.isotopes import labels_of_sites
from aiida_insbench.science.phonon_isotopes import with_isotopes
from aiida_insbench.science.phonons import load_force_constants
from aiida_insbench.science.plain_numbers import finite_or_none
from aiida_insbench.science.validation.limits import ValidationLimits


@dataclass(frozen=True)
class Anharmonicity:
    """What was compared.

    Attributes
    ----------
    tables : dict
        By run: ``windows`` (rows of `WindowComparison`) and ``warnings``, or ``reason`` why there
        is none.
    warnings : list of str
        Of all runs, each with the run's label.
    arrays : dict
        Harmonic densities, ``<run>__energy``, ``<run>__total``, ``<run>__<element>``.
    """

    tables: dict[str, Any]
    warnings: list[str]
    arrays: dict[str, Any]


def compare_densities(
    job: Mapping[str, Any], folder: Path, *, limits: ValidationLimits
) -> Anharmonicity:
    """Compare each run that has a density with the harmonic crystal at its pressure.

    Raises
    ------
    InputError
        If a file cannot be read. A crystal that cannot be compared is named in the table.
    """
    result = Anharmonicity({}, [], {})
    phonons: dict[str, Phonopy] = {}
    for label, file in sorted((job.get('densities') or {}).items()):
        pressure = label.rpartition('_')[0]
        if pressure not in (job.get('phonons') or {}):
            result.tables[label] = {'windows': [], 'reason': 'There are no harmonic modes.'}
            continue
        if pressure not in phonons:
            phonons[pressure] = _phonon(folder / job['phonons'][pressure], job.get('isotopes'))
        record = job['runs'][label]
        try:
            _compare(label, record, folder / file, phonons[pressure], job, limits, result)
        except (InputError, StructureError) as exc:
            result.tables[label] = {'windows': [], 'reason': str(exc)}
            result.warnings.append(f'{label}: not compared with the harmonic density. {exc}')
    return result


def _phonon(path: Path, isotopes: Mapping[str, Any] | None) -> Phonopy:
    phonon = load_force_constants(path)
    labels = labels_of_sites(list(phonon.primitive.symbols), dict(isotopes or {}))
    return with_isotopes(phonon, labels)


def _compare(
    label: str,
    record: Mapping[str, Any],
    path: Path,
    phonon: Phonopy,
    job: Mapping[str, Any],
    limits: ValidationLimits,
    result: Anharmonicity,
) -> None:
    (matrix,) = require(job, 'supercell_matrix')
    with np.load(path, allow_pickle=False) as arrays:
        found = read_density(record['density'], arrays)
    harmonic = harmonic_density(
        phonon,
        supercell_matrix=matrix,
        grid=found.grid,
        resolution=found.resolution,
        timestep=record['timestep_fs'],
    )
    _keep(label, harmonic, record['timestep_fs'], result)
    compared = compare_with_harmonic(
        found, harmonic, max_shift=limits.shift, max_distance=limits.distance
    )
    result.tables[label] = _table(compared)
    result.warnings.extend(f'{label}, {text}' for text in compared.warnings)


def _keep(label: str, harmonic: HarmonicDensity, timestep: float, result: Anharmonicity) -> None:
    energies = crystal_energies(harmonic.grid.energies, timestep=timestep)
    result.arrays[f'{label}__energy'] = energies
    result.arrays[f'{label}__total'] = harmonic.total
    for element, part in zip(harmonic.elements, harmonic.parts, strict=True):
        result.arrays[f'{label}__{element}'] = part


def _table(compared: SpectrumComparison) -> dict[str, Any]:
    rows = [
        {
            name: finite_or_none(value) if isinstance(value, float) else value
            for name, value in asdict(one).items()
        }
        for one in compared.windows
    ]
    return {'windows': rows, 'warnings': list(compared.warnings)}
