"""A supercell displaced along its normal modes, each a classical oscillator at a random phase.

Units: Å, atomic mass units; frequencies in cm⁻¹, imaginary ones negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms

from aiida_insbench.science.sampling.cells import random_strain
from aiida_insbench.science.sampling.optical_modes import FloatArray, OpticalModes


class ModeCell:
    """A supercell, its modes and the largest amplitude of each.

    Parameters
    ----------
    supercell : Atoms
        Undisplaced, in the order of the modes.
    modes : OpticalModes
        Of this supercell.
    amplitudes : ndarray, shape (n_modes,)
        Largest mass-weighted amplitude of each mode, Å√u.
    strain : float
        Standard deviation of each of the six strain components.
    """

    def __init__(
        self, supercell: Atoms, modes: OpticalModes, *, amplitudes: FloatArray, strain: float
    ) -> None:
        self.supercell, self.modes = supercell, modes
        self.amplitudes, self.strain = amplitudes, strain

    def draw(self, rng: np.random.Generator) -> Atoms:
        """One copy with each mode at a random phase, then strained."""
        phases = rng.uniform(0, 2 * np.pi, size=len(self.amplitudes))
        frame = self.supercell.copy()
        frame.positions += np.einsum(
            'm,mia->ia', self.amplitudes * np.cos(phases), self.modes.displacements
        )
        deformation = np.eye(3) + random_strain(rng=rng, sigma=self.strain)
        frame.set_cell(frame.cell.array @ deformation, scale_atoms=True)
        # the supercell carries phonopy's masses; a frame to be labelled has none of its own
        del frame.arrays['masses']
        return frame


def lowest_frequencies(cells: Mapping[tuple[str, int], ModeCell]) -> dict[str, float]:
    """Lowest frequency (cm⁻¹) by pressure label, over the kinds of cells."""
    lowest: dict[str, float] = {}
    for (label, _), moving in cells.items():
        lowest[label] = min(lowest.get(label, np.inf), float(moving.modes.frequencies[0]))
    return lowest


def modes_below(
    frequency: float,
    cells: Mapping[tuple[str, int], ModeCell],
    places: Sequence[tuple[str, int]],
) -> int:
    """How many modes are softer than a frequency (cm⁻¹), counted over the frames at `places`."""
    return sum(int((cells[place].modes.frequencies < frequency).sum()) for place in places)
