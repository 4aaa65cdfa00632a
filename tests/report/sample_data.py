"""A campaign on MgH2 as the report gets it: measured frequencies, made-up spectra of Gaussians."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from aiida_insbench.science.modes import ModeSet, rigid_translations
from aiida_insbench.science.shifts import ModeSeries, mode_series, mode_table
from aiida_insbench.science.verdict import judge

PRESSURES = {'p_0000': 0.0, 'p_1000': 1.0, 'p_2000': 2.0}
MASSES = np.array([24.305, 24.305, *[1.008] * 4])
SYMBOLS = ['Mg', 'Mg', 'H', 'H', 'H', 'H']
#: Irrep, degeneracy, DFT frequencies (cm⁻¹) at 0, 1 and 2 GPa.
DFT = [
    ('B1g', 1, (181, 166, 121)),
    ('B1u', 1, (200, 183, 184)),
    ('Eu', 2, (306, 310, 313)),
    ('Eu', 2, (477, 471, 464)),
    ('A2g', 1, (731, 728, 726)),
    ('A2u', 1, (924, 945, 964)),
    ('Eu', 2, (1034, 1055, 1075)),
    ('B1u', 1, (1165, 1186, 1205)),
    ('Eg', 2, (1268, 1301, 1330)),
    ('A1g', 1, (1373, 1404, 1433)),
    ('B2g', 1, (1521, 1548, 1573)),
]
#: What is added to DFT's frequencies, mode by mode, at each pressure.
FINE_TUNED = [
    (1, -27, -43),
    (4, 3, 2),
    (-3, -2, -2),
    (6, 5, 4),
    (5, 3, 2),
    (-6, -5, -6),
    (4, 5, 7),
    (3, 4, 5),
    (-7, -6, -6),
    (8, 7, 7),
    (-9, -9, -10),
]
BASE = [
    (-324, -298, -235),
    (-31, -45, -58),
    (-22, -25, -28),
    (17, 19, 26),
    (-24, -18, -9),
    (31, 28, 25),
    (-19, -22, -20),
    (24, 26, 24),
    (22, 20, 23),
    (-28, -31, -34),
    (18, 22, 27),
]


def build(*, reference: bool = True, base: bool = True) -> dict[str, Any]:
    """Make the report's data, a new dictionary each time."""
    dft = series([(0, 0, 0)] * len(DFT))
    potentials = []
    if base:
        potentials.append(_potential('base', BASE, dft if reference else None, 12.7, 20))
    potentials.append(_potential('fine-tuned', FINE_TUNED, dft if reference else None, 10.7, 34))
    return {
        'schema': 1,
        'title': 'MgH₂ under pressure: is the potential right?',
        'generated': '2026-07-14T09:26:53+00:00',
        'campaign': {
            'pk': 1234,
            'uuid': '5a7c9d52-6c1c-4a53-9c7e-2f6d1f0f6c11',
            'label': 'MgH2 demo',
            'state': 'finished',
            'wall_time_s': 296.4,
        },
        'crystal': {'formula': 'MgH2', 'space_group': 'P4₂/mnm (136)', 'n_atoms': 6},
        'pressures': dict(PRESSURES),
        'potentials': potentials,
        'reference': {'modes': mode_table(dft), 'pressures': dict(PRESSURES)}
        if reference
        else None,
        'spectra': [
            _spectrum(label, value, index) for index, (label, value) in enumerate(PRESSURES.items())
        ],
        'provenance': _provenance(),
        'notes': ['The recipe was tuned against the Γ modes of this crystal: no blind test.'],
    }


def series(added: list[tuple[float, ...]]) -> ModeSeries:
    """Followed modes: DFT's frequencies plus what is given."""
    random = np.random.default_rng(5).normal(size=(15, 18)) * np.repeat([0.2, 0.2, 1, 1, 1, 1], 3)
    basis, _ = np.linalg.qr(np.vstack([rigid_translations(MASSES), random]).T)
    irreps = ('', '', '', *(name for name, size, _ in DFT for _ in range(size)))
    sets = {}
    for index, label in enumerate(PRESSURES):
        levels = [
            values[index] + extra[index]
            for (_, size, values), extra in zip(DFT, added, strict=True)
            for _ in range(size)
        ]
        sets[label] = ModeSet(np.array([0.0, 0.0, 0.0, *levels]), basis.T, irreps)
    return mode_series(sets, pressures=PRESSURES, symbols=SYMBOLS, masses=MASSES)


def without(data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return a copy that lacks some keys at the top."""
    return {key: copy.deepcopy(value) for key, value in data.items() if key not in keys}


def _potential(
    name: str, added: list[tuple[float, ...]], dft: ModeSeries | None, force: float, frames: int
) -> dict[str, Any]:
    cells = [(4.4329, 2.9824), (4.4024, 2.9715), (4.3744, 2.9612)]
    epochs = list(range(0, 160 if name == 'base' else 80, 2))
    decay = [np.exp(-epoch / 30) for epoch in epochs]
    bad = name == 'base'
    return {
        'name': name,
        'pk': 1300 + frames,
        'n_frames': frames,
        'errors': {
            'rmse_energy_mev_atom': 1.21 if bad else 1.08,
            'rmse_forces_mev_a': force,
            'rmse_stress_gpa': 0.094 if bad else 0.081,
            'mae_forces_mev_a': 0.7 * force,
            'n_frames': 4,
            'by_element': {
                'H': {'rmse_forces_mev_a': 0.9 * force},
                'Mg': {'rmse_forces_mev_a': 1.2 * force},
            },
            'by_pressure': {
                label: {'rmse_forces_mev_a': force * (0.9 + 0.1 * index)}
                for index, label in enumerate(PRESSURES)
            },
        },
        'comparison': judge(series(added), dft),
        'curve': {
            'epoch': epochs,
            'loss': [0.02 + 3 * value for value in decay],
            'rmse_energy_mev_atom': [1 + 40 * value for value in decay],
            'rmse_forces_mev_a': [force + (300 if bad else 40) * value for value in decay],
            'rmse_stress_gpa': [0.08 + value for value in decay],
        },
        'relaxed': {
            label: {
                'a': a,
                'b': a,
                'c': c,
                'volume': a * a * c,
                'space_group': 'P4₂/mnm',
                'residual_stress_gpa': 0.0004 * (index + 1),
                'minimum_frequency': (-150.0 + 12 * index) if bad else -0.02,
            }
            for index, (label, (a, c)) in enumerate(zip(PRESSURES, cells, strict=True))
        },
    }


def _spectrum(label: str, pressure: float, index: int) -> dict[str, Any]:
    energy = np.arange(0.0, 2000.0, 1.0)
    peaks = [
        ((182, 139, 78), 0.20),
        ((204, 186, 186), 0.16),
        ((303, 308, 311), 0.30),
        ((503, 495, 484), 1.0),
        ((736, 731, 728), 0.42),
        ((918, 940, 958), 0.34),
        ((1089, 1114, 1136), 0.86),
        ((1168, 1190, 1210), 0.3),
        ((1281, 1315, 1347), 0.62),
        ((1474, 1505, 1531), 0.40),
    ]

    def lines(factor: float, scale: float, width: float) -> np.ndarray:
        total = np.zeros_like(energy)
        for positions, height in peaks:
            centre = positions[index] * factor
            sigma = width + 0.012 * centre
            total += scale * height * np.exp(-0.5 * ((energy - centre) / sigma) ** 2)
        return total

    orders = {'1': lines(1.0, 1.0, 3.0)}
    for order in range(2, 11):
        orders[str(order)] = lines(1.0 + 0.45 * (order - 1), 0.35 / order, 60.0 * order)
    total = sum(orders.values())
    bands = [
        {'position': float(energy[spot]), 'height': float(total[spot])}
        for spot in range(1, len(energy) - 1)
        if total[spot] > total[spot - 1] and total[spot] >= total[spot + 1]
    ]
    return {
        'label': label,
        'pressure': pressure,
        'pk': 1400 + index,
        'instrument': 'TOSCA',
        'temperature': 10.0,
        'energy_transfer': energy.tolist(),
        'total': total.tolist(),
        'orders': {key: value.tolist() for key, value in orders.items()},
        'elements': {'H': (0.985 * total).tolist(), 'Mg': (0.015 * total).tolist()},
        'bands': bands,
    }


def _provenance() -> dict[str, Any]:
    stages = [
        ('relax', 14.0),
        ('label, round 1', 60.0),
        ('train base', 84.0),
        ('sample, round 2', 17.0),
        ('label, round 2', 43.0),
        ('fine-tune', 77.0),
        ('phonons', 3.0),
        ('ins', 0.8),
        ('analyse', 0.6),
    ]
    return {
        'n_pw': 54,
        'n_pw_failed': 0,
        'pw_core_seconds': 231.4,
        'n_processes': 187,
        'stages': [
            {'name': name, 'state': 'finished', 'seconds': seconds, 'pk': 1240 + index}
            for index, (name, seconds) in enumerate(stages)
        ],
        'versions': {
            'aiida-insbench': '0.1.0',
            'aiida-core': '2.9.4',
            'mace-torch': '0.3.16',
            'torch': '2.13.0',
            'phonopy': '4.10.0',
            'Quantum ESPRESSO': '6.7',
        },
        'dft_level': {
            'functional': 'LDA',
            'ecutwfc': '50 Ry',
            'ecutrho': '200 Ry',
            'k_points': [4, 4, 4],
            'pseudopotentials': {'Mg': 'Mg.pz-n-vbc.UPF', 'H': 'H.pz-vbc.UPF'},
        },
        'nodes': {
            'fine-tuned potential': '1334 (7f0c5c0e-5b0e-4c8a-9a52-0b6a5e0b1f35)',
            'base potential': '1320 (0dd2a6b1-9c3b-4f1e-8f3f-86a5cbd1a001)',
        },
        'settings': {'phonons': {'displacement': 0.01, 'mesh': [8, 8, 8]}, 'seed': 1},
    }
