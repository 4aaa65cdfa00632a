"""Labelled frames of others: extended XYZ with any keys and units, checked first.

Positions and cells in Å. What comes out has the keys and units of `aiida_insbench.science.frames`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import DatasetError, format_error
from aiida_insbench.science.frames import (
    ENERGY_KEY,
    FORCES_KEY,
    GAS_PHASE_KEY,
    ISOLATED_ATOM,
    STRESS_KEY,
    check_frames,
    read_frames,
    split_frames,
)
from aiida_insbench.science.import_settings import NAME, ImportSettings, said_units
from aiida_insbench.science.imported_labels import energy_of, entries_of, forces_of, stress_of
from aiida_insbench.science.overlaps import overlapping_pair
from aiida_insbench.science.unit_check import check_units

#: Entries of ``info`` that are kept; others are named in the report.
_TAGS = ('method', 'target_pressure', 'seed', 'supercell_matrix', GAS_PHASE_KEY)
#: Edge of the box (Å) that an isolated atom without one is given.
_BOX = 20.0
#: Share of the sum of covalent radii below which two atoms are on top of each other.
_OVERLAP = 0.3


@dataclass(frozen=True)
class ImportedFrames:
    """Frames, and what a reader should know: unit check, entries dropped, boxes given."""

    frames: list[Atoms]
    report: dict[str, Any] = field(default_factory=dict)


def import_frames(text: str, *, name: str, settings: ImportSettings) -> ImportedFrames:
    """Read, convert and check the frames of a file.

    Parameters
    ----------
    text : str
        Extended XYZ.
    name : str
        Of the file, for messages; frames are counted from 0.
    settings : ImportSettings
        Keys and units.

    Raises
    ------
    DatasetError
        If a frame is unreadable, not periodic, has atoms on top of each other, lacks a label or
        holds one that is not finite, or if the labels cannot be in the units given: names file,
        frame and remedy.
    """
    raw = [
        _read_one(block, where=f'{name}, frame {index}')
        for index, block in enumerate(split_frames(text, name=name))
    ]
    if not raw:
        raise DatasetError(f'{name} holds no frame.')
    named = _names(raw, settings.prefix)
    frames, boxed, dropped = [], [], set()
    for index, (atoms, identity) in enumerate(zip(raw, named, strict=True)):
        where = f'{name}, frame {index}'
        if len(atoms) == 1 and not all(atoms.pbc):
            frames.append(_isolated_atom(atoms, identity, settings, where=where))
            boxed.append(identity)
        else:
            frames.append(_convert(atoms, identity, settings, where=where))
        dropped |= _other_entries(atoms, settings)
    check_frames(frames, labelled=True, name=name)
    report: dict[str, Any] = {'entries_dropped': sorted(dropped), 'atoms_given_a_box': boxed}
    if settings.unit_check:
        checked, warnings = check_units(frames, said=said_units(settings), name=name)
        report |= {'unit_check': checked, 'warnings': warnings}
    else:
        report |= {'unit_check': None, 'warnings': ['units were not checked, as was asked']}
    return ImportedFrames(frames, report)


def _read_one(block: str, *, where: str) -> Atoms:
    atoms = read_frames(block, name=where)[0]
    if not len(atoms):
        raise DatasetError(f'{where} has no atom.')
    if (atoms.numbers == 0).any():
        raise DatasetError(f'{where} holds an unknown element (X); name the element in the file.')
    return atoms


def _names(frames: Sequence[Atoms], prefix: str) -> list[str]:
    """The frames' own names if all have one, else numbers."""
    given = [frame.info.get('frame_id') for frame in frames]
    if all(isinstance(one, str) and NAME.match(one) for one in given):
        return [str(one) for one in given]
    width = max(3, len(str(len(frames) - 1)))
    return [f'{prefix}_{index:0{width}d}' for index in range(len(frames))]


def _convert(atoms: Atoms, identity: str, settings: ImportSettings, *, where: str) -> Atoms:
    _check_geometry(atoms, where=where)
    frame = _tagged(atoms, identity, settings)
    frame.info[ENERGY_KEY] = energy_of(atoms, settings, where=where)
    frame.arrays[FORCES_KEY] = forces_of(atoms, settings, where=where)
    frame.info[STRESS_KEY] = stress_of(atoms, settings, where=where)
    return frame


def _isolated_atom(atoms: Atoms, identity: str, settings: ImportSettings, *, where: str) -> Atoms:
    """An atom without a cell: by symmetry it has no force, and alone in a box no stress."""
    frame = _tagged(atoms, identity, settings)
    frame.set_cell([_BOX] * 3)
    frame.pbc = True
    frame.center()
    frame.info |= {
        'method': ISOLATED_ATOM,
        GAS_PHASE_KEY: True,
        ENERGY_KEY: energy_of(atoms, settings, where=where),
        STRESS_KEY: np.zeros(6),
    }
    frame.arrays[FORCES_KEY] = np.zeros((1, 3))
    return frame


def _tagged(atoms: Atoms, identity: str, settings: ImportSettings) -> Atoms:
    frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.info = {key: atoms.info[key] for key in _TAGS if key in atoms.info}
    frame.info['frame_id'] = identity
    frame.info.setdefault('method', 'imported')
    if settings.target_pressure is not None:
        frame.info.setdefault('target_pressure', float(settings.target_pressure))
    return frame


def _check_geometry(atoms: Atoms, *, where: str) -> None:
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise DatasetError(f'{where}: positions or cell are not finite.')
    if not all(atoms.pbc) or abs(atoms.cell.volume) < 1e-3:
        raise DatasetError(
            format_error(
                f'{where} is not periodic in three directions: it has no stress.',
                fix='Give molecules a box (Lattice="..." and pbc="T T T"), or leave them out.',
            )
        )
    pair = overlapping_pair(atoms, share=_OVERLAP)
    if pair is not None:
        raise DatasetError(
            format_error(
                f'{where}: atoms {pair[0]} and {pair[1]} are {pair[2]:.3f} Å apart.',
                fix='Are the positions in Å? Correct or remove the frame.',
            )
        )


def _other_entries(atoms: Atoms, settings: ImportSettings) -> set[str]:
    results = atoms.calc.results if atoms.calc is not None else {}
    used = {
        settings.energy,
        settings.forces,
        settings.virial or settings.stress,
        'frame_id',
        *_TAGS,
    }
    return (entries_of(atoms) | {*results}) - used
