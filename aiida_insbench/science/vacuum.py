"""Empty slabs in a cell: a molecule in a box or a surface, to which no pressure can be applied.

Lengths in Å.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import StructureError, format_error
from aiida_insbench.science.structures import cell_heights

#: Widest gap without nuclei that a crystal may have: layers stand 3 to 5 Å apart, images in a box
#: 8 Å and more.
WIDEST_GAP = 6.0


@dataclass(frozen=True)
class Gap:
    """The widest slab without nuclei between two lattice planes.

    Attributes
    ----------
    axis : int
        0, 1, 2: the lattice direction that crosses it.
    width : float
        Distance between its two planes of nuclei, Å.
    """

    axis: int
    width: float


def widest_gap(atoms: Atoms) -> Gap:
    r"""Widest gap between nuclei along the three lattice directions.

    With sorted fractional coordinates s along an axis, the gap is the largest :math:`s_{i+1} - s_i`
    (around the cell's edge too) times the distance of the lattice planes, V over the area of
    the other two axes.

    Parameters
    ----------
    atoms : Atoms
        Periodic in three dimensions, with at least one atom.
    """
    fractions = np.sort(atoms.get_scaled_positions(wrap=True), axis=0)
    around = np.vstack([fractions, fractions[:1] + 1])
    steps = np.diff(around, axis=0).max(axis=0)
    widths = steps * cell_heights(atoms.cell.array)
    axis = int(np.argmax(widths))
    return Gap(axis, float(widths[axis]))


def refuse_vacuum_under_pressure(
    atoms: Atoms, *, pressures: Iterable[float], name: str = 'structure'
) -> None:
    """Refuse a structure with vacuum if any pressure is not 0.

    Parameters
    ----------
    atoms : Atoms
        Periodic in three dimensions.
    pressures : iterable of float
        In GPa.
    name : str
        How the message names the structure.

    Raises
    ------
    StructureError
        If a gap is wider than `WIDEST_GAP` and a pressure differs from 0.
    """
    pressed = [pressure for pressure in pressures if pressure != 0]
    if not pressed or len(atoms) == 0:
        return
    gap = widest_gap(atoms)
    if gap.width > WIDEST_GAP:
        raise StructureError(
            format_error(
                f'`{name}` has a gap of {gap.width:.1f} Å without atoms along its axis '
                f'{"abc"[gap.axis]}, and a pressure of {pressed[0]} GPa is asked for.',
                reason='A slab or a molecule in a box has no pressure: its cell is arbitrary.',
                fix='Give a crystal, or 0 as the only pressure.',
            )
        )
