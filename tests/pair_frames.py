"""Labelled frames of a crystal of Morse pairs: labels that cost nothing and are exact."""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

CUTOFF = 4.5
#: depth (eV), width (1/Å), distance (Å)
PAIRS = {
    ('H', 'Mg'): (0.6, 1.5, 1.95),
    ('H', 'H'): (0.03, 1.2, 2.9),
    ('Mg', 'Mg'): (0.05, 1.2, 3.3),
}


class MorsePairs(Calculator):
    """V = D (x² − 2x) with x = exp(−a (r − r0)), times (1 + cos(πr/rc))/2."""

    implemented_properties = ('energy', 'forces', 'stress')

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        first, second, distance, vector = neighbor_list('ijdD', atoms, CUTOFF)
        symbols = atoms.get_chemical_symbols()
        pairs = zip(first, second, strict=True)
        known = [PAIRS[tuple(sorted((symbols[i], symbols[j])))] for i, j in pairs]
        depth, width, best = np.array(known).T
        x = np.exp(-width * (distance - best))
        fade = (1 + np.cos(np.pi * distance / CUTOFF)) / 2
        slope = -np.pi / CUTOFF * np.sin(np.pi * distance / CUTOFF) / 2
        energy = depth * (x * x - 2 * x)
        push = 2 * depth * width * (x - x * x) * fade + energy * slope
        pull = (push / distance)[:, None] * vector
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, first, pull)
        stress = np.einsum('ia,ib->ab', pull, vector) / 2 / atoms.get_volume()
        self.results = {
            'energy': float((energy * fade).sum() / 2),
            'forces': forces,
            'stress': stress.ravel()[[0, 4, 8, 5, 2, 1]],
        }


def crystal():
    u = 0.304
    scaled = [
        [0, 0, 0],
        [0.5, 0.5, 0.5],
        [u, u, 0],
        [-u, -u, 0],
        [0.5 + u, 0.5 - u, 0.5],
        [0.5 - u, 0.5 + u, 0.5],
    ]
    return Atoms('Mg2H4', cell=[4.44, 4.44, 2.98], scaled_positions=scaled, pbc=True)


def labelled(count, *, seed, prefix):
    """Frames strained by some 1 % and shaken by 0.05 Å, with labels."""
    rng = np.random.default_rng(seed)
    frames = []
    for index in range(count):
        atoms = crystal()
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.01, (3, 3))), True)
        atoms.positions += rng.normal(0, 0.05, (len(atoms), 3))
        atoms.calc = MorsePairs()
        atoms.info |= {
            'frame_id': f'{prefix}_{index:03d}',
            'method': 'strain-rattle',
            'target_pressure': float(index % 2),
            'seed': seed,
            'REF_energy': atoms.get_potential_energy(),
            'REF_stress': atoms.get_stress(),
        }
        atoms.arrays['REF_forces'] = atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    return frames
