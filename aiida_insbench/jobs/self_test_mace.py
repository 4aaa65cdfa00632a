"""Training and evaluation of the self-test: small jobs whose results are known by another way.

Copper by ASE's EMT in its cubic cell of four atoms. A MACE model of four channels is trained for
one epoch; forces and pressure are derivatives of its energy, whatever it has learned. eV and Å.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_insbench.jobs.self_test_runs import check, run_job
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY, write_frames

_STEP, _STRAIN = 2e-3, 1e-4
_MODEL = {
    'r_max': 3.5,
    'num_channels': 4,
    'max_L': 0,
    'max_ell': 1,
    'correlation': 2,
    'num_interactions': 2,
}


def train(folder: Path) -> str:
    """Train a small MACE model for one epoch and store it as a potential.

    Raises
    ------
    ComputationError
        If the job failed, or MACE's errors on the validation frames are not those of what was
        stored.
    """
    (folder / 'dataset.extxyz').write_text(write_frames(_frames('t', 4, seed=1)), encoding='utf-8')
    (folder / 'validation.extxyz').write_text(
        write_frames(_frames('v', 2, seed=2)), encoding='utf-8'
    )
    job = {
        'stage': 'train',
        'dataset': 'dataset.extxyz',
        'validation': 'validation.extxyz',
        'settings': {'seed': 1, 'max_epochs': 1, 'model': _MODEL},
    }
    result = run_job(folder, job)
    curve = json.loads((folder / result['curve']).read_text(encoding='utf-8'))
    told, stored = curve['rmse_forces_mev_a'][0], result['final']['rmse_forces_mev_a']
    check('force error of the stored potential, meV/Å', stored, told, 1e-3 * told)
    return f'MACE, one epoch; force error {stored:.0f} meV/Å, of the stored potential too'


def evaluate(folder: Path, train_folder: Path, *, device: str = 'cpu') -> str:
    """Evaluate that potential; compare forces and pressure with differences of its energy.

    Raises
    ------
    ComputationError
        If the job failed, or a number is not what it must be.
    """
    for suffix in ('json', 'safetensors'):
        (folder / f'mace.{suffix}').write_bytes((train_folder / f'trained.{suffix}').read_bytes())
    frames = displaced_frames()
    (folder / 'dataset.extxyz').write_text(write_frames(frames), encoding='utf-8')
    job = {
        'stage': 'evaluate',
        'dataset': 'dataset.extxyz',
        'potentials': {'mace': 'mace'},
        'settings': {'device': device},
    }
    run_job(folder, job)
    with np.load(folder / 'predictions.npz', allow_pickle=False) as arrays:
        energy, stress = arrays['mace__energy'], arrays['mace__stress'][0]
        forces = arrays['mace__forces'][: len(frames[0])]
    slopes = energy[1:-2].reshape(-1, 2)
    expected = -(slopes[:, 0] - slopes[:, 1]) / (2 * _STEP)
    largest = float(np.abs(forces).max())
    if not largest > 1e-3:
        raise ComputationError(f'the forces of the potential vanish: {largest:.1e} eV/Å.')
    difference = float(np.abs(forces.ravel() - expected).max())
    check('forces less slopes of the energy, eV/Å', difference, 0.0, 1e-3 * largest)
    check('sum of forces, eV/Å', np.abs(forces.sum(axis=0)).max(), 0.0, 1e-9)
    trace = (energy[-2] - energy[-1]) / (2 * _STRAIN * frames[0].get_volume())
    check('trace of the stress, eV/Å³', stress[:3].sum(), trace, 1e-3 * np.abs(stress).max())
    return f'MACE on {device}; forces are slopes of the energy within {difference:.0e} eV/Å'


def displaced_frames() -> list[Atoms]:
    """A shaken cell, each coordinate moved forth and back, and the cell swollen and shrunk."""
    start = _shaken(np.random.default_rng(3))
    start.positions = start.positions.round(6)  # files hold 8 decimals
    frames = [start]
    for index in range(3 * len(start)):
        for sign in (1, -1):
            one = start.copy()
            one.positions.flat[index] += sign * _STEP
            frames.append(one)
    for sign in (1, -1):
        one = start.copy()
        one.set_cell(start.cell.array * (1 + sign * _STRAIN), scale_atoms=True)
        frames.append(one)
    for number, one in enumerate(frames):
        one.info = {'frame_id': f'e{number}', 'target_pressure': 0.0}
    return frames


def _frames(prefix: str, count: int, *, seed: int) -> list[Atoms]:
    """Shaken cells with labels of EMT."""
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(count):
        atoms = _shaken(rng)
        atoms.calc = EMT()
        energy, stress, forces = (
            atoms.get_potential_energy(), atoms.get_stress(), atoms.get_forces()
        )  # fmt: skip
        atoms.calc = None
        atoms.info = {'frame_id': f'{prefix}{number}', 'target_pressure': 0.0}
        atoms.info |= {ENERGY_KEY: float(energy), STRESS_KEY: stress}
        atoms.arrays[FORCES_KEY] = forces
        frames.append(atoms)
    return frames


def _shaken(rng: np.random.Generator) -> Atoms:
    atoms: Atoms = bulk('Cu', cubic=True)
    strain = np.eye(3) + rng.normal(0, 0.01, (3, 3))
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    atoms.positions += rng.normal(0, 0.05, (len(atoms), 3))
    return atoms
