"""A benchmark on MgH2 as its report gets it: made-up spectra of Gaussians, scored for real.

Modes are those of the campaign's sample; *measured* spectra are DFT's at 0.995 of its frequencies
with counting noise. `collapsing` follows DFT to 1 GPa and has an imaginary mode at 2 GPa.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from sample_data import DFT, FINE_TUNED, PRESSURES, series

from aiida_insbench.calculations.shift_scores import modes_in
from aiida_insbench.science.benchmark.table import benchmark_table
from aiida_insbench.science.measured.band_shifts import BandShift
from aiida_insbench.science.plain_numbers import finite_or_none
from aiida_insbench.science.scoring.band_assignment import score_modes, shift_words
from aiida_insbench.science.scoring.cell import CellSettings, Target, score_cell
from aiida_insbench.science.scoring.difference_spectra import score_difference
from aiida_insbench.science.scoring.failures import imaginary_failure
from aiida_insbench.science.scoring.spectra import Measurement, Simulation
from aiida_insbench.science.shifts import ModeSeries, mode_table
from aiida_insbench.science.validation.dynamics_checks import dynamics_checks
from aiida_insbench.science.validation.verdict import verdict
from aiida_insbench.science.verdict import judge

POTENTIALS = ('stiff', 'collapsing', 'fine-tuned')
STIFF = [tuple(0.03 * value + 4 for value in values) for _, _, values in DFT]
COLLAPSING = [(-20, -66, -181), *((6, 9, 12) for _ in DFT[1:])]
ADDED = {
    'dft': [(0, 0, 0)] * len(DFT),
    'fine-tuned': FINE_TUNED,
    'stiff': STIFF,
    'collapsing': COLLAPSING,
}
BARNS = np.array([3.71, 3.71, *[82.02] * 4])
RANGE = (40.0, 1150.0)  # cm⁻¹: few windows, so that scores are quick
HEIGHTS = (0.2, 0.16, 0.3, 1.0, 0.42, 0.34, 0.86, 0.3, 0.62, 0.4, 0.3)
GROUPS = {'measured': 'measured_1', 'dft': 'supercell'}
_NOISE = 2500.0  # counts in the highest bin of a measured spectrum


@cache
def _scored(n_points: int, n_pressures: int, draws: int) -> dict[str, Any]:
    """What takes time, once for each size."""
    labels = dict(list(PRESSURES.items())[:n_pressures])
    modes = {name: replace(series(added), cross_sections=BARNS) for name, added in ADDED.items()}
    energies = np.linspace(*RANGE, n_points)
    spectra = {
        name: {label: spectrum(one, label, energies) for label in labels}
        for name, one in modes.items()
    }
    failures = {name: _failures(modes[name], modes['dft'], labels) for name in POTENTIALS}
    rules = _rules(draws)
    cells, scores = [], {name: {} for name in ('dft', *POTENTIALS)}
    for kind in ('measured', 'dft'):
        for number, (label, pressure) in enumerate(labels.items()):
            target, row = _target(kind, label, pressure, energies, seed=number)
            cell = {'row': row, 'scores': {}, 'overlays': {}, 'error': None}
            if target.data.error is not None:
                cell['error'] = target.data.error.tolist()
            for name in scores:
                if (name == 'dft' and kind == 'dft') or label in failures.get(name, {}):
                    continue
                sound = {one: s for one, s in labels.items() if one not in failures.get(name, {})}
                found = score_cell(
                    target,
                    {value: _simulation(spectra[name][one]) for one, value in sound.items()},
                    CellSettings.from_dict(rules),
                    reference={
                        value: _simulation(spectra['dft'][one]) for one, value in labels.items()
                    }
                    if kind == 'measured' and name != 'dft'
                    else None,
                )
                scores[name][row['name']] = found.table
                cell['scores'][name] = {
                    **found.table,
                    'warnings': [],
                    'pk': 1500 + 10 * len(cells) + len(cell['scores']),
                }
                cell['overlays'][name] = {
                    key: [finite_or_none(value) for value in values.tolist()]
                    for key, values in found.arrays.items()
                }
            cells.append(cell)
    return {
        'modes': modes,
        'spectra': spectra,
        'cells': cells,
        'scores': scores,
        'failures': failures,
        'labels': labels,
        'rules': rules,
    }


def build(*, n_points: int = 250, n_pressures: int = 3, draws: int = 2) -> dict[str, Any]:
    """Make the report's data, a new dictionary each time; see `collect_benchmark`."""
    made = _scored(n_points, n_pressures, draws)
    comparison = _comparison(made['modes'])
    by_cell = {
        name: {
            cell['row']['name']: reason
            for cell in made['cells']
            for label, reason in made['failures'][name].items()
            if cell['row']['pressure'] == PRESSURES[label]
        }
        for name in POTENTIALS
    }
    ranking = benchmark_table(
        made['scores'],
        shifts={name: {'raman': one} for name, one in _shifts(comparison).items()},
        cells=[cell['row'] for cell in made['cells']],
        failures=by_cell,
        comparison=comparison,
        rules=made['rules'],
    )
    return {
        'schema': 1,
        'title': f'MgH2 under pressure: {len(POTENTIALS)} potentials',
        'generated': '2026-07-14T09:26:53+00:00',
        'benchmark': {
            'pk': 1234,
            'uuid': '5a7c9d52-6c1c-4a53-9c7e-2f6d1f0f6c11',
            'label': 'MgH2 sample',
            'wall_time_s': 296.4,
        },
        'crystal': {'formula': 'MgH2', 'n_atoms': 6},
        'pressures': dict(made['labels']),
        'rules': {'version': 'insbench-1', **made['rules'], 'blind': ['tosca_2000']},
        'ranking': ranking,
        'cells': [{**cell} for cell in made['cells']],
        'differences': _differences(n_points, n_pressures, draws),
        'shifts': {'raman': {'file': 'raman.csv', 'scores': _shifts(comparison)}},
        'spectra': {
            name: {
                group: {
                    label: _spectrum_block(one, index)
                    for index, (label, one) in enumerate(by_label.items())
                    if label not in made['failures'].get(name, {})
                }
                for group in GROUPS.values()
            }
            for name, by_label in made['spectra'].items()
        },
        'comparison': comparison,
        'potentials': {name: _potential(index, name) for index, name in enumerate(POTENTIALS)},
        'verdicts': {
            'fine-tuned': _validated(sound=True, pressures=made['labels']),
            'stiff': _validated(sound=False, pressures=made['labels']),
        },
        'provenance': {
            'n_processes': 41,
            'n_jobs': 22,
            'n_cached': 3,
            'n_pw': 18,
            'versions': {'aiida-insbench': '0.1.0', 'phonopy': '4.10.0'},
            'nodes': {
                'benchmark': '1234 (5a7c9d52-6c1c-4a53-9c7e-2f6d1f0f6c11)',
                'ranking': '1640 (0dd2a6b1-9c3b-4f1e-8f3f-86a5cbd1a001)',
            },
        },
    }


@cache
def _differences(n_points: int, n_pressures: int, draws: int) -> dict[str, Any]:
    """What the second pressure changes in DFT's spectra, scored for real."""
    made = _scored(n_points, n_pressures, draws)
    energies = np.linspace(*RANGE, n_points)
    (low, lower), (high, higher) = list(made['labels'].items())[:2]
    targets = [_target('dft', *one, energies, seed=0) for one in ((low, lower), (high, higher))]
    found: dict[str, Any] = {
        'lower': f'dft_{low}', 'pressures': [lower, higher], 'scores': {}, 'overlays': {}
    }  # fmt: skip
    for number, name in enumerate(POTENTIALS):
        one = score_difference(
            (targets[0][0].data, targets[1][0].data),
            (_simulation(made['spectra'][name][low]), _simulation(made['spectra'][name][high])),
            CellSettings.from_dict(made['rules']).scoring,
            cells=('simulated', 'simulated'),
        )
        found['scores'][name] = {**one.to_dict(), 'pk': 1800 + number}
        found['overlays'][name] = {key: values.tolist() for key, values in one.overlay.items()}
    return {f'dft_{high}': found}


def _shifts(comparison: dict[str, Any]) -> dict[str, Any]:
    """Measured slopes are DFT's, of the first modes, scored for real."""
    rows = comparison['reference']['modes'][:6]
    bands = [
        BandShift(
            round(next(iter(row['frequencies'].values()))),
            round(row['slope'], 1),
            None if index == 2 else 0.4,
            300.0,
            'Raman',
            row['irrep'] or '',
            '10.1063/made.up',
        )
        for index, row in enumerate(rows)
    ]
    found = {}
    for name in (*POTENTIALS, 'dft'):
        score, modes = score_modes(bands, modes_in(comparison, name))
        table = score.to_dict()
        for row, mode, band in zip(table['bands'], modes, bands, strict=True):
            row.update(mode=mode, technique=band.technique, temperature=band.temperature)
        found[name] = {**table, 'words': shift_words(table)}
    return found


def enlarged(data: dict[str, Any], n_points: int) -> dict[str, Any]:
    """The same benchmark with all spectra on as many points, the measured ones noisy on each."""
    random = np.random.default_rng(7)

    def stretched(values: list[Any], *, noise: float = 0.0) -> list[float]:
        known = np.array(values, dtype=float)
        fine = np.interp(np.linspace(0, 1, n_points), np.linspace(0, 1, len(known)), known)
        return (fine + noise * np.abs(known).max() * random.normal(size=n_points)).tolist()

    cells = []
    for cell in data['cells']:
        noise = 0.01 if cell['error'] else 0.0
        cells.append(
            {
                **cell,
                'error': stretched(cell['error']) if cell['error'] else None,
                'overlays': {
                    name: {
                        key: np.round(stretched(values)).tolist()
                        if key == 'used'
                        else stretched(values, noise=noise if key == 'target' else 0.0)
                        for key, values in arrays.items()
                    }
                    for name, arrays in cell['overlays'].items()
                },
            }
        )
    spectra = {
        name: {
            group: {
                label: {
                    **one,
                    'energy': stretched(one['energy']),
                    'total': stretched(one['total']),
                    **{
                        kind: {key: stretched(values) for key, values in one[kind].items()}
                        for kind in ('elements', 'orders')
                    },
                }
                for label, one in by_label.items()
            }
            for group, by_label in groups.items()
        }
        for name, groups in data['spectra'].items()
    }
    return {**data, 'cells': cells, 'spectra': spectra}


def spectrum(modes: ModeSeries, label: str, energies: np.ndarray) -> dict[str, Any]:
    """Orders and their sum: a Gaussian for each mode that is not imaginary."""
    index = list(modes.pressures).index(label)
    levels = [float(modes.optical.frequencies(group)[index]) for group in range(len(DFT))]
    return lines(levels, energies)


def lines(levels: list[float], energies: np.ndarray) -> dict[str, Any]:
    """Spectrum of Gaussians, wider with energy and with order."""
    orders = {}
    for order in (1, 2, 3):
        total = np.zeros_like(energies)
        for level, height in zip(levels, HEIGHTS, strict=True):
            if level > 1:
                centre = level * (1 + 0.45 * (order - 1))
                width = 4.0 + 0.012 * centre + 50.0 * (order - 1)
                total += (
                    height * 0.3 ** (order - 1) * np.exp(-0.5 * ((energies - centre) / width) ** 2)
                )
        orders[str(order)] = total
    return {'energy': energies, 'orders': orders, 'total': sum(orders.values())}


def _simulation(one: dict[str, Any]) -> Simulation:
    return Simulation(one['energy'], one['total'])


def _rules(draws: int) -> dict[str, Any]:
    """Rules of cells: those of `insbench-1`, with fewer draws."""
    return {
        'scoring': {
            'fit': {'background_order': 1, 'transmission': None},
            'windows': {'groups': [['lattice', 200.0], ['skeletal', 700.0], ['internal', None]]},
        },
        'seed': 0,
        'draws': draws,
        'anchors': {'smoothing': 60.0, 'shift': 8.0, 'block': 40.0, 'seed': 0},
    }


def _target(
    kind: str, label: str, pressure: float, energies: np.ndarray, *, seed: int
) -> tuple[Target, dict[str, Any]]:
    """Spectrum to be reproduced, and its row in the table."""
    measured = kind == 'measured'
    index = list(PRESSURES).index(label)
    levels = [(0.995 if measured else 1.0) * values[index] for _, _, values in DFT]
    clean = lines(levels, energies)['total']
    if not measured:
        data = Measurement(energies, clean, resolution=2.0 + 0.006 * energies)
        return Target(data, pressure), _row(f'dft_{label}', kind, pressure, 0.0)
    clean = clean + 0.05 + 0.02 * energies / energies[-1]
    counts = clean / clean.max() * _NOISE
    drawn = np.random.default_rng(seed).poisson(counts).astype(float)
    data = Measurement(
        energies,
        drawn / _NOISE,
        error=np.sqrt(np.maximum(drawn, 1.0)) / _NOISE,
        mask=(energies < 60) | ((energies > 560) & (energies < 620)),
        resolution=2.0 + 0.006 * energies,
    )
    error = 0.2 if label == 'p_1000' else 0.0  # a profile takes time: one is enough
    name = f'tosca_{round(1000 * pressure):04d}'
    return Target(data, pressure, error), _row(name, kind, pressure, error)


def _row(name: str, kind: str, pressure: float, error: float) -> dict[str, Any]:
    measured = kind == 'measured'
    return {
        'name': name,
        'kind': kind,
        'pressure': pressure,
        'pressure_error': error,
        'blind': name == 'tosca_2000',
        'sample': 'MgH2 powder' if measured else None,
        'instrument': 'TOSCA',
        'temperature': 10.0,
        'doi': '10.5286/made.up' if measured else None,
        'file_hash': 'sha256:0f1e2d' if measured else None,
        'uuid': f'00000000-0000-4000-8000-{round(1000 * pressure) + 10000 * measured:012d}',
    }


def _failures(modes: ModeSeries, dft: ModeSeries, labels: dict[str, float]) -> dict[str, str]:
    """Reasons by pressure label."""
    found = {}
    for label in labels:
        index = list(PRESSURES).index(label)
        mine, theirs = (
            np.array([one.optical.frequencies(group)[index] for group in range(len(DFT))])
            for one in (modes, dft)
        )
        failure = imaginary_failure(mine, theirs)
        if failure is not None:
            found[label] = failure.reason
    return found


def _comparison(modes: dict[str, ModeSeries]) -> dict[str, Any]:
    dft = modes['dft']
    return {
        'potentials': {name: judge(modes[name], dft) for name in POTENTIALS},
        'reference': {'modes': mode_table(dft), 'pressures': dict(PRESSURES)},
        'pressures': dict(PRESSURES),
    }


def _spectrum_block(one: dict[str, Any], index: int) -> dict[str, Any]:
    total = one['total']
    return {
        'pk': 1400 + index,
        'pressure': list(PRESSURES.values())[index],
        'instrument': 'TOSCA',
        'temperature': 10.0,
        'energy': one['energy'].tolist(),
        'total': total.tolist(),
        'elements': {'H': (0.985 * total).tolist(), 'Mg': (0.015 * total).tolist()},
        'orders': {key: values.tolist() for key, values in one['orders'].items()},
        'bands': [],
        'warnings': [],
    }


def _potential(index: int, name: str) -> dict[str, Any]:
    return {
        'pk': 1300 + index,
        'uuid': f'7f0c5c0e-5b0e-4c8a-9a52-0b6a5e0b1f{index:02d}',
        'label': f'MgH2 {name}',
        'flavour': 'mace',
        'elements': ['H', 'Mg'],
        'sha256': f'{index:064x}',
        'n_frames': 20 + 14 * index,
        'pressures_learnt': [0.0, 1.0] if name == 'fine-tuned' else [0.0],
        'dft_level': {'functional': 'LDA', 'ecutwfc': 50.0},
        'started_from': 1300 if name == 'fine-tuned' else None,
        'curve': {
            'epoch': [0, 10, 20, 30],
            'rmse_forces_mev_a': [90.0, 30.0, 12.0, 8.0 + index],
            'loss': [1.0, 0.1, 0.02, 0.01],
        }
        if name != 'stiff'
        else {},
        'core_hours': {'pw.x label': 3.2 + index, 'insbench-job train': 0.4},
        'saved_core_hours': 0.5 * index,
        'n_untimed': index,
    }


def _validated(*, sound: bool, pressures: dict[str, float]) -> dict[str, Any]:
    """Verdict of a validation of which molecular dynamics alone was done."""
    records = {
        f'{label}_nvt': _run(f'{label}_nvt', sound=sound or label != 'p_1000')
        for label in pressures
    }
    checks, table = dynamics_checks(records, pressures=list(pressures))
    found = verdict(
        checks,
        warnings=[],
        unchecked=dict.fromkeys(('parity', 'equation_of_state', 'extrapolation'), 'not asked for'),
    )
    return {**found, 'tables': {'dynamics': table}}


def _run(label: str, *, sound: bool) -> dict[str, Any]:
    """Record of one run, as `aiida_insbench.jobs.md_results` has it."""
    violation = {
        'check': 'bond',
        'time': 0.412,
        'step': 824,
        'value': 2.4,
        'limit': 1.5,
        'unit': 'Å',
        'reason': 'a bond is 2.4 Å long, 1.5 Å are allowed.',
    }
    return {
        'label': label,
        'pressure': PRESSURES[label.rpartition('_')[0]],
        'ensemble': 'nvt',
        'temperature': 300.0,
        'length_ps': 10.0 if sound else 0.412,
        'n_atoms': 48,
        'timestep_fs': 0.5,
        'sound': sound,
        'violations': [] if sound else [violation],
        'averages': {
            'temperature': {'mean': 300.4, 'error': 0.9},
            'pressure': None,
            'volume': None,
            'drift': {'mean': 0.0002, 'error': 0.0001},
        },
    }
