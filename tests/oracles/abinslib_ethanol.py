"""Reference of abinslib on ethanol: ``abinslib_ethanol.py MODES.json OUTPUT.json``.

Run in an environment of its own (``pip install abinslib==0.3.0``); the normal tests read what it
wrote. MODES are modes of ethanol as Euphonic's JSON, in the shared data. Written are orders 1 and
2 (as Mantid's Abins has it) of each element at 10 K in backscattering from a final energy of
32 cm⁻¹, without cross-sections, broadened by a Gaussian of constant width, per cm⁻¹.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from abinslib.almost_isotropic_incoherent import (
    calculate_almost_isotropic_incoherent_spectra,
    mantid_like_combination_spectra,
)
from abinslib.displacements import Displacements
from abinslib.util import calculate_indirect_q2
from euphonic import QpointPhononModes, Quantity

TEMPERATURE, FINAL_ENERGY, ANGLE = 10.0, 32.0, 134.98885653282196  # K, cm⁻¹, degrees
BIN_WIDTH, LAST, SIGMA, STEP = 0.05, 4000.0, 8.0, 8.0  # cm⁻¹


def main(source: str, target: str) -> None:
    """Compute and write."""
    modes = QpointPhononModes.from_json_file(source)
    moved = Displacements.from_modes(modes, temperature=Quantity(TEMPERATURE, 'kelvin'))
    atoms = moved.to_atomic_displacements()
    edges = (np.arange(round(LAST / BIN_WIDTH) + 2) - 0.5) * BIN_WIDTH
    centres = (edges[1:] + edges[:-1]) / 2

    def squared(energies):
        return calculate_indirect_q2(
            energies,
            np.radians(ANGLE),
            Quantity(FINAL_ENERGY, 'cm_1'),
        )

    common = {
        'modes': modes,
        'mode_displacements': moved,
        'atomic_displacements': atoms,
        'bins': Quantity(edges, 'cm_1'),
    }
    spectra = {
        1: calculate_almost_isotropic_incoherent_spectra(
            nominal_q2=squared(modes.frequencies), **common
        ),
        2: mantid_like_combination_spectra(nominal_q2=squared(Quantity(centres, 'cm_1')), **common),
    }
    grid = np.arange(0.0, LAST + STEP / 2, STEP)
    kernel = np.exp(-0.5 * ((grid[:, None] - centres) / SIGMA) ** 2) / (SIGMA * np.sqrt(2 * np.pi))
    symbols = np.array(modes.crystal.atom_type)
    found = {}
    for order, spectrum in spectra.items():
        values = spectrum.y_data.to('1/cm_1').magnitude
        for element in sorted(set(symbols)):
            line = values[symbols == element].sum(axis=0)
            found[f'{element}_{order}'] = [float(f'{v:.6e}') for v in kernel @ line * BIN_WIDTH]
    data = {
        'made_by': f'abinslib {version("abinslib")}, euphonic {version("euphonic")}',
        'temperature': TEMPERATURE,
        'final_energy_cm1': FINAL_ENERGY,
        'angle': ANGLE,
        'sigma': SIGMA,
        'energy_transfer': [0.0, LAST, STEP],
        'spectra': found,
    }
    Path(target).write_text(json.dumps(data) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main(*sys.argv[1:])
