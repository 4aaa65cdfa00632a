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

from aiida_insbench.cli.demo_run import CUTOFFS, PSEUDOS, magnesium_hydride
from aiida_insbench.cli.site import find_pseudos, find_pw
from aiida_insbench.science.sampling.cells import sampling_cell
from aiida_insbench.science.sampling.strain_rattle import StrainRattle, strain_rattle_frames

INPUT = """&CONTROL
 calculation='scf', tprnfor=.true., tstress=.true., disk_io='low', outdir='./out', prefix='f'
 pseudo_dir='{pseudos}'
/
&SYSTEM
 ibrav=0, nat={n}, ntyp=2, ecutwfc={cutoffs[0]}, ecutrho={cutoffs[1]}, occupations='fixed'
/
&ELECTRONS
 conv_thr=1e-9, mixing_beta=0.7, startingpot='{start}'
/
ATOMIC_SPECIES
Mg 24.305 {files[0]}
H 1.008 {files[1]}
ATOMIC_POSITIONS angstrom
{positions}
CELL_PARAMETERS angstrom
{cell}
K_POINTS automatic
4 4 4 0 0 0
"""
_CPU = re.compile(r'PWSCF\s+:\s+(?:(\d+)m)?\s*([\d.]+)s CPU')


def main() -> None:
    """Measure and print."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8
    frames, _ = strain_rattle_frames(
        atoms=magnesium_hydride(),
        pressures=[0],
        cells=[sampling_cell(supercell_matrix=np.eye(3, dtype=int), count=count)],
        settings=StrainRattle(
            volume_range=(0.945, 1.015),
            strain=0.005,
            rattle={'Mg': (0.01, 0.02), 'H': (0.02, 0.06)},
        ),
        seed=1000,
        prefix='r1',
    )
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
    paths = find_pseudos(PSEUDOS)
    rows = zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)
    (folder / 'in').write_text(
        INPUT.format(
            pseudos=paths[0].parent,
            n=len(atoms),
            cutoffs=CUTOFFS,
            start=start,
            files=[path.name for path in paths],
            positions='\n'.join(f'{s} {x:.10f} {y:.10f} {z:.10f}' for s, (x, y, z) in rows),
            cell='\n'.join(' '.join(f'{x:.10f}' for x in axis) for axis in atoms.cell.array),
        )
    )
    done = subprocess.run(
        [find_pw(), '-in', 'in'],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    minutes, seconds = _CPU.search(done.stdout).groups()
    energy = float(re.search(r'!\s+total energy\s+=\s+(\S+)', done.stdout).group(1))
    return {
        'iterations': len(re.findall('iteration #', done.stdout)),
        'cpu_seconds': 60 * float(minutes or 0) + float(seconds),
        'energy_ry': energy,
    }


if __name__ == '__main__':
    sys.exit(main())
