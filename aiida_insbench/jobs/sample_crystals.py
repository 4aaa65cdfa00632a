"""Methods of the sample stage that need no potential."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.sample_inputs import (
    Sampled,
    frames_by_pressure,
    read_cells,
    read_crystal,
    read_crystals,
    read_pressures,
    read_seed,
    read_trajectory,
)
from aiida_insbench.jobs.sample_settings import read_sample_settings
from aiida_insbench.jobs.settings import require
from aiida_insbench.science.errors import InputError


def strain_rattle(job: dict[str, Any], _folder: Path, _progress: Progress) -> Sampled:
    """Strained and rattled frames about one crystal, or about one at each pressure."""
    from aiida_insbench.science.sampling import strain_rattle as science

    settings = science.StrainRattle(**read_sample_settings('strain-rattle', job['settings']))
    frames, refused, example = _about_crystals(
        job,
        settings,
        about_one=science.strain_rattle_frames,
        about_each=science.strain_rattle_about_each,
    )
    details = {'seed': job['seed'], 'frames_by_pressure': frames_by_pressure(frames)}
    if settings.keep_bonds:
        details |= _bonds(example)
    return frames, refused, details


def molecular_rattle(job: dict[str, Any], _folder: Path, _progress: Progress) -> Sampled:
    """Frames of a molecular crystal, molecules moved as wholes."""
    from aiida_insbench.science.sampling import molecular_rattle as science
    from aiida_insbench.science.sampling.molecule_kinds import molecule_kinds
    from aiida_insbench.science.sampling.rigid_molecules import require_molecules

    settings = science.MolecularRattle(**read_sample_settings('molecular-rattle', job['settings']))
    frames, refused, example = _about_crystals(
        job,
        settings,
        about_one=science.molecular_rattle_frames,
        about_each=science.molecular_rattle_about_each,
    )
    kinds = molecule_kinds(example, require_molecules(example))
    details = {
        'seed': job['seed'],
        'frames_by_pressure': frames_by_pressure(frames),
        'molecules': [{'formula': kind.formula, 'count': len(kind.members)} for kind in kinds],
        **_bonds(example),
    }
    return frames, refused, details


def _about_crystals(
    job: dict[str, Any],
    settings: Any,
    *,
    about_one: Callable[..., tuple[list[Atoms], int]],
    about_each: Callable[..., tuple[list[Atoms], int]],
) -> tuple[list[Atoms], int, Atoms]:
    """Frames, number of draws refused, and a crystal that frames were drawn about."""
    pressures = read_pressures(job)
    common = {
        'cells': read_cells(job),
        'settings': settings,
        'seed': read_seed(job),
        'prefix': job['prefix'],
    }
    if job.get('structures'):
        crystals = read_crystals(job)
        frames, refused = about_each(structures=crystals, pressures=pressures, **common)
        return frames, refused, next(iter(crystals.values()))
    levels = pressures or ()
    atoms = read_crystal(job, pressures=levels)
    frames, refused = about_one(atoms=atoms, pressures=levels, **common)
    return frames, refused, atoms


def frozen_phonon(job: dict[str, Any], _folder: Path, _progress: Progress) -> Sampled:
    """Symmetry-reduced displaced unit cells."""
    from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames

    settings = read_sample_settings('frozen-phonon', job['settings'])
    frames = frozen_phonon_frames(structures=read_crystals(job), prefix=job['prefix'], **settings)
    return frames, 0, {'frames_by_pressure': frames_by_pressure(frames)}


def trajectory(job: dict[str, Any], folder: Path, _progress: Progress) -> Sampled:
    """Independent frames of a trajectory."""
    from aiida_insbench.science.sampling.trajectory import TrajectoryChoice, trajectory_frames
    from aiida_insbench.science.vacuum import refuse_vacuum_under_pressure

    seed, cells, pressures = read_seed(job), read_cells(job), read_pressures(job)
    if len(cells) != 1 or cells[0].count == 0:
        raise InputError('`trajectory` needs one entry in `cells`, with at least one frame.')
    if pressures is not None and len(pressures) != 1:
        raise InputError('`trajectory` takes one pressure, which its frames are tagged with.')
    (name,) = require(job, 'trajectory')
    choice = TrajectoryChoice(**read_sample_settings('trajectory', job['settings']))
    sample = trajectory_frames(
        trajectory=read_trajectory(folder, name),
        count=cells[0].count,
        supercell_matrix=cells[0].supercell_matrix,
        pressure=None if pressures is None else pressures[0],
        choice=choice,
        seed=seed,
        prefix=job['prefix'],
    )
    for frame in sample.frames:
        refuse_vacuum_under_pressure(
            frame, pressures=[frame.info['target_pressure']], name=frame.info['frame_id']
        )
    details = {
        'seed': seed,
        'frames_by_pressure': frames_by_pressure(sample.frames),
        'trajectory_frames': sample.length,
        'energy_time': None if math.isnan(sample.energy_time) else sample.energy_time,
        'displacement_time': sample.displacement_time,
        'stride': sample.stride,
        'independent_frames': sample.independent,
        'source_frames': [int(frame.info['source_frame']) for frame in sample.frames],
    }
    return sample.frames, sample.refused, details


def gas_molecules(job: dict[str, Any], _folder: Path, _progress: Progress) -> Sampled:
    """One molecule of each kind in a box."""
    from aiida_insbench.science.sampling.gas_molecules import GasMolecules, gas_molecule_frames

    seed = read_seed(job)
    settings = GasMolecules(**read_sample_settings('gas-molecules', job['settings']))
    sample = gas_molecule_frames(
        atoms=read_crystal(job), settings=settings, seed=seed, prefix=job['prefix']
    )
    kinds = [
        {
            'formula': kind.formula,
            'count': len(kind.members),
            'atoms': kind.members[0].atoms.tolist(),
            'frames': settings.count,
        }
        for kind in sample.kinds
    ]
    return sample.frames, sample.refused, {'seed': seed, 'kinds': kinds}


def isolated_atoms(job: dict[str, Any], _folder: Path, _progress: Progress) -> Sampled:
    """One atom of each element in a box."""
    from aiida_insbench.science.sampling.isolated_atoms import isolated_atom_frames

    settings = read_sample_settings('isolated-atoms', job['settings'])
    atoms = read_crystal(job)
    frames = isolated_atom_frames(
        elements=atoms.get_chemical_symbols(), prefix=job['prefix'], **settings
    )
    edges = [np.round(np.diag(frame.cell.array), 6).tolist() for frame in frames[:1]]
    details = {'elements': [str(frame.symbols[0]) for frame in frames], 'box': edges[0]}
    return frames, 0, details


def _bonds(atoms: Any) -> dict[str, int]:
    """How many X–H bonds of a unit cell are kept, and how many hydrogens have none."""
    from aiida_insbench.science.sampling.kept_bonds import find_kept_bonds

    bonds = find_kept_bonds(atoms)
    return {'bonds_kept': len(bonds.hydrogens), 'hydrogens_without_bond': bonds.free}
