"""Rutile crystals held together by Lennard-Jones forces, and jobs of the stage ``analyse``."""

from __future__ import annotations

import json

import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones

from aiida_insbench.jobs.analyse import run
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.frames import write_frames
from aiida_insbench.science.phonons import calculate_force_constants, save_force_constants
from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames
from aiida_insbench.science.structures import atoms_to_dict

SCALES = {'p_0000': 1.0, 'p_1000': 0.985}


def rutile(scale: float = 1.0, u: float = 0.304) -> Atoms:
    sites = [
        (0, 0, 0),
        (0.5, 0.5, 0.5),
        (u, u, 0),
        (1 - u, 1 - u, 0),
        (0.5 + u, 0.5 - u, 0.5),
        (0.5 - u, 0.5 + u, 0.5),
    ]
    cell = np.diag([4.45, 4.45, 3.0]) * scale
    return Atoms('Mg2H4', cell=cell, scaled_positions=sites, pbc=True)


def forces_of(epsilon: float = 0.02) -> LennardJones:
    return LennardJones(sigma=1.75, epsilon=epsilon, rc=4.0, smooth=True)


def write_phonons(folder, name, *, order=None, scales=SCALES, **options):
    crystals = {label: rutile(scale) for label, scale in scales.items()}
    if order is not None:
        crystals = {label: atoms[order] for label, atoms in crystals.items()}
    return write_crystals(folder, name, crystals, **options)


def write_crystals(folder, name, crystals, *, epsilon=0.02, matrix=(1, 1, 2)):
    files = {}
    for label, atoms in crystals.items():
        phonon = calculate_force_constants(
            atoms=atoms, calculator=forces_of(epsilon), supercell_matrix=np.diag(matrix)
        )
        files[label] = f'{name}.{label}.yaml'
        save_force_constants(phonon=phonon, path=folder / files[label])
    return files


def reference_frames(scales=SCALES) -> list[Atoms]:
    frames = frozen_phonon_frames(structures={key: rutile(value) for key, value in scales.items()})
    for frame in frames:
        calculated = frame.copy()
        calculated.calc = forces_of()
        frame.arrays['REF_forces'] = calculated.get_forces()
        frame.info['REF_energy'] = calculated.get_potential_energy()
        frame.info['REF_stress'] = np.zeros(6)
    return frames


def make_job(folder, phonons, *, frames=None, **settings):
    job = {'schema': 1, 'stage': 'analyse', 'phonons': phonons, 'settings': settings}
    job['reference'] = None
    if frames is not None:
        (folder / 'reference.extxyz').write_text(write_frames(frames))
        job['reference'] = 'reference.extxyz'
        job['reference_structures'] = {
            label: atoms_to_dict(rutile(scale)) for label, scale in SCALES.items()
        }
    return job


def run_here(folder, job):
    return run(job, folder, Progress(folder, 'analyse'))


def analyse_three(folder):
    """DFT's own potential, the same with atoms in another order, a stiffer one; by the program."""
    shuffled = [3, 0, 5, 2, 1, 4]
    phonons = {
        'same': write_phonons(folder, 'same'),
        'shuffled': write_phonons(folder, 'shuffled', order=shuffled),
        'stiff': write_phonons(folder, 'stiff', epsilon=0.0242),
    }
    job = make_job(folder, phonons, frames=reference_frames())
    (folder / 'job.json').write_text(json.dumps(job))
    assert run_stage('analyse', folder / 'job.json') == 0
    return json.loads((folder / 'result.json').read_text())['result']
