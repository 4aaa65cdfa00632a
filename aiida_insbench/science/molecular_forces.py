r"""Forces of a molecular crystal, parted into what moves, turns and deforms its molecules.

Lattice modes are translations and rotations of whole molecules under forces far smaller than those
along bonds; a total error hides theirs. For a molecule of masses :math:`m_i`, total mass
:math:`M`, centre of mass at the origin, and inertia tensor :math:`I`,

.. math::
   f_i^\mathrm{tr} &= \frac{m_i}{M} \sum_j f_j \\
   f_i^\mathrm{rot} &= m_i\, \alpha \times r_i, \qquad
   \alpha = I^{-1} \sum_j r_j \times f_j \\
   f_i^\mathrm{vib} &= f_i - f_i^\mathrm{tr} - f_i^\mathrm{rot}

so that the first carries all of the net force, the second all of the torque, and the last neither.
For a single atom or a linear molecule the inverse leaves out the axes without inertia.

References
----------
Magdău et al., *npj Comput. Mater.* **9**, 146 (2023), where the same parting is used for errors of
potentials; Wilson, Decius, Cross, *Molecular Vibrations* (1955), ch. 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aiida_insbench.science.molecules import Molecule

FloatArray = npt.NDArray[np.float64]

MOTIONS = ('translation', 'rotation', 'vibration')
#: Moments of inertia below this part of the largest count as none.
_LINEAR = 1e-6


def split_forces(
    forces: FloatArray, *, molecules: Sequence[Molecule], masses: FloatArray
) -> dict[str, FloatArray]:
    """Part forces into those of molecular translation, rotation and vibration.

    Parameters
    ----------
    forces : ndarray, shape (n_atoms, 3)
        In eV/Å; differences of forces may be given as well, the parting is linear.
    molecules : sequence of Molecule
        Holding every atom once.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.

    Returns
    -------
    dict
        ``translation``, ``rotation``, ``vibration``, each of the shape of `forces`; their sum is
        `forces`.

    Raises
    ------
    ValueError
        If an atom belongs to no molecule or to two.
    """
    if sorted(int(i) for one in molecules for i in one.atoms) != list(range(len(forces))):
        raise ValueError('Every atom must belong to one molecule.')
    parts = {name: np.zeros_like(forces) for name in MOTIONS}
    for one in molecules:
        mass = masses[one.atoms]
        own = forces[one.atoms]
        moving = mass[:, None] / mass.sum() * own.sum(axis=0)
        turning = _rotation(own, one.positions, mass)
        parts['translation'][one.atoms] = moving
        parts['rotation'][one.atoms] = turning
        parts['vibration'][one.atoms] = own - moving - turning
    return parts


def net_forces(forces: FloatArray, *, molecules: Sequence[Molecule]) -> FloatArray:
    """Net force on each molecule in eV/Å, shape (n_molecules, 3)."""
    return np.array([forces[one.atoms].sum(axis=0) for one in molecules])


def net_torques(
    forces: FloatArray, *, molecules: Sequence[Molecule], masses: FloatArray
) -> FloatArray:
    """Torque on each molecule about its centre of mass in eV, shape (n_molecules, 3)."""
    return np.array(
        [
            np.cross(_centred(one.positions, masses[one.atoms]), forces[one.atoms]).sum(axis=0)
            for one in molecules
        ]
    )


def _rotation(forces: FloatArray, positions: FloatArray, mass: FloatArray) -> FloatArray:
    arms = _centred(positions, mass)
    squares = np.einsum('i,ia,ia->', mass, arms, arms)
    inertia = squares * np.eye(3) - np.einsum('i,ia,ib->ab', mass, arms, arms)
    torque = np.cross(arms, forces).sum(axis=0)
    angular = np.linalg.pinv(inertia, rcond=_LINEAR, hermitian=True) @ torque
    return mass[:, None] * np.cross(angular, arms)


def _centred(positions: FloatArray, mass: FloatArray) -> FloatArray:
    centre: FloatArray = positions - mass @ positions / mass.sum()
    return centre
