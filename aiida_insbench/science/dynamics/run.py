"""What a run of molecular dynamics leaves: frames at one stride, scalars at a finer one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.units import fs
from scipy import constants

FloatArray = npt.NDArray[np.float64]

#: 1 Å/ps in ASE's units of velocity.
A_PER_PS: float = 1 / (1000 * fs)
#: 2πc in rad/ps per cm⁻¹.
ANGULAR: float = 2 * constants.pi * constants.c * 100 * 1e-12
#: Scalars of a run and their units.
SERIES = {
    'time': 'ps',
    'potential_energy': 'eV',
    'kinetic_energy': 'eV',
    'conserved_energy': 'eV',
    'temperature': 'K',
    'volume': 'Å³',
    'pressure': 'GPa',
}


@dataclass(frozen=True)
class MDRun:
    """Frames and scalars of one run.

    Attributes
    ----------
    times : ndarray, shape (n,)
        Of the frames, in ps.
    positions : ndarray, shape (n, n_atoms, 3)
        In Å, never wrapped into the cell: an atom that leaves it goes on.
    velocities : ndarray, shape (n, n_atoms, 3)
        In Å/ps.
    cells : ndarray, shape (n, 3, 3)
        Axes in rows, in Å.
    symbols : tuple of str, length n_atoms
        Elements.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.
    series : mapping
        Arrays of equal length by the names of `SERIES`, at their own stride: total energies, not
        per atom.
    """

    times: FloatArray
    positions: FloatArray
    velocities: FloatArray
    cells: FloatArray
    symbols: tuple[str, ...]
    masses: FloatArray
    series: Mapping[str, FloatArray]

    @property
    def n_atoms(self) -> int:
        """Atoms of each frame."""
        return len(self.symbols)

    def frame(self, index: int) -> Atoms:
        """One frame as a periodic crystal; its velocities in ASE's units."""
        atoms = Atoms(
            list(self.symbols),
            positions=self.positions[index],
            cell=self.cells[index],
            pbc=True,
            masses=self.masses,
        )
        atoms.set_velocities(self.velocities[index] * A_PER_PS)
        return atoms
