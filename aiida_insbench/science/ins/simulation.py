"""What is asked of a simulation, whatever the modes: instrument, temperature, energies, resolution.

Energies in cm⁻¹, Q in Å⁻¹, temperatures in K.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError, InstrumentError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.energies import EnergyGrid, energy_grid
from aiida_insbench.science.ins.instruments import Instrument
from aiida_insbench.science.ins.options import PUBLISHED, PowderOptions, check_options
from aiida_insbench.science.ins.resolution import polynomial_resolution, published_resolution

_MARGIN = 5.0  # standard deviations of the resolution computed beyond the range


@dataclass(frozen=True)
class Simulation:
    """What is asked for, whatever the modes.

    Parameters
    ----------
    instrument : Instrument
        Its banks and resolution.
    temperature : float
        In K.
    energy_range : tuple of float
        Lowest and highest energy transfer in cm⁻¹. Bins are centred on the whole multiples of
        `bin_width` in this range, its ends included.
    bin_width : float
        In cm⁻¹.
    options : PowderOptions
        See there.

    Raises
    ------
    InputError
        If an option or the range makes no sense.
    InstrumentError
        If the range is out of the instrument's reach.
    """

    instrument: Instrument
    temperature: float
    energy_range: tuple[float, float]
    bin_width: float
    options: PowderOptions

    def __post_init__(self) -> None:
        check_options(self.options)
        _ = self.wide

    @functools.cached_property
    def grid(self) -> EnergyGrid:
        """Bins asked for."""
        return energy_grid(self.energy_range, self.bin_width)

    @functools.cached_property
    def wide(self) -> EnergyGrid:
        """The grid and a margin for the resolution, within the instrument's reach."""
        grid = self.grid
        lowest, highest = self._reach(grid)
        sigma = self.sigma(grid)
        if sigma is None:
            return grid
        below, above = np.ceil(_MARGIN * sigma[[0, -1]] / grid.bin_width).astype(int)
        first = max(lowest, grid.first - int(below))
        return EnergyGrid(grid.bin_width, first, min(highest, grid.last + int(above)))

    def sigma(self, grid: EnergyGrid) -> FloatArray | None:
        """Standard deviation of the resolution in every bin, None for no broadening."""
        return resolution_sigma(self.instrument, self.options, grid)

    def momentum_transfer(self, grid: EnergyGrid) -> FloatArray:
        """Q in Å⁻¹ along the path of each bank, shape (n_banks, n_energies)."""
        return np.array([bank.momentum_transfer(grid.energies) for bank in self.instrument.banks])

    def largest_momentum_transfer(self) -> float:
        """Of all banks, in the range asked for, in Å⁻¹."""
        return float(self.momentum_transfer(self.grid).max())

    def _reach(self, grid: EnergyGrid) -> tuple[int, int]:
        """First and last bin in the instrument's reach; refuses a grid beyond."""
        low, high = self.instrument.reach
        lowest = int(np.ceil(max(low, -1e9) / grid.bin_width))
        highest = int(np.floor(min(high, 1e9) / grid.bin_width))
        name = self.instrument.name
        if grid.first < lowest:
            raise InstrumentError(
                f'{name} reaches down to {low:.1f} cm⁻¹; `energy_range` starts at '
                f'{grid.first * grid.bin_width:.1f}.'
            )
        if grid.last > highest:
            raise InstrumentError(
                format_error(
                    f'{name} reaches up to {high:.1f} cm⁻¹; `energy_range` ends at '
                    f'{grid.last * grid.bin_width:.1f}.',
                    fix='Lower the end of the range or raise the incident energy.',
                )
            )
        return lowest, highest


def resolution_sigma(
    instrument: Instrument, options: PowderOptions, grid: EnergyGrid
) -> FloatArray | None:
    """Standard deviation of the resolution asked for in every bin, None for no broadening.

    Raises
    ------
    InputError
        If `resolution` is none of the forms of `PowderOptions`.
    InstrumentError
        If the instrument has no such resolution, or the width is not positive everywhere.
    """
    resolution, energies = options.resolution, grid.energies
    if resolution is None:
        return None
    if resolution == PUBLISHED:
        return published_resolution(instrument, energy_transfer=energies)
    if isinstance(resolution, str):
        raise InputError(
            f"`resolution` is '{PUBLISHED}', none, coefficients or settings, not {resolution!r}."
        )
    if isinstance(resolution, Mapping):
        return published_resolution(instrument, energy_transfer=energies, overrides=resolution)
    numbers = list(resolution)
    if not numbers or not all(
        isinstance(value, int | float) and np.isfinite(value) for value in numbers
    ):
        raise InputError(f'`resolution` as coefficients must hold numbers, not {resolution!r}.')
    return polynomial_resolution(numbers, energy_transfer=energies)
