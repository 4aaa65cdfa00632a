"""Frames for other programs: extended XYZ under the keys that MACE or ASE reads."""

from __future__ import annotations

import io
from collections.abc import Sequence

import ase.io
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY, is_labelled

EXPORT_KEYS = ('mace', 'ase')


def export_frames(frames: Sequence[Atoms], *, keys: str = 'mace') -> str:
    """Write frames as extended XYZ text.

    Parameters
    ----------
    frames : sequence of Atoms
        Labelled or not; eV, eV/Å, eV/Å³ with tension positive.
    keys : str
        ``mace``: ``REF_energy``, ``REF_forces``, ``REF_stress``, as stored. ``ase``: ``energy``,
        ``forces``, ``stress``, which ASE reads into a calculator.

    Raises
    ------
    DatasetError
        If the keys are not known.
    """
    if keys not in EXPORT_KEYS:
        raise DatasetError(f'`keys` is {keys!r}; known are {", ".join(EXPORT_KEYS)}.')
    buffer = io.StringIO()
    if keys == 'mace':
        ase.io.write(buffer, list(frames), format='extxyz', write_results=False)
    else:
        ase.io.write(buffer, [_with_calculator(frame) for frame in frames], format='extxyz')
    return buffer.getvalue()


def _with_calculator(frame: Atoms) -> Atoms:
    atoms = frame.copy()
    if is_labelled(frame):
        atoms.calc = SinglePointCalculator(
            atoms,
            energy=atoms.info.pop(ENERGY_KEY),
            forces=atoms.arrays.pop(FORCES_KEY),
            stress=atoms.info.pop(STRESS_KEY),
        )
    return atoms
