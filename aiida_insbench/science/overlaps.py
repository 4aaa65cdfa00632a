"""Atoms on top of each other, for files of many frames: a tenth of a neighbour list's time."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from aiida_insbench.science.structures import cell_heights, closest_contact

#: Atoms beyond which all pairs at once take too much memory.
_MOST_ATOMS = 400


def overlapping_pair(atoms: Atoms, *, share: float) -> tuple[int, int, float] | None:
    """Find the pair of atoms that overlaps most.

    Two atoms closer than d differ by less than d over the distance of lattice planes along each
    axis. Where that is below one half, the difference of fractional coordinates less the nearest
    whole number is their image, in a cell of any shape; smaller cells get a neighbour list.

    Parameters
    ----------
    atoms : Atoms
        Periodic in three dimensions.
    share : float
        Of the sum of covalent radii, below which atoms overlap.

    Returns
    -------
    tuple (int, int, float) or None
        Indices and distance in Å; None if no atoms overlap.
    """
    radii = covalent_radii[atoms.numbers]
    cell = atoms.cell.array
    planes = cell_heights(cell)
    if len(atoms) > _MOST_ATOMS or planes.min() <= 4 * share * radii.max():
        contact = closest_contact(atoms, reach=share)
        return None if contact is None or contact[3] >= share else contact[:3]
    scaled = atoms.get_scaled_positions(wrap=False)
    step = scaled[:, None] - scaled[None]
    distance = np.linalg.norm((step - np.round(step)) @ cell, axis=2)
    np.fill_diagonal(distance, np.inf)
    relative = distance / (radii[:, None] + radii[None])
    first, second = (int(i) for i in np.unravel_index(relative.argmin(), relative.shape))
    if relative[first, second] >= share:
        return None
    return first, second, float(distance[first, second])
