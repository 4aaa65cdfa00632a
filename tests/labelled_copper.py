"""Copper by ASE's EMT: labels that cost nothing, and files of them with any keys and units."""

import io

import ase.io
import numpy as np
from ase.build import bulk, make_supercell
from ase.calculators.emt import EMT


def copper(count, *, seed=0, strain=0.01, rattle=0.05, cell=(1, 1, 1)):
    """Strained and shaken cells of four atoms with energy, forces and stress in ``results``."""
    rng = np.random.default_rng(seed)
    frames = []
    for index in range(count):
        atoms = make_supercell(bulk('Cu', cubic=True), np.diag(cell))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, strain, (3, 3))), True)
        atoms.positions += rng.normal(0, rattle, (len(atoms), 3))
        atoms.info['target_pressure'] = float(index % 3)
        atoms.calc = EMT()
        labels = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        atoms.calc = None
        atoms.info |= {'REF_energy': labels[0], 'REF_stress': labels[2]}
        atoms.arrays['REF_forces'] = labels[1]
        frames.append(atoms)
    return frames


def rewritten(frames, *, energy=1.0, forces=1.0, stress=1.0):
    """Labels divided by the factor of a unit: as a file in that unit has them."""
    made = []
    for frame in frames:
        atoms = frame.copy()
        atoms.info['REF_energy'] = frame.info['REF_energy'] / energy
        atoms.info['REF_stress'] = frame.info['REF_stress'] / stress
        atoms.arrays['REF_forces'] = frame.arrays['REF_forces'] / forces
        made.append(atoms)
    return made


def text_of(frames):
    buffer = io.StringIO()
    ase.io.write(buffer, frames, format='extxyz')
    return buffer.getvalue()
