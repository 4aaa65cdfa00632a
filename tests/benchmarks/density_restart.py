"""Does it save time to start a frame's SCF from the charge density of its neighbour?

``density_restart.py FOLDER [FRAMES]``: strained and rattled unit cells of the demo crystal, in the
order of their volumes, by pw.x alone: each from superposed atomic densities, and from the density
of the frame before (`startingpot='file'`). Prints iterations and CPU seconds of each.

Seen with 5 frames: 7.6 iterations and 5.5 s from atomic densities, 8.2 and 6.5 s from those of a
neighbour: atoms that have moved take their densities along in the first case, and leave them
behind in the second. It is therefore not done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from labelling import cpu_seconds, demo_frames
from mgh2_dft import input_text
from mgh2_frames import UNIT

from aiida_insbench.cli.site import find_pw


def main() -> None:
    """Measure and print."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8
    frames = demo_frames([(UNIT, count)], pressures=[0])
    frames.sort(key=lambda atoms: -atoms.get_volume())
    rows = []
    for number, atoms in enumerate(frames):
        row = {'atomic': run(atoms, folder / f'{number}_atomic', 'atomic')}
        if number:
            before = folder / f'{number - 1}_atomic' / 'out'
            row['file'] = run(atoms, folder / f'{number}_file', 'file', density=before)
        rows.append(row)
    both = [row for row in rows if 'file' in row]
    means = {
        start: {key: float(np.mean([row[start][key] for row in both])) for key in both[0][start]}
        for start in ('atomic', 'file')
    }
    sys.stdout.write(json.dumps({'frames': len(both), 'mean': means}, indent=1) + '\n')


def run(atoms: Any, folder: Path, start: str, *, density: Path | None = None) -> dict[str, float]:
    """One pw.x; iterations, CPU seconds and energy (Ry)."""
    folder.mkdir(parents=True)
    if density is not None:
        shutil.copytree(density, folder / 'out', ignore=shutil.ignore_patterns('wfc*', '*.wfc*'))
    text = input_text(atoms, Path('out'), threshold=1e-9, disk_io='low', start=start)
    (folder / 'in').write_text(text)
    done = subprocess.run(
        [find_pw(), '-in', 'in'],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    energy = float(re.search(r'!\s+total energy\s+=\s+(\S+)', done.stdout).group(1))
    return {
        'iterations': len(re.findall('iteration #', done.stdout)),
        'cpu_seconds': cpu_seconds(done.stdout),
        'energy_ry': energy,
    }


if __name__ == '__main__':
    sys.exit(main())
