"""What spectra need of a run: densities of states of every atom of the unit cell, as files.

Arrays: ``motion_tensor`` (shape (3, n_sites, 6, n_energies), states per cm⁻¹ in components xx, yy,
zz, yz, xz, xy: of all frames, and of two halves of them; single precision), ``motion_masses``
(shape (n_sites,), u). JSON: ``symbols``, ``labels`` (kinds of atoms with their cross-sections),
both by site, ``total_mass`` (u, of the supercell), ``bin_width`` and ``last`` of the grid (cm⁻¹,
from 0; where the integrator puts modes), ``resolution`` (cm⁻¹), ``timestep_fs``, ``n_copies`` (of
the unit cell), ``temperature`` (K, of the run), ``warnings``.

Source of the theory: `aiida_insbench.science.dynamics.motion_density`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aiida_insbench.science.dynamics.correlations import as_runs, cut_segments
from aiida_insbench.science.dynamics.motion_density import MotionDensity, motion_densities
from aiida_insbench.science.dynamics.motion_powder import Motions
from aiida_insbench.science.dynamics.run import MDRun
from aiida_insbench.science.dynamics.stride_check import stride_warnings
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.energies import EnergyGrid

PREFIX = 'motion_'
_TENSOR, _MASSES = 'motion_tensor', 'motion_masses'
_ENTRIES = ('labels', 'total_mass', 'bin_width', 'last', 'resolution', 'timestep_fs', 'n_copies')


def motion_of_run(
    run: MDRun,
    *,
    grid: EnergyGrid,
    resolution: float,
    labels: Sequence[str],
    timestep: float,
    temperature: float,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Densities of states of the unit cell's atoms, with those of two halves of the frames.

    Parameters
    ----------
    run : MDRun
        All frames after equilibration; atoms are copies of the unit cell, one after the other.
    grid : EnergyGrid
        From 0.
    resolution : float
        σ of the window, cm⁻¹.
    labels : sequence of str, length n_sites
        Of the unit cell's atoms.
    timestep : float
        Of the integrator, fs.
    temperature : float
        Of the run, K.

    Returns
    -------
    tuple of dict
        Record (JSON) and arrays, see the module.

    Raises
    ------
    InputError
        If frames do not suffice, see `cut_segments`.
    """
    n_sites = len(labels)
    sites = [atom % n_sites for atom in range(run.n_atoms)]
    runs = as_runs(run)
    segments = cut_segments(runs, resolution=resolution, highest_energy=float(grid.energies[-1]))
    parts = (segments.parts, segments.parts[0::2], segments.parts[1::2])
    found = [
        motion_densities(
            runs, segments=dataclasses.replace(segments, parts=part), sites=sites, grid=grid
        )
        for part in parts
    ]
    record = {
        'symbols': list(run.symbols[:n_sites]),
        'labels': list(labels),
        'total_mass': float(run.masses.sum()),
        'bin_width': grid.bin_width,
        'last': grid.last,
        'resolution': resolution,
        'timestep_fs': timestep,
        'n_copies': run.n_atoms // n_sites,
        'temperature': temperature,
        'warnings': list(stride_warnings(runs, highest_energy=segments.highest_energy)),
    }
    tensors = np.array([[one.tensor for one in part] for part in found])
    return record, {
        _TENSOR: tensors.astype(np.float32),
        _MASSES: np.array(run.masses[:n_sites]),
    }


def read_motions(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> tuple[Motions, ...]:
    """Put arrays and record together again.

    Returns
    -------
    tuple of Motions
        Of all frames and of two halves of them.

    Raises
    ------
    InputError
        If entries are missing or shapes do not fit.
    """
    missing = [name for name in _ENTRIES if name not in record]
    missing += [name for name in (_TENSOR, _MASSES) if name not in arrays]
    if missing:
        raise InputError(f'These are no densities of a run: {", ".join(missing)} missing.')
    grid = EnergyGrid(record['bin_width'], 0, record['last'])
    labels = tuple(record['labels'])
    tensors = np.asarray(arrays[_TENSOR], dtype=np.float64)
    masses = np.asarray(arrays[_MASSES], dtype=np.float64)
    expected = (3, len(labels), 6, len(grid.energies))
    if tensors.shape != expected or masses.shape != (len(labels),):
        raise InputError(
            f'Densities of a run have shape {tensors.shape}; the record asks for {expected}.'
        )
    return tuple(
        Motions(
            densities=tuple(
                MotionDensity((site,), float(masses[site]), grid, tensor)
                for site, tensor in enumerate(part)
            ),
            labels=labels,
            masses=masses,
            total_mass=float(record['total_mass']),
            resolution=float(record['resolution']),
            timestep=float(record['timestep_fs']),
            n_cells=1,
            n_copies=int(record['n_copies']),
        )
        for part in tensors
    )
