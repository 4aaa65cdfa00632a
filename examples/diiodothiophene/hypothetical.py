"""Write a HYPOTHETICAL packing of 2,5-diiodothiophene, to try the campaign file with.

The measured crystal is not public. This cell has two molecules that a screw axis relates (P2_1),
sizes that give a likely density, and no more claim to truth than that: no spectrum that comes of
it may be compared with a measurement.
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write
from molecule import molecule

CELL = [6.79, 7.37, 8.49, 90, 90.48, 90]  # Å and degrees; no contact below 0.99 of van der Waals
TILT, TURN = 97.2, 60.7  # degrees


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('file', type=Path, nargs='?', default=Path('hypothetical.cif'))
    path = parser.parse_args().file
    write(path, hypothetical())
    print(f'{path}: hypothetical, to try the campaign file with.')


def hypothetical() -> Atoms:
    """Return the crystal: 18 atoms, P2_1."""
    first = molecule()
    first.rotate(TILT, 'x')
    first.rotate(TURN, 'y')
    atoms = Atoms(first.symbols, first.positions, cell=CELL, pbc=True)
    atoms.positions -= atoms.get_center_of_mass()
    atoms.positions += np.array([0.25, 0.25, 0.25]) @ atoms.cell.array
    second = atoms.copy()
    scaled = atoms.get_scaled_positions(wrap=False)
    second.set_scaled_positions(scaled * [-1, 1, -1] + [0, 0.5, 0])
    both = atoms + second
    both.wrap()
    return both


if __name__ == '__main__':
    main()
