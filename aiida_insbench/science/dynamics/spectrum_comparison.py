r"""How far a run's density of states is from the harmonic one, by windows between gaps.

In a window, with :math:`\bar g` the density divided by its area there,

.. math:: \text{shift} = \bar E_\mathrm{md} - \bar E_\mathrm{harmonic}, \quad
          \text{broadening} = s_\mathrm{md} - s_\mathrm{harmonic}, \quad
          \text{distance} = \int \Bigl|\int_0^E (\bar g_\mathrm{md} - \bar g_\mathrm{harmonic})
          \Bigr|\,dE

with mean and standard deviation of :math:`\bar g`, the distance being Wasserstein's: by how far
states were moved. It is never negative: `distance_noise` is what noise alone makes of it, the mean
distance of single segments from all of them, divided by the root of their number less one.

The run is classical: shifts are those of a classical crystal at the run's temperature, without
zero-point motion. Energies in cm⁻¹.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.dynamics.correlations import jackknife_error
from aiida_insbench.science.dynamics.harmonic_density import HarmonicDensity, bands_between_gaps
from aiida_insbench.science.dynamics.run import FloatArray
from aiida_insbench.science.dynamics.velocity_spectrum import VelocitySpectrum
from aiida_insbench.science.errors import InputError, format_error

TOTAL = 'total'
_GAP = 8.0  # standard deviations of a line: half of it on either side of a cut
_SURE = 2.0  # standard errors
_LEAST_SHARE = 0.02  # of a window's states, below which an element is not compared there


@dataclass(frozen=True)
class WindowComparison:
    """One window, of all atoms or of one element.

    Attributes
    ----------
    low, high : float
        Its ends, cm⁻¹.
    label : str
        ``total`` or an element.
    states, harmonic_states : float
        Number of states in the window.
    mean : float
        Mean energy in the run, cm⁻¹.
    shift, shift_error : float
        Against the harmonic mean, cm⁻¹; below zero is red.
    broadening, broadening_error : float
        Standard deviation less the harmonic one, cm⁻¹; NaN where noise makes a variance negative.
    distance, distance_error, distance_noise : float
        Wasserstein's distance, its error and what noise alone would give, cm⁻¹.
    """

    low: float
    high: float
    label: str
    states: float
    harmonic_states: float
    mean: float
    shift: float
    shift_error: float
    broadening: float
    broadening_error: float
    distance: float
    distance_error: float
    distance_noise: float


@dataclass(frozen=True)
class SpectrumComparison:
    """A run's density of states against the harmonic one.

    Attributes
    ----------
    windows : tuple of WindowComparison
        By rising energy; in each all atoms first, then the elements that move there.
    warnings : tuple of str
        Where limits are exceeded, and what else a reader should mind.
    """

    windows: tuple[WindowComparison, ...]
    warnings: tuple[str, ...]


def compare_with_harmonic(
    md: VelocitySpectrum,
    harmonic: HarmonicDensity,
    *,
    max_shift: float,
    max_distance: float,
    windows: Sequence[tuple[float, float]] | None = None,
    gap: float | None = None,
) -> SpectrumComparison:
    """Compare densities of states window by window.

    Parameters
    ----------
    md : VelocitySpectrum
        Of the run.
    harmonic : HarmonicDensity
        Of the same supercell, on the same energies and with the same resolution.
    max_shift, max_distance : float
        Limits in cm⁻¹, for all atoms together and for each element; a warning says where they are
        exceeded by more than twice the standard error.
    windows : sequence of (float, float), optional
        Their ends in cm⁻¹; by default cut in gaps of the harmonic modes.
    gap : float, optional
        Smallest gap in cm⁻¹; 8 σ by default.

    Returns
    -------
    SpectrumComparison
        Windows and warnings.

    Raises
    ------
    InputError
        If grids, resolutions or crystals differ, a limit is not positive, a harmonic mode lies
        beyond what the run's stride shows, or a window holds nothing.
    """
    _check(md, harmonic, max_shift, max_distance)
    if windows is None:
        windows = bands_between_gaps(
            harmonic.frequencies,
            gap=gap or _GAP * md.resolution,
            end=float(md.energy_transfer[-1]),
        )
    found = [one for window in windows for one in _window(md, harmonic, window)]
    warnings = [*md.warnings, *_imaginary(harmonic)]
    for one in found:
        warnings += _judge(one, md.temperature, max_shift, max_distance)
    return SpectrumComparison(tuple(found), tuple(warnings))


def _check(
    md: VelocitySpectrum, harmonic: HarmonicDensity, max_shift: float, max_distance: float
) -> None:
    if not (max_shift > 0 and max_distance > 0):
        raise InputError(f'Limits must be > 0 cm⁻¹: {max_shift}, {max_distance}.')
    if md.grid != harmonic.grid or md.resolution != harmonic.resolution:
        raise InputError('The densities of states differ in their energies or resolution.')
    freedoms = dict(zip(md.elements, md.degrees_of_freedom, strict=True))
    other = dict(zip(harmonic.elements, harmonic.degrees_of_freedom, strict=True))
    if freedoms.keys() != other.keys() or not np.allclose(
        list(freedoms.values()), [other[name] for name in freedoms], rtol=1e-4
    ):
        raise InputError(
            format_error(
                f'Degrees of freedom are {_listed(freedoms)} in the run and {_listed(other)} in '
                'the harmonic crystal.',
                reason='These are not the same supercell, or the masses differ.',
            )
        )
    highest = float(harmonic.frequencies.max())
    if highest + 4 * md.resolution > md.highest_energy:
        raise InputError(
            format_error(
                f'Harmonic modes reach {highest:.0f} cm⁻¹; frames of the run show no more than '
                f'{md.highest_energy:.0f} cm⁻¹.',
                reason='Faster motion is folded back to lower energies.',
                fix='Keep frames at a shorter stride.',
            )
        )
    if highest > md.energy_transfer[-1]:
        raise InputError(
            format_error(
                f'Energies end at {md.energy_transfer[-1]:.0f} cm⁻¹; harmonic modes reach '
                f'{highest:.0f}.',
                fix='Raise the end of the range.',
            )
        )


def _window(
    md: VelocitySpectrum, harmonic: HarmonicDensity, window: tuple[float, float]
) -> list[WindowComparison]:
    """All atoms and each element that moves in a window."""
    low, high = window
    inside = (md.energy_transfer >= low) & (md.energy_transfer < high)
    inside[-1] |= high >= md.energy_transfer[-1]
    energies, width = md.energy_transfer[inside], md.grid.bin_width
    places = {name: row for row, name in enumerate(harmonic.elements)}
    theirs = harmonic.parts[[places[name] for name in md.elements]][:, inside] * width
    mine, without = md.parts[:, inside] * width, md.parts_without[:, :, inside] * width
    if low >= high or not (theirs.sum() > 0 and mine.sum() > 0):
        raise InputError(f'The window {low:.0f}–{high:.0f} cm⁻¹ holds no states.')
    rows = [(TOTAL, mine.sum(axis=0), without.sum(axis=1), theirs.sum(axis=0))]
    for row, name in enumerate(md.elements):
        if min(theirs[row].sum(), mine[row].sum()) > _LEAST_SHARE * theirs.sum():
            rows.append((name, mine[row], without[:, row], theirs[row]))
    return [_compared(window, *one, energies) for one in rows]


def _compared(
    window: tuple[float, float],
    label: str,
    mine: FloatArray,
    without: FloatArray,
    theirs: FloatArray,
    energies: FloatArray,
) -> WindowComparison:
    target = _moments(theirs, energies)
    own, each = _moments(mine, energies), _moments(without, energies)
    distance = _distance(mine, theirs, energies)
    errors = jackknife_error(each)
    count = len(without)
    # one segment is all of them less the others: single = n all − (n − 1) without
    single = count * mine - (count - 1) * without
    noise = _distance(single, mine, energies).mean() / np.sqrt(count - 1)
    return WindowComparison(
        low=float(window[0]),
        high=float(window[1]),
        label=label,
        states=float(mine.sum()),
        harmonic_states=float(theirs.sum()),
        mean=float(own[0]),
        shift=float(own[0] - target[0]),
        shift_error=float(errors[0]),
        broadening=float(own[1] - target[1]),
        broadening_error=float(errors[1]),
        distance=float(distance),
        distance_error=float(jackknife_error(_distance(without, theirs, energies))),
        distance_noise=float(noise),
    )


def _moments(weights: FloatArray, energies: FloatArray) -> FloatArray:
    """Mean and standard deviation, along the last axis: shape (..., 2)."""
    total = weights.sum(axis=-1)
    mean = weights @ energies / total
    variance = weights @ energies**2 / total - mean**2
    # noise below zero at the ends of a window can bring the variance of a narrow band below zero
    spread = np.sqrt(np.where(variance > 0, variance, np.nan))
    return np.stack((mean, spread), axis=-1)


def _distance(first: FloatArray, second: FloatArray, energies: FloatArray) -> FloatArray:
    """Wasserstein's distance along the last axis."""
    cumulative = [
        np.cumsum(one, axis=-1) / one.sum(axis=-1, keepdims=True) for one in (first, second)
    ]
    step = energies[1] - energies[0] if len(energies) > 1 else 0.0
    return np.asarray(np.abs(cumulative[0] - cumulative[1]).sum(axis=-1) * step)


def _judge(
    one: WindowComparison, temperature: float, max_shift: float, max_distance: float
) -> list[str]:
    where = f'{one.low:.0f}–{one.high:.0f} cm⁻¹, {one.label}'
    sentences = []
    if abs(one.shift) - max_shift > _SURE * one.shift_error:
        side = 'below' if one.shift < 0 else 'above'
        sentences.append(
            f'{where}: at {temperature:.0f} K the run lies {abs(one.shift):.1f} ± '
            f'{one.shift_error:.1f} cm⁻¹ {side} the harmonic density (limit {max_shift:g}).'
        )
    if one.distance - one.distance_noise - max_distance > _SURE * one.distance_error:
        sentences.append(
            f'{where}: states are {one.distance:.1f} ± {one.distance_error:.1f} cm⁻¹ from their '
            f'harmonic places in the mean, {one.distance_noise:.1f} of it noise (limit '
            f'{max_distance:g}).'
        )
    return sentences


def _imaginary(harmonic: HarmonicDensity) -> list[str]:
    if not harmonic.imaginary:
        return []
    return [
        f'{len(harmonic.imaginary)} harmonic modes are imaginary, down to '
        f'{harmonic.imaginary[0]:.0f} cm⁻¹: their states are in the run and in no harmonic window.'
    ]


def _listed(freedoms: dict[str, float]) -> str:
    return ', '.join(f'{name} {value:.2f}' for name, value in freedoms.items())
