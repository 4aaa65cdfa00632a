"""Stage ``validate``: judge a potential by its errors, volumes, dynamics and a committee's spread.

Job: ``pressures`` (labels, at each of which there must be molecular dynamics); ``runs`` (records of
`aiida_insbench.jobs.md_results` by label); optional ``densities`` (run label to NPZ file, see
`aiida_insbench.jobs.md_density`) with ``phonons`` (phonopy YAML by pressure label),
``supercell_matrix`` and ``isotopes`` of the runs; ``evaluation`` (errors of the potential, of
`aiida_insbench.science.parity.errors`) with ``pressures_learnt`` (GPa, target pressures of the
frames learnt from); ``structures`` and ``dft_structures`` (relaxed crystals by
pressure label); ``spreads`` (``runs`` and ``training``: each ``frames``, extended XYZ, and
``predictions``, NPZ of stage ``evaluate`` with a committee; frames of runs name their ``run`` and
``time``); ``limits`` (`aiida_insbench.science.validation.limits`).

Result: as `aiida_insbench.science.validation.verdict.verdict`, with ``tables`` by part and
``anharmonicity`` by run, and the ``limits``. ``harmonic.npz`` holds, by run, ``<run>__energy``,
``<run>__total`` and ``<run>__<element>``: the harmonic density (cm⁻¹, states per cm⁻¹).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.program import write_arrays
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.settings import require
from aiida_insbench.jobs.validate_anharmonicity import compare_densities
from aiida_insbench.jobs.validate_spreads import read_spreads
from aiida_insbench.science.structures import atoms_from_dict, check_cell
from aiida_insbench.science.validation.check import (
    DYNAMICS,
    EXTRAPOLATION,
    PARITY,
    STATE,
    Check,
)
from aiida_insbench.science.validation.dynamics_checks import dynamics_checks
from aiida_insbench.science.validation.extrapolation import extrapolation_checks
from aiida_insbench.science.validation.limits import ValidationLimits, read_limits
from aiida_insbench.science.validation.parity_checks import parity_checks, pressures_held_out
from aiida_insbench.science.validation.state_checks import state_checks
from aiida_insbench.science.validation.verdict import verdict

HARMONIC_FILE = 'harmonic.npz'
_UNCHECKED = {
    PARITY: 'No frames were held out.',
    STATE: 'There are no volumes of DFT.',
    DYNAMICS: 'No molecular dynamics was run.',
    EXTRAPOLATION: 'There is no committee, or no frames that it learnt from.',
}

Found = tuple[list[Check], dict[str, Any]]


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Judge what was computed.

    Parameters
    ----------
    job : dict
        See the module.
    folder : Path
        Where files are read and written.
    progress : Progress
        One line a part.

    Returns
    -------
    dict
        Verdict and tables.

    Raises
    ------
    InputError
        If limits contradict, or files do not fit one another.
    """
    require(job, 'pressures', 'runs')
    limits = read_limits(job.get('limits') or {})
    parts: dict[str, Callable[[Mapping[str, Any], Path, ValidationLimits], Found]] = {
        PARITY: _parity,
        STATE: _state,
        DYNAMICS: _dynamics,
        EXTRAPOLATION: _extrapolation,
    }
    checks: list[Check] = []
    tables: dict[str, Any] = {}
    for name, judge in parts.items():
        found, tables[name] = judge(job, folder, limits)
        checks += found
        progress.report(f'{name}: {len(found)} checks')
    anharmonic = compare_densities(job, folder, limits=limits)
    if anharmonic.arrays:
        write_arrays(folder / HARMONIC_FILE, anharmonic.arrays)
    progress.report(f'densities of states compared: {len(anharmonic.tables)}')
    return {
        **verdict(checks, warnings=anharmonic.warnings, unchecked=_UNCHECKED),
        'tables': tables,
        'anharmonicity': anharmonic.tables,
        'limits': limits.as_dict(),
    }


def _parity(job: Mapping[str, Any], _folder: Path, limits: ValidationLimits) -> Found:
    errors = job.get('evaluation')
    if not errors:
        return [], {}
    learnt = job.get('pressures_learnt')
    held_out = [] if learnt is None else pressures_held_out(errors['by_pressure'], learnt)
    checks = parity_checks(errors, limits=limits, held_out=held_out)
    return checks, {**errors, 'pressures_held_out': held_out}


def _state(job: Mapping[str, Any], _folder: Path, limits: ValidationLimits) -> Found:
    crystals = [
        {label: atoms_from_dict(data) for label, data in (job.get(name) or {}).items()}
        for name in ('structures', 'dft_structures')
    ]
    for by_label in crystals:
        for label, atoms in by_label.items():
            check_cell(atoms.cell.array, name=label)
    if not all(crystals):
        return [], {}
    return state_checks(*crystals, limits=limits)


def _dynamics(job: Mapping[str, Any], _folder: Path, _limits: ValidationLimits) -> Found:
    if not job['runs']:
        return [], {}
    return dynamics_checks(job['runs'], pressures=job['pressures'])


def _extrapolation(job: Mapping[str, Any], folder: Path, limits: ValidationLimits) -> Found:
    if not job.get('spreads'):
        return [], {}
    runs, training = read_spreads(job['spreads'], folder)
    return extrapolation_checks(runs, training, limits=limits)
