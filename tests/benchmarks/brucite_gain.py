"""What DFT says of the structure the potential's imaginary mode at 5 GPa leads to.

One pw.x calculation of the crystal of DFT, one of that found by the potential, and some on the
straight line between them, with the same k points.

    python brucite_gain.py    # adds to data/brucite.json
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from ase import units
from ase.build import make_supercell
from brucite_dft import scf
from brucite_truth import STORED, keep, say

from aiida_insbench.science.structures import atoms_from_dict

PRESSURE = 5.0
#: Of the way from the crystal of DFT (0) to that of the potential (1).
SHARES = (0.0, 0.3, 0.6, 1.0)


def main() -> None:
    """Enthalpies per atom."""
    known = json.loads(STORED.read_text(encoding='utf-8'))
    led = known['follow brucite_potential']['p_5000']
    parent = atoms_from_dict(known['truth']['pressures']['p_5000']['structure'])
    matrix = led['followed'][0]['cell_matrix']
    end = atoms_from_dict(led['structure'])
    begin = make_supercell(parent, matrix, wrap=False)
    move = end.get_scaled_positions(wrap=False) - begin.get_scaled_positions(wrap=False)
    move -= np.rint(move)
    move -= move.mean(axis=0)
    entry: dict[str, Any] = {'space_group': led['space_group'], 'along': []}
    for share in SHARES:
        atoms = begin.copy()
        atoms.set_cell((1 - share) * begin.cell.array + share * end.cell.array)
        atoms.set_scaled_positions(begin.get_scaled_positions(wrap=False) + share * move)
        found = scf(atoms, supercell_matrix=matrix, threshold=1e-9)
        enthalpy = found['energy'] + PRESSURE * units.GPa * atoms.get_volume()
        point = {
            'share': share,
            'enthalpy_mev_atom': 1000 * enthalpy / len(atoms),
            'largest_force': float(np.abs(found['forces']).max()),
        }
        entry['along'].append(point)
        say(json.dumps(point))
        gains = entry['along'][0]['enthalpy_mev_atom'] - point['enthalpy_mev_atom']
        point['gain_mev_atom'] = round(gains, 3)
        keep('gain by DFT at 5 GPa', entry)


if __name__ == '__main__':
    main()
