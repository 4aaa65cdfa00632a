"""The scale of a number: what the measured spectrum, spoilt in known ways, gets by the same path.

Anchors: smoothed until it is featureless, shifted by a little, and cut into blocks that are
shuffled; beside them the DFT reference where there is one. Energies in cm⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.score import score_summary, with_windows, within
from aiida_insbench.science.scoring.settings import ScoringSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation
from aiida_insbench.science.scoring.window_scores import Summary

_STEP = 0.5  # cm⁻¹, of the anchors' own bins
REFERENCE = 'DFT reference'


@dataclass(frozen=True)
class AnchorSettings:
    """How the measured spectrum is spoilt.

    Attributes
    ----------
    smoothing : float
        Standard deviation of the Gaussian, cm⁻¹.
    shift : float
        Towards higher energies, cm⁻¹.
    block : float
        Width of the shuffled blocks, cm⁻¹.
    seed : int
        Of the shuffling.
    """

    smoothing: float = 60.0
    shift: float = 8.0
    block: float = 50.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.smoothing > 0 and self.shift > 0 and self.block >= _STEP):
            raise InputError('Smoothing, shift and block of the anchors must be > 0 cm⁻¹.')


def make_anchors(measured: Measurement, settings: AnchorSettings) -> dict[str, Simulation]:
    """The spoilt spectra by name.

    Parameters
    ----------
    measured : Measurement
        Gaps of its mask are bridged by straight lines.
    settings : AnchorSettings
        How.

    Returns
    -------
    dict of str to Simulation
        ``itself``, ``shifted by …``, ``smoothed by …`` and ``shuffled``.
    """
    kept = measured.kept
    values = np.interp(measured.energies, measured.energies[kept], measured.values[kept])
    running = Simulation(measured.energies, values).running
    low, high = measured.edges[0], measured.edges[-1]
    edges = np.linspace(low, high, max(3, round((high - low) / _STEP) + 1))
    centres = (edges[1:] + edges[:-1]) / 2
    fine = running.means(edges)
    step = float(edges[1] - edges[0])
    smooth = gaussian_filter1d(fine, settings.smoothing / step, mode='nearest')
    spoilt = {
        f'shifted by {settings.shift:g}': running.means(edges - settings.shift),
        f'smoothed by {settings.smoothing:g}': smooth,
        'shuffled': _shuffled(fine, max(1, round(settings.block / step)), settings.seed),
    }
    return {
        # on its own bins: nothing is interpolated
        'itself': Simulation(measured.energies, values),
        **{name: Simulation(centres, one) for name, one in spoilt.items()},
    }


def _shuffled(values: FloatArray, block: int, seed: int) -> FloatArray:
    """Whole blocks in another order; what is left over stays at the end."""
    count = len(values) // block
    order = np.random.default_rng(seed).permutation(count)
    blocks = values[: count * block].reshape(count, block)[order]
    return np.concatenate((blocks.ravel(), values[count * block :]))


def score_anchors(
    measured: Measurement,
    settings: ScoringSettings,
    anchors: AnchorSettings | None = None,
    *,
    reference: Simulation | None = None,
    cell: Simulation | None = None,
) -> dict[str, Summary]:
    """Score the anchors as a simulation would be.

    Parameters
    ----------
    measured : Measurement
        Data.
    settings : ScoringSettings
        The same as for the simulations.
    anchors : AnchorSettings, optional
        Those of `insbench-1` if not given.
    reference : Simulation, optional
        DFT's spectrum of the same sample.
    cell : Simulation, optional
        As in `score_spectrum`.

    Returns
    -------
    dict of str to Summary
        By anchor; the reference as ``DFT reference``.

    Raises
    ------
    InputError, ComputationError
        As `score_spectrum`.
    """
    shown = within(measured, settings.energy_range)
    fixed = with_windows(measured, settings)
    spoilt = make_anchors(shown, anchors or AnchorSettings())
    if reference is not None:
        spoilt[REFERENCE] = reference
    return {name: score_summary(shown, one, fixed, cell=cell) for name, one in spoilt.items()}


def anchors_to_dict(anchors: Mapping[str, Summary]) -> dict[str, Any]:
    """JSON-ready, by anchor."""
    return {name: one.to_dict() for name, one in anchors.items()}


def where_on_scale(headline: float, anchors: Mapping[str, Summary]) -> str:
    """Between which anchors a headline lies, in words.

    Parameters
    ----------
    headline : float
        Cost, 0 … 1.
    anchors : mapping of str to Summary
        At least one.

    Returns
    -------
    str
        A sentence.

    Raises
    ------
    InputError
        If there is no anchor.
    """
    if not anchors:
        raise InputError('There is no anchor to place the score by.')
    ordered = sorted(anchors.items(), key=lambda item: item[1].cost)
    better = [name for name, one in ordered if one.cost <= headline]
    worse = [name for name, one in ordered if one.cost > headline]
    if not worse:
        return f'{headline:.2f}: no better than any anchor, the worst of them "{better[-1]}".'
    if not better:
        return f'{headline:.2f}: better than every anchor, the best of them "{worse[0]}".'
    return f'{headline:.2f}: worse than "{better[-1]}", better than "{worse[0]}".'
