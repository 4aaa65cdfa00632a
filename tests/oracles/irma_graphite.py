"""Reference of IRMA: ``irma_graphite.py CRYSTAL FORCE_CONSTANTS.yaml OUTPUT.json``.

Run in an environment of its own (``pip install 'irma[phonopy,spectra]==1.1.0'``); the normal tests
read what it wrote. CRYSTAL is one of

``graphite``
    FORCE_CONSTANTS.yaml is phonopy's file of VASP's graphite in the shared data, with FORCE_SETS
    beside it. Its cell of 64 atoms is cut to the one of 8 atoms that repeats in it.
``magnesium_hydride``
    The springs of ``tests/ins_crystals.py``, saved in the project's own environment by
    ``python tests/ins_crystals.py springs.yaml``.

Written are orders of the scattering function of each element at fixed momentum transfers, by atom
and without cross-section, per cm⁻¹, broadened by a Gaussian of constant width. IRMA convolves along
each direction and averages over directions last, as the kernel ``exact`` does. Its directions are a
golden spiral, its lines go to the nearest bin, its modes are phonopy's on a Monkhorst-Pack mesh,
which is shifted by half a step where the divisions are even. It adds up orders from 2 on, so that
single ones are differences of runs.
"""

import json
import math
import os
import sys
import tempfile
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np
from irma.core.noncubic_engine import run_noncubic_sab_inprocess
from irma.core.phonopy_io import load_phonopy

WAVENUMBERS = 8.065543937349211  # cm⁻¹ per meV
BIN_WIDTH, FIRST, LAST, STEP, SIGMA = 0.25, 40.0, 2000.0, 10.0, 8.0  # cm⁻¹
BEYOND = 4500.0  # cm⁻¹: last bin of the convolutions
DIRECTIONS = 1000
CRYSTALS = {
    'graphite': {
        'temperature': 300.0,  # K
        'momentum_transfers': [4.0, 8.0, 12.0],  # Å⁻¹
        'mesh': [8, 8, 8],
        'single_orders': 4,
        'cell': [0.5, 0.5, 0.5],
    },
    'magnesium_hydride': {
        'temperature': 300.0,
        'momentum_transfers': [4.0, 9.0],
        'mesh': [2, 2, 4],
        'single_orders': 3,
        'cell': None,
    },
}


def main(crystal: str, source: str, target: str) -> None:
    """Compute and write."""
    settings = CRYSTALS[crystal]
    with tempfile.TemporaryDirectory() as folder:
        model = cut_cell(Path(source), settings['cell'], Path(folder))
        symbols = list(load_phonopy(model, geometry_only=True).primitive.symbols)
        spectra = {
            symbol: orders_of(model, symbols, symbol, settings) for symbol in sorted(set(symbols))
        }
    data = {
        'made_by': f'irma {version("irma")}, phonopy {version("phonopy")}',
        'crystal': crystal,
        **settings,
        'directions': DIRECTIONS,
        'bin_width': BIN_WIDTH,
        'sigma': SIGMA,
        'energy_transfer': [FIRST, LAST, STEP],
        'spectra': spectra,
    }
    Path(target).write_text(json.dumps(data) + '\n', encoding='utf-8')


def cut_cell(source: Path, cell: list[float] | None, folder: Path) -> Path:
    """File of the same force constants for a smaller cell that repeats."""
    if cell is None:
        return source
    rows = ''.join(f'- {row}\n' for row in np.diag(cell).tolist())
    text = f'primitive_matrix:\n{rows}' + source.read_text(encoding='utf-8')
    (folder / source.name).write_text(text, encoding='utf-8')
    (folder / 'FORCE_SETS').write_bytes((source.parent / 'FORCE_SETS').read_bytes())
    return folder / source.name


def orders_of(model: Path, symbols: list[str], symbol: str, settings: dict) -> list[dict]:
    """For each momentum transfer the orders 1, 2, … and all orders together."""
    sums = [
        sum_of_orders(model, symbols, symbol, settings, order, more=more)
        for order, more in runs(settings)
    ]
    first, several = sums[0][0], [multi for _, multi in sums]
    parts = {'1': first, '2': several[0]}
    for n, (low, high) in enumerate(pairwise(several[:-1]), start=3):
        parts[str(n)] = high - low
    parts['all'] = first + several[-1]
    grid = np.arange(FIRST, LAST + STEP / 2, STEP)
    energies = np.arange(first.shape[1]) * BIN_WIDTH
    kernel = np.exp(-0.5 * ((grid[:, None] - energies) / SIGMA) ** 2)
    kernel *= BIN_WIDTH / (SIGMA * np.sqrt(2 * np.pi))
    return [
        {name: [float(f'{v:.5e}') for v in kernel @ lines[row]] for name, lines in parts.items()}
        for row in range(len(settings['momentum_transfers']))
    ]


def runs(settings: dict) -> list[tuple[int, bool]]:
    """Highest order of each run, and whether IRMA takes as many more as it finds needed."""
    last = settings['single_orders']
    return [*((order, False) for order in range(2, last + 1)), (last, True)]


def sum_of_orders(
    model: Path, symbols: list[str], symbol: str, settings: dict, order: int, *, more: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Order 1, and orders 2 to `order`, of the mean atom of an element, (n_transfers, n_bins)."""
    groups = [[i for i, other in enumerate(symbols) if other == s] for s in sorted(set(symbols))]
    principal = sorted(set(symbols)).index(symbol)
    energies = np.arange(round(BEYOND / BIN_WIDTH) + 1) * BIN_WIDTH / WAVENUMBERS
    length = 1e-4 * math.sqrt(1 / (4 * math.pi))  # Å; sigma is 1e-4² Å² = 1 barn
    result = run_noncubic_sab_inprocess(
        inelastic_mode=1,
        phonopy_yaml=model,
        temperature_k=settings['temperature'],
        mesh=settings['mesh'],
        q_grid_ang_inv=np.array(settings['momentum_transfers']),
        e_grid_mev=energies,
        sab_mass_ratio=1.0,
        sab_sigma_barn=1.0,
        num_directions=DIRECTIONS,
        multiphonon_num_directions=DIRECTIONS,
        jobs=int(os.environ.get('IRMA_JOBS', '1')),
        multiphonon_max_order=order,
        auto_multiphonon_order=more,
        site_groups=groups,
        principal_group_index=principal,
        represented_principal_site_count=len(groups[principal]),
        site_scattering_lengths_angstrom=[length] * len(symbols),
        site_incoherent_cross_sections_barn=[0.0] * len(symbols),
        write_output_files=False,
    )
    arrays = result['output_arrays']
    first = np.array(arrays['sqe_incoherent_approx_n1_term_barn_per_meV'])
    several = np.array(arrays['sqe_multiphonon_incoherent_approx_barn_per_meV'])
    return 4 * math.pi / WAVENUMBERS * first, 4 * math.pi / WAVENUMBERS * several


if __name__ == '__main__':
    main(*sys.argv[1:])
