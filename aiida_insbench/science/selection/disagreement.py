r"""Frames on which a committee of potentials disagrees most.

A frame counts by its worst atom: the largest spread of a force in it, eV/Å, the spread being that
of `aiida_insbench.science.committee`, as it is or with the weight of the atom.

**Weights of neutrons.** The spectrum sees atom i with :math:`\sigma_i|e_i|^2/m_i`
(`aiida_insbench.science.neutron_weights`), a spread of frequencies therefore with its square times
this; the root of it, which goes with the spread itself, is the weight

.. math:: v_i = \sqrt{\frac{\sigma_i^\mathrm{tot}/m_i}{\max_j \sigma_j^\mathrm{tot}/m_j}},

of natural abundance, the largest in a frame being 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import atomic_masses

from aiida_insbench.science.committee import committee_spread
from aiida_insbench.science.neutron_weights import cross_sections_of
from aiida_insbench.science.parity import Properties

FloatArray = npt.NDArray[np.float64]


def force_disagreement(
    members: Sequence[Properties], *, counts: Sequence[int], weights: FloatArray | None = None
) -> FloatArray:
    """Largest spread of a force in each frame.

    Parameters
    ----------
    members : sequence of Properties
        Of two potentials or more.
    counts : sequence of int
        Atoms of each frame, each ≥ 1.
    weights : ndarray, shape (n_atoms in all,), optional
        By which the spread of each atom is multiplied; 1 by default.

    Returns
    -------
    ndarray, shape (n_frames,)
        In eV/Å.

    Raises
    ------
    DatasetError
        With fewer than two members.
    """
    atoms = np.linalg.norm(committee_spread(members).forces, axis=1)
    if weights is not None:
        atoms = atoms * weights
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(int)
    return np.asarray(np.maximum.reduceat(atoms, starts))


def neutron_atom_weights(frame: Atoms) -> FloatArray:
    """Weight of each atom of a frame by what neutrons see of it, the largest being 1.

    Returns
    -------
    ndarray, shape (n_atoms,)

    Raises
    ------
    StructureError
        If the tables have no cross-section of an element.
    """
    # of elements, as their cross-sections: a frame of another isotope is the same frame
    masses = atomic_masses[frame.numbers]
    seen = cross_sections_of(frame.get_chemical_symbols()) / masses
    return np.asarray(np.sqrt(seen / seen.max()))


def most_disputed(
    indices: Sequence[int], disagreement: Mapping[int, float], *, share: float, at_least: int
) -> list[int]:
    """Keep the upper share of frames by disagreement; of equals the first.

    Parameters
    ----------
    indices : sequence of int
        Frames.
    disagreement : mapping of int to float
        Of each.
    share : float
        From 0 to 1.
    at_least : int
        How many are kept anyway.
    """
    ranked = sorted(indices, key=lambda index: (-disagreement[index], index))
    return sorted(ranked[: max(at_least, math.ceil(share * len(ranked)))])
