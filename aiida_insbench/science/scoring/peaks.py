r"""Peaks of the measured and the predicted spectrum matched one to one, against a null of chance.

Peaks match within a number of the resolution's full widths at half maximum. Of all one-to-one
matches the one with most pairs, and of these the one with the smallest distances, is taken. Random
peaks match too: with as many peaks as predicted spread evenly over the range, F1 has a mean over
seeded draws, and the excess is

.. math:: \frac{F_1 - \bar F_1^\mathrm{null}}{1 - \bar F_1^\mathrm{null}},

0 for chance and 1 for perfection. Energies in cm⁻¹.

References
----------
Kuhn, *Naval Res. Logist. Q.* 2, 83 (1955); Crouse, *IEEE Trans. Aerosp. Electron. Syst.* 52, 1679
(2016): the assignment problem. van Rijsbergen, *Information Retrieval* (1979), ch. 7: precision,
recall and their harmonic mean.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.signal import find_peaks

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.fit_result import FitResult
from aiida_insbench.science.scoring.settings import PeakSettings
from aiida_insbench.science.scoring.spectra import Measurement

_FWHM = 2 * np.sqrt(2 * np.log(2))
_STRONG = 95  # percentile of the intensity that prominences are measured by


@dataclass(frozen=True)
class PeakScore:
    """How the peaks match.

    Attributes
    ----------
    measured, predicted : tuple of float
        Positions.
    pairs : tuple of (float, float)
        Matched positions, measured and predicted.
    recall, precision, f1 : float
        Shares of measured and predicted peaks that match, and their harmonic mean.
    null_f1, excess : float
        Mean F1 of random peaks, and what is won over it, 1 for perfection.
    mean_distance : float or None
        Mean modulus of the distance within pairs.
    """

    measured: tuple[float, ...]
    predicted: tuple[float, ...]
    pairs: tuple[tuple[float, float], ...]
    recall: float
    precision: float
    f1: float
    null_f1: float
    excess: float
    mean_distance: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        found = asdict(self)
        for name in ('measured', 'predicted'):
            found[name] = list(found[name])
        found['pairs'] = [list(pair) for pair in self.pairs]
        return found


def score_peaks(
    measured: Measurement, fitted: FitResult, settings: PeakSettings
) -> PeakScore | None:
    """Find and match the peaks of a fitted spectrum.

    Parameters
    ----------
    measured : Measurement
        With its resolution.
    fitted : FitResult
        Of the same spectrum; peaks are looked for where it was fitted, with one threshold for both.
    settings : PeakSettings
        What a peak is, and when two match.

    Returns
    -------
    PeakScore or None
        None where the resolution is not known or nothing measured is a peak.
    """
    if measured.resolution is None:
        return None
    used = fitted.used
    energies = measured.energies[used]
    values = fitted.reduced(measured)[used]
    threshold = np.maximum(
        settings.prominence * np.percentile(np.abs(values), _STRONG),
        settings.noise_factor * measured.sigma[used],
    )
    theirs = peak_positions(energies, fitted.sample[used], threshold)
    mine = peak_positions(energies, values, threshold)
    if len(mine) == 0:
        return None
    tolerance = settings.n_widths * _FWHM * np.interp(mine, measured.energies, measured.resolution)
    return match_peaks(
        mine,
        theirs,
        tolerance=tolerance,
        pieces=_pieces(measured, fitted),
        n_null=settings.n_null,
        seed=settings.seed,
    )


def peak_positions(energies: FloatArray, values: FloatArray, prominence: FloatArray) -> FloatArray:
    """Maxima that stand out, refined by a parabola through three bins.

    Parameters
    ----------
    energies, values : ndarray, shape (n,)
        Bin centres and intensities.
    prominence : ndarray, shape (n,)
        Least prominence at each bin.

    Returns
    -------
    ndarray, shape (n_peaks,)
        Rising positions.
    """
    places, found = find_peaks(values, prominence=0.0)
    places = places[found['prominences'] >= prominence[places]]
    positions = []
    for place in places:
        x, y = energies[place - 1 : place + 2], values[place - 1 : place + 2]
        left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
        middle_left, middle_right = (x[0] + x[1]) / 2, (x[1] + x[2]) / 2
        top = middle_left + (middle_right - middle_left) * left / (left - right)
        positions.append(float(np.clip(top, x[0], x[2])) if left > right else float(x[1]))
    return np.array(positions)


def match_peaks(
    measured: FloatArray,
    predicted: FloatArray,
    *,
    tolerance: FloatArray,
    pieces: FloatArray,
    n_null: int,
    seed: int,
) -> PeakScore:
    """Match positions one to one, and compare with random ones.

    Parameters
    ----------
    measured : ndarray, shape (n,)
        Positions, at least one.
    predicted : ndarray, shape (m,)
        Positions.
    tolerance : ndarray, shape (n,)
        Largest distance for each measured peak.
    pieces : ndarray, shape (n_pieces, 2)
        Ends of the ranges in which random peaks are drawn.
    n_null, seed : int
        Number of draws and seed.

    Returns
    -------
    PeakScore
        With the null.

    Raises
    ------
    InputError
        If there is no measured peak.
    """
    if len(measured) == 0:
        raise InputError('There is no measured peak to match.')
    rows, columns = _pairs(measured, predicted, tolerance)
    f1 = _f1(len(rows), len(measured), len(predicted))
    generator = np.random.default_rng(seed)
    null = float(
        np.mean(
            [
                _f1(
                    len(_pairs(measured, _random(generator, len(predicted), pieces), tolerance)[0]),
                    len(measured),
                    len(predicted),
                )
                for _ in range(n_null)
            ]
        )
    )
    distances = np.abs(measured[rows] - predicted[columns]) if len(rows) else np.array([])
    return PeakScore(
        measured=tuple(measured.tolist()),
        predicted=tuple(predicted.tolist()),
        pairs=tuple(zip(measured[rows].tolist(), predicted[columns].tolist(), strict=True)),
        recall=len(rows) / len(measured),
        precision=len(rows) / len(predicted) if len(predicted) else 0.0,
        f1=f1,
        null_f1=null,
        excess=(f1 - null) / (1 - null) if null < 1 else 0.0,
        mean_distance=float(distances.mean()) if len(distances) else None,
    )


def _pairs(
    measured: FloatArray, predicted: FloatArray, tolerance: FloatArray
) -> tuple[list[int], list[int]]:
    """Most pairs first, then the smallest sum of distances."""
    if len(measured) == 0 or len(predicted) == 0:
        return [], []
    distances = np.abs(measured[:, None] - predicted) / tolerance[:, None]
    near = distances <= 1
    # one pair outweighs any sum of distances: each of these is 1 at most
    cost = np.where(near, distances, min(distances.shape) + 1.0)
    rows, columns = linear_sum_assignment(cost)
    kept = near[rows, columns]
    return rows[kept].tolist(), columns[kept].tolist()


def _random(generator: np.random.Generator, count: int, pieces: FloatArray) -> FloatArray:
    """Even draws over the pieces."""
    lengths = pieces[:, 1] - pieces[:, 0]
    ends = np.cumsum(lengths)
    places = generator.uniform(0.0, ends[-1], count)
    index = np.minimum(np.searchsorted(ends, places, side='right'), len(ends) - 1)
    return np.sort(pieces[index, 1] - (ends[index] - places))


def _f1(pairs: int, measured: int, predicted: int) -> float:
    return 2 * pairs / (measured + predicted)


def _pieces(measured: Measurement, fitted: FitResult) -> FloatArray:
    """Ranges of bins that touch."""
    used = np.concatenate(([False], fitted.used, [False])).astype(int)
    starts, ends = np.flatnonzero(np.diff(used) == 1), np.flatnonzero(np.diff(used) == -1)
    return np.stack((measured.edges[starts], measured.edges[ends]), axis=1)
