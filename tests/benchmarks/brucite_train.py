"""Train a potential of brucite on the labelled rounds through the package's `train` stage.

    python brucite_train.py FOLDER scout            # small, on `first`: draws the other rounds
    python brucite_train.py FOLDER base             # deeper, from scratch on `first` and `soft`
    python brucite_train.py FOLDER fine             # the base model on all rounds
    python brucite_train.py FOLDER store STEP       # FOLDER/STEP/trained into data/

Energies hardly count, as for MgH2: they contradict stresses taken at a fixed number of plane waves.
"""

from __future__ import annotations

import json
import lzma
import shutil
import sys
from pathlib import Path
from typing import Any

from ase import Atoms
from brucite_dft import LEVEL
from brucite_truth import say
from mgh2_frames import run_stage

from aiida_insbench.science.frames import read_frames, write_frames

POTENTIAL = Path(__file__).parent / 'data' / 'brucite_potential'
#: Most of a file of weights is the same few constants: packed it is a fifth.
PACKED = POTENTIAL.with_suffix('.safetensors.xz')
SUFFIXES = ('.json', '.safetensors')
_TENTH = slice(4, None, 10)
_COMMON: dict[str, Any] = {
    'energy_weight': 0.1,
    'forces_weight': 100.0,
    'stress_weight': 20000.0,
    'batch_size': 2,
    'seed': 1,
}
_MODEL = {'r_max': 5.0, 'num_channels': 32, 'max_L': 0, 'num_interactions': 2}
_SMALL = {**_MODEL, 'max_ell': 2, 'correlation': 2}
_DEEP = {**_MODEL, 'max_ell': 3, 'correlation': 3}
#: Rounds, step to go on from, settings.
STEPS: dict[str, tuple[tuple[str, ...], str | None, dict[str, Any]]] = {
    'scout': (
        ('first',),
        None,
        {'model': _SMALL, 'learning_rate': 0.01, 'gamma': 0.94, 'max_epochs': 60},
    ),
    'base': (
        ('first', 'soft'),
        None,
        {'model': _DEEP, 'learning_rate': 0.01, 'gamma': 0.955, 'max_epochs': 80},
    ),
    'fine': (
        ('first', 'soft', 'wide'),
        'base',
        {'learning_rate': 0.005, 'gamma': 0.95, 'max_epochs': 80},
    ),
}


def train(folder: Path, step: str) -> dict[str, Any]:
    """Train one step and return the stage's result."""
    rounds, start, settings = STEPS[step]
    frames: list[Atoms] = []
    for name in rounds:
        frames += read_frames((folder / f'{name}.extxyz').read_text(encoding='utf-8'))
    watched = {frame.info['frame_id'] for frame in frames[_TENTH]}
    place = folder / step
    place.mkdir(parents=True, exist_ok=True)
    for name, keep in (('training', False), ('validation', True)):
        some = [frame for frame in frames if (frame.info['frame_id'] in watched) == keep]
        (place / f'{name}.extxyz').write_text(write_frames(some), encoding='utf-8')
    if start is not None:
        for suffix in SUFFIXES:
            shutil.copy(folder / start / f'trained{suffix}', place / f'start{suffix}')
    job = {
        'dataset': 'training.extxyz',
        'validation': 'validation.extxyz',
        'replay': None,
        'start': None if start is None else 'start',
        'settings': {**_COMMON, **settings},
        'provenance': {'dft_level': LEVEL},
    }
    return run_stage('train', place, job)


def unpack(folder: Path) -> Path:
    """Put the stored potential into a folder; return its prefix."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(POTENTIAL.with_suffix('.json'), folder)
    weights = lzma.decompress(PACKED.read_bytes())
    (folder / f'{POTENTIAL.name}.safetensors').write_bytes(weights)
    return folder / POTENTIAL.name


def main() -> None:
    """Train or store."""
    folder, step = Path(sys.argv[1]), sys.argv[2]
    if step == 'store':
        trained = folder / sys.argv[3] / 'trained'
        shutil.copy(trained.with_suffix('.json'), POTENTIAL.with_suffix('.json'))
        packed = lzma.compress(trained.with_suffix('.safetensors').read_bytes(), preset=9)
        PACKED.write_bytes(packed)
        return
    result = train(folder, step)
    say(
        f'{step}: epoch {result["best_epoch"]} of {result["epochs"]}, {json.dumps(result["final"])}'
    )


if __name__ == '__main__':
    main()
