"""Γ modes of MgH2 by DFT at 0, 1, 2, 3 GPa: the truth a potential of the same level is judged by.

Cell and H relax until a fresh calculation has the stress −P: a, c and u are found by Broyden's
method (symmetry leaves no more), so that no stress is left from the basis of another cell, as it is
after pw.x's own variable-cell relaxation. Modes come from frozen phonons of the unit cell.

    python mgh2_truth.py truth         # some minutes; writes data/mgh2_truth.json
    python mgh2_truth.py convergence   # adds what cutoff, k mesh, displacement, threshold change
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from mgh2_dft import LEVEL, rutile, scf

from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY, write_frames
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.phonons import force_constants_from_frozen_phonon
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames
from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict

TRUTH = Path(__file__).parent / 'data' / 'mgh2_truth.json'
PRESSURES = (0.0, 1.0, 2.0, 3.0)
DISPLACEMENT = 0.01  # Å
START = (4.4363, 2.9806, 0.3042)
#: Of stress (GPa) and force on H along [110] (eV/Å per component).
TOLERANCES = np.array([5e-4, 5e-4, 2e-5])
_STEPS = np.array([0.005, 0.004, 0.0005])
_VARIANTS: dict[str, dict[str, Any]] = {
    'as it is': {},
    'displacement 0.005 Å': {'displacement': 0.005},
    'displacement 0.02 Å': {'displacement': 0.02},
    'conv_thr 1e-13 Ry': {'threshold': 1e-13},
    'k mesh 6×6×8': {'mesh': (6, 6, 8)},
    'cutoff 80 Ry': {'cutoff': 80.0},
    'cutoff 120 Ry': {'cutoff': 120.0},
}


def relax(
    pressures: Sequence[float], start: Sequence[float] = START, **level: Any
) -> dict[float, dict[str, Any]]:
    """a, c, u at each pressure, rising, with the residuals left (GPa, GPa, eV/Å)."""
    x = np.array(start)
    found: dict[float, dict[str, Any]] = {}
    residual = _residual(x, pressures[0], level)
    slope = np.array(
        [
            (_residual(x + step, pressures[0], level) - residual) / step.max()
            for step in np.diag(_STEPS)
        ]
    ).T
    previous = pressures[0]
    for pressure in pressures:
        residual[:2] += pressure - previous
        previous = pressure
        for _ in range(15):
            if (np.abs(residual) < TOLERANCES).all():
                break
            move = -np.linalg.solve(slope, residual)
            x = x + move
            new = _residual(x, pressure, level)
            slope += np.outer(new - residual - slope @ move, move) / (move @ move)
            residual = new
        else:
            raise RuntimeError(f'{pressure} GPa: not relaxed, residuals {residual}')
        found[pressure] = {'acu': x.tolist(), 'residuals': residual.tolist()}
    return found


def _residual(x: Sequence[float], pressure: float, level: dict[str, Any]) -> np.ndarray:
    labels = scf(rutile(*x), **level)
    stress = labels['stress'] / units.GPa
    return np.array([stress[0] + pressure, stress[2] + pressure, labels['forces'][2, 0]])


def frozen_phonons(
    structures: dict[str, Atoms], *, displacement: float = DISPLACEMENT, **level: Any
) -> list[Atoms]:
    """Labelled frozen-phonon frames."""
    frames = frozen_phonon_frames(structures=structures, displacement=displacement)
    for frame in frames:
        labels = scf(frame, **level)
        frame.info[ENERGY_KEY], frame.info[STRESS_KEY] = labels['energy'], labels['stress']
        frame.arrays[FORCES_KEY] = labels['forces']
    return frames


def modes(frames: list[Atoms]) -> list[dict[str, Any]]:
    """Optical Γ modes of frames of one pressure: irrep and cm⁻¹, degenerate ones each."""
    found = gamma_modes(phonon=force_constants_from_frozen_phonon(frames))
    acoustic = set(found.acoustic.tolist())
    return [
        {'irrep': symbol, 'cm1': round(float(frequency), 2)}
        for index, (symbol, frequency) in enumerate(
            zip(found.irreps, found.frequencies, strict=True)
        )
        if index not in acoustic
    ]


def truth() -> dict[str, Any]:
    """Relaxed cells, displaced frames with their labels, modes."""
    structures, pressures = {}, {}
    for pressure, cell in relax(PRESSURES).items():
        name = pressure_label(pressure)
        structures[name] = rutile(*cell['acu'])
        pressures[name] = {'pressure_gpa': pressure, **cell}
    frames = frozen_phonons(structures)
    for name, atoms in structures.items():
        own = [frame for frame in frames if frame.info['frame_id'].startswith(f'fp_{name}_')]
        pressures[name] |= {
            'structure': atoms_to_dict(atoms),
            'volume_a3': atoms.get_volume(),
            'modes': modes(own),
        }
    return {
        'level': LEVEL,
        'displacement_a': DISPLACEMENT,
        'residuals': 'of acu: stress xx + P and zz + P (GPa), force on H along x (eV/Å)',
        'pressures': pressures,
        'frames': write_frames(frames),
    }


def convergence(known: dict[str, Any]) -> dict[str, Any]:
    """Modes of the cell at 0 GPa with one setting changed; and relaxed anew at 0 and 2 GPa."""
    at_cell: dict[str, Any] = {}
    atoms = atoms_from_dict(known['pressures']['p_0000']['structure'])
    for name, changed in _VARIANTS.items():
        at_cell[name] = modes(frozen_phonons({'p_0000': atoms}, **changed))
        sys.stdout.write(f'{name}: {short(at_cell[name])}\n')
        sys.stdout.flush()
    at_pressure: dict[str, Any] = {}
    for name in ('cutoff 80 Ry', 'k mesh 6×6×8'):
        level = _VARIANTS[name]
        at_pressure[name] = {}
        for pressure, cell in relax((0.0, 2.0), **level).items():
            label = pressure_label(pressure)
            found = modes(frozen_phonons({label: rutile(*cell['acu'])}, **level))
            at_pressure[name][label] = {**cell, 'modes': found}
            sys.stdout.write(f'{name}, {pressure} GPa, {cell["acu"]}: {short(found)}\n')
            sys.stdout.flush()
    return {'at_the_cell_of_0_gpa': at_cell, 'at_the_same_pressure': at_pressure}


def short(found: list[dict[str, Any]]) -> str:
    """Modes in one line."""
    return ' '.join(f'{one["irrep"]} {one["cm1"]:.1f}' for one in found)


def main() -> None:
    """Write the truth, or add the convergence to it."""
    if sys.argv[1] == 'truth':
        known = truth()
    else:
        known = json.loads(TRUTH.read_text(encoding='utf-8'))
        known['convergence'] = convergence(known)
    TRUTH.parent.mkdir(exist_ok=True)
    text = json.dumps(known, indent=1, ensure_ascii=False) + '\n'
    TRUTH.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
