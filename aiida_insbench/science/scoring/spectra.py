"""Measured and simulated spectra as plain arrays, checked once.

Energies are bin centres in cm⁻¹, bins even or not; intensities are means over the bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.rebinning import RunningIntegral, bin_edges

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Measurement:
    """A measured spectrum as scores need it: no more than arrays.

    Parameters
    ----------
    energies : ndarray, shape (n,)
        Bin centres, rising.
    intensity : ndarray, shape (n,)
        In any unit; finite wherever the mask lets it count.
    error : ndarray, shape (n,), or None
        Standard deviation of each intensity, from counting.
    mask : bool ndarray, shape (n,), or None
        True where a bin is left out (as in `numpy.ma`): elastic line, lines of a cell.
    resolution : ndarray, shape (n,), or None
        Standard deviation of the instrument's resolution at each energy; peaks are matched in units
        of it.
    bin_edges : ndarray, shape (n + 1,), or None
        Where they are known; half-way between the centres if not.

    Raises
    ------
    InputError
        If shapes differ, energies do not rise, numbers are not finite, errors are negative, all is
        masked, or the intensity does not add up to more than zero.
    """

    energies: FloatArray
    intensity: FloatArray
    error: FloatArray | None = None
    mask: BoolArray | None = None
    resolution: FloatArray | None = None
    bin_edges: FloatArray | None = None

    def __post_init__(self) -> None:
        _check_axis('measured', self.energies, self.intensity)
        _check_edges(self.energies, self.bin_edges)
        for name in ('error', 'mask', 'resolution'):
            value = getattr(self, name)
            if value is not None and np.shape(value) != np.shape(self.energies):
                raise InputError(
                    f'`{name}` of the measured spectrum has shape {np.shape(value)}, its energies '
                    f'{np.shape(self.energies)}.'
                )
        kept = self.kept
        if not kept.any():
            raise InputError('The mask leaves nothing of the measured spectrum.')
        _check_finite('measured', np.asarray(self.intensity)[kept], self.energies[kept])
        if self.error is not None:
            _check_finite('error of the measured', self.error[kept], self.energies[kept])
            if (self.error[kept] < 0).any():
                raise InputError('Errors of the measured spectrum must be ≥ 0.')
        if self.resolution is not None and not (
            np.isfinite(self.resolution).all() and (self.resolution > 0).all()
        ):
            raise InputError('The resolution must be > 0 cm⁻¹ in the whole range.')
        if not float(self.values @ self.widths) > 0:
            raise InputError(
                format_error(
                    'The measured intensity does not add up to more than zero.',
                    reason='Nothing can be scaled to it.',
                    fix='Subtract less background, or mask what is not signal.',
                )
            )

    @property
    def kept(self) -> BoolArray:
        """Where data count, shape (n,)."""
        if self.mask is None:
            return np.ones(len(self.energies), dtype=np.bool_)
        return ~np.asarray(self.mask, dtype=np.bool_)

    @property
    def values(self) -> FloatArray:
        """Intensity, zero where it is masked."""
        return np.where(self.kept, self.intensity, 0.0)

    @property
    def sigma(self) -> FloatArray:
        """Errors, zero where they are masked or not known."""
        if self.error is None:
            return np.zeros(len(self.energies))
        return np.where(self.kept, self.error, 0.0)

    @cached_property
    def edges(self) -> FloatArray:
        """Bin edges, shape (n + 1,)."""
        return bin_edges(self.energies) if self.bin_edges is None else self.bin_edges

    @property
    def widths(self) -> FloatArray:
        """Bin widths, shape (n,)."""
        return np.diff(self.edges)


@dataclass(frozen=True)
class Simulation:
    """A simulated spectrum, or one measured of a cell: intensity on bins of its own.

    Parameters
    ----------
    energies : ndarray, shape (n,)
        Bin centres, rising.
    intensity : ndarray, shape (n,)
        Finite, with the instrument's resolution in it.

    Raises
    ------
    InputError
        If shapes differ, energies do not rise, or numbers are not finite.
    """

    energies: FloatArray
    intensity: FloatArray

    def __post_init__(self) -> None:
        _check_axis('simulated', self.energies, self.intensity)
        _check_finite('simulated', self.intensity, self.energies)

    @cached_property
    def running(self) -> RunningIntegral:
        """Its integral, for means over other bins."""
        return RunningIntegral(self.energies, self.intensity)

    def covers(self, edges: FloatArray) -> BoolArray:
        """Which bins lie wholly in its range, shape (n_edges − 1,)."""
        # 1e-9: an edge that is the same up to rounding is inside
        slack = 1e-9 * max(1.0, abs(float(edges[-1])))
        low, high = self.running.edges[0] - slack, self.running.edges[-1] + slack
        return np.asarray((edges[:-1] >= low) & (edges[1:] <= high))


def _check_axis(name: str, energies: FloatArray, intensity: FloatArray) -> None:
    if np.ndim(energies) != 1 or np.shape(energies) != np.shape(intensity):
        raise InputError(
            f'The {name} spectrum needs one intensity an energy: shapes {np.shape(energies)} and '
            f'{np.shape(intensity)}.'
        )
    steps = np.diff(energies)
    if len(energies) < 2 or not (np.isfinite(energies).all() and (steps > 0).all()):
        place = int(np.argmax(~(steps > 0))) if len(steps) else 0
        raise InputError(
            format_error(
                f'Energies of the {name} spectrum must rise; they do not at number {place + 1}.',
                fix='Sort them and drop those given twice.',
            )
        )


def _check_edges(energies: FloatArray, edges: FloatArray | None) -> None:
    if edges is None:
        return
    if (
        np.shape(edges) != (len(energies) + 1,)
        or not ((edges[:-1] < energies) & (energies < edges[1:])).all()
    ):
        raise InputError('`bin_edges` must be one more than the energies, and enclose each.')


def _check_finite(name: str, values: FloatArray, energies: FloatArray) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(
            format_error(
                f'{int(bad.sum())} numbers of the {name} spectrum are not finite, the first at '
                f'{float(energies[bad][0]):g} cm⁻¹.',
                fix='Mask or remove these bins.',
            )
        )
