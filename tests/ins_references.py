"""Spectra by us beside those of other programs, for tests and benchmarks.

Differences are of single bins, in parts of the other spectrum's maximum. Energies in cm⁻¹.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.science.ins.almost_isotropic import (
    QUIRKS,
    abins_second_order,
    almost_isotropic_orders,
)
from aiida_insbench.science.ins.cross_sections import cross_sections
from aiida_insbench.science.ins.debye_waller import displacement_tensors
from aiida_insbench.science.ins.density import displacement_density
from aiida_insbench.science.ins.directions import sphere_rule
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.kernel import powder_orders
from aiida_insbench.science.ins.kinematics import indirect_momentum_transfer
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.resolution import broaden, published_resolution
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

EXACT, ALMOST_ISOTROPIC = 'exact', 'almost-isotropic'
ORACLES = Path(__file__).resolve().parent / 'oracles'
ETHANOL = Path('reference_calc/abinslib_ethanol/ethanol_qpoint_phonon_modes.json')
GRAPHITE = Path('ins_measured/vision/graphite/DFT')
_ABINSLIB_LOWEST = 10.0  # abinslib leaves out modes below it


def read_reference(name: str) -> dict[str, Any]:
    """What the script of an oracle has written."""
    return json.loads((ORACLES / f'{name}.json').read_text(encoding='utf-8'))


def largest_difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Of single bins, in parts of the maximum of `theirs`."""
    return float(np.abs(ours - theirs).max() / theirs.max())


# abinslib


def abinslib_spectra(modes: PhononModes, reference: dict[str, Any]) -> dict[str, np.ndarray]:
    """Orders 1 and 2 of each element with the quirks of Abins, broadened as the reference is."""
    width = 0.05
    grid = EnergyGrid(width, 0, round(reference['energy_transfer'][1] / width))
    transfers = indirect_momentum_transfer(
        energy_transfer=grid.energies,
        final_energy=reference['final_energy_cm1'] / MEV_TO_WAVENUMBER,
        angle=reference['angle'],
    )[None]
    options = {'temperature': reference['temperature'], 'minimum_frequency': _ABINSLIB_LOWEST}
    tensors = displacement_tensors(modes, **options)
    kernel = _broadening(reference, grid.energies)
    found = {name: np.zeros(len(kernel)) for name in reference['spectra']}
    for atom, symbol in enumerate(modes.symbols):
        density = displacement_density(modes, atom=atom, bin_width=width, **options)
        first = almost_isotropic_orders(
            density, grid=grid, momentum_transfer=transfers, orders=1, tensor=tensors[atom]
        )[0, 0]
        second = abins_second_order(
            modes, atom=atom, grid=grid, momentum_transfer=transfers, tensor=tensors[atom],
            quirks=QUIRKS, **options,
        )[0]  # fmt: skip
        found[f'{symbol}_1'] += kernel @ first
        found[f'{symbol}_2'] += kernel @ second
    return found


def abinslib_differences(modes: PhononModes) -> dict[str, float]:
    """Largest difference of each order of each element of ethanol."""
    reference = read_reference('abinslib_ethanol')
    ours = abinslib_spectra(modes, reference)
    return {
        name: largest_difference(ours[name], np.array(line))
        for name, line in reference['spectra'].items()
    }


def _broadening(reference: dict[str, Any], energies: np.ndarray) -> np.ndarray:
    """Matrix that carries bins to the reference's grid with its Gaussian."""
    low, high, step = reference['energy_transfer']
    grid = np.arange(low, high + step / 2, step)
    kernel = np.exp(-0.5 * ((grid[:, None] - energies) / reference['sigma']) ** 2)
    return kernel * (energies[1] - energies[0]) / (reference['sigma'] * np.sqrt(2 * np.pi))


# IRMA


_IRMA_ORDERS = 24  # Q²U reaches 2


def irma_differences(
    modes: PhononModes, reference: dict[str, Any], *, kernel: str = EXACT
) -> dict[tuple[str, float, str], float]:
    """Largest difference by element, momentum transfer in Å⁻¹ and order ('all': all of them)."""
    width = reference['bin_width']
    highest = reference['energy_transfer'][1] + 5 * reference['sigma']
    grid = EnergyGrid(width, 0, round(highest / width))
    transfers = np.repeat([reference['momentum_transfers']], len(grid.energies), axis=0).T
    lines = {
        element: np.zeros((len(transfers), _IRMA_ORDERS, len(grid.energies)))
        for element in modes.elements
    }
    tensors = displacement_tensors(modes, temperature=reference['temperature'])
    for atom, symbol in enumerate(modes.symbols):
        density = displacement_density(
            modes, atom=atom, bin_width=width, temperature=reference['temperature']
        )
        places = {'grid': grid, 'momentum_transfer': transfers, 'orders': _IRMA_ORDERS}
        if kernel == EXACT:
            directions, weights = sphere_rule(110)
            orders = powder_orders(density, **places, directions=directions, weights=weights)
        else:
            orders = almost_isotropic_orders(density, **places, tensor=tensors[atom])
        lines[symbol] += orders / modes.symbols.count(symbol)
    broadening = _broadening(reference, grid.energies).T
    found = {}
    for element, banks in reference['spectra'].items():
        ours = lines[element] @ broadening
        for bank, parts in enumerate(banks):
            for order, line in parts.items():
                mine = ours[bank].sum(axis=0) if order == 'all' else ours[bank, int(order) - 1]
                name = element, reference['momentum_transfers'][bank], order
                found[name] = largest_difference(mine, np.array(line))
    return found


# OCLIMAX


@dataclass(frozen=True)
class OclimaxSpectrum:
    """The stored spectrum of VISION, 5 K, incoherent approximation, a cell of 64 atoms.

    Parameters
    ----------
    energy_transfer : ndarray, shape (n,)
        As it stands in the file: the lower edges of bins of 1 cm⁻¹.
    banks : dict of str to ndarray, shape (n,)
        All orders.
    orders : ndarray, shape (4, n)
        Of the backward bank: 1, 2, 3, and all from 4 on.
    """

    energy_transfer: np.ndarray
    banks: dict[str, np.ndarray]
    orders: np.ndarray


#: As the program that ran OCLIMAX has it (moule-group/DCS-Flow, dcs/oclimax.py): 5 K, ten orders,
#: modes below 8 cm⁻¹ left out.
OCLIMAX_TEMPERATURE, OCLIMAX_ORDERS, OCLIMAX_LOWEST = 5.0, 10, 8.0
OCLIMAX_CELL = 64  # atoms
OCLIMAX_MESH = (40, 40, 40)  # for the cell halved along each axis: OCLIMAX's own, 20 × 20 × 20


def read_oclimax(data: Path, *, energy_range: tuple[float, float]) -> OclimaxSpectrum:
    """Read a range of the stored spectrum from the shared data."""
    path = data / GRAPHITE / '3-oclimax' / 'out_vis_inc_5K.csv'
    columns = np.genfromtxt(path, delimiter=',', skip_header=4).T
    low, high = energy_range
    columns = columns[:, (columns[0] >= low) & (columns[0] <= high)]
    banks = {'backward': columns[1], 'forward': columns[2]}
    return OclimaxSpectrum(columns[0], banks, columns[3:])


def graphite_modes(data: Path, folder: Path, *, mesh: tuple[int, int, int]) -> PhononModes:
    """Modes of graphite from the shared data, for the cell of 8 atoms that repeats in its 64.

    Halved along each axis: a mesh of n q-points here is one of n/2 there.
    """
    source = data / GRAPHITE / '2-phonons'
    halves = ''.join(f'- {row}\n' for row in np.diag([0.5] * 3).tolist())
    text = (source / 'phonopy_params.yaml').read_text(encoding='utf-8')
    path = folder / 'phonopy_params.yaml'
    path.write_text(f'primitive_matrix:\n{halves}{text}', encoding='utf-8')
    shutil.copyfile(source / 'FORCE_SETS', folder / 'FORCE_SETS')
    return read_modes(path, mesh=mesh, shift=(0.5, 0.5, 0.5))


def vision_as_oclimax(
    modes: PhononModes, *, energy_transfer: np.ndarray, kernel: str = EXACT
) -> dict[str, np.ndarray]:
    """By bank, orders by us with OCLIMAX's kinematics, resolution and limits, for its own cell."""
    instrument = get_instrument('VISION-OCLIMAX')
    options = PowderOptions(
        kernel=kernel,
        max_order=OCLIMAX_ORDERS,
        tolerance=1e-12,
        minimum_frequency=OCLIMAX_LOWEST,
    )
    cells = OCLIMAX_CELL / len(modes.symbols)
    return {
        bank.name: cells
        * powder_spectrum(
            modes,
            instrument=dataclasses.replace(instrument, banks=(bank,)),
            temperature=OCLIMAX_TEMPERATURE,
            energy_range=(energy_transfer[0], energy_transfer[-1]),
            bin_width=1.0,
            options=options,
        ).spectrum.by_order
        for bank in instrument.banks
    }


def oclimax_by_us(modes: PhononModes, *, energy_transfer: np.ndarray) -> dict[str, np.ndarray]:
    """By bank, orders as OCLIMAX has them, for its own cell.

    Order 1 is almost isotropic, all others are isotropic: convolutions of the mean over directions
    (its setting ``CONV = 2``). Bins are named by their lower edges.
    """
    instrument = get_instrument('VISION-OCLIMAX')
    grid = EnergyGrid(0.5, 0, round(2 * (energy_transfer[-1] + 100)))
    transfers = np.array([bank.momentum_transfer(grid.energies) for bank in instrument.banks])
    limits = {'temperature': OCLIMAX_TEMPERATURE, 'minimum_frequency': OCLIMAX_LOWEST}
    tensors = displacement_tensors(modes, **limits)
    barns = cross_sections(modes.elements)
    result = np.zeros((len(transfers), OCLIMAX_ORDERS, len(grid.energies)))
    for atom, symbol in enumerate(modes.symbols):
        density = displacement_density(modes, atom=atom, bin_width=grid.bin_width, **limits)
        same = {'grid': grid, 'momentum_transfer': transfers, 'tensor': tensors[atom]}
        isotropic = dataclasses.replace(
            density, loss=_isotropic(density.loss), gain=_isotropic(density.gain)
        )
        orders = almost_isotropic_orders(isotropic, orders=OCLIMAX_ORDERS, **same)
        orders[:, 0] = almost_isotropic_orders(density, orders=1, **same)[:, 0]
        result += barns[symbol] * orders
    result *= OCLIMAX_CELL / len(modes.symbols)
    sigma = published_resolution(instrument, energy_transfer=grid.energies)
    result = broaden(result, sigma=sigma, bin_width=grid.bin_width)
    middle = np.rint((energy_transfer + 0.5) / grid.bin_width).astype(int)
    names = (bank.name for bank in instrument.banks)
    return dict(zip(names, result[..., middle], strict=True))


def as_in_file(orders: np.ndarray) -> np.ndarray:
    """Orders 1, 2, 3 and all from 4 on, the columns of OCLIMAX."""
    return np.array([*orders[:3], orders[3:].sum(axis=0)])


def _isotropic(components: np.ndarray) -> np.ndarray:
    """Tensors of the same trace along all directions; components xx, yy, zz, yz, xz, xy."""
    result = np.zeros_like(components)
    result[:3] = components[:3].mean(axis=0)
    return result
