"""Brucite by DFT away from Γ: modes at K, M and A in the smallest supercells that hold them.

√3×√3×1 holds K, 1×1×2 holds A. 2×1×1 holds M but has no k points of a 3×3×2 mesh: there the mesh of
the unit cell is 4×4×2, in the cell relaxed with 3×3×2.

    python brucite_off_gamma.py [POINT ...]    # adds to data/brucite.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from brucite_dft import MESH, scf
from brucite_frames import LONG, ROOT_THREE
from brucite_truth import STORED, keep, say

from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.structures import atoms_from_dict

CELLS: dict[str, tuple[list[float], list[list[int]], tuple[int, int, int]]] = {
    'K': ([1 / 3, 1 / 3, 0], ROOT_THREE, MESH),
    'A': ([0, 0, 0.5], LONG, (3, 3, 2)),
    'M': ([0.5, 0, 0], [[2, 0, 0], [0, 1, 0], [0, 0, 1]], (4, 4, 2)),
}


class PwForces(Calculator):
    """Forces of supercells by pw.x, with the k points of the unit cell."""

    implemented_properties = ('energy', 'forces')

    def __init__(self, matrix: list[list[int]], mesh: tuple[int, int, int]) -> None:
        super().__init__()
        self._level = {'supercell_matrix': matrix, 'mesh': mesh}

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        """Run pw.x."""
        super().calculate(atoms, properties, system_changes)
        assert atoms is not None
        found = scf(atoms, threshold=1e-10, **self._level)
        self.results = {'energy': found['energy'], 'forces': found['forces']}


def lowest(phonon: Any, point: list[float], count: int = 6) -> list[float]:
    """Lowest frequencies at a q-point, cm⁻¹, negative if imaginary."""
    found = phonon.run_qpoints([point], with_dynamical_matrices=True)
    matrix = np.asarray(found.dynamical_matrices)[0]
    values = np.linalg.eigvalsh(0.5 * (matrix + matrix.conj().T))
    wavenumbers = eigenvalues_to_wavenumbers(values, factor=float(phonon.unit_conversion_factor))
    return [round(float(value), 1) for value in wavenumbers[:count]]


def main() -> None:
    """Compute the points asked for at 0 GPa and store them."""
    known = json.loads(STORED.read_text(encoding='utf-8'))
    atoms = atoms_from_dict(known['truth']['pressures']['p_0000']['structure'])
    for name in sys.argv[1:] or CELLS:
        point, matrix, mesh = CELLS[name]
        phonon = calculate_force_constants(
            atoms=atoms, calculator=PwForces(matrix, mesh), supercell_matrix=matrix, symprec=1e-3
        )
        entry = {
            'q': point,
            'supercell': matrix,
            'kpoints_unit_cell': list(mesh),
            'lowest_cm1': lowest(phonon, point),
        }
        known = json.loads(STORED.read_text(encoding='utf-8'))
        say(f'{name}: {entry["lowest_cm1"]}')
        keep('off_gamma', {**known.get('off_gamma', {}), name: entry})


if __name__ == '__main__':
    main()
