"""Frames of brucite to train on, drawn by the package's samplers and labelled by pw.x.

Rounds: `first` (strain and a gentle rattle), then `soft` and `wide` along the modes of a
potential trained on `first`. √3×√3×1 holds K, 1×1×2 holds A.

    python brucite_frames.py FOLDER ROUND [POTENTIAL]    # leaves FOLDER/ROUND.extxyz
    python brucite_frames.py FOLDER store                # all rounds there into data/
"""

from __future__ import annotations

import lzma
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from brucite_dft import brucite, label
from mgh2_frames import run_stage

from aiida_insbench.science.frames import read_frames, write_frames
from aiida_insbench.science.structures import atoms_to_dict

FRAMES = Path(__file__).parent / 'data' / 'brucite_frames.extxyz.xz'
UNIT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
LONG = [[1, 0, 0], [0, 1, 0], [0, 0, 2]]
ROOT_THREE = [[1, -1, 0], [1, 2, 0], [0, 0, 1]]
#: Some 5 GPa, rounded; where sampling and relaxations start.
START = brucite(3.08, 4.33, 0.24, 0.467)
ROUNDS: dict[str, dict[str, Any]] = {
    'first': {
        'method': 'strain-rattle',
        'pressures': [-1.0, 2.0, 5.0, 8.0, 11.0],
        'cells': [(UNIT, 28), (LONG, 3), (ROOT_THREE, 5)],
        'seed': 1,
        'settings': {
            'volume_range': [0.93, 1.07],
            'strain': 0.008,
            'rattle': {'Mg': [0.005, 0.03], 'O': [0.005, 0.03], 'H': [0.01, 0.05]},
        },
    },
    'soft': {
        'method': 'equal-energy',
        'pressures': [-1.0, 1.0, 3.0, 6.0, 8.0, 11.0],
        'cells': [(UNIT, 18), (LONG, 2), (ROOT_THREE, 3)],
        'seed': 2,
        'settings': {'temperature': 60.0, 'frequency_floor': 100.0, 'strain': 0.004},
    },
    'wide': {
        'method': 'equal-energy',
        'pressures': [-0.5, 1.5, 4.0, 7.0, 10.5],
        'cells': [(UNIT, 10), (LONG, 5), (ROOT_THREE, 10)],
        'seed': 3,
        'settings': {'temperature': 60.0, 'frequency_floor': 150.0, 'strain': 0.003},
    },
}


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
