"""Brucite under pressure by a potential, against its own DFT: signs at Γ, verdicts off Γ.

    python brucite_phonons.py judge [POTENTIAL [NAME]]     # 0, 5, 10 GPa, supercell 3×3×2
    python brucite_phonons.py follow [POTENTIAL [NAME]]    # imaginary modes at 0 and 5 GPa

3×3×2 holds K and A exactly; M is interpolated. Results go into data/brucite.json under NAME.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from brucite_train import SUFFIXES, unpack
from brucite_truth import PRESSURES, STORED, keep, say
from mgh2_frames import run_stage

from aiida_insbench.science.phonons import phonopy_from_force_constants, save_force_constants
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.structures import atoms_from_dict

SUPERCELL = [[3, 0, 0], [0, 3, 0], [0, 0, 2]]
#: Holds Γ, M, K and A.
MESH = [6, 6, 2]
POINTS = {
    'Γ': [0.0, 0.0, 0.0],
    'M': [0.5, 0.0, 0.0],
    'K': [1 / 3, 1 / 3, 0.0],
    'A': [0.0, 0.0, 0.5],
    'L': [0.5, 0.0, 0.5],
    'H': [1 / 3, 1 / 3, 0.5],
}
#: A shift smaller than this (cm⁻¹ over 10 GPa) has no sign.
FLAT = 5.0


def phonons(
    folder: Path, potential: Path, pressures: tuple[float, ...], **settings: Any
) -> dict[str, Any]:
    """Records of the `phonons` stage by pressure label."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in SUFFIXES:
        content = potential.with_suffix(suffix).read_bytes()
        (folder / f'potential{suffix}').write_bytes(content)
    truth = json.loads(STORED.read_text(encoding='utf-8'))['truth']['pressures']
    matrix = settings.pop('supercell_matrix', SUPERCELL)
    job = {
        'potential': 'potential',
        'structure': truth['p_0000']['structure'],
        'pressures': list(pressures),
        'supercell_matrix': matrix,
        'settings': {'fmax': 1e-4, 'mesh': MESH, **settings},
    }
    run_stage('phonons', folder, job)
    labels = [pressure_label(pressure) for pressure in pressures]
    return {
        label: json.loads((folder / f'{label}.json').read_text(encoding='utf-8'))
        for label in labels
    }


def judge(folder: Path, potential: Path) -> dict[str, Any]:
    """Γ modes matched with DFT's by eigenvector, and the verdict at each pressure."""
    records = phonons(folder, potential, PRESSURES)
    files, verdicts = {}, {}
    for label, record in records.items():
        phonon = _phonopy(folder, label, record)
        save_force_constants(phonon=phonon, path=folder / f'{label}.yaml')
        files[label] = f'{label}.yaml'
        found = phonon.run_qpoints(list(POINTS.values()))
        lowest = np.asarray(found.frequencies)[:, 0] * 33.35641  # THz
        verdicts[label] = {
            'verdict': record['verdict'],
            'minimum_cm1': record['mesh']['minimum_frequency'],
            'imaginary': record['mesh']['imaginary'][:5],
            'lowest_cm1': dict(zip(POINTS, np.round(lowest, 1).tolist(), strict=True)),
            'volume_a3': record['volume'],
            'cell': np.round(atoms_from_dict(record['structure']).cell.lengths(), 4).tolist(),
        }
    judged = _analyse(folder, files)
    rows = [
        {
            'irrep': row['irrep'],
            'degeneracy': row['degeneracy'],
            'dft': _rounded(row['reference']),
            'potential': _rounded(row['frequencies']),
            'sign_dft': _sign(row['reference']),
            'sign_potential': _sign(row['frequencies']),
        }
        for row in judged['modes']
    ]
    return {
        'supercell': SUPERCELL,
        'mesh': MESH,
        'modes': rows,
        'signs_right': sum(row['sign_dft'] == row['sign_potential'] for row in rows),
        'rms_error_cm1': judged['rms_error_cm1'],
        'verdicts': verdicts,
    }


def follow(folder: Path, potential: Path) -> dict[str, Any]:
    """Where the imaginary modes lead at 0 and 5 GPa."""
    return {
        label: _led(phonons(folder / label, potential, (pressure,), imaginary='follow')[label])
        for label, pressure in (('p_0000', 0.0), ('p_5000', 5.0))
    }


def _led(record: dict[str, Any]) -> dict[str, Any]:
    return {
        'followed': record['followed'],
        'verdict': record['verdict'],
        'minimum_cm1': record['mesh']['minimum_frequency'],
        'space_group': record['space_group']['after'],
        'n_atoms': len(atoms_from_dict(record['structure'])),
        'structure': record['structure'],
    }


def _analyse(folder: Path, files: dict[str, str]) -> dict[str, Any]:
    truth = json.loads(STORED.read_text(encoding='utf-8'))['truth']
    (folder / 'reference.extxyz').write_text(truth['frames'], encoding='utf-8')
    job = {
        'phonons': {'potential': files},
        'reference': 'reference.extxyz',
        'reference_structures': {
            label: entry['structure'] for label, entry in truth['pressures'].items()
        },
    }
    result: dict[str, Any] = run_stage('analyse', folder, job)['potentials']['potential']
    return result


def _phonopy(folder: Path, label: str, record: dict[str, Any]) -> Any:
    with np.load(folder / f'{label}.npz', allow_pickle=False) as arrays:
        constants = arrays['force_constants']
    return phonopy_from_force_constants(
        atoms=atoms_from_dict(record['structure']),
        supercell_matrix=SUPERCELL,
        force_constants=constants,
    )


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {label: round(value, 1) for label, value in values.items()}


def _sign(values: dict[str, float]) -> str:
    shift = values[pressure_label(PRESSURES[-1])] - values[pressure_label(PRESSURES[0])]
    return 'flat' if abs(shift) < FLAT else 'red' if shift < 0 else 'blue'


def main() -> None:
    """Judge or follow, print, store."""
    what = sys.argv[1]
    name = sys.argv[3] if len(sys.argv) > 3 else 'brucite_potential'
    with tempfile.TemporaryDirectory(prefix='brucite-') as folder:
        given = len(sys.argv) > 2
        potential = Path(sys.argv[2]).resolve() if given else unpack(Path(folder) / 'stored')
        found = {'judge': judge, 'follow': follow}[what](Path(folder), potential)
    say(json.dumps(found, indent=1, ensure_ascii=False))
    keep(f'{what} {name}', found)


if __name__ == '__main__':
    main()
