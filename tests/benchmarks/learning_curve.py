"""Learning curve on benzene: from scratch, and fine-tuned from a base trained on other molecules.

Frames are vdW-DF2 crystals of ammonia and urea (base) and of benzene (arXiv:2502.15530, in the
shared data, which the project only reads). Both strategies take the same number of steps. Errors of
forces are those on frames no training saw; errors of Γ frequencies are against the two potentials
of the largest training set, one of each strategy, as no DFT frequencies of these crystals are at
hand: the rms difference of the sorted frequencies of the relaxed crystal, in cm⁻¹.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY, write_frames
from aiida_insbench.science.structures import atoms_to_dict

SIZES = (10, 20, 40, 80)
STEPS = 1000
BASE_EPOCHS = 40
_VALIDATION, _TEST = 10, 30
_LAST_RATE = 0.05  # of the first
_CRYSTAL = 50.0  # Å³ an atom: what is larger is a molecule in a box


def learning_curve(data: Path, work: Path, *, sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Train, and return errors by strategy and number of frames.

    Parameters
    ----------
    data : Path
        The folder of shared data.
    work : Path
        Kept: trainings that are there are not done again.
    sizes : tuple of int
        Training frames of benzene.

    Returns
    -------
    dict
        ``scratch`` and ``finetuned``: number of frames to ``rmse_forces_mev_a``,
        ``rmse_by_motion``, ``frequencies`` (cm⁻¹, sorted; None if the crystal did not relax) and
        ``frequency_difference_cm1`` to each potential of the largest set.
    """
    work.mkdir(parents=True, exist_ok=True)
    base_frames = [*_read(data, '04_ammonia', 'a'), *_read(data, '21_urea', 'u')]
    base = _train(work / 'base', base_frames[::8], base_frames, epochs=BASE_EPOCHS)
    benzene = _read(data, '06_benzene', 'b')
    order = np.random.default_rng(1).permutation(len(benzene))
    shuffled = [benzene[index] for index in order]
    held_out, validation = shuffled[:_TEST], shuffled[_TEST : _TEST + _VALIDATION]
    pool = shuffled[_TEST + _VALIDATION :]
    crystal = _relaxed_crystal(data)

    def one(task: tuple[str, int]) -> tuple[str, int, dict[str, Any]]:
        strategy, size = task
        folder = work / f'{strategy}_{size}'
        start = base if strategy == 'finetuned' else None
        _train(folder, validation, pool[:size], epochs=STEPS // size, start=start)
        return strategy, size, _judge(folder, held_out, crystal)

    tasks = [(strategy, size) for size in sizes for strategy in ('scratch', 'finetuned')]
    found: dict[str, Any] = {'scratch': {}, 'finetuned': {}}
    with ThreadPoolExecutor(2) as pair:
        for strategy, size, judged in pair.map(one, tasks):
            found[strategy][size] = judged
            _say(f'{strategy}, {size} frames: {judged["rmse_forces_mev_a"]:.1f} meV/Å')
    _compare_frequencies(found, largest=max(sizes))
    return found


def _read(data: Path, name: str, prefix: str) -> list[Atoms]:
    frames = ase.io.read(data / 'training' / f'{name}_vdW-DF2.extxyz', index=':')
    crystals = [frame for frame in frames if frame.get_volume() / len(frame) < _CRYSTAL]
    for index, frame in enumerate(crystals):
        frame.info = {
            'frame_id': f'{prefix}_{index:03d}',
            ENERGY_KEY: float(frame.info[ENERGY_KEY]),
            STRESS_KEY: np.asarray(frame.info[STRESS_KEY]).reshape(9)[[0, 4, 8, 5, 2, 1]],
        }
        frame.arrays = {k: frame.arrays[k] for k in ('numbers', 'positions', FORCES_KEY)}
    return crystals


def _relaxed_crystal(data: Path) -> Atoms:
    """The crystal at the volume of lowest energy of its equation of state."""
    cells = ase.io.read(data / 'structures' / 'X23_volumes' / '06_benzene_EOS.extxyz', index=':')
    cells.sort(key=lambda atoms: atoms.get_volume())
    middle = cells[len(cells) // 2]
    return Atoms(middle.numbers, positions=middle.positions, cell=middle.cell, pbc=True)


def _train(
    folder: Path,
    validation: list[Atoms],
    frames: list[Atoms],
    *,
    epochs: int,
    start: Path | None = None,
) -> Path:
    """Train unless it is done; return the prefix of the potential."""
    prefix = folder / 'trained'
    if (folder / 'result.json').exists():
        return prefix
    held = {frame.info['frame_id'] for frame in validation}
    learned = [frame for frame in frames if frame.info['frame_id'] not in held]
    settings: dict[str, Any] = {
        'seed': 1,
        'max_epochs': epochs,
        'gamma': _LAST_RATE ** (1 / epochs),
        'learning_rate': 0.005 if start else 0.01,
        'e0s': 'estimated' if start else 'average',
    }
    folder.mkdir(exist_ok=True)
    (folder / 'dataset.extxyz').write_text(write_frames(learned), encoding='utf-8')
    (folder / 'validation.extxyz').write_text(write_frames(validation), encoding='utf-8')
    job = {
        'dataset': 'dataset.extxyz',
        'validation': 'validation.extxyz',
        'start': str(start) if start else None,
        'settings': settings,
    }
    _run('train', folder, job)
    return prefix


def _judge(folder: Path, held_out: list[Atoms], crystal: Atoms) -> dict[str, Any]:
    place = folder / 'judged'
    place.mkdir(exist_ok=True)
    (place / 'dataset.extxyz').write_text(write_frames(held_out), encoding='utf-8')
    evaluate = {'dataset': 'dataset.extxyz', 'potentials': {'one': '../trained'}}
    table = _run('evaluate', place, evaluate)['potentials']['one']
    phonons = {
        'potential': '../trained',
        'structure': atoms_to_dict(crystal),
        'pressures': [0.0],
        'supercell_matrix': np.eye(3, dtype=int).tolist(),
        'settings': {'mesh': [1, 1, 1], 'fmax': 1e-3, 'stress_tolerance': 0.02},
    }
    try:
        _run('phonons', place, phonons)
        gamma = json.loads((place / 'p_0000.json').read_text(encoding='utf-8'))['gamma']
        frequencies: list[float] | None = sorted(gamma['frequencies'])
    except (subprocess.CalledProcessError, OSError) as exc:
        _say(f'{folder.name}: no frequencies: {exc}')
        frequencies = None
    return {
        'rmse_forces_mev_a': table['rmse_forces_mev_a'],
        'rmse_by_motion': table['by_motion'],
        'frequencies': frequencies,
    }


def _run(stage: str, folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    (folder / 'job.json').write_text(
        json.dumps({'schema': 1, 'stage': stage, **job}), encoding='utf-8'
    )
    subprocess.run(
        [sys.executable, '-m', 'aiida_insbench.jobs', stage, 'job.json'],
        cwd=folder,
        check=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    result: dict[str, Any] = json.loads((folder / 'result.json').read_text(encoding='utf-8'))
    return result['result']


def _compare_frequencies(found: dict[str, Any], *, largest: int) -> None:
    for judged in (one for by_size in found.values() for one in by_size.values()):
        judged['frequency_difference_cm1'] = {
            strategy: _rms(judged['frequencies'], found[strategy][largest]['frequencies'])
            for strategy in found
        }


def _rms(first: list[float] | None, second: list[float] | None) -> float | None:
    if first is None or second is None:
        return None
    return float(np.sqrt(np.mean(np.square(np.subtract(first, second)))))


def _say(line: str) -> None:
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()


if __name__ == '__main__':
    curve = learning_curve(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
    sys.stdout.write(json.dumps(curve) + '\n')
