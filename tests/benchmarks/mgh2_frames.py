"""Frames of MgH2 to train on, drawn by the package's samplers and labelled by pw.x.

Rounds: `first` (strain and rattle), then `soft` and others along the modes of a potential trained
on what is there. No frame is displaced from the truth's structures: pressures of the rounds lie
between and beyond those of `mgh2_truth.py`, each frame has a random strain of its own, and the
structures displaced are the potential's.

    python mgh2_frames.py FOLDER ROUND [POTENTIAL]    # leaves FOLDER/ROUND.extxyz
    python mgh2_frames.py FOLDER store                # all rounds there into data/
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from mgh2_dft import label, rutile

from aiida_insbench.science.frames import read_frames, write_frames
from aiida_insbench.science.structures import atoms_to_dict

FRAMES = Path(__file__).parent / 'data' / 'mgh2_frames.extxyz.xz'
UNIT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
LONG = [[1, 0, 0], [0, 1, 0], [0, 0, 2]]
WIDE = [[2, 0, 0], [0, 1, 0], [0, 0, 1]]
DIAGONAL = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]
#: Between 0 and 3 GPa, rounded; where sampling and relaxations start.
START = rutile(4.42, 2.976, 0.304)
ROUNDS: dict[str, dict[str, Any]] = {
    'first': {
        'method': 'strain-rattle',
        'pressures': [-0.5, 0.5, 1.5, 2.5, 3.5],
        'cells': [(UNIT, 30), (LONG, 3), (WIDE, 3), (DIAGONAL, 3)],
        'seed': 1,
        'settings': {
            'volume_range': [0.95, 1.04],
            'strain': 0.005,
            'rattle': {'Mg': [0.005, 0.02], 'H': [0.01, 0.05]},
        },
    },
    'gentle': {
        'method': 'equal-energy',
        'pressures': [-0.5, 0.5, 1.5, 2.5, 3.5],
        'cells': [(UNIT, 60), (LONG, 4), (WIDE, 4), (DIAGONAL, 4)],
        'seed': 2,
        'settings': {'temperature': 30.0, 'frequency_floor': 80.0, 'strain': 0.003},
    },
    'cold': {
        'method': 'equal-energy',
        'pressures': [-0.25, 0.75, 1.75, 2.75],
        'cells': [(UNIT, 40)],
        'seed': 3,
        'settings': {'temperature': 8.0, 'frequency_floor': 80.0, 'strain': 0.002},
    },
    'cool': {
        'method': 'equal-energy',
        'pressures': [-0.5, 0.4, 0.9, 1.4, 1.9, 2.4, 2.9, 3.5],
        'cells': [(UNIT, 48)],
        'seed': 5,
        'settings': {'temperature': 15.0, 'frequency_floor': 80.0, 'strain': 0.003},
    },
    # the soft mode hardens with amplitude: only small ones show its harmonic force constant
    'still': {
        'method': 'equal-energy',
        'pressures': [-0.25, 0.35, 0.65, 1.35, 1.65, 2.35, 2.65],
        'cells': [(UNIT, 42)],
        'seed': 6,
        'settings': {'temperature': 3.0, 'frequency_floor': 150.0, 'strain': 0.002},
    },
    # never trained on and never used to choose an epoch
    'held': {
        'method': 'equal-energy',
        'pressures': [0.25, 1.25, 2.25],
        'cells': [(UNIT, 12), (LONG, 1), (WIDE, 1), (DIAGONAL, 1)],
        'seed': 4,
        'settings': {'temperature': 20.0, 'frequency_floor': 80.0, 'strain': 0.002},
    },
}


def run_stage(stage: str, folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run ``insbench-job STAGE`` in a folder and return its result."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({'schema': 1, 'stage': stage, **job})
    (folder / 'job.json').write_text(text, encoding='utf-8')
    subprocess.run(
        [sys.executable, '-m', 'aiida_insbench.jobs', stage, 'job.json'],
        cwd=folder,
        check=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    result: dict[str, Any] = json.loads((folder / 'result.json').read_text(encoding='utf-8'))
    return result['result']


def sample(name: str, folder: Path, potential: Path | None) -> Path:
    """Draw the frames of a round; return the folder they lie in."""
    wanted = dict(ROUNDS[name])
    cells = [{'supercell_matrix': matrix, 'count': count} for matrix, count in wanted['cells']]
    job = {**wanted, 'prefix': name, 'structure': atoms_to_dict(START), 'cells': cells}
    place = folder / f'sample-{name}'
    place.mkdir(parents=True, exist_ok=True)
    if potential is not None:
        job['potential'] = 'potential'
        for suffix in ('.json', '.safetensors'):
            shutil.copy(potential.with_suffix(suffix), place / f'potential{suffix}')
    found = run_stage('sample', place, job)
    sys.stdout.write(f'{name}: {found["n_frames"]} frames, {found["refused"]} refused\n')
    return place


def store(folder: Path) -> None:
    """Keep all labelled rounds in one compressed file."""
    text = ''.join(
        (folder / f'{name}.extxyz').read_text(encoding='utf-8')
        for name in ROUNDS
        if (folder / f'{name}.extxyz').exists()
    )
    FRAMES.parent.mkdir(exist_ok=True)
    FRAMES.write_bytes(lzma.compress(text.encode(), preset=9))


def main() -> None:
    """Sample and label one round, or store them all."""
    folder, name = Path(sys.argv[1]), sys.argv[2]
    if name == 'store':
        store(folder)
        return
    potential = Path(sys.argv[3]).resolve() if len(sys.argv) > 3 else None
    place = sample(name, folder, potential)
    frames = read_frames((place / 'frames.extxyz').read_text(encoding='utf-8'))
    labelled = label(frames, lanes=int(os.environ.get('LANES', '2')))
    (folder / f'{name}.extxyz').write_text(write_frames(labelled), encoding='utf-8')


if __name__ == '__main__':
    main()
