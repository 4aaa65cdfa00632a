"""Folders of jobs that take a moment: what mutations of ``job.json`` and its files start from."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk
from seeds import Seed, frames, job

UNIT = np.eye(3, dtype=int).tolist()


def _head(stage: str) -> dict[str, Any]:
    return {'schema': 1, 'stage': stage}


@functools.cache
def sample() -> tuple[Seed, ...]:
    """Strained and rattled frames; steps of frozen phonons; boxes of atoms."""
    from lj_rutile import rutile

    from aiida_insbench.science.structures import atoms_to_dict

    crystal = atoms_to_dict(rutile())

    def rattle(_folder: Path) -> dict[str, Any]:
        return {
            **_head('sample'), 'method': 'strain-rattle', 'structure': crystal,
            'pressures': [0, 1], 'seed': 1, 'prefix': 'r1',
            'cells': [{'supercell_matrix': UNIT, 'count': 2}],
            'settings': {'volume_range': [0.95, 1.01], 'strain': 0.01,
                         'rattle': {'Mg': [0.01, 0.02], 'H': [0.01, 0.03]}},
        }  # fmt: skip

    def frozen(_folder: Path) -> dict[str, Any]:
        return {
            **_head('sample'), 'method': 'frozen-phonon', 'prefix': 'f', 'settings': {},
            'structures': {'p_0000': crystal, 'p_1000': crystal},
        }  # fmt: skip

    def atoms(_folder: Path) -> dict[str, Any]:
        return {**_head('sample'), 'method': 'isolated-atoms', 'prefix': 'a', 'structure': crystal,
                'settings': {'box': 10.0}}  # fmt: skip

    return (*job(rattle), *job(frozen), *job(atoms))


@functools.cache
def select() -> tuple[Seed, ...]:
    """Three of six frames by SOAP."""

    def make(folder: Path) -> dict[str, Any]:
        data = frames()[0].files['frames.extxyz']
        (folder / 'pool.extxyz').write_bytes(data)
        return {
            **_head('select'), 'method': 'farthest-point', 'pools': {'pool': 'pool.extxyz'},
            'known': None, 'count': 2, 'descriptors': 'soap', 'seed': 1,
            'settings': {'soap': {'r_cut': 3.5, 'n_max': 2, 'l_max': 1}},
        }  # fmt: skip

    return job(make, '.extxyz')


@functools.cache
def fit() -> tuple[Seed, ...]:
    """Forces of displaced supercells."""
    from displaced_forces import displaced_forces
    from lj_rutile import forces_of, rutile

    from aiida_insbench.science.structures import atoms_to_dict

    def make(folder: Path) -> dict[str, Any]:
        atoms = rutile()
        np.savez(folder / 'forces.npz', **displaced_forces(atoms, forces_of, UNIT))
        crystal = {
            'structure': atoms_to_dict(atoms), 'supercell_matrix': UNIT, 'symprec': 1e-4,
            'forces': 'forces.npz',
            'relaxation': {'energy': -12.5, 'stress': [0.0] * 6, 'residual_force': 0.002},
        }  # fmt: skip
        return {**_head('fit'), 'crystals': {'p_0000': crystal}, 'settings': {'mesh': [2, 2, 2]}}

    return job(make, '.npz')


@functools.cache
def ins() -> tuple[Seed, ...]:
    """A spectrum of a crystal of springs."""
    from lj_rutile import write_phonons

    def make(folder: Path) -> dict[str, Any]:
        files = write_phonons(folder, 'lj', scales={'p_0000': 1.0})
        return {
            **_head('ins'), 'force_constants': files, 'temperature': 10, 'instrument': 'TOSCA',
            'max_order': 2, 'energy_range': [0, 800], 'bin_width': 10.0, 'mesh': [1, 1, 2],
            'isotopes': {'H': '2H'}, 'keep': 'site', 'tolerance': 100.0,
            'settings': {'directions': 6, 'minimum_frequency': 1.0,
                         'maximum_imaginary_weight': 1.0},
        }  # fmt: skip

    return job(make, '.yaml')


@functools.cache
def analyse() -> tuple[Seed, ...]:
    """Modes of one potential at two pressures."""
    from lj_rutile import make_job, reference_frames, write_phonons

    def make(folder: Path) -> dict[str, Any]:
        return make_job(folder, {'lj': write_phonons(folder, 'lj')}, frames=reference_frames())

    return job(make, '.yaml', '.extxyz')


@functools.cache
def evaluate() -> tuple[Seed, ...]:
    """Errors of the effective-medium theory on its own labels."""
    from aiida_insbench.science.potentials import potential_from_ase, write_potential

    def make(folder: Path) -> dict[str, Any]:
        (folder / 'frames.extxyz').write_bytes(frames()[0].files['frames.extxyz'])
        write_potential(potential_from_ase('emt', {}), folder / 'emt')
        return {**_head('evaluate'), 'dataset': 'frames.extxyz', 'potentials': {'emt': 'emt'},
                'settings': {'chunk': 2}}  # fmt: skip

    return job(make, '.extxyz', 'emt.json')


@functools.cache
def phonons() -> tuple[Seed, ...]:
    """Copper of the effective-medium theory."""
    from aiida_insbench.science.potentials import potential_from_ase, write_potential
    from aiida_insbench.science.structures import atoms_to_dict

    def make(folder: Path) -> dict[str, Any]:
        write_potential(potential_from_ase('emt', {}), folder / 'emt')
        return {
            **_head('phonons'), 'potential': 'emt', 'pressures': [0.0, 1.0],
            'structure': atoms_to_dict(bulk('Cu', a=3.6)),
            'supercell_matrix': (2 * np.eye(3, dtype=int)).tolist(),
            'settings': {'mesh': [2, 2, 2], 'max_steps': 20},
        }  # fmt: skip

    return job(make)


@functools.cache
def md() -> tuple[Seed, ...]:
    """Ten steps of copper."""
    from md_jobs import copper

    from aiida_insbench.science.potentials import potential_from_ase, write_potential

    def make(folder: Path) -> dict[str, Any]:
        write_potential(potential_from_ase('emt', {}), folder / 'potential')
        return {
            **_head('md'), 'potential': 'potential', 'structures': {'p_0000': copper()},
            'supercell_matrix': UNIT,
            'settings': {'timestep': 4.0, 'length': 0.08, 'equilibration': 0.0,
                         'frame_interval': 8.0, 'chunk': 0.04, 'ensembles': ['nve'],
                         'thresholds': {}, 'isotopes': {}},
        }  # fmt: skip

    return job(make)


@functools.cache
def validate() -> tuple[Seed, ...]:
    """Volumes of a potential against those of DFT."""
    from lj_rutile import rutile

    from aiida_insbench.science.structures import atoms_to_dict

    def make(_folder: Path) -> dict[str, Any]:
        crystals = {f'p_{i}000': atoms_to_dict(rutile(1 - 0.005 * i)) for i in range(3)}
        errors = {'rmse_energy_mev_atom': 1.0, 'rmse_forces_mev_a': 10.0, 'rmse_stress_gpa': 0.1}
        return {
            **_head('validate'), 'pressures': list(crystals), 'runs': {},
            'structures': crystals, 'dft_structures': crystals, 'limits': {},
            'pressures_learnt': [0.0],
            'evaluation': {**errors, 'n_frames': 3,
                           'by_pressure': {'p_0000': {**errors, 'n_frames': 3}},
                           'by_element': {'H': {'rmse_forces_mev_a': 1.0}}},
        }  # fmt: skip

    return job(make)


@functools.cache
def training_settings() -> tuple[Seed, ...]:
    """Settings of a training."""
    from seeds import one

    given = {
        'seed': 1, 'batch_size': 2, 'max_epochs': 20, 'learning_rate': 0.01,
        'model': {'r_max': 4.0, 'num_channels': 8}, 'e0s': {'Cu': -1.0},
        'stage_two': {'energy_weight': 100.0}, 'loss': 'huber',
    }  # fmt: skip
    return (one('settings.json', json.dumps(given)),)
