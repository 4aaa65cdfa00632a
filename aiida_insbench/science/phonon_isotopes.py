"""Exchange isotopes in a crystal with force constants: masses change, forces do not.

Force constants belong to the electrons (Born & Huang, *Dynamical Theory of Crystal Lattices*
(1954), § 14), which do not know the masses of the nuclei. Masses in atomic mass units; labels of
sites as in `aiida_insbench.science.ins.isotopes`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import spglib
from phonopy import Phonopy

from aiida_insbench.science.ins.isotopes import scatterer
from aiida_insbench.science.modes import FloatArray


def with_isotopes(phonon: Phonopy, labels: Sequence[str]) -> Phonopy:
    """A crystal with other isotopes on its sites.

    Parameters
    ----------
    phonon : Phonopy
        With force constants.
    labels : sequence of str, length n_atoms
        Of the primitive cell's atoms; the symbol of an element leaves its mass as it is.

    Returns
    -------
    Phonopy
        With the masses of the isotopes. If they differ on sites that symmetry makes equal, it knows
        no symmetry, for the structure has more of it than the vibrations. The same object if
        nothing changes.
    """
    masses = np.array(phonon.primitive.masses, dtype=float)
    for atom, (label, symbol) in enumerate(zip(labels, phonon.primitive.symbols, strict=True)):
        if label != symbol:
            mass = scatterer(label).mass
            masses[atom] = masses[atom] if mass is None else mass
    if np.array_equal(masses, phonon.primitive.masses):
        return phonon
    primitive, supercell = phonon.primitive, phonon.supercell
    numbers = np.array([primitive.p2p_map[atom] for atom in primitive.s2p_map])
    cell = phonon.unitcell.copy()
    cell.masses = masses[numbers[np.asarray(supercell.u2s_map)]]
    exchanged = Phonopy(
        cell,
        supercell_matrix=phonon.supercell_matrix,
        primitive_matrix=np.eye(3) if phonon.primitive_matrix is None else phonon.primitive_matrix,
        symprec=float(phonon.symmetry.tolerance),
        is_symmetry=_symmetric(phonon, masses),
        calculator=phonon.calculator,
    )
    exchanged.force_constants = phonon.force_constants
    if phonon.nac_params is not None:
        exchanged.nac_params = phonon.nac_params
    return exchanged


def masses_keep_symmetry(phonon: Phonopy) -> bool:
    """Whether atoms that the symmetry of the structure makes equal have equal masses."""
    return _symmetric(phonon, np.asarray(phonon.primitive.masses, dtype=float))


def _symmetric(phonon: Phonopy, masses: FloatArray) -> bool:
    cell = phonon.primitive
    found = spglib.get_symmetry(
        (cell.cell, cell.scaled_positions, cell.numbers), symprec=float(phonon.symmetry.tolerance)
    )
    equal = np.asarray(found['equivalent_atoms'])
    return bool(np.allclose(masses, masses[equal], rtol=1e-9))
