"""Energies, forces and stresses of brucite, Mg(OH)2, from pw.x, one serial process a frame.

Level: LDA, 60/480 Ry, the Γ-centred 3×3×2 mesh of the unit cell; a supercell takes exactly the
k points its unit cells have. Units: eV, Å, ASE's sign and Voigt order of stresses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from mgh2_dft import _ENVIRONMENT, PSEUDOS, _read, folded_kpoints

from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY

UPF = {'H': 'H.pz-vbc.UPF', 'Mg': 'Mg.pz-n-vbc.UPF', 'O': 'O.pz-kjpaw.UPF'}
MESH = (3, 3, 2)
CUTOFFS = (60.0, 480.0)  # Ry, waves and density
THRESHOLD = 1e-11  # Ry, of the truth
LABEL_THRESHOLD = 1e-9  # Ry, of frames to train on
LEVEL = {
    'code': 'Quantum ESPRESSO pw.x 6.7',
    'functional': 'LDA',
    'pseudos': UPF,
    'ecutwfc_ry': CUTOFFS[0],
    'ecutrho_ry': CUTOFFS[1],
    'kpoints_unit_cell': list(MESH),
    'conv_thr_ry': THRESHOLD,
    'conv_thr_ry_of_frames': LABEL_THRESHOLD,
}


def brucite(a: float, c: float, oxygen: float, hydrogen: float) -> Atoms:
    """Mg(OH)2 in P-3m1; `oxygen` and `hydrogen` are the free coordinates z."""
    sites = [(1 / 3, 2 / 3, 1), (2 / 3, 1 / 3, -1)]
    places = [(x, y, sign * z) for z in (oxygen, hydrogen) for x, y, sign in sites]
    return Atoms(
        'MgO2H2',
        cell=[[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]],
        scaled_positions=[(0, 0, 0), *places],
        pbc=True,
    )


def scf(
    atoms: Atoms,
    *,
    supercell_matrix: Sequence[Sequence[int]] | None = None,
    cutoffs: Sequence[float] = CUTOFFS,
    mesh: Sequence[int] = MESH,
    oxygen: str = UPF['O'],
    threshold: float = THRESHOLD,
) -> dict[str, Any]:
    """Energy, forces (n, 3) and stress (6,) of one frame.

    With `supercell_matrix` the k points are listed and no symmetry is looked for; without, pw.x
    reduces the mesh by the crystal's symmetry.
    """
    folder = Path(tempfile.mkdtemp(prefix='brucite-pw-'))
    try:
        points = folded_kpoints(supercell_matrix, mesh) if supercell_matrix is not None else None
        text = _input(atoms, points, folder, cutoffs, mesh, {**UPF, 'O': oxygen}, threshold)
        (folder / 'in').write_text(text, encoding='utf-8')
        done = subprocess.run(
            ['pw.x', '-in', 'in'],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **_ENVIRONMENT},
        )
        return _read(done.stdout, len(atoms))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def label(frames: Iterable[Atoms], *, lanes: int = 2) -> list[Atoms]:
    """Label frames, `lanes` at once."""

    def one(frame: Atoms) -> Atoms:
        matrix = frame.info['supercell_matrix']
        found = scf(frame, supercell_matrix=matrix, threshold=LABEL_THRESHOLD)
        frame = frame.copy()
        frame.info[ENERGY_KEY], frame.info[STRESS_KEY] = found['energy'], found['stress']
        frame.arrays[FORCES_KEY] = found['forces']
        return frame

    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(one, frames))


def _input(
    atoms: Atoms,
    points: list[tuple[float, float, float, float]] | None,
    folder: Path,
    cutoffs: Sequence[float],
    mesh: Sequence[int],
    pseudos: dict[str, str],
    threshold: float,
) -> str:
    nosym = '' if points is None else 'nosym=.true.,'
    lines = [
        "&CONTROL calculation='scf', tprnfor=.true., tstress=.true., disk_io='none',",
        f"outdir='{folder}', pseudo_dir='{PSEUDOS}' /",
        f'&SYSTEM ibrav=0, nat={len(atoms)}, ntyp={len(pseudos)}, {nosym}',
        f"ecutwfc={cutoffs[0]}, ecutrho={cutoffs[1]}, occupations='fixed' /",
        f'&ELECTRONS conv_thr={threshold}, mixing_beta=0.7 /',
        'ATOMIC_SPECIES',
        *(f'{kind} 1.0 {name}' for kind, name in pseudos.items()),
        'CELL_PARAMETERS angstrom',
        *('{:.12f} {:.12f} {:.12f}'.format(*axis) for axis in atoms.cell.array),
        'ATOMIC_POSITIONS angstrom',
        *('{} {:.12f} {:.12f} {:.12f}'.format(atom.symbol, *atom.position) for atom in atoms),
    ]
    if points is None:
        lines += ['K_POINTS automatic', '{} {} {} 0 0 0'.format(*mesh)]
    else:
        lines += ['K_POINTS crystal', str(len(points))]
        lines += ['{:.12f} {:.12f} {:.12f} {:.1f}'.format(*point) for point in points]
    return '\n'.join(lines) + '\n'
