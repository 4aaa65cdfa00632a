"""Γ modes of the stored potential of MgH2 against its own DFT at 0, 1 and 2 GPa.

The potential relaxes and gives its force constants through the `phonons` stage, the frozen-phonon
frames of `data/mgh2_truth.json` give DFT's, and the `analyse` stage matches both by eigenvector.
Only modes that DFT has below `LIMIT` count, each with its degeneracy.

    python phonons_truth.py [POTENTIAL] [PRESSURE ...]     # prints the table
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import units
from mgh2_frames import run_stage

from aiida_insbench.science.frames import read_frames, write_frames
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.phonons import (
    calculate_force_constants,
    phonopy_from_force_constants,
    save_force_constants,
)
from aiida_insbench.science.potentials import calculator, read_potential
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.structures import atoms_from_dict

DATA = Path(__file__).parent / 'data'
TRUTH = DATA / 'mgh2_truth.json'
POTENTIAL = DATA / 'mgh2_potential'
PRESSURES = (0.0, 1.0, 2.0)
#: Γ holds all images of a supercell, so that any supercell gives the same modes there.
SUPERCELL = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
LIMIT = 1200.0  # cm⁻¹
HOW = (
    'stored potential of MgH2 (tests/benchmarks/mgh2_train.py), relaxed by itself at 0, 1, 2 GPa, '
    'against frozen phonons by its own DFT, optical Γ modes below 1200 cm⁻¹, matched by eigenvector'
)


def truth_figures(folder: Path) -> Iterator[dict[str, Any]]:
    """Mean and worst error of the stored potential, as lines of ``benchmarks.json``."""
    from run import figure

    errors = [row['error'] for row in compare(folder, POTENTIAL) for _ in range(row['degeneracy'])]
    mean, worst = np.abs(errors).mean(), np.abs(errors).max()
    yield figure('phonons.demo_mean_error_cm1', mean, 'cm⁻¹', 3, 'lower', f'{HOW}; mean |error|')
    yield figure('phonons.demo_worst_error_cm1', worst, 'cm⁻¹', 10, 'lower', f'{HOW}; worst')


def compare(
    folder: Path, potential: Path, pressures: Sequence[float] = PRESSURES
) -> list[dict[str, Any]]:
    """Errors of a potential, mode by mode and pressure by pressure.

    Returns
    -------
    list of dict
        ``irrep``, ``pressure`` (GPa), ``degeneracy``, ``dft``, ``potential``, ``error`` (cm⁻¹).
    """
    labels = [pressure_label(pressure) for pressure in pressures]
    known = _truth(labels)
    phonons = {}
    for label, record in _phonons(folder, potential, known, pressures).items():
        with np.load(folder / f'{label}.npz', allow_pickle=False) as arrays:
            constants = arrays['force_constants']
        phonon = phonopy_from_force_constants(
            atoms=atoms_from_dict(record['structure']),
            supercell_matrix=SUPERCELL,
            force_constants=constants,
        )
        save_force_constants(phonon=phonon, path=folder / f'{label}.yaml')
        phonons[label] = f'{label}.yaml'
    job = {
        'phonons': {'potential': phonons},
        'reference': 'reference.extxyz',
        'reference_structures': {name: known[name]['structure'] for name in labels},
    }
    frames = [
        frame
        for frame in read_frames(json.loads(TRUTH.read_text(encoding='utf-8'))['frames'])
        if pressure_label(frame.info['target_pressure']) in labels
    ]
    (folder / 'reference.extxyz').write_text(write_frames(frames), encoding='utf-8')
    judged = run_stage('analyse', folder, job)['potentials']['potential']
    return [
        {
            'irrep': row['irrep'],
            'pressure': pressure,
            'degeneracy': row['degeneracy'],
            'dft': row['reference'][label],
            'potential': row['frequencies'][label],
            'error': row['frequencies'][label] - row['reference'][label],
        }
        for pressure, label in zip(pressures, labels, strict=True)
        for row in judged['modes']
        if row['reference'][label] < LIMIT
    ]


def at_the_cells_of_dft(potential: Path, pressures: Sequence[float]) -> list[dict[str, Any]]:
    """What is left when the potential takes the structures of DFT: modes, stress and forces.

    Returns
    -------
    list of dict
        By pressure: ``pressure``, ``modes`` (all, cm⁻¹), ``stress_error_gpa`` (xx, zz), ``force``
        (largest, eV/Å; DFT's is 0).
    """
    engine = calculator(read_potential(potential))
    found = []
    for label, entry in _truth([pressure_label(pressure) for pressure in pressures]).items():
        atoms = atoms_from_dict(entry['structure'])
        phonon = calculate_force_constants(
            atoms=atoms, calculator=engine, supercell_matrix=np.eye(3, dtype=int), symprec=1e-3
        )
        modes = gamma_modes(phonon=phonon)
        atoms.calc = engine
        stress = atoms.get_stress() / units.GPa + entry['pressure_gpa']
        found.append(
            {
                'pressure': entry['pressure_gpa'],
                'label': label,
                'modes': np.delete(modes.frequencies, modes.acoustic).tolist(),
                'stress_error_gpa': [float(stress[0]), float(stress[2])],
                'force': float(np.abs(atoms.get_forces()).max()),
            }
        )
    return found


def _truth(labels: Sequence[str]) -> dict[str, Any]:
    known = json.loads(TRUTH.read_text(encoding='utf-8'))['pressures']
    return {label: known[label] for label in labels}


def _phonons(
    folder: Path, potential: Path, known: dict[str, Any], pressures: Sequence[float]
) -> dict[str, Any]:
    for suffix in ('.json', '.safetensors'):
        content = potential.with_suffix(suffix).read_bytes()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'potential{suffix}').write_bytes(content)
    job = {
        'potential': 'potential',
        'structure': next(iter(known.values()))['structure'],
        'pressures': list(pressures),
        'supercell_matrix': SUPERCELL,
        'settings': {'fmax': 1e-5, 'stress_tolerance': 1e-3, 'mesh': [2, 2, 2]},
    }
    run_stage('phonons', folder, job)
    return {
        label: json.loads((folder / f'{label}.json').read_text(encoding='utf-8')) for label in known
    }


def main() -> None:
    """Print the errors of a potential."""
    potential = Path(sys.argv[1]) if len(sys.argv) > 1 else POTENTIAL
    pressures = [float(word) for word in sys.argv[2:]] or list(PRESSURES)
    with tempfile.TemporaryDirectory(prefix='mgh2-truth-') as name:
        rows = compare(Path(name), potential, pressures)
    for row in rows:
        sys.stdout.write(
            '{pressure:4.1f} GPa {irrep:4s} ×{degeneracy} DFT {dft:7.1f} {potential:7.1f} '
            '{error:+6.1f}\n'.format(**row)
        )
    errors = [abs(row['error']) for row in rows for _ in range(row['degeneracy'])]
    sys.stdout.write(f'mean {np.mean(errors):.2f}, worst {np.max(errors):.2f} cm⁻¹\n')
    for one in at_the_cells_of_dft(potential, pressures):
        sys.stdout.write(
            f'{one["pressure"]} GPa, cell of DFT: stress off by '
            f'{np.round(one["stress_error_gpa"], 3).tolist()} GPa, force {one["force"]:.4f} eV/Å, '
            f'{np.round(one["modes"], 1).tolist()}\n'
        )


if __name__ == '__main__':
    main()
