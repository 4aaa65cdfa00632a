"""Spectra against other programs, whose numbers the scripts in ``tests/oracles`` have written."""

import json
from pathlib import Path

import numpy as np
import pytest

from aiida_insbench.science.ins.almost_isotropic import (
    QUIRKS,
    abins_second_order,
    almost_isotropic_orders,
)
from aiida_insbench.science.ins.debye_waller import displacement_tensors
from aiida_insbench.science.ins.kernel import EnergyGrid, displacement_density
from aiida_insbench.science.ins.kinematics import indirect_momentum_transfer
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

ORACLES = Path(__file__).resolve().parents[1] / 'oracles'
#: abinslib leaves out modes below this many cm⁻¹.
LOWEST = 10.0


class TestAbinslib:
    """The almost-isotropic kernel on ethanol, Γ and two more q-points, per bin of the maximum."""

    @pytest.fixture(scope='class')
    def reference(self):
        return json.loads((ORACLES / 'abinslib_ethanol.json').read_text())

    @pytest.fixture(scope='class')
    def modes(self, shared_data):
        folder = shared_data / 'reference_calc' / 'abinslib_ethanol'
        return read_modes(folder / 'ethanol_qpoint_phonon_modes.json', mesh=None)

    @pytest.fixture(scope='class')
    def ours(self, modes, reference):
        """Orders by element, broadened as the reference is."""
        width = 0.05
        grid = EnergyGrid(width, 0, round(reference['energy_transfer'][1] / width))
        transfers = indirect_momentum_transfer(
            energy_transfer=grid.energies,
            final_energy=reference['final_energy_cm1'] / MEV_TO_WAVENUMBER,
            angle=reference['angle'],
        )[None]
        options = {'temperature': reference['temperature'], 'minimum_frequency': LOWEST}
        tensors = displacement_tensors(modes, **options)
        low, high, step = reference['energy_transfer']
        wanted = np.arange(low, high + step / 2, step)
        sigma = reference['sigma']
        kernel = np.exp(-0.5 * ((wanted[:, None] - grid.energies) / sigma) ** 2)
        kernel *= width / (sigma * np.sqrt(2 * np.pi))
        found = dict.fromkeys(reference['spectra'], 0.0)
        for atom, symbol in enumerate(modes.symbols):
            density = displacement_density(modes, atom=atom, bin_width=width, **options)
            first = almost_isotropic_orders(
                density, grid=grid, momentum_transfer=transfers, orders=1, tensor=tensors[atom]
            )[0, 0]
            second = abins_second_order(
                modes, atom=atom, grid=grid, momentum_transfer=transfers, tensor=tensors[atom],
                quirks=QUIRKS, **options,
            )[0]  # fmt: skip
            found[f'{symbol}_1'] = found[f'{symbol}_1'] + kernel @ first
            found[f'{symbol}_2'] = found[f'{symbol}_2'] + kernel @ second
        return found

    @pytest.mark.parametrize('part', ['H_1', 'C_1', 'O_1', 'H_2', 'C_2', 'O_2'])
    def test_every_bin_agrees(self, ours, reference, part):
        there = np.array(reference['spectra'][part])
        difference = np.abs(ours[part] - there).max() / there.max()
        assert difference < 0.005
