"""Windows of the energy axis, set by the measured spectrum alone.

Automatic cuts aim at even widths and move to where the measured spectrum is lowest, so that no peak
is cut in two. Energies in cm⁻¹.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.settings import WindowSettings
from aiida_insbench.science.scoring.spectra import Measurement

_STEP = 1.0  # cm⁻¹, of the search for a cut
_SMOOTHING = 5.0  # cm⁻¹, so that noise does not draw a cut
_REACH = 0.2  # of a window's width, by which a cut may move
_SPARE = 1.4  # times the least number of bins


@dataclass(frozen=True)
class Window:
    """One window.

    Attributes
    ----------
    low, high : float
        Its ends, cm⁻¹.
    group : str
        Row of the window table: by default ``lattice``, ``skeletal`` or ``internal``.
    """

    low: float
    high: float
    group: str

    def bins(self, energies: FloatArray) -> slice:
        """Bins whose centres lie in it."""
        first, last = np.searchsorted(energies, [self.low, self.high])
        return slice(int(first), int(last))


def find_windows(measured: Measurement, settings: WindowSettings) -> tuple[Window, ...]:
    """Windows given, or cut where the measured spectrum is low.

    Parameters
    ----------
    measured : Measurement
        Its unmasked range is divided up; simulations have no say.
    settings : WindowSettings
        Windows, or the width to aim at.

    Returns
    -------
    tuple of Window
        By rising energy, each with its group.

    Raises
    ------
    InputError
        If given windows overlap, are empty or hold no measured bin.
    """
    if settings.windows is not None:
        ends = _checked(settings.windows, measured)
    else:
        cuts = _cuts(measured, settings)
        ends = list(pairwise(cuts))
    return tuple(
        Window(float(low), float(high), group_of((low + high) / 2, settings)) for low, high in ends
    )


def group_of(energy: float, settings: WindowSettings) -> str:
    """Name of the group an energy belongs to."""
    return next(name for name, limit in settings.groups if limit is None or energy < limit)


def _checked(
    windows: tuple[tuple[float, float], ...], measured: Measurement
) -> list[tuple[float, float]]:
    ends = sorted((float(low), float(high)) for low, high in windows)
    for low, high in ends:
        inside = (measured.energies >= low) & (measured.energies < high)
        if not (low < high and inside.any()):
            raise InputError(
                format_error(
                    f'The window {low:g} to {high:g} cm⁻¹ holds no measured bin.',
                    fix=f'The measured spectrum goes from {measured.energies[0]:g} to '
                    f'{measured.energies[-1]:g} cm⁻¹.',
                )
            )
    for (_, end), (start, _) in pairwise(ends):
        if start < end:
            raise InputError(f'Windows overlap at {start:g} cm⁻¹.')
    if not ends:
        raise InputError('`windows` is empty; leave it out for automatic ones.')
    return ends


def _cuts(measured: Measurement, settings: WindowSettings) -> list[float]:
    """Cuts from low to high energy, wider apart where bins are coarse."""
    kept = np.flatnonzero(measured.kept)
    low, high = float(measured.edges[kept[0]]), float(measured.edges[kept[-1] + 1])
    cuts = [low]
    while True:
        bin_width = float(np.interp(cuts[-1] + settings.width, measured.energies, measured.widths))
        width = max(settings.width, _SPARE * settings.min_bins * bin_width)
        target = cuts[-1] + width
        # what is left is one window, or belongs to the last one
        if high - target < (1 - _REACH) * width:
            break
        places = np.arange(target - _REACH * width, target + _REACH * width, _STEP)
        cuts.append(float(places[np.argmin(_smooth_at(places, measured))]))
    return [*cuts, high]


def _smooth_at(places: FloatArray, measured: Measurement) -> FloatArray:
    """Measured intensity under a narrow Gaussian, at least as wide as the bins there."""
    wide = np.maximum(_SMOOTHING, np.interp(places, measured.energies, measured.widths))
    shares = np.exp(-((places[:, None] - measured.energies) ** 2) / (2 * wide[:, None] ** 2))
    shares *= np.where(measured.kept, measured.widths, 0.0)
    total = shares.sum(axis=1)
    # a mask is as good a place for a cut as a minimum
    values = shares @ measured.values / np.where(total > 0, total, 1.0)
    return np.where(total > 0, values, -np.inf)
