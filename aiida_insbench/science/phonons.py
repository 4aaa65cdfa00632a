"""Force constants of a crystal: computed, from labelled frames; files in `force_constant_files`.

Units: Å, eV/Å, eV/Å². The conventions are those of `aiida_insbench.science.supercells`; frequencies
come from `aiida_insbench.science.gamma_modes` and `aiida_insbench.science.phonon_mesh`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy

from aiida_insbench.science.errors import DatasetError, format_error
from aiida_insbench.science.finite_displacements import (
    displaced_supercells,
    fit_force_constants,
    supercell_forces,
)
from aiida_insbench.science.force_constant_files import (
    check_supercell_size,
    force_constants_yaml,
    load_force_constants,
    save_force_constants,
    set_force_constants,
)
from aiida_insbench.science.frames import FORCES_KEY, is_labelled
from aiida_insbench.science.supercells import build_phonopy

__all__ = [
    'FROZEN_PHONON',
    'build_phonopy',
    'calculate_force_constants',
    'check_supercell_size',
    'displaced_supercells',
    'fit_force_constants',
    'force_constants_from_frozen_phonon',
    'force_constants_yaml',
    'load_force_constants',
    'phonopy_from_force_constants',
    'save_force_constants',
    'supercell_forces',
]

FloatArray = NDArray[np.float64]
FROZEN_PHONON = 'frozen-phonon'
_UNIT = np.eye(3, dtype=np.int64)
#: Extended XYZ holds positions to 1e-8 Å; anything beyond this is another structure.
_SAME_POSITION = 1e-5


def calculate_force_constants(
    *,
    atoms: Atoms,
    calculator: Any,
    supercell_matrix: ArrayLike,
    displacement: float = 0.01,
    symprec: float = 1e-4,
    report: Callable[[int, int], None] | None = None,
) -> Phonopy:
    """Force constants of a crystal with a calculator.

    Parameters
    ----------
    atoms : Atoms
        The relaxed unit cell.
    calculator : ase Calculator
        Gives forces.
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    displacement : float
        In Å.
    symprec : float
        Tolerance of positions for the symmetry, Å.
    report : callable, optional
        Called as ``report(done, total)`` after each displaced supercell.

    Returns
    -------
    Phonopy
        With compact force constants.

    Raises
    ------
    ConvergenceError
        If forces are not finite or the fit leaves too much unexplained.
    """
    phonon = build_phonopy(atoms=atoms, supercell_matrix=supercell_matrix, symprec=symprec)
    supercells = displaced_supercells(phonon=phonon, displacement=displacement)
    forces = supercell_forces(supercells=supercells, calculator=calculator, report=report)
    fit_force_constants(phonon=phonon, forces=forces)
    return phonon


def force_constants_from_frozen_phonon(
    frames: Sequence[Atoms], *, symprec: float = 1e-3
) -> Phonopy:
    """Force constants of the unit cell from labelled frozen-phonon frames of one pressure.

    Parameters
    ----------
    frames : sequence of Atoms
        Labelled frames of one pressure, all that `frozen_phonon_frames` made, in any order.
    symprec : float
        The one the frames were made with, Å.

    Returns
    -------
    Phonopy
        With force constants of the 1×1×1 supercell: only Γ has a meaning.

    Raises
    ------
    DatasetError
        If frames lack labels or bookkeeping, belong to several structures, or displacements are
        missing.
    ConvergenceError
        If the force constants leave too much of the forces unexplained.
    """
    moves = [_bookkeeping(frame) for frame in frames]
    reference = _reference(frames, moves)
    phonon = build_phonopy(atoms=reference, supercell_matrix=_UNIT, symprec=symprec)
    length = float(np.median([np.linalg.norm(vector) for _, vector in moves]))
    displaced_supercells(phonon=phonon, displacement=length)
    forces = []
    for entry in phonon.dataset['first_atoms']:
        match = [
            frame
            for frame, (atom, vector) in zip(frames, moves, strict=True)
            if atom == entry['number'] and np.allclose(vector, entry['displacement'], atol=1e-6)
        ]
        if len(match) != 1:
            raise DatasetError(
                format_error(
                    f'{len(match)} frames have atom {entry["number"]} displaced by '
                    f'{np.round(entry["displacement"], 6).tolist()} Å; one is needed.',
                    fix='Label all frozen-phonon frames, and give `symprec` as they were made.',
                )
            )
        forces.append(match[0].arrays[FORCES_KEY])
    fit_force_constants(phonon=phonon, forces=np.array(forces))
    return phonon


def phonopy_from_force_constants(
    *,
    atoms: Atoms,
    supercell_matrix: ArrayLike,
    force_constants: ArrayLike,
    symprec: float = 1e-4,
) -> Phonopy:
    """Phonopy object of stored force constants, such as a job's ``p_0000.npz``.

    Parameters
    ----------
    atoms : Atoms
        The unit cell.
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    force_constants : array_like, shape (n_unit_cell or n_supercell, n_supercell, 3, 3)
        In eV/Å², atoms in phonopy's order.
    symprec : float
        Tolerance of positions for the symmetry, Å.

    Raises
    ------
    InputError
        If the shapes do not fit.
    """
    phonon = build_phonopy(atoms=atoms, supercell_matrix=supercell_matrix, symprec=symprec)
    set_force_constants(phonon, np.asarray(force_constants, dtype=float))
    return phonon


def _bookkeeping(frame: Atoms) -> tuple[int, FloatArray]:
    name = frame.info.get('frame_id', 'a frame')
    if frame.info.get('method') != FROZEN_PHONON or not is_labelled(frame):
        raise DatasetError(f'{name} is no labelled frozen-phonon frame.')
    try:
        atom = int(frame.info['displaced_atom'])
        vector = np.asarray(frame.info['displacement_vector'], dtype=float).reshape(3)
    except (KeyError, TypeError, ValueError) as exc:
        raise DatasetError(
            f'{name} lacks `displaced_atom` or `displacement_vector` (Å): {exc!r}.'
        ) from exc
    if not 0 <= atom < len(frame):
        raise DatasetError(f'{name}: `displaced_atom` is {atom} of {len(frame)} atoms.')
    return atom, vector


def _reference(frames: Sequence[Atoms], moves: Sequence[tuple[int, FloatArray]]) -> Atoms:
    """Undisplaced unit cell; every frame must lead to the same one."""
    if not frames:
        raise DatasetError('There are no frozen-phonon frames.')
    found: list[Atoms] = []
    for frame, (atom, vector) in zip(frames, moves, strict=True):
        undisplaced = Atoms(
            frame.get_chemical_symbols(), cell=frame.cell, positions=frame.positions, pbc=True
        )
        undisplaced.positions[atom] -= vector
        found.append(undisplaced)
    first = found[0]
    for frame, other in zip(frames, found, strict=True):
        same = (
            len(other) == len(first)
            and (other.numbers == first.numbers).all()
            and np.allclose(other.cell.array, first.cell.array, atol=_SAME_POSITION)
            and np.allclose(other.positions, first.positions, atol=_SAME_POSITION)
        )
        if not same:
            raise DatasetError(
                f'{frame.info["frame_id"]} displaces another structure than '
                f'{frames[0].info["frame_id"]}: give the frames of one pressure.'
            )
    return first
