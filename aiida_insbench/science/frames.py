"""Frames: structures to be labelled, or labelled, as extended XYZ.

Each frame is an `ase.Atoms` with these entries in ``info``:

========================  ==========================================================
``frame_id``              unique name inside its set, a letter first: ``r1_007``
``method``                ``strain-rattle``, ``molecular-rattle``, ``equal-energy``,
                          ``disputed-modes``, ``thermal``, ``frozen-phonon``, ``trajectory``,
                          ``gas-molecule``, ``isolated-atom``, ``equilibrium``
``target_pressure``       GPa, the pressure the frame was placed for
``gas_phase``             true of a molecule or an atom in a box, which stands under no pressure
``seed``                  the seed it was drawn from (−1: no random number used)
``supercell_matrix``      3×3 integers, rows are the supercell's axes in the unit cell's axes
``gas_phase``             true for a molecule or atom alone in its box; absent in crystals
``source_frame``          ``trajectory``: number of the frame in the trajectory, from 0
``REF_energy``            label, eV
``REF_stress``            label, eV/Å³, ASE's sign (tension positive) and Voigt order
========================  ==========================================================

and the label ``REF_forces`` (eV/Å) in ``arrays``. These are the keys MACE reads.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import ase.io
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_insbench.science.errors import DatasetError, format_error

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ENERGY_KEY = 'REF_energy'
FORCES_KEY = 'REF_forces'
STRESS_KEY = 'REF_stress'
GAS_PHASE_KEY = 'gas_phase'
ISOLATED_ATOM = 'isolated-atom'
#: Boxes of isolated atoms are longer than this (Å); a crystal of one atom has shorter axes.
_SHORTEST_BOX = 6.0
_COLUMNS = re.compile(r'Properties="?([^\s"]+)')
_MOST_COLUMNS = 1000
_FRAME_ID = re.compile(r'^[a-zA-Z][a-zA-Z0-9_]*$')


def write_frames(frames: Sequence[Atoms]) -> str:
    """Write frames as extended XYZ text: 8 decimals for each atom, cell and ``info`` in full."""
    buffer = io.StringIO()
    ase.io.write(buffer, list(frames), format='extxyz', write_results=False)
    return buffer.getvalue()


def read_frames(text: str, *, name: str = 'frames') -> list[Atoms]:
    """Read extended XYZ text.

    Raises
    ------
    DatasetError
        If the text cannot be read or holds no frame; the message names `name`.
    """
    check_counts(text, name=name)
    try:
        frames = ase.io.read(io.StringIO(text), index=':', format='extxyz')
    except Exception as exc:
        raise DatasetError(f'{name} cannot be read as extended XYZ: {exc}') from exc
    if not frames:
        raise DatasetError(f'{name} holds no frame.')
    return list(frames)


def check_counts(text: str, *, name: str) -> None:
    """Refuse frames that claim more atoms or columns than there are: ASE would look for each.

    Raises
    ------
    DatasetError
        Naming the frame, or the columns.
    """
    for columns in _COLUMNS.findall(text):
        counts = [int(one[:9]) for one in columns.split(':') if one.isdecimal()]
        if sum(counts) > _MOST_COLUMNS:
            raise DatasetError(
                f'{name}: Properties={columns[:60]} announces {sum(counts)} columns.'
            )
    lines = text.splitlines()
    place = index = 0
    while place < len(lines) and (count := lines[place].strip()).isdecimal():
        if len(count) > 9 or place + int(count) + 2 > len(lines):
            raise DatasetError(
                f'{name}, frame {index}: {count[:20]} atoms are announced, and only '
                f'{max(len(lines) - place - 2, 0)} lines follow. Was it copied completely?'
            )
        place, index = place + int(count) + 2, index + 1


def split_frames(text: str, *, name: str = 'frames') -> list[str]:
    """Split extended XYZ text into the texts of its frames, so that they can be read one by one.

    Raises
    ------
    DatasetError
        If a frame does not begin with its number of atoms or is cut short.
    """
    lines = text.splitlines(keepends=True)
    blocks: list[str] = []
    place = 0
    while place < len(lines) and lines[place].strip():
        count = lines[place].strip()
        if not count.isdecimal() or place + int(count) + 2 > len(lines):
            raise DatasetError(
                f'{name}, frame {len(blocks)}: the line {count!r} is no number of atoms, or the '
                'frame is cut short.'
            )
        end = place + int(count) + 2
        blocks.append(''.join(lines[place:end]))
        place = end
    if any(line.strip() for line in lines[place:]):
        raise DatasetError(f'{name} goes on after an empty line behind frame {len(blocks) - 1}.')
    return blocks


def is_labelled(frame: Atoms) -> bool:
    """Whether a frame carries energy, forces and stress."""
    return ENERGY_KEY in frame.info and STRESS_KEY in frame.info and FORCES_KEY in frame.arrays


def is_isolated_atom(frame: Atoms) -> bool:
    """Whether a frame is a single atom in a box, which gives the energy of its element (E0)."""
    if len(frame) != 1:
        return False
    return is_gas_phase(frame) or bool(frame.cell.lengths().min() >= _SHORTEST_BOX)


def is_gas_phase(frame: Atoms) -> bool:
    """Whether a frame is tagged as a molecule or atom in a box, which stands under no pressure."""
    return bool(frame.info.get(GAS_PHASE_KEY, False))


def supercell_matrix_of(frame: Atoms) -> IntArray:
    """Supercell matrix of a frame, shape (3, 3); rows are the axes."""
    return np.asarray(frame.info['supercell_matrix'], dtype=np.int64).reshape(3, 3)


def unit_cell_of(frame: Atoms) -> FloatArray:
    """Axes (Å), shape (3, 3), of the unit cell that a frame's supercell repeats."""
    return np.asarray(np.linalg.solve(supercell_matrix_of(frame), frame.cell.array), dtype=float)


def target_pressure_of(frame: Atoms) -> float | None:
    """Pressure a frame was placed for, GPa; None of gas-phase frames and where it is not said."""
    given = frame.info.get('target_pressure')
    alone = is_gas_phase(frame) or is_isolated_atom(frame)
    return None if given is None or alone else float(given)


def check_frames(frames: Sequence[Atoms], *, labelled: bool, name: str = 'frames') -> None:
    """Check identity and labels of frames.

    Raises
    ------
    DatasetError
        If a frame has no or a repeated ``frame_id``, lacks a label it should have, or holds a
        number that is not finite; the message names the frame.
    """
    seen: set[str] = set()
    for index, frame in enumerate(frames):
        identity = frame.info.get('frame_id')
        where = f'{name}, frame {index}'
        if not isinstance(identity, str) or not _FRAME_ID.match(identity):
            raise DatasetError(f'{where}: `frame_id` is {identity!r}; give a name such as r1_007.')
        if identity in seen:
            raise DatasetError(f'{where}: `frame_id` {identity} occurs twice.')
        seen.add(identity)
        if not (np.isfinite(frame.positions).all() and np.isfinite(frame.cell.array).all()):
            raise DatasetError(f'{where} ({identity}): positions or cell are not finite.')
        if labelled:
            _check_labels(frame, where=f'{where} ({identity})')


def _check_labels(frame: Atoms, *, where: str) -> None:
    if not is_labelled(frame):
        raise DatasetError(
            format_error(
                f'{where} lacks a label.',
                fix=f'{ENERGY_KEY}, {FORCES_KEY} and {STRESS_KEY} are needed.',
            )
        )
    for key, value, size in (
        (ENERGY_KEY, frame.info[ENERGY_KEY], 1),
        (FORCES_KEY, frame.arrays[FORCES_KEY], 3 * len(frame)),
        (STRESS_KEY, frame.info[STRESS_KEY], 6),
    ):
        try:
            numbers = np.asarray(value, dtype=float)
        except (TypeError, ValueError) as exc:
            raise DatasetError(f'{where}: {key} is {value!r}, not {size} numbers.') from exc
        if numbers.size != size:
            raise DatasetError(f'{where}: {key} holds {numbers.size} numbers, not {size}.')
        if not np.isfinite(numbers).all():
            raise DatasetError(f'{where} has a label that is not finite: {key}.')
