"""A measured spectrum: energies in cm⁻¹, intensities, errors, which bins count, and what was done.

An intensity is per unit of energy *of the file* where the file says nothing else: energies are
converted to cm⁻¹, intensities are not rescaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Mask:
    """A range that does not count, and why.

    Parameters
    ----------
    low, high : float
        In cm⁻¹, low < high; bins whose centre lies in it are left out.
    reason : str
        Such as ``elastic line`` or ``phonons of the cell``.
    """

    low: float
    high: float
    reason: str

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise InputError(f'A mask must go from a lower to a higher energy, not {self.range}.')
        if not self.reason.strip():
            raise InputError(f'The mask {self.range} says no reason, such as "elastic line".')

    @property
    def range(self) -> str:
        """In words."""
        return f'{self.low:g} to {self.high:g} cm⁻¹'


@dataclass(frozen=True, eq=False)
class MeasuredSpectrum:
    """A spectrum as measured.

    Parameters
    ----------
    energy_transfer : ndarray, shape (n,)
        Centres of bins in cm⁻¹, rising.
    intensity : ndarray, shape (n,)
        As in the file.
    error : ndarray, shape (n,), optional
        Standard deviations of the intensities.
    bin_edges : ndarray, shape (n + 1,), optional
        In cm⁻¹, if the file has them.
    energy_error : ndarray, shape (n,), optional
        Standard deviations of the energies in cm⁻¹, of digitised spectra above all.
    kept : ndarray of bool, shape (n,), optional
        Which bins count; all if not given.
    masks : tuple of Mask
        Ranges that were taken out of `kept`.
    block : str
        Name of the block or bank of detectors.
    blocks : tuple of str
        Names of all blocks of the file.
    title : str
        As in the file.
    unit_in_file : str
        ``meV``, ``1/cm`` or ``THz``.
    format : str
        Of the file.
    sha256 : str
        Of the file.
    notes : tuple of str
        What was dropped or assumed, and why.

    Raises
    ------
    InputError
        If shapes do not match or energies do not rise.
    """

    energy_transfer: FloatArray
    intensity: FloatArray
    error: FloatArray | None = None
    bin_edges: FloatArray | None = None
    energy_error: FloatArray | None = None
    kept: BoolArray = field(default_factory=lambda: np.ones(0, dtype=bool))
    masks: tuple[Mask, ...] = ()
    block: str = ''
    blocks: tuple[str, ...] = ()
    title: str = ''
    unit_in_file: str = '1/cm'
    format: str = ''
    sha256: str = ''
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.energy_transfer)
        if count and not len(self.kept):
            object.__setattr__(self, 'kept', np.ones(count, dtype=bool))
        lengths = {
            'intensity': (self.intensity, count),
            'error': (self.error, count),
            'bin_edges': (self.bin_edges, count + 1),
            'energy_error': (self.energy_error, count),
            'kept': (self.kept, count),
        }
        for name, (values, length) in lengths.items():
            if values is not None and values.shape != (length,):
                raise InputError(
                    f'`{name}` of a spectrum of {count} points must have the shape ({length},), '
                    f'not {values.shape}.'
                )
        if np.any(np.diff(self.energy_transfer) <= 0):
            raise InputError('The energies of a spectrum must rise.')

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest energy in cm⁻¹: outer edges of bins if known, else centres."""
        axis = self.energy_transfer if self.bin_edges is None else self.bin_edges
        return float(axis[0]), float(axis[-1])


@dataclass(frozen=True, eq=False)
class RawBlock:
    """One spectrum as it stands in a file, in the file's unit, not yet checked.

    Parameters
    ----------
    name : str
        By which a user chooses it.
    energy : ndarray, shape (n,) or (n + 1,)
        Centres of bins, or edges.
    intensity : ndarray, shape (n,)
        As in the file.
    error, energy_error : ndarray, shape (n,), optional
        The latter in the unit of `energy`.
    common_energy_error : float, optional
        Of all energies, in cm⁻¹.
    number : int, optional
        Of the spectrum in the file.
    unit : str
        If the file states it, else empty.
    title : str
        Perhaps empty.
    lines : sequence of int
        Line of the file each point is in, if it is text.
    per_bin : bool
        Whether the file says that intensities are counts of a bin, not per unit of energy.
    hidden : ndarray of bool, shape (n,), optional
        Which points are masked in the file.
    notes : tuple of str
        What was assumed.
    """

    name: str
    energy: FloatArray
    intensity: FloatArray
    error: FloatArray | None = None
    energy_error: FloatArray | None = None
    common_energy_error: float | None = None
    number: int | None = None
    unit: str = ''
    title: str = ''
    lines: Sequence[int] = ()
    per_bin: bool = False
    hidden: BoolArray | None = None
    notes: tuple[str, ...] = ()

    def place(self, index: int) -> str:
        """Where a point is, in words."""
        if len(self.lines):
            return f'line {self.lines[min(index, len(self.lines) - 1)]}'
        return f'block {self.name!r}, point {index + 1}'
