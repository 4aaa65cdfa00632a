r"""A supercell in thermal motion: every harmonic mode with the amplitude of a quantum oscillator.

Each mode of the supercell, at every q-point it holds, gets a Gaussian normal coordinate of the
variance of a quantum oscillator,

.. math:: \langle q^2\rangle = \frac{\hbar}{2\omega}\coth\frac{\hbar\omega}{2k_BT}
    = \frac{\hbar}{\omega}\left(\tfrac12 + n\right)

with the Bose–Einstein occupation n; at 0 K zero-point motion is left. This is phonopy's
`RandomDisplacements` (Togo et al., *J. Phys.: Condens. Matter* 35, 353001 (2023)), to which the
random numbers are given. As there, an imaginary mode counts with |ω|, and modes with |ω| at or
below a cutoff, the translations among them, stay at rest.

Units: Å, K; frequencies in cm⁻¹, imaginary ones negative.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from phonopy import Phonopy
from phonopy.phonon.random_displacements import RandomDisplacements
from phonopy.physical_units import get_physical_units

from aiida_insbench.science.sampling.cells import FloatArray, random_strain
from aiida_insbench.science.supercells import full_force_constants, supercell_of


class ThermalCell:
    """A supercell and its harmonic motion.

    Parameters
    ----------
    phonon : Phonopy
        With force constants of the supercell.
    temperature : float
        In K, ≥ 0.
    frequency_cutoff : float
        In cm⁻¹, > 0.
    strain : float
        Standard deviation of each of the six strain components.

    Attributes
    ----------
    frequencies : ndarray, shape (3 n_atoms,)
        Of all modes of the supercell, rising, cm⁻¹.
    """

    def __init__(
        self, phonon: Phonopy, *, temperature: float, frequency_cutoff: float, strain: float = 0.0
    ) -> None:
        self._supercell = supercell_of(phonon)
        self._temperature = temperature
        self._strain = strain
        per_terahertz = get_physical_units().THzToCm
        self._motion = RandomDisplacements(
            phonon.supercell,
            phonon.primitive,
            full_force_constants(phonon),
            dist_func='quantum',
            cutoff_frequency=frequency_cutoff / per_terahertz,
        )
        once, twice = self._motion.draw_standard_normals(1, random_seed=0)
        self._shapes = once.shape, twice.shape
        found = self._motion.frequencies * per_terahertz
        # a q-point that is not its own negative stands for both
        both = np.concatenate([found.ravel(), found[once.shape[0] :].ravel()])
        self.frequencies: FloatArray = np.sort(both)

    def displacements(self, rng: np.random.Generator) -> FloatArray:
        """Displacements in Å, shape (n_atoms, 3), from 3 n_atoms numbers of `rng`."""
        normals = tuple(rng.standard_normal(shape) for shape in self._shapes)
        self._motion.run(self._temperature, standard_normals=normals)
        return np.asarray(self._motion.u[0], dtype=float)

    def draw(self, rng: np.random.Generator) -> Atoms:
        """One displaced and strained copy, without masses of its own."""
        frame = self._supercell.copy()
        frame.positions += self.displacements(rng)
        deformation = np.eye(3) + random_strain(rng=rng, sigma=self._strain)
        frame.set_cell(frame.cell.array @ deformation, scale_atoms=True)
        # the supercell carries phonopy's masses; a frame to be labelled has none of its own
        del frame.arrays['masses']
        return frame
