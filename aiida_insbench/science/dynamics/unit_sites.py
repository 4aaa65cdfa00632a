r"""How far atoms, ions and molecules are from their sites.

With fractional coordinates held, so that a cell that breathes, shears or turns moves nothing, and
the centre of mass of the crystal taken off:

.. math:: u_i = r_i - r_i^0 h_0^{-1} h - \langle\cdot\rangle_m

of atoms, averaged by mass over each unit (see `bond_graph`). Å, positions not wrapped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms

from aiida_insbench.science.dynamics.bond_graph import BondGraph

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class UnitSites:
    """Sites of the units of a crystal.

    Attributes
    ----------
    reference : Atoms
        At rest, with the masses to average by.
    graph : BondGraph
        Its bonds and units.
    """

    reference: Atoms
    graph: BondGraph

    def displacements(self, positions: FloatArray, cell: FloatArray) -> FloatArray:
        """Displacements of the centres of units.

        Parameters
        ----------
        positions : ndarray, shape (n_atoms, 3)
            In Å.
        cell : ndarray, shape (3, 3)
            In Å.

        Returns
        -------
        ndarray, shape (n_units, 3)
            In Å.
        """
        masses = self.reference.get_masses()[:, None]
        rest = np.linalg.solve(self.reference.cell.array, cell)
        weighted = masses * (positions - self.reference.positions @ rest)
        weighted -= masses * (weighted.sum(axis=0) / masses.sum())
        units, count = self.graph.units, len(self.graph.names)
        if count == len(masses):
            return np.asarray(weighted / masses)
        sums = [np.bincount(units, weighted[:, axis], count) for axis in range(3)]
        return np.asarray(np.transpose(sums) / np.bincount(units, masses[:, 0], count)[:, None])
