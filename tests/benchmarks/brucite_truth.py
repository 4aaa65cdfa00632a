"""Γ modes of brucite by DFT at 0, 5, 10 GPa: the truth a potential of the same level is judged by.

Cell and positions relax until a fresh calculation has the stress −P: a, c and both free z are found
by Broyden's method. Modes come from frozen phonons of the unit cell.

    python brucite_truth.py [PSEUDO_OF_O [PRESSURE ...]]    # prints; the default is stored
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from brucite_dft import LEVEL, UPF, brucite, scf
from mgh2_truth import modes, short

from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY, write_frames
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames
from aiida_insbench.science.structures import atoms_to_dict

STORED = Path(__file__).parent / 'data' / 'brucite.json'
PRESSURES = (0.0, 5.0, 10.0)
DISPLACEMENT = 0.01  # Å
START = (3.1, 4.55, 0.2222, 0.435)
#: Of stress (GPa, twice) and forces on O and H along z (eV/Å).
TOLERANCES = np.array([2e-3, 2e-3, 2e-4, 2e-4])
_STEPS = np.array([0.01, 0.02, 0.001, 0.001])


def relax(
    pressures: Sequence[float] = PRESSURES, start: Sequence[float] = START, **level: Any
) -> dict[float, dict[str, Any]]:
    """a, c (Å) and z of O and H at each pressure, rising, with the residuals left."""
    x = np.array(start)
    found: dict[float, dict[str, Any]] = {}
    previous = pressures[0]
    residual = _residual(x, previous, level)
    columns = [
        (_residual(x + step, previous, level) - residual) / step.max() for step in np.diag(_STEPS)
    ]
    slope = np.array(columns).T
    for pressure in pressures:
        residual[:2] += pressure - previous
        previous = pressure
        for _ in range(15):
            if (np.abs(residual) < TOLERANCES).all():
                break
            move = -np.linalg.solve(slope, residual)
            move *= min(1.0, float((5 * _STEPS / np.maximum(np.abs(move), 1e-12)).min()))
            x = x + move
            new = _residual(x, pressure, level)
            slope += np.outer(new - residual - slope @ move, move) / (move @ move)
            residual = new
        else:
            raise RuntimeError(f'{pressure} GPa: not relaxed, residuals {residual}')
        found[pressure] = {'aczz': x.tolist(), 'residuals': residual.tolist()}
        say(f'{pressure} GPa: {np.round(x, 5).tolist()}')
    return found


def _residual(x: Sequence[float], pressure: float, level: dict[str, Any]) -> np.ndarray:
    labels = scf(brucite(*x), **level)
    stress, forces = labels['stress'] / units.GPa, labels['forces']
    return np.array([stress[0] + pressure, stress[2] + pressure, forces[1, 2], forces[3, 2]])


def frozen_phonons(label: str, atoms: Atoms, **level: Any) -> list[Atoms]:
    """Labelled frozen-phonon frames of one crystal."""
    frames = frozen_phonon_frames(structures={label: atoms}, displacement=DISPLACEMENT)
    for frame in frames:
        labels = scf(frame, **level)
        frame.info[ENERGY_KEY], frame.info[STRESS_KEY] = labels['energy'], labels['stress']
        frame.arrays[FORCES_KEY] = labels['forces']
    return frames


def truth(pressures: Sequence[float] = PRESSURES, **level: Any) -> dict[str, Any]:
    """Relaxed cells, displaced frames with their labels, modes."""
    entries, frames = {}, []
    for pressure, cell in relax(pressures, **level).items():
        name, atoms = pressure_label(pressure), brucite(*cell['aczz'])
        own = frozen_phonons(name, atoms, **level)
        frames += own
        entries[name] = {
            'pressure_gpa': pressure,
            **cell,
            'structure': atoms_to_dict(atoms),
            'volume_a3': atoms.get_volume(),
            'modes': modes(own),
        }
        say(f'{pressure} GPa: {short(entries[name]["modes"])}')
    return {
        'level': LEVEL,
        'displacement_a': DISPLACEMENT,
        'residuals': 'stress xx + P and zz + P (GPa), forces on O and H along z (eV/Å)',
        'pressures': entries,
        'frames': write_frames(frames),
    }


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + '\n')
    sys.stdout.flush()


def keep(name: str, value: Any) -> None:
    """Put one entry into the stored file."""
    known = json.loads(STORED.read_text(encoding='utf-8')) if STORED.exists() else {}
    known[name] = value
    STORED.parent.mkdir(exist_ok=True)
    STORED.write_text(json.dumps(known, indent=1, ensure_ascii=False) + '\n', encoding='utf-8')


def main() -> None:
    """Compute the truth and store it, if it is that of the default level."""
    oxygen = sys.argv[1] if len(sys.argv) > 1 else UPF['O']
    pressures = [float(word) for word in sys.argv[2:]] or list(PRESSURES)
    found = truth(pressures, oxygen=oxygen)
    if oxygen == UPF['O'] and pressures == list(PRESSURES):
        keep('truth', found)


if __name__ == '__main__':
    main()
