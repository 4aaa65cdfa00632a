"""``insbench-job fit``: force constants and modes from forces of displaced supercells, as of DFT.

The job file's ``crystals`` has for each pressure label

- ``structure``: the undisplaced unit cell;
- ``supercell_matrix``: 3×3 integers, rows are the supercell's axes;
- ``symprec``: Å, the tolerance with which symmetry reduced the displacements;
- ``forces``: name of an NPZ file with ``displaced_atoms`` (n), ``displacements`` (n, 3) in Å and
  ``forces`` (n, n_supercell, 3) in eV/Å;
- ``relaxation`` (or null): ``energy`` (eV), ``stress`` (eV/Å³, ASE's sign and Voigt order) and
  ``residual_force`` (eV/Å) of the relaxed crystal.

Each pressure leaves the files that ``insbench-job phonons`` leaves, ``p_1500.npz`` and
``p_1500.json``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn
from zipfile import BadZipFile

import numpy as np
from ase import Atoms, units

from aiida_insbench.jobs.phonon_records import write_modes
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.settings import read_settings, require
from aiida_insbench.science.displaced_forces import DisplacedForces
from aiida_insbench.science.errors import (
    ComputationError,
    ConvergenceError,
    InputError,
    JobFileError,
)
from aiida_insbench.science.kpoints import check_supercell_matrix
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.relaxation import space_group
from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict, check_crystal

DEFAULTS: dict[str, Any] = {'mesh': [8, 8, 8], 'max_residual': 0.05}
_ARRAYS = ('displaced_atoms', 'displacements', 'forces')


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Fit force constants at every pressure.

    Parameters
    ----------
    job : dict
        ``crystals`` and ``settings``: ``mesh`` (of a crystal whose supercell is its unit cell:
        1×1×1, since only Γ has a meaning), ``max_residual`` (the share of the forces that may stay
        unexplained).
    folder : Path
        Where files are read and written.
    progress : Progress
        Log.

    Returns
    -------
    dict
        ``finished`` (labels), ``missing``, ``reasons`` by missing label, ``residuals`` and
        ``n_supercells`` by finished label.

    Raises
    ------
    InputError
        If the job file or a file of forces is wrong, or every pressure failed for what was given.
    ConvergenceError
        If every pressure failed.
    """
    settings = read_settings(job.get('settings', {}), defaults=DEFAULTS)
    if min(settings['mesh']) < 1:
        raise JobFileError(f'`settings.mesh` is {settings["mesh"]}; each must be at least 1.')
    (crystals,) = require(job, 'crystals')
    if not crystals:
        raise JobFileError('`crystals` is empty: there is nothing to fit.')
    labels = sorted(crystals, key=pressure_from_label)
    forces = {label: read_forces(crystals[label], folder, label) for label in labels}
    residuals: dict[str, float] = {}
    failures: dict[str, ComputationError | InputError] = {}
    for label in labels:
        try:
            residuals[label] = _fit(label, forces[label], crystals[label], settings, folder)
        except (ComputationError, InputError) as exc:
            # forces that lack a displacement at one pressure are no reason to lose the others
            failures[label] = exc
            progress.report(f'{label} failed: {exc}')
            continue
        progress.report(f'{label} finished', residual=residuals[label])
    reasons = {label: str(exc) for label, exc in failures.items()}
    if not residuals:
        _refuse(reasons, wrong=any(isinstance(exc, InputError) for exc in failures.values()))
    return {
        'finished': list(residuals),
        'missing': list(reasons),
        'reasons': reasons,
        'residuals': residuals,
        'n_supercells': {label: len(forces[label].forces) for label in residuals},
    }


def read_forces(crystal: dict[str, Any], folder: Path, label: str) -> DisplacedForces:
    """Read and check one entry of ``crystals``.

    Raises
    ------
    InputError
        Naming what is wrong.
    """
    structure, matrix, symprec, name = require(
        crystal, 'structure', 'supercell_matrix', 'symprec', 'forces'
    )
    atoms = atoms_from_dict(structure)
    check_crystal(atoms, name=f'crystals.{label}')
    if isinstance(symprec, bool) or not isinstance(symprec, int | float) or not symprec > 0:
        raise JobFileError(f'`symprec` of {label} is {symprec!r}; give a number above 0, in Å.')
    try:
        with np.load(folder / str(name), allow_pickle=False) as data:
            arrays = {key: np.array(data[key]) for key in _ARRAYS}
    except (OSError, ValueError, KeyError, BadZipFile) as exc:
        raise JobFileError(f'The forces of {label} cannot be read from {name}: {exc}') from exc
    return DisplacedForces(
        atoms=atoms,
        supercell_matrix=check_supercell_matrix(matrix),
        displaced_atoms=arrays['displaced_atoms'].astype(np.int64),
        displacements=arrays['displacements'].astype(float),
        forces=arrays['forces'].astype(float),
        symprec=float(symprec),
    )


def crystal_record(
    atoms: Atoms, *, pressure: float, symprec: float, relaxation: dict[str, Any] | None
) -> dict[str, Any]:
    """What is known of a crystal that was relaxed elsewhere, with the keys of other relaxations.

    Parameters
    ----------
    atoms : Atoms
        The relaxed unit cell.
    pressure : float
        Target, GPa.
    symprec : float
        For the space group, Å.
    relaxation : dict or None
        ``energy``, ``stress``, ``residual_force``, where known.

    Returns
    -------
    dict
        JSON-ready; None where a value is not known.
    """
    known = relaxation or {}
    stress = known.get('stress')
    return {
        'pressure': pressure,
        'structure': atoms_to_dict(atoms),
        'energy': known.get('energy'),
        'stress': stress,
        'residual_stress_gpa': None if stress is None else _residual_stress(stress, pressure),
        'static_pressure': None if stress is None else -float(np.mean(stress[:3])) / units.GPa,
        'cell_policy': 'static',
        'residual_force': known.get('residual_force'),
        'volume': float(atoms.get_volume()),
        'space_group': {'before': None, 'after': space_group(atoms=atoms, symprec=symprec)},
        'relax_steps': None,
    }


def _refuse(reasons: dict[str, str], *, wrong: bool) -> NoReturn:
    message = 'No pressure could be finished. ' + ' '.join(
        f'{label}: {text}' for label, text in reasons.items()
    )
    raise InputError(message) if wrong else ConvergenceError(message)


def _residual_stress(stress: list[float], pressure: float) -> float:
    target = pressure * np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    return float(np.abs(np.asarray(stress) / units.GPa + target).max())


def _fit(
    label: str,
    forces: DisplacedForces,
    crystal: dict[str, Any],
    settings: dict[str, Any],
    folder: Path,
) -> float:
    phonon, residual = forces.fit(max_residual=settings['max_residual'])
    record = crystal_record(
        forces.atoms,
        pressure=pressure_from_label(label),
        symprec=forces.symprec,
        relaxation=crystal.get('relaxation'),
    )
    write_modes(
        folder,
        label,
        record={
            **record,
            'supercell_matrix': forces.supercell_matrix.tolist(),
            'fit_residual': residual,
        },
        phonon=phonon,
        settings={
            'mesh': [1, 1, 1] if forces.gamma_only else settings['mesh'],
            'symprec': forces.symprec,
        },
    )
    return float(residual)
