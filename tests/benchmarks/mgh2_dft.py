"""Energies, forces and stresses of MgH2 from pw.x, one serial process a frame.

Level: LDA, Mg.pz-n-vbc and H.pz-vbc, 50/200 Ry, the 4×4×4 mesh of the unit cell. A supercell takes
exactly the k points its unit cells have, as a list: 4×4×4 has no Γ-centred mesh in a √2×√2×1 cell.
Units: eV, Å, ASE's sign and Voigt order of stresses.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units

from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY
from aiida_insbench.science.kpoints import folded_points

PSEUDOS = Path('/usr/share/espresso/pseudo')
UPF = {'Mg': 'Mg.pz-n-vbc.UPF', 'H': 'H.pz-vbc.UPF'}
MESH = (4, 4, 4)
CUTOFF = 50.0  # Ry; density at four times as much
THRESHOLD = 1e-11  # Ry
LEVEL = {
    'code': 'Quantum ESPRESSO pw.x 6.7',
    'functional': 'LDA',
    'pseudos': UPF,
    'ecutwfc_ry': CUTOFF,
    'ecutrho_ry': 4 * CUTOFF,
    'kpoints_unit_cell': list(MESH),
    'conv_thr_ry': THRESHOLD,
}
_ENVIRONMENT = {
    'OMP_NUM_THREADS': '1',
    'OPENBLAS_NUM_THREADS': '1',
    'OMPI_ALLOW_RUN_AS_ROOT': '1',
    'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1',
}
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def rutile(a: float, c: float, u: float) -> Atoms:
    """MgH2 in P4₂/mnm; `u` is the free coordinate of H."""
    hydrogens = [(u, u, 0), (-u, -u, 0), (0.5 - u, 0.5 + u, 0.5), (0.5 + u, 0.5 - u, 0.5)]
    return Atoms(
        'Mg2H4',
        cell=[a, a, c],
        scaled_positions=[(0, 0, 0), (0.5, 0.5, 0.5), *hydrogens],
        pbc=True,
    )


def folded_kpoints(
    supercell_matrix: Sequence[Sequence[int]], mesh: Sequence[int] = MESH
) -> list[tuple[float, float, float, float]]:
    """k points of a supercell (crystal axes, weight) that are those of the unit cell's mesh."""
    found = folded_points(unit_mesh=mesh, supercell_matrix=supercell_matrix)
    if found is None:
        raise ValueError(f'{supercell_matrix} has no k points that are those of {mesh}')
    total = math.prod(mesh)
    return [(*point, float(round(total * weight))) for point, weight in zip(*found, strict=True)]


def scf(
    atoms: Atoms,
    *,
    supercell_matrix: Sequence[Sequence[int]] | None = None,
    cutoff: float = CUTOFF,
    mesh: Sequence[int] = MESH,
    threshold: float = THRESHOLD,
) -> dict[str, Any]:
    """Energy, forces (n, 3) and stress (6,) of one frame.

    With `supercell_matrix` the k points are listed and no symmetry is looked for; without, pw.x
    reduces the mesh by the crystal's symmetry.
    """
    folder = Path(tempfile.mkdtemp(prefix='mgh2-pw-'))
    try:
        text = input_text(
            atoms, folder, supercell_matrix=supercell_matrix, cutoff=cutoff, mesh=mesh,
            threshold=threshold,
        )  # fmt: skip
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
        found = scf(frame, supercell_matrix=frame.info['supercell_matrix'])
        frame = frame.copy()
        frame.info[ENERGY_KEY], frame.info[STRESS_KEY] = found['energy'], found['stress']
        frame.arrays[FORCES_KEY] = found['forces']
        return frame

    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(one, frames))


def input_text(
    atoms: Atoms,
    folder: Path,
    *,
    supercell_matrix: Sequence[Sequence[int]] | None = None,
    cutoff: float = CUTOFF,
    mesh: Sequence[int] = MESH,
    threshold: float = THRESHOLD,
    disk_io: str = 'none',
    start: str = 'atomic',
) -> str:
    """Input of pw.x; `folder` is where it keeps its files."""
    points = None if supercell_matrix is None else folded_kpoints(supercell_matrix, mesh)
    symbols = atoms.get_chemical_symbols()
    kinds = sorted(set(symbols))
    nosym = '' if points is None else 'nosym=.true.,'
    lines = [
        f"&CONTROL calculation='scf', tprnfor=.true., tstress=.true., disk_io='{disk_io}',",
        f"outdir='{folder}', pseudo_dir='{PSEUDOS}' /",
        f'&SYSTEM ibrav=0, nat={len(atoms)}, ntyp={len(kinds)}, {nosym}',
        f"ecutwfc={cutoff}, ecutrho={4 * cutoff}, occupations='fixed' /",
        f"&ELECTRONS conv_thr={threshold}, mixing_beta=0.7, startingpot='{start}' /",
        'ATOMIC_SPECIES',
        *(f'{kind} 1.0 {UPF[kind]}' for kind in kinds),
        'CELL_PARAMETERS angstrom',
        *('{:.12f} {:.12f} {:.12f}'.format(*axis) for axis in atoms.cell.array),
        'ATOMIC_POSITIONS angstrom',
        *(
            '{} {:.12f} {:.12f} {:.12f}'.format(symbol, *place)
            for symbol, place in zip(symbols, atoms.positions, strict=True)
        ),
    ]
    if points is None:
        lines += ['K_POINTS automatic', '{} {} {} 0 0 0'.format(*mesh)]
    else:
        lines += ['K_POINTS crystal', str(len(points))]
        lines += ['{:.12f} {:.12f} {:.12f} {:.1f}'.format(*point) for point in points]
    return '\n'.join(lines) + '\n'


def _read(text: str, n_atoms: int) -> dict[str, Any]:
    if 'convergence has been achieved' not in text:
        raise RuntimeError(f'pw.x did not converge:\n{text[-2000:]}')
    energy = float(re.findall(r'!\s+total energy\s+=\s+(\S+)', text)[-1]) * units.Ry
    rows = re.findall(r'atom\s+\d+ type\s+\d+\s+force =\s+(\S+)\s+(\S+)\s+(\S+)', text)[:n_atoms]
    forces = np.array(rows, dtype=float) * units.Ry / units.Bohr
    block = text[text.index('total   stress') :].splitlines()[1:4]
    # pw.x prints the pressure's sign
    tensor = -np.array([line.split()[:3] for line in block], dtype=float)
    stress = np.array([tensor[place] for place in _VOIGT]) * units.Ry / units.Bohr**3
    return {'energy': energy, 'forces': forces, 'stress': stress}
