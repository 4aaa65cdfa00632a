"""Train potentials of MgH2 on the stored frames, one a seed, through the package's `train` stage.

    python mgh2_train.py FOLDER SEED [SEED ...]    # leaves FOLDER/seed-N/trained.json and weights

Energies hardly count: at 50 Ry they contradict the stresses, which pw.x takes at a fixed number of
plane waves, by a Pulay pressure of 1.1 GPa. Relaxations of the truth follow the stresses.
"""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path
from typing import Any

from ase import Atoms
from mgh2_dft import LEVEL
from mgh2_frames import FRAMES, run_stage

from aiida_insbench.science.frames import read_frames, write_frames

#: Every so many frames one chooses the epoch and is not learned.
VALIDATION = 10
HELD = 'held'
SETTINGS: dict[str, Any] = {
    'model': {
        'r_max': 5.0,
        'num_channels': 32,
        'max_L': 0,
        'max_ell': 3,
        'correlation': 3,
        'num_interactions': 2,
    },
    'energy_weight': 0.1,
    'forces_weight': 100.0,
    'stress_weight': 20000.0,
    'learning_rate': 0.01,
    'gamma': 0.96,
    'max_epochs': 160,
    'batch_size': 2,
}


def train(folder: Path, *, training: list[Atoms], validation: list[Atoms], **changed: Any) -> dict:
    """Train one potential in a folder and return the stage's result."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frames in (('training', training), ('validation', validation)):
        (folder / f'{name}.extxyz').write_text(write_frames(frames), encoding='utf-8')
    job = {
        'dataset': 'training.extxyz',
        'validation': 'validation.extxyz',
        'replay': None,
        'start': changed.pop('start', None),
        'settings': {**SETTINGS, **changed},
        'provenance': {'dft_level': LEVEL},
    }
    return run_stage('train', folder, job)


def stored_frames() -> tuple[list[Atoms], list[Atoms], list[Atoms]]:
    """Frames to train on, to choose the epoch by, and held out."""
    frames = read_frames(lzma.decompress(FRAMES.read_bytes()).decode(), name=FRAMES.name)
    held = [frame for frame in frames if frame.info['frame_id'].startswith(HELD)]
    others = [frame for frame in frames if not frame.info['frame_id'].startswith(HELD)]
    validation = others[VALIDATION // 2 :: VALIDATION]
    training = [frame for i, frame in enumerate(others) if i % VALIDATION != VALIDATION // 2]
    return training, validation, held


def held_errors(folder: Path, held: list[Atoms]) -> dict[str, float]:
    """Errors of a trained potential on the frames held out."""
    (folder / 'held.extxyz').write_text(write_frames(held), encoding='utf-8')
    job = {'dataset': 'held.extxyz', 'potentials': {'one': 'trained'}, 'settings': {}}
    found = run_stage('evaluate', folder, job)['potentials']['one']
    return {name: found[name] for name in ('rmse_forces_mev_a', 'rmse_stress_gpa')}


def main() -> None:
    """Train one potential a seed."""
    training, validation, held = stored_frames()
    for seed in sys.argv[2:]:
        folder = Path(sys.argv[1]) / f'seed-{seed}'
        result = train(folder, training=training, validation=validation, seed=int(seed))
        errors = {'validation': result['final'], 'held': held_errors(folder, held)}
        sys.stdout.write(
            f'seed {seed}: epoch {result["best_epoch"]} of {result["epochs"]}, '
            f'{json.dumps(errors)}\n'
        )
        sys.stdout.flush()


if __name__ == '__main__':
    main()
