"""How fast spectra are, and how right.

abinslib runs in an environment of its own: name its Python in INSBENCH_ORACLE_PYTHON
(``pip install abinslib==0.3.0``); without it the ratio to it is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum

RANGE, BIN_WIDTH, TEMPERATURE = (0.0, 4000.0), 1.0, 10.0  # cm⁻¹, K


def random_modes(n_atoms: int, n_qpoints: int, *, seed: int = 1) -> PhononModes:
    """Modes of a made-up molecular crystal: lattice modes, a fingerprint region, C–H stretches."""
    rng = np.random.default_rng(seed)
    n_modes = 3 * n_atoms
    regions = np.array([(20, 200), (400, 1600), (2900, 3100)])
    chosen = regions[rng.choice(3, size=n_modes, p=[0.2, 0.6, 0.2])]
    base = np.sort(chosen[:, 0] + rng.random(n_modes) * (chosen[:, 1] - chosen[:, 0]))
    vectors, frequencies = [], []
    for _ in range(n_qpoints):
        square = rng.normal(size=(n_modes, n_modes)) + 1j * rng.normal(size=(n_modes, n_modes))
        vectors.append(np.linalg.qr(square)[0].T.reshape(n_modes, n_atoms, 3))
        frequencies.append(np.abs(base + rng.normal(0, 5, n_modes)) + 5)
    symbols = tuple(rng.choice(['H', 'C', 'N', 'O'], size=n_atoms, p=[0.5, 0.35, 0.05, 0.1]))
    masses = {'H': 1.008, 'C': 12.011, 'N': 14.007, 'O': 15.999}
    return PhononModes(
        frequencies=np.array(frequencies),
        eigenvectors=np.array(vectors),
        weights=np.full(n_qpoints, 1 / n_qpoints),
        masses=np.array([masses[symbol] for symbol in symbols]),
        symbols=tuple(str(symbol) for symbol in symbols),
    )


def seconds_of(modes: PhononModes, *, orders: int) -> float:
    """Wall time of the exact kernel, resolution and all."""
    started = time.perf_counter()
    powder_spectrum(
        modes,
        instrument=get_instrument('TOSCA-Abins'),
        temperature=TEMPERATURE,
        energy_range=RANGE,
        bin_width=BIN_WIDTH,
        options=PowderOptions(max_order=orders, tolerance=1e-12),
    )
    return time.perf_counter() - started


def abinslib_figure(work: Path, python: str) -> dict[str, Any]:
    """Order 10 by us, order 2 by abinslib, of the same modes in the same bins, in turn."""
    times: dict[int, tuple[float, float]] = {}
    for n_atoms in (48, 280):
        modes = random_modes(n_atoms, 8)
        path = work / f'modes_{n_atoms}.json'
        write_euphonic(modes, path)
        pairs = [(seconds_of(modes, orders=10), _abinslib(python, path)) for _ in range(2)]
        times[n_atoms] = tuple(min(column) for column in zip(*pairs, strict=True))
    ours, theirs = times[280]
    return _figure(
        'ins.speedup_vs_abinslib',
        theirs / ours,
        '1',
        5,
        'higher',
        f'280 atoms, 8 q-points, 4000 bins, two banks: abinslib 0.3.0 order 2 ({theirs:.1f} s) '
        f'over the exact kernel to order 10 ({ours:.1f} s), best of two in turn; abinslib grows '
        f'with the cube of the atoms: at 48 it takes {times[48][1]:.2f} s, the exact kernel '
        f'{times[48][0]:.2f} s',
    )


def _abinslib(python: str, path: Path) -> float:
    program = Path(__file__).with_name('abinslib_order2.py')
    done = subprocess.run(
        [python, '-W', 'ignore', str(program), str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    return float(done.stdout.split()[-1])


def write_euphonic(modes: PhononModes, path: Path) -> None:
    """Write modes as Euphonic's JSON."""
    from euphonic import Crystal, QpointPhononModes, ureg

    n_atoms = len(modes.symbols)
    crystal = Crystal(
        cell_vectors=20 * np.eye(3) * ureg('angstrom'),
        atom_r=np.random.default_rng(2).random((n_atoms, 3)),
        atom_type=np.array(modes.symbols),
        atom_mass=modes.masses * ureg('amu'),
    )
    QpointPhononModes(
        crystal=crystal,
        qpts=np.random.default_rng(3).random((len(modes.weights), 3)),
        frequencies=modes.frequencies / 8.065543937 * ureg('meV'),
        eigenvectors=modes.eigenvectors,
        weights=modes.weights,
    ).to_json_file(str(path))


def orders_figure() -> dict[str, Any]:
    """Order 10 over order 2 of the same modes, in turn."""
    times = {}
    for n_atoms in (48, 96, 280):
        modes = random_modes(n_atoms, 8)
        rounds = [[seconds_of(modes, orders=n) for n in (2, 10)] for _ in range(5)]
        times[n_atoms] = [min(column) for column in zip(*rounds, strict=True)]
    two, ten = times[280]
    others = '; '.join(
        f'{n_atoms} atoms {times[n_atoms][1]:.2f} s over {times[n_atoms][0]:.2f} s'
        for n_atoms in (48, 96)
    )
    return _figure(
        'ins.order10_over_order2',
        ten / two,
        '1',
        2,
        'lower',
        f'280 atoms, 8 q-points: {ten:.2f} s over {two:.2f} s, best of five in turn; {others}',
    )


def large_figures() -> list[dict[str, Any]]:
    """Time and memory of 280 atoms, in a process of its own."""
    program = (
        'import json, resource, sys\n'
        f'sys.path.insert(0, {str(Path(__file__).parent)!r})\n'
        'from ins import random_modes, seconds_of\n'
        'modes = random_modes(280, 8)\n'
        'before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n'
        'seconds = seconds_of(modes, orders=10)\n'
        'peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n'
        'print(json.dumps([seconds, peak / 2**20, before / 2**20]))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    seconds, peak, before = json.loads(done.stdout.splitlines()[-1])
    how = f'280 atoms, 8 q-points, order 10, 4000 bins, two banks; modes alone {before:.2f} GiB'
    return [
        _figure('ins.kernel_280_atoms_s', seconds, 's', 20, 'lower', how),
        _figure('ins.peak_memory_gb', peak, 'GiB', 4, 'lower', how),
    ]


def moment_figure() -> dict[str, Any]:
    """First moment against ħ²Q²/2M, orders chosen by need."""
    result = powder_spectrum(
        random_modes(24, 4),
        instrument=get_instrument('TOSCA'),
        temperature=TEMPERATURE,
        energy_range=(0.0, 1500.0),
        bin_width=BIN_WIDTH,
    )
    return _figure(
        'ins.first_moment_error',
        abs(result.sum_rules.first_moment - 1),
        '1',
        0.001,
        'lower',
        f'24 atoms, Q = {result.sum_rules.momentum_transfer:.1f} Å⁻¹, '
        f'{result.spectrum.n_orders} orders by need',
    )


def ins_figures(work: Path, data: Path) -> Iterator[dict[str, Any]]:
    """Figures one by one; that of abinslib's speed only where it is."""
    from ins_oracles import oracle_figures

    yield from oracle_figures(work, data)
    yield moment_figure()
    yield orders_figure()
    yield from large_figures()
    python = os.environ.get('INSBENCH_ORACLE_PYTHON')
    if python:
        yield abinslib_figure(work, python)
    else:
        sys.stdout.write('no comparison with abinslib: INSBENCH_ORACLE_PYTHON is not set\n')


def _figure(
    name: str, value: float, unit: str, goal: float, better: str, how: str
) -> dict[str, Any]:
    return {
        'name': name,
        'value': float(f'{value:.4g}'),
        'unit': unit,
        'goal': goal,
        'better': better,
        'how': how,
    }
