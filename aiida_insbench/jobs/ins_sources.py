"""Where the spectrum of a pressure comes from: modes on a mesh, modes of a supercell, or a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiida_insbench.science.ins.convergence import Convergence
    from aiida_insbench.science.ins.modes import PhononModes
    from aiida_insbench.science.ins.powder import PowderResult
    from aiida_insbench.science.ins.simulation import Simulation

TOLERANCE = 1.0  # per cent of the area
START_SPACING = 0.4  # Å⁻¹, of the first mesh where it is refined


@dataclass(frozen=True)
class Found:
    """A spectrum and what is known of it.

    Attributes
    ----------
    result : PowderResult
        The spectrum.
    convergence : Convergence
        Its errors.
    held : float
        σ in cm⁻¹ to which single modes are broadened already; 0 of modes.
    """

    result: PowderResult
    convergence: Convergence
    held: float = 0.0


def labels_of(job: Mapping[str, Any]) -> list[str]:
    """Pressure labels of a job, rising."""
    from aiida_insbench.science.pressure import pressure_from_label

    return sorted(job.get('force_constants') or job['motions'], key=pressure_from_label)


def compute(job: Mapping[str, Any], folder: Path, label: str, simulation: Simulation) -> Found:
    """Compute the spectrum of a pressure.

    Raises
    ------
    InputError, ComputationError
        If a file cannot be read, or there is no spectrum.
    """
    if job.get('motions'):
        return _of_run(job, folder, label, simulation)
    if job.get('supercell_matrix') is not None:
        return _of_supercell(job, folder, label, simulation)
    return _of_mesh(job, folder, label, simulation)


def _of_mesh(job: Mapping[str, Any], folder: Path, label: str, simulation: Simulation) -> Found:
    from aiida_insbench.science.ins.convergence import converged_spectrum
    from aiida_insbench.science.ins.mode_files import open_modes

    mesh = job.get('mesh')
    source = open_modes(
        folder / job['force_constants'][label],
        mesh=mesh,
        spacing=START_SPACING,
        isotopes=job.get('isotopes'),
        sum_rule=job.get('sum_rule'),
    )
    tolerance = job.get('tolerance', TOLERANCE)
    return Found(
        *converged_spectrum(
            source, simulation, tolerance=tolerance, refine=mesh is None and tolerance is not None
        )
    )


def _of_supercell(
    job: Mapping[str, Any], folder: Path, label: str, simulation: Simulation
) -> Found:
    from aiida_insbench.science.ins.convergence import converged_spectrum

    modes = _commensurate(
        folder / job['force_constants'][label], job['supercell_matrix'], job.get('isotopes')
    )
    tolerance = job.get('tolerance', TOLERANCE)
    return Found(*converged_spectrum(modes, simulation, tolerance=tolerance, refine=False))


def _commensurate(
    path: Path, supercell_matrix: Any, isotopes: Mapping[str, Any] | None
) -> PhononModes:
    from aiida_insbench.science.dynamics.commensurate import commensurate_modes
    from aiida_insbench.science.ins.isotopes import labels_of_sites
    from aiida_insbench.science.phonon_isotopes import with_isotopes
    from aiida_insbench.science.phonons import load_force_constants

    phonon = load_force_constants(path)
    labels = labels_of_sites(list(phonon.primitive.symbols), dict(isotopes or {}))
    modes = commensurate_modes(with_isotopes(phonon, labels), supercell_matrix=supercell_matrix)
    return dataclasses.replace(modes, symbols=tuple(labels))


def _of_run(job: Mapping[str, Any], folder: Path, label: str, simulation: Simulation) -> Found:
    import numpy as np

    from aiida_insbench.jobs.md_motion import read_motions
    from aiida_insbench.science.dynamics.motion_convergence import converged_motion

    entry = job['motions'][label]
    with np.load(folder / entry['file'], allow_pickle=False) as arrays:
        motions = read_motions(entry['record'], arrays)
    result, convergence = converged_motion(
        motions, simulation, tolerance=job.get('tolerance', TOLERANCE)
    )
    return Found(result, convergence, held=motions[0].resolution)
