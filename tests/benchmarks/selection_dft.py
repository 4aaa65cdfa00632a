"""`selection_curve.py` with DFT as the labeller: pw.x gives every label, also of the test frames.

The stored potential only moves the atoms of the test frames (Langevin dynamics at the highest
pressure, 12 atoms) and relaxes the cell to start from. Labels are kept by frame.

    python selection_dft.py FOLDER [STRATEGY/FRAMES/SEED ...]
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import selection_curve
from ase import Atoms
from mgh2_dft import scf
from mgh2_frames import DIAGONAL

from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY, write_frames

TASKS = ('targeted/8/1', 'random/16/1', 'random/32/1', 'targeted/16/1')
TEST_FRAMES = 10
THRESHOLD = 1e-9  # Ry


class DftCurve(selection_curve.Curve):
    """Frames labelled by pw.x, several at once."""

    def label(self, frames: list[Atoms]) -> list[Atoms]:
        """Give frames the labels of DFT."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(self._labels, frames))
        for frame, labels in zip(frames, found, strict=True):
            frame.info[ENERGY_KEY] = labels['energy']
            frame.info[STRESS_KEY] = np.array(labels['stress'])
            frame.arrays[FORCES_KEY] = np.array(labels['forces'])
        return frames

    def _labels(self, frame: Atoms) -> dict[str, Any]:
        bare = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=True)
        name = hashlib.sha256(write_frames([bare]).encode()).hexdigest()[:16]
        kept = self.folder / 'labels' / f'{name}.json'
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            labels = scf(
                frame, supercell_matrix=frame.info['supercell_matrix'], threshold=THRESHOLD
            )
            kept.write_text(json.dumps({key: np.asarray(v).tolist() for key, v in labels.items()}))
        found: dict[str, Any] = json.loads(kept.read_text())
        return found


def main() -> None:
    """Follow the tasks."""
    selection_curve.TESTS = {
        'warm': (300.0, DIAGONAL, 100),
        'cold': (20.0, DIAGONAL, 40),
    }
    selection_curve.TEST_FRAMES = TEST_FRAMES
    DftCurve(Path(sys.argv[1]).resolve()).follow(sys.argv[2:] or list(TASKS))


if __name__ == '__main__':
    main()
