"""Train potentials of MgH2 on the stored frames through the package's `train` stage, step by step.

    python mgh2_train.py FOLDER [RECIPE ...]    # leaves FOLDER/RECIPE-N/trained.json and weights

The recipes are what made the stored potential (`deep`) and its rival (`plain`, half the cost). Each
step goes on from the weights of the one before, towards smaller displacements. Rounds are those of
`mgh2_frames.py`; `held` frames are never seen.

Energies hardly count: at 50 Ry they contradict the stresses, which pw.x takes at a fixed number of
plane waves, by a Pulay pressure of 1.1 GPa. Relaxations of the truth follow the stresses.
"""

from __future__ import annotations

import json
import lzma
import shutil
import sys
from pathlib import Path
from typing import Any

from ase import Atoms
from mgh2_dft import LEVEL
from mgh2_frames import FRAMES, run_stage

from aiida_insbench.science.frames import read_frames, write_frames

HELD = 'held'
#: Every so many frames one chooses the epoch and is not learned.
_TENTH = slice(5, None, 10)
_COMMON: dict[str, Any] = {
    'energy_weight': 0.1,
    'forces_weight': 100.0,
    'stress_weight': 20000.0,
    'batch_size': 2,
}
_MODEL = {'r_max': 5.0, 'num_channels': 32, 'max_L': 0, 'num_interactions': 2}
_SMALL = ('cold', 'cool', 'still')
_MEDIUM = ('gentle', 'cool', 'cold')
_LARGE = ('first', 'gentle', 'cold')


def _step(rounds: tuple[str, ...], rate: float, gamma: float, epochs: int, seed: int) -> dict:
    settings = {'learning_rate': rate, 'gamma': gamma, 'max_epochs': epochs, 'seed': seed}
    return {'rounds': rounds, 'supercells': False, 'settings': settings}


_FIRST = _step(('first',), 0.01, 0.95, 90, 1) | {'supercells': True, 'watched': slice(4, 30, 7)}
_GENTLE = _step(('gentle',), 0.005, 0.94, 60, 1) | {'supercells': True}
_GENTLE['settings']['batch_size'] = 4
RECIPES: dict[str, dict[str, Any]] = {
    'deep': {
        'model': {**_MODEL, 'max_ell': 3, 'correlation': 3},
        'steps': [
            _FIRST,
            _GENTLE,
            _step(_LARGE, 0.003, 0.975, 130, 1),
            _step(_MEDIUM, 0.01, 0.945, 70, 5),
            _step(_SMALL, 0.005, 0.945, 60, 7),
        ],
    },
    'plain': {
        'model': {**_MODEL, 'max_ell': 2, 'correlation': 2},
        'steps': [
            _step(_LARGE, 0.01, 0.972, 160, 2),
            _step(_MEDIUM, 0.005, 0.93, 45, 4),
            _step(_SMALL, 0.005, 0.945, 60, 8),
        ],
    },
}


def stored_frames() -> dict[str, list[Atoms]]:
    """Labelled frames by round."""
    rounds: dict[str, list[Atoms]] = {}
    for frame in read_frames(lzma.decompress(FRAMES.read_bytes()).decode(), name=FRAMES.name):
        rounds.setdefault(frame.info['frame_id'].split('_')[0], []).append(frame)
    return rounds


def follow(recipe: str, folder: Path) -> Path:
    """Train all steps of a recipe; return the prefix of the last potential."""
    rounds = stored_frames()
    last: Path | None = None
    for number, step in enumerate(RECIPES[recipe]['steps'], start=1):
        place = folder / f'{recipe}-{number}'
        frames = [
            frame
            for name in step['rounds']
            for frame in rounds[name]
            if step['supercells'] or len(frame) == len(rounds['cold'][0])
        ]
        settings = {**_COMMON, **step['settings']}
        if last is None:
            settings['model'] = RECIPES[recipe]['model']
        result = _train(place, frames, step.get('watched', _TENTH), last, settings)
        last = place / 'trained'
        errors = {
            'validation': _two(result['final']),
            'training': _two(result['train']),
            'held': held_errors(place, rounds[HELD]),
        }
        sys.stdout.write(f'{place.name}: epoch {result["best_epoch"]}, {json.dumps(errors)}\n')
        sys.stdout.flush()
    assert last is not None
    return last


def _train(
    folder: Path,
    frames: list[Atoms],
    watched: slice,
    start: Path | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    validation = frames[watched]
    chosen = {frame.info['frame_id'] for frame in validation}
    training = [frame for frame in frames if frame.info['frame_id'] not in chosen]
    for name, some in (('training', training), ('validation', validation)):
        (folder / f'{name}.extxyz').write_text(write_frames(some), encoding='utf-8')
    if start is not None:
        for suffix in ('.json', '.safetensors'):
            shutil.copy(start.with_suffix(suffix), folder / f'start{suffix}')
    job = {
        'dataset': 'training.extxyz',
        'validation': 'validation.extxyz',
        'replay': None,
        'start': None if start is None else 'start',
        'settings': settings,
        'provenance': {'dft_level': LEVEL},
    }
    return run_stage('train', folder, job)


def held_errors(folder: Path, held: list[Atoms]) -> dict[str, dict[str, float]]:
    """Errors of a trained potential on the frames held out, unit cells and supercells apart."""
    found = {}
    smallest = min(len(frame) for frame in held)
    for name, some in (
        ('unit cells', [frame for frame in held if len(frame) == smallest]),
        ('supercells', [frame for frame in held if len(frame) > smallest]),
    ):
        (folder / 'held.extxyz').write_text(write_frames(some), encoding='utf-8')
        job = {'dataset': 'held.extxyz', 'potentials': {'one': 'trained'}, 'settings': {}}
        found[name] = _two(run_stage('evaluate', folder, job)['potentials']['one'])
    return found


def _two(errors: dict[str, Any]) -> dict[str, float]:
    return {name: round(errors[name], 4) for name in ('rmse_forces_mev_a', 'rmse_stress_gpa')}


def main() -> None:
    """Follow recipes."""
    for recipe in sys.argv[2:] or ['deep']:
        follow(recipe, Path(sys.argv[1]))


if __name__ == '__main__':
    main()
