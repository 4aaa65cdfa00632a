r"""Time correlations of runs, by Fourier transform, and their spectra.

A run is cut into segments, which are taken for independent. In each, the correlation of a series
with itself is averaged over all pairs of frames of a distance (without bias: pairs are counted, not
frames), by the Wiener–Khinchin theorem with zeros behind the segment so that nothing wraps round.
Multiplied by

.. math:: W(t) = e^{-(2\pi c\sigma t)^2/2}

its spectrum is that of an endless run with every line broadened to a Gaussian of standard
deviation σ: the same broadening that a harmonic density of states is given. The correlation ends
where W has fallen to 4e-5, after `REACH` / 2πcσ; a run must hold two segments of that length.

Times in ps, energies in cm⁻¹.

Source: Wiener–Khinchin and lag windows: Percival & Walden, *Spectral Analysis for Physical
Applications* (1993), ch. 6; the jackknife: Efron, *The Jackknife, the Bootstrap and Other
Resampling Plans* (1982), ch. 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import constants, fft
from scipy.signal import czt

from aiida_insbench.science.dynamics.run import ANGULAR, FloatArray, MDRun
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.energies import EnergyGrid

#: k_B in u Å²/ps² per K.
BOLTZMANN: float = constants.k / constants.atomic_mass * 1e-4
#: Standard deviations of the Gaussian in time after which correlations end.
REACH = 4.5
_MARGIN = 4.0  # standard deviations in energy between the range and the Nyquist energy
_FEW = 4  # segments, below which they are made as short as can be
_UNEVEN = 1e-3  # of a stride


@dataclass(frozen=True)
class Segments:
    """How runs are cut.

    Attributes
    ----------
    parts : tuple of (int, slice)
        Number of the run and its frames.
    stride : float
        Time between frames in ps.
    n_lags : int
        Distances correlated: 0 to (n_lags − 1) strides.
    resolution : float
        σ in cm⁻¹.
    left_over : int
        Frames at the ends of runs in no segment.
    """

    parts: tuple[tuple[int, slice], ...]
    stride: float
    n_lags: int
    resolution: float
    left_over: int

    @property
    def lags(self) -> FloatArray:
        """Distances in ps, shape (n_lags,)."""
        return np.asarray(np.arange(self.n_lags) * self.stride)

    @property
    def highest_energy(self) -> float:
        """The highest energy that frames of this stride show (Nyquist), in cm⁻¹."""
        return nyquist_energy(self.stride)


def nyquist_energy(stride: float) -> float:
    """Highest energy in cm⁻¹ that frames so many ps apart show."""
    return float(np.pi / stride / ANGULAR)


def as_runs(runs: MDRun | Sequence[MDRun]) -> tuple[MDRun, ...]:
    """Runs of one crystal, checked.

    Raises
    ------
    InputError
        If there is none, or they differ in their atoms, or hold numbers that are not finite.
    """
    found = (runs,) if isinstance(runs, MDRun) else tuple(runs)
    if not found:
        raise InputError('There is no run of molecular dynamics to read a spectrum off.')
    first = found[0]
    for number, run in enumerate(found):
        if run.symbols != first.symbols or not np.array_equal(run.masses, first.masses):
            raise InputError(f'Run {number} has other atoms or masses than run 0.')
        for name in ('velocities', 'positions', 'cells'):
            values = getattr(run, name)
            bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
            if len(bad):
                raise InputError(f'Run {number}: `{name}` of frame {bad[0]} are not finite.')
    return found


def cut_segments(runs: Sequence[MDRun], *, resolution: float, highest_energy: float) -> Segments:
    """Cut runs into segments long enough for a resolution.

    Segments are twice as long as the correlation where four of them can be had, else as long.

    Parameters
    ----------
    runs : sequence of MDRun
        With one stride.
    resolution : float
        σ in cm⁻¹, > 0.
    highest_energy : float
        Of the range asked for, in cm⁻¹.

    Raises
    ------
    InputError
        If frames are uneven, the stride is too long for the energies or the runs too short for the
        resolution.
    """
    if not (np.isfinite(resolution) and resolution > 0):
        raise InputError(f'`resolution` must be > 0 cm⁻¹, not {resolution}.')
    stride = _stride(runs)
    n_lags = int(np.ceil(REACH / (ANGULAR * resolution) / stride)) + 1
    _check_nyquist(stride, highest_energy, resolution)
    length = 2 * n_lags
    if sum(len(run.times) // length for run in runs) < _FEW:
        length = n_lags
    counts = [len(run.times) // length for run in runs]
    if sum(counts) < 2:
        longest = max(len(run.times) for run in runs) * stride
        finest = 2 * REACH / (ANGULAR * longest)
        raise InputError(
            format_error(
                f'A resolution of {resolution:g} cm⁻¹ needs two segments of '
                f'{n_lags * stride:.3g} ps; the longest run has {longest:.3g} ps.',
                fix=f'Take {finest:.2g} cm⁻¹ or more, or run longer.',
            )
        )
    parts = []
    for number, (run, count) in enumerate(zip(runs, counts, strict=True)):
        size = len(run.times) // max(count, 1)
        parts += [(number, slice(one * size, (one + 1) * size)) for one in range(count)]
    used = sum(part.stop - part.start for _, part in parts)
    left_over = sum(len(run.times) for run in runs) - used
    return Segments(tuple(parts), stride, n_lags, resolution, left_over)


def lag_products(left: Any, right: Any, *, n_lags: int) -> Any:
    """Mean over pairs of frames of left(t + τ) right(t)*, along the last axis.

    Parameters
    ----------
    left, right : ndarray, shape (..., n)
        Both real or both complex; n ≥ `n_lags`.
    n_lags : int
        τ from 0 to n_lags − 1 frames.

    Returns
    -------
    ndarray, shape (..., n_lags)
        Of the type of `left`.
    """
    count = left.shape[-1]
    real = not np.iscomplexobj(left)
    size = fft.next_fast_len(count + n_lags, real=real)
    forward, back = (fft.rfft, fft.irfft) if real else (fft.fft, fft.ifft)
    transformed = forward(left, n=size, axis=-1)
    other = transformed if right is left else forward(right, n=size, axis=-1)
    products = back(transformed * other.conj(), n=size, axis=-1)[..., :n_lags]
    return products / np.arange(count, count - n_lags, -1)


def even_spectrum(correlation: FloatArray, *, segments: Segments, grid: EnergyGrid) -> FloatArray:
    r"""Spectrum of a real even correlation with the window of `segments`.

    .. math:: S(E) = 2c\int_0^\infty C(t)\,W(t)\cos(2\pi cEt)\,dt, \qquad
              \int_{-\infty}^{\infty} S\,dE = C(0)

    Parameters
    ----------
    correlation : ndarray, shape (..., n_lags)
        C at the distances of `segments`.
    segments : Segments
        Stride and resolution.
    grid : EnergyGrid
        Energies.

    Returns
    -------
    ndarray, shape (..., n_energies)
        Per cm⁻¹.
    """
    angle = ANGULAR * segments.stride * grid.bin_width
    windowed = correlation * np.exp(-((ANGULAR * segments.resolution * segments.lags) ** 2) / 2)
    windowed[..., 0] /= 2  # the trapezium rule, exact for what the stride shows
    transformed = czt(
        windowed,
        m=grid.last - grid.first + 1,
        w=np.exp(-1j * angle),
        a=np.exp(1j * angle * grid.first),
        axis=-1,
    )
    return np.asarray(transformed.real * segments.stride * ANGULAR / np.pi)


def jackknife_error(without: FloatArray) -> FloatArray:
    """Standard error from the same quantity with one segment left out at a time.

    Parameters
    ----------
    without : ndarray, shape (n_segments, ...)
        The quantity without each segment.
    """
    count = len(without)
    squares = ((without - without.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt((count - 1) / count * squares))


def leave_one_out(sums: FloatArray) -> FloatArray:
    """Sums over all segments but one, of values by segment, shape (n_segments, ...)."""
    return np.asarray(sums.sum(axis=0) - sums)


def _stride(runs: Sequence[MDRun]) -> float:
    strides = []
    for number, run in enumerate(runs):
        if len(run.times) < 2:
            raise InputError(f'Run {number} has {len(run.times)} frames: no spectrum.')
        steps = np.diff(run.times)
        stride = float(steps.mean())
        uneven = np.flatnonzero(np.abs(steps - stride) > _UNEVEN * abs(stride))
        if len(uneven) or stride <= 0:
            place = int(uneven[0]) + 1 if len(uneven) else 1
            raise InputError(
                f'Run {number}: frames are not evenly spaced in time at frame {place}; the stride '
                f'is {stride:g} ps there {steps[place - 1]:g} ps.'
            )
        strides.append(stride)
    if max(strides) - min(strides) > _UNEVEN * min(strides):
        raise InputError(f'Runs have strides from {min(strides):g} to {max(strides):g} ps.')
    return strides[0]


def _check_nyquist(stride: float, highest_energy: float, resolution: float) -> None:
    seen = nyquist_energy(stride) - _MARGIN * resolution
    if highest_energy > seen:
        needed = 1000 * np.pi / ANGULAR / (highest_energy + _MARGIN * resolution)
        raise InputError(
            format_error(
                f'Frames every {1000 * stride:g} fs show energies up to {max(seen, 0):.0f} cm⁻¹ at '
                f'a resolution of {resolution:g} cm⁻¹; asked for are {highest_energy:.0f}.',
                reason='Faster motion would appear folded back at lower energies.',
                fix=f'Keep a frame every {needed:.2g} fs or lower the range.',
            )
        )
