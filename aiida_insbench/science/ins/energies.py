"""Grids of energy transfer: bins centred on whole multiples of their width, in cm⁻¹."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray

_MOST_BINS = 2_000_000


@dataclass(frozen=True)
class EnergyGrid:
    """Bins centred on whole multiples of their width.

    Parameters
    ----------
    bin_width : float
        In cm⁻¹.
    first, last : int
        Number of the first and the last bin; bin 0 is centred on zero energy transfer.

    Raises
    ------
    InputError
        If the width is not positive or the range is empty.
    """

    bin_width: float
    first: int
    last: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bin_width) and self.bin_width > 0):
            raise InputError(f'`bin_width` must be > 0 cm⁻¹, not {self.bin_width}.')
        if self.last <= self.first:
            raise InputError(
                f'The energy range holds no bins of {self.bin_width} cm⁻¹: '
                f'{self.first} to {self.last}.'
            )

    @property
    def energies(self) -> FloatArray:
        """Bin centres in cm⁻¹, shape (last − first + 1,)."""
        return np.arange(self.first, self.last + 1, dtype=np.float64) * self.bin_width


def energy_grid(energy_range: tuple[float, float], bin_width: float) -> EnergyGrid:
    """Bins centred on the whole multiples of `bin_width` in a range, its ends included.

    Raises
    ------
    InputError
        If the width is not positive, the range not finite or empty, or there are too many bins.
    """
    if not (np.isfinite(bin_width) and bin_width > 0):
        raise InputError(f'`bin_width` must be > 0 cm⁻¹, not {bin_width}.')
    low, high = energy_range
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f'`energy_range` must be two rising numbers in cm⁻¹: {low}, {high}.')
    # 1e-9: an end that is a multiple up to rounding is included
    first = int(np.ceil(low / bin_width - 1e-9))
    last = int(np.floor(high / bin_width + 1e-9))
    if last - first > _MOST_BINS:
        raise InputError(
            f'From {low:g} to {high:g} cm⁻¹ there are more than {_MOST_BINS} bins of {bin_width:g} '
            'cm⁻¹: give wider ones.'
        )
    return EnergyGrid(bin_width, first, last)
