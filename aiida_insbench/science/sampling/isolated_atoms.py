"""One atom of each element in a box: what DFT gives E0s from.

The edges differ by 2 and 4 %: in a cube the p or d levels of an open shell are degenerate, and the
self-consistent cycle may wander among them. Lengths in Å.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.frames import GAS_PHASE_KEY
from aiida_insbench.science.sampling.cells import tag_frame

METHOD = 'isolated-atom'
#: Edges of the box over the one given.
EDGES = (1.0, 1.02, 1.04)
_UNIT = np.eye(3, dtype=np.int64)


def isolated_atom_frames(
    *, elements: Iterable[str], box: float = 12.0, prefix: str = 'e0'
) -> list[Atoms]:
    """One frame for each element, by rising atomic number; nothing is random.

    Parameters
    ----------
    elements : iterable of str
        Chemical symbols; repeated ones count once.
    box : float
        Shortest edge, Å; the others are `EDGES` times as long.
    prefix : str
        Of the frames' names.

    Returns
    -------
    list of Atoms
        With ``gas_phase`` in ``info``, the atom in the middle of its box.

    Raises
    ------
    InputError
        If the box is out of its range or an element is unknown.
    """
    if not 6.0 <= box <= 50.0:
        raise InputError(f'`box` is {box}; give 6 to 50 Å.')
    wanted = set(elements)
    unknown = sorted(wanted - set(atomic_numbers) | (wanted & {'X'}))
    if unknown:
        raise InputError(f'Unknown elements: {", ".join(unknown)}.')
    frames = []
    for index, element in enumerate(sorted(wanted, key=atomic_numbers.__getitem__)):
        cell = box * np.array(EDGES)
        frame = Atoms(element, cell=cell, positions=[cell / 2], pbc=True)
        tag_frame(
            frame=frame,
            prefix=prefix,
            index=index,
            method=METHOD,
            pressure=0.0,
            seed=-1,
            supercell_matrix=_UNIT,
        )
        frame.info[GAS_PHASE_KEY] = True
        frames.append(frame)
    return frames
