"""Reference of IRMA along the path of TOSCA: ``irma_benzene.py FORCE_CONSTANTS.yaml OUTPUT.json``.

Run in an environment of its own (``pip install 'irma[phonopy,spectra]==1.1.0'``); it takes minutes.
The force constants are those that ``sevennet_benzene.py`` has made; the picture of benzene in the
documentation reads what is written here.

Written are order 1 and all orders in each bank of TOSCA, in barn per cm⁻¹ and primitive cell, with
the instrument's resolution. IRMA computes at fixed Q; between Chebyshev's nodes every bin is
interpolated in Q by a polynomial. `half_the_nodes_differ_by` is what a polynomial through every
second node would change, in parts of the highest bin without resolution.
"""

import json
import math
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from irma.core.noncubic_engine import run_noncubic_sab_inprocess
from irma.core.phonopy_io import load_phonopy

BANKS = {
    'forward': {'final_energy': 3.35, 'angle': 45.0},  # meV, degrees
    'backward': {'final_energy': 3.32, 'angle': 134.98885653282196},
}
CROSS_SECTIONS = {'H': 82.03, 'C': 5.551}  # barn, coherent + incoherent
FIRST, LAST, STEP, MARGIN = 16.0, 1200.0, 4.0, 50.0  # cm⁻¹; IRMA's energies begin at 0
BIN_WIDTH, BEYOND = 0.25, 3200.0  # cm⁻¹; last bin of the convolutions
RESOLUTION = (2.5, 0.005, 1e-7)  # σ in cm⁻¹, powers of the energy transfer
NEUTRON = 2.0721248  # meV Å², ħ²/2m
WAVENUMBERS = 8.065543937349211  # cm⁻¹ per meV
TEMPERATURE, MESH = 10.0, [4, 4, 4]  # K; shifted by half a step, as divisions are even
NODES, ORDERS, DIRECTIONS = 13, 18, 300


def main(source: str, target: str) -> None:
    """Compute and write."""
    energies = np.arange(round((LAST + MARGIN) / BIN_WIDTH) + 1) * BIN_WIDTH
    paths = {name: momentum_transfer(energies, **bank) for name, bank in BANKS.items()}
    reach = min(path.min() for path in paths.values()), max(path.max() for path in paths.values())
    nodes = chebyshev_nodes(*reach)
    first, several = orders_at(nodes, Path(source))
    spectra, error = {}, 0.0
    for order, lines in {'1': first, 'all': first + several}.items():
        values = lines[:, : len(energies)]
        for bank, path in paths.items():
            line = along(path, nodes, values)
            coarse = along(path, nodes[::2], values[::2])
            error = max(error, np.abs(coarse - line).max() / line.max())
            spectra.setdefault(bank, {})[order] = [
                float(f'{v:.5e}') for v in broadened(energies, line)
            ]
    data = {
        'made_by': f'irma {version("irma")}, phonopy {version("phonopy")}',
        'crystal': 'benzene',
        'temperature': TEMPERATURE,
        'mesh': MESH,
        'banks': BANKS,
        'cross_sections': CROSS_SECTIONS,
        'directions': DIRECTIONS,
        'orders': ORDERS,
        'bin_width': BIN_WIDTH,
        'resolution': RESOLUTION,
        'energy_transfer': [FIRST, LAST, STEP],
        'half_the_nodes_differ_by': float(f'{error:.1e}'),
        'spectra': spectra,
    }
    Path(target).write_text(json.dumps(data) + '\n', encoding='utf-8')


def orders_at(transfers: np.ndarray, model: Path) -> tuple[np.ndarray, np.ndarray]:
    """Order 1, and all from 2 on, of the whole cell, shape (n_transfers, n_bins)."""
    symbols = list(load_phonopy(model, geometry_only=True).primitive.symbols)
    barns = np.array([CROSS_SECTIONS[symbol] for symbol in symbols])
    energies = np.arange(round(BEYOND / BIN_WIDTH) + 1) * BIN_WIDTH / WAVENUMBERS
    result = run_noncubic_sab_inprocess(
        inelastic_mode=1,
        phonopy_yaml=model,
        temperature_k=TEMPERATURE,
        mesh=MESH,
        q_grid_ang_inv=transfers,
        e_grid_mev=energies,
        sab_mass_ratio=1.0,
        sab_sigma_barn=1.0,
        num_directions=DIRECTIONS,
        multiphonon_num_directions=DIRECTIONS,
        jobs=1,
        multiphonon_max_order=ORDERS,
        site_groups=[list(range(len(symbols)))],
        principal_group_index=0,
        represented_principal_site_count=len(symbols),
        # barn are 1e-8 Å²
        site_scattering_lengths_angstrom=(1e-4 * np.sqrt(barns / (4 * math.pi))).tolist(),
        site_incoherent_cross_sections_barn=[0.0] * len(symbols),
        write_output_files=False,
    )
    arrays = result['output_arrays']
    first = np.array(arrays['sqe_incoherent_approx_n1_term_barn_per_meV'])
    several = np.array(arrays['sqe_multiphonon_incoherent_approx_barn_per_meV'])
    scale = 4 * math.pi / WAVENUMBERS * len(symbols)  # IRMA's are of the mean atom
    return scale * first, scale * several


def momentum_transfer(energies: np.ndarray, *, final_energy: float, angle: float) -> np.ndarray:
    """Q in Å⁻¹ of an indirect instrument at energy transfers in cm⁻¹."""
    initial = np.sqrt((final_energy + energies / WAVENUMBERS) / NEUTRON)
    final = np.sqrt(final_energy / NEUTRON)
    return np.sqrt(initial**2 + final**2 - 2 * initial * final * np.cos(np.radians(angle)))


def chebyshev_nodes(low: float, high: float) -> np.ndarray:
    """Rising, the ends of the interval among them."""
    return (low + high) / 2 - (high - low) / 2 * np.cos(np.pi * np.arange(NODES) / (NODES - 1))


def along(path: np.ndarray, nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Value of each bin at its own Q by Lagrange's polynomial through those at the nodes."""
    result = np.zeros(len(path))
    for index, node in enumerate(nodes):
        others = np.delete(nodes, index)
        result += values[index] * np.prod((path[:, None] - others) / (node - others), axis=1)
    return result


def broadened(energies: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Every bin as a Gaussian of the width at its own energy."""
    grid = np.arange(FIRST, LAST + STEP / 2, STEP)
    sigma = np.polynomial.polynomial.polyval(energies, RESOLUTION)
    kernel = np.exp(-0.5 * ((grid[:, None] - energies) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    return kernel @ line * BIN_WIDTH


if __name__ == '__main__':
    main(*sys.argv[1:])
