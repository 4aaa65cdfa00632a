r"""What a mode of a molecular crystal does: molecules that move, turn, or deform.

With the displacements in a mode, :math:`u = e/\sqrt m`, the forces :math:`m\ddot u \propto \sqrt
m\,e` are parted into those of rigid translation, rigid rotation and the rest
(`aiida_insbench.science.molecular_forces`). The parts are orthogonal in the mass-weighted metric,
so that their shares

.. math:: s = \sum_i \frac{|f_i|^2}{m_i}, \qquad f = \sqrt m\, e

add up to 1.

Source: Wilson, Decius, Cross, *Molecular Vibrations* (1955), ch. 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiida_insbench.science.modes import FloatArray
from aiida_insbench.science.molecular_forces import split_forces
from aiida_insbench.science.molecules import Molecule

#: As spectroscopists call them, by the names of `molecular_forces`.
NAMES = {'translation': 'translation', 'rotation': 'libration', 'vibration': 'internal'}


def motion_shares(
    eigenvectors: FloatArray, *, molecules: Sequence[Molecule], masses: FloatArray
) -> dict[str, float]:
    """Mean shares of translation, libration and internal motion in some modes.

    Parameters
    ----------
    eigenvectors : ndarray, shape (d, 3 n_atoms)
        Orthonormal rows, mass-weighted, at Γ.
    molecules : sequence of Molecule
        Holding every atom once.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.

    Returns
    -------
    dict
        ``translation``, ``libration``, ``internal``; their sum is 1.

    Raises
    ------
    ValueError
        If an atom belongs to no molecule or to two.
    """
    shares = dict.fromkeys(NAMES.values(), 0.0)
    root = np.sqrt(masses)[:, None]
    for vector in eigenvectors:
        parts = split_forces(root * vector.real.reshape(-1, 3), molecules=molecules, masses=masses)
        for name, part in parts.items():
            shares[NAMES[name]] += float(((part / root) ** 2).sum()) / len(eigenvectors)
    return shares
