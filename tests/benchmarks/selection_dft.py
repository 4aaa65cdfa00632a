"""`selection_curve.py` with DFT as the labeller: pw.x gives every label, also of the test frames.

The stored potential only moves the atoms of the test frames (Langevin dynamics at the highest
pressure, 12 atoms) and relaxes the cell to start from. Labels are kept by frame.

    python selection_dft.py FOLDER [STRATEGY/FRAMES/SEED ...]
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import selection_curve
from ase import Atoms, units
from mgh2_frames import DIAGONAL

from aiida_insbench.cli.demo_run import CUTOFFS, PSEUDOS
from aiida_insbench.cli.site import find_pseudos, find_pw
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY
from aiida_insbench.science.label_plan import plan_frame

TASKS = ('targeted/8/1', 'random/16/1', 'random/32/1', 'targeted/16/1')
MESH = (4, 4, 4)
TEST_FRAMES = 10
INPUT = """&CONTROL
 calculation='scf', tprnfor=.true., tstress=.true., disk_io='nowf', outdir='./out', prefix='f'
 pseudo_dir='{pseudos}'
/
&SYSTEM
 ibrav=0, nat={n}, ntyp=2, ecutwfc={cutoffs[0]}, ecutrho={cutoffs[1]}, occupations='fixed'
 nosym={nosym}
/
&ELECTRONS
 conv_thr=1e-9, mixing_beta=0.7
/
ATOMIC_SPECIES
Mg 24.305 {files[0]}
H 1.008 {files[1]}
ATOMIC_POSITIONS angstrom
{positions}
CELL_PARAMETERS angstrom
{cell}
K_POINTS {points}
"""
_NUMBER = r'\s+(-?[\d.]+)'


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
        text = input_of(frame)
        folder = self.folder / 'labels' / hashlib.sha256(text.encode()).hexdigest()[:16]
        kept = folder / 'labels.json'
        if not kept.exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / 'in').write_text(text)
            done = subprocess.run(
                [find_pw(), '-in', 'in'],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, 'OMP_NUM_THREADS': '1'},
            )
            kept.write_text(json.dumps(read_output(done.stdout, len(frame))))
        found: dict[str, Any] = json.loads(kept.read_text())
        return found


def input_of(frame: Atoms) -> str:
    """Input of pw.x."""
    plan = plan_frame(frame, unit_mesh=MESH)
    if plan.mesh is not None:
        points = 'automatic\n' + ' '.join(str(n) for n in (*plan.mesh, 0, 0, 0))
    else:
        places, weights = plan.points
        rows = [f'{x:.12f} {y:.12f} {z:.12f} {w:.12f}'
                for (x, y, z), w in zip(places, weights, strict=True)]  # fmt: skip
        points = f'crystal\n{len(rows)}\n' + '\n'.join(rows)
    paths = find_pseudos(PSEUDOS)
    atoms = zip(frame.get_chemical_symbols(), frame.positions, strict=True)
    return INPUT.format(
        pseudos=paths[0].parent,
        n=len(frame),
        cutoffs=CUTOFFS,
        nosym='.true.' if plan.system.get('nosym') else '.false.',
        files=[path.name for path in paths],
        positions='\n'.join(f'{s} {x:.10f} {y:.10f} {z:.10f}' for s, (x, y, z) in atoms),
        cell='\n'.join(' '.join(f'{x:.10f}' for x in axis) for axis in frame.cell.array),
        points=points,
    )


def read_output(text: str, count: int) -> dict[str, Any]:
    """Energy (eV), forces (eV/Å) and stress (eV/Å³, ASE's sign and order) of a pw.x output."""
    energy = float(re.search(r'!\s+total energy\s+=' + _NUMBER, text).group(1))
    rows = re.findall(r'atom\s+\d+ type\s+\d+\s+force =' + 3 * _NUMBER, text)[:count]
    forces = np.array(rows, dtype=float) * units.Ry / units.Bohr
    block = text[text.index('total   stress') :].splitlines()[1:4]
    stress = -np.array([line.split()[:3] for line in block], dtype=float) * units.Ry / units.Bohr**3
    voigt = [stress[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]
    return {
        'energy': energy * units.Ry,
        'forces': forces.tolist(),
        'stress': [float(value) for value in voigt],
    }


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
