"""Incoherent intermediate scattering functions of a small trajectory by dynasor.

Run in an environment of its own that holds dynasor 2.5 (`pip install dynasor==2.5`), not in that of
this package: ``python dynasor_small.py`` writes `dynasor_small.json` beside itself.
"""

import json
import tempfile
from pathlib import Path

import numpy as np

SIDE = 8.0  # of the cubic cell, Å
STRIDE = 5.0  # fs
SYMBOLS = ('H', 'H', 'O', 'H', 'O', 'O')
Q_POINTS = 2 * np.pi / SIDE * np.array([[1, 0, 0], [0, 2, 1], [3, 2, 1], [5, 0, 3]])
WINDOW = 60  # frames


def trajectory():
    """Positions of six atoms in 300 frames: sums of sines, shape (300, 6, 3), in Å."""
    rng = np.random.default_rng(11)
    times = np.arange(300) * STRIDE
    sites = rng.uniform(0, SIDE, size=(6, 3))
    amplitudes = rng.uniform(0.02, 0.15, size=(3, 6, 3))
    speeds = rng.uniform(0.01, 0.2, size=(3, 6, 3))
    phases = rng.uniform(0, 2 * np.pi, size=(3, 6, 3))
    waves = np.sin(times[:, None, None, None] * speeds + phases)
    return sites + (amplitudes * waves).sum(axis=1)


def main():
    import dynasor
    from ase import Atoms
    from ase.io import write

    frames = [
        Atoms(SYMBOLS, positions=positions, cell=[SIDE] * 3, pbc=True) for positions in trajectory()
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / 'trajectory.xyz')
        write(path, frames, format='extxyz')
        atoms = {
            symbol: [i for i, one in enumerate(SYMBOLS) if one == symbol] for symbol in ('H', 'O')
        }
        read = dynasor.Trajectory(path, trajectory_format='extxyz', atomic_indices=atoms)
        sample = dynasor.compute_dynamic_structure_factors(
            read, Q_POINTS, dt=STRIDE, window_size=WINDOW, calculate_incoherent=True
        )
    result = {
        'program': f'dynasor {dynasor.__version__}',
        'H': np.asarray(sample['Fqt_incoh_H']).round(9).tolist(),
        'O': np.asarray(sample['Fqt_incoh_O']).round(9).tolist(),
    }
    Path(__file__).with_suffix('.json').write_text(json.dumps(result) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
