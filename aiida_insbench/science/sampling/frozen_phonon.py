"""Frozen-phonon frames: symmetry-reduced ± displaced unit cells, of the relaxed crystals.

These are phonopy's displacements of the unit cell as its own supercell, so that labels from DFT
give the DFT's modes at Γ. Nothing is random. Besides the usual entries, a frame's ``info`` holds
``displaced_atom`` (index) and ``displacement_vector`` (Å, cartesian).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms

from aiida_insbench.science.finite_displacements import displaced_supercells
from aiida_insbench.science.phonons import FROZEN_PHONON
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.sampling.cells import tag_frame
from aiida_insbench.science.supercells import build_phonopy

_UNIT = np.eye(3, dtype=np.int64)


def frozen_phonon_frames(
    *,
    structures: Mapping[str, Atoms],
    displacement: float = 0.01,
    symprec: float = 1e-3,
    prefix: str = 'fp',
) -> list[Atoms]:
    """Displaced unit cells at each pressure.

    Symmetry serves to leave out displacements only; positions are not adjusted to it.

    Parameters
    ----------
    structures : mapping of str to Atoms
        Relaxed unit cells by pressure label.
    displacement : float
        In Å.
    symprec : float
        Tolerance of positions for the symmetry, Å.
    prefix : str
        Of the frames' names, ``fp`` for ``fp_p_0000_003``.

    Returns
    -------
    list of Atoms
        By rising pressure, in phonopy's order of displacements.

    Raises
    ------
    PressureError
        If a label is none.
    """
    frames = []
    for label in sorted(structures, key=pressure_from_label):
        atoms = structures[label]
        phonon = build_phonopy(atoms=atoms, supercell_matrix=_UNIT, symprec=symprec)
        displaced_supercells(phonon=phonon, displacement=displacement)
        for index, entry in enumerate(phonon.dataset['first_atoms']):
            frame = atoms.copy()
            frame.positions[entry['number']] += entry['displacement']
            tag_frame(
                frame=frame,
                prefix=f'{prefix}_{label}',
                index=index,
                method=FROZEN_PHONON,
                pressure=pressure_from_label(label),
                seed=-1,
                supercell_matrix=_UNIT,
            )
            frame.info['displaced_atom'] = int(entry['number'])
            frame.info['displacement_vector'] = np.array(entry['displacement'], dtype=float)
            frames.append(frame)
    return frames
