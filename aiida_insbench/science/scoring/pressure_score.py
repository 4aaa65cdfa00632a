r"""Pressure score: measured band shifts against predicted ones, the sign first.

Slopes dω/dP in cm⁻¹/GPa: blue above zero, red below. A shift is significant beyond `significance`
standard errors; a measured shift that is not cannot be missed in sign. With measured slope m,
predicted p and :math:`d = |p - m|`, of which the errors together are forgiven, magnitudes cost

.. math:: c_\mathrm{mag} = \frac12\,\frac{e}{e + \max(|m|, \sigma, f)}, \qquad
          e = \max(0, d - \sigma), \qquad \sigma^2 = \sigma_m^2 + \sigma_p^2

which is below ½. Errors of sign cost more than any magnitude, and a missed anomaly the most:

================================  ====
sign right                        c_mag
blue shift predicted as none      0.6
blue shift predicted red          0.8
red shift predicted as none       0.9
red shift predicted blue          1.0
================================  ====

"None" is a predicted slope that is not significant, or below `flat` f and half of the measured one.
The aggregate is the weighted mean; bands that are not predicted cost 1. 0 is best, 1 worst.

The ladder is a convention of this protocol, stated here; no published one was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.band_slopes import BandSlope

_SURE = 2.0  # standard errors
_FLAT = 0.2  # cm⁻¹/GPa
_ASSUMED = 0.5  # cm⁻¹/GPa, error of measured slopes that state none
#: Costs of errors of sign, by the measured direction and what is predicted for it.
SIGN_COSTS = {
    ('blue', 'none'): 0.6,
    ('blue', 'red'): 0.8,
    ('red', 'none'): 0.9,
    ('red', 'blue'): 1.0,
}


@dataclass(frozen=True)
class BandScore:
    """One band.

    Attributes
    ----------
    label : str
        Of the band.
    position : float
        Measured, cm⁻¹.
    measured, measured_error, predicted, predicted_error : float or None
        Slopes, cm⁻¹/GPa; predicted ones None where there is none.
    error_assumed : bool
        Whether the measured error is not stated but assumed.
    significant : bool
        Whether the measured shift is.
    sign_right : bool or None
        None where the measured shift is not significant.
    cost : float
        0 best … 1 worst.
    weight : float
        In the aggregate.
    words : str
        In plain English.
    """

    label: str
    position: float
    measured: float
    measured_error: float
    predicted: float | None
    predicted_error: float | None
    error_assumed: bool
    significant: bool
    sign_right: bool | None
    cost: float
    weight: float
    words: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class PressureScore:
    """All bands.

    Attributes
    ----------
    cost : float
        Weighted mean, 0 best … 1 worst.
    bands : tuple of BandScore
        The table, in the measured order.
    signs_right, signs_known : int
        Significant measured shifts that are predicted with their sign, and all of them.
    red_missed : tuple of str
        Labels of anomalous red shifts that are not predicted.
    rms_slope : float or None
        Weighted rms error of the slopes, cm⁻¹/GPa.
    """

    cost: float
    bands: tuple[BandScore, ...]
    signs_right: int
    signs_known: int
    red_missed: tuple[str, ...]
    rms_slope: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            'cost': self.cost,
            'bands': [band.to_dict() for band in self.bands],
            'signs_right': self.signs_right,
            'signs_known': self.signs_known,
            'red_missed': list(self.red_missed),
            'rms_slope': self.rms_slope,
        }


def score_shifts(
    measured: Sequence[BandSlope],
    predicted: Sequence[BandSlope],
    *,
    significance: float = _SURE,
    flat: float = _FLAT,
    assumed_error: float = _ASSUMED,
) -> PressureScore:
    """Score predicted band shifts against measured ones.

    Parameters
    ----------
    measured : sequence of BandSlope
        At least one, each label once; their weights count.
    predicted : sequence of BandSlope
        Matched by label; others are left aside.
    significance : float
        Number of standard errors.
    flat : float
        Predicted slopes below it are no shift, and it is the least scale of magnitudes, cm⁻¹/GPa.
    assumed_error : float
        Error of measured slopes whose source states none, cm⁻¹/GPa. Predicted slopes without one
        are taken as exact.

    Returns
    -------
    PressureScore
        Aggregate and table.

    Raises
    ------
    InputError
        If there is no measured band, a label comes twice, or all weights are zero.
    """
    for name, bands in (('measured', measured), ('predicted', predicted)):
        labels = [band.label for band in bands]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise InputError(f'Of the {name} bands {", ".join(twice)} come more than once.')
    if not measured or not sum(band.weight for band in measured) > 0:
        raise InputError('A pressure score needs a measured band with a weight > 0.')
    if not (significance > 0 and flat > 0 and assumed_error > 0):
        raise InputError(
            f'`significance`, `flat` and `assumed_error` must be > 0: {significance}, {flat}, '
            f'{assumed_error}.'
        )
    limits = (significance, flat, assumed_error)
    theirs = {band.label: band for band in predicted}
    rows = tuple(_score(band, theirs.get(band.label), *limits) for band in measured)
    total = sum(row.weight for row in rows)
    pairs = [
        (row.weight, row.predicted - row.measured) for row in rows if row.predicted is not None
    ]
    known = sum(weight for weight, _ in pairs)
    return PressureScore(
        cost=sum(row.weight * row.cost for row in rows) / total,
        bands=rows,
        signs_right=sum(row.sign_right is True for row in rows),
        signs_known=sum(row.significant for row in rows),
        red_missed=tuple(
            row.label for row in rows if row.significant and row.measured < 0 and not row.sign_right
        ),
        rms_slope=math.sqrt(sum(w * error**2 for w, error in pairs) / known) if known > 0 else None,
    )


def direction(slope: float, error: float, *, significance: float, flat: float = 0.0) -> str:
    """``red``, ``blue`` or, where a slope is not significant or below `flat`, ``none``."""
    if abs(slope) <= significance * error or abs(slope) < flat or slope == 0:
        return 'none'
    return 'red' if slope < 0 else 'blue'


def _score(
    band: BandSlope,
    other: BandSlope | None,
    significance: float,
    flat: float,
    assumed_error: float,
) -> BandScore:
    error = assumed_error if band.error is None else band.error
    mine = direction(band.slope, error, significance=significance)
    significant = mine != 'none'
    if other is None:
        cost, words, right = 1.0, 'not predicted', False if significant else None
    else:
        their_error = other.error or 0.0
        least = min(flat, abs(band.slope) / 2)
        theirs = direction(other.slope, their_error, significance=significance, flat=least)
        right = theirs == mine if significant else None
        sigma = math.hypot(error, their_error)
        beyond = max(0.0, abs(other.slope - band.slope) - sigma)
        magnitude = 0.5 * beyond / (beyond + max(abs(band.slope), sigma, flat))
        cost = SIGN_COSTS[mine, theirs] if right is False else magnitude
        words = _words(mine, theirs, magnitude)
    return BandScore(
        label=band.label,
        position=band.position,
        measured=band.slope,
        measured_error=error,
        predicted=None if other is None else other.slope,
        predicted_error=None if other is None else other.error,
        error_assumed=band.error is None,
        significant=significant,
        sign_right=right,
        cost=cost,
        weight=band.weight,
        words=words,
    )


def _words(mine: str, theirs: str, magnitude: float) -> str:
    if mine == 'none':
        return 'measured shift within its error, sign not judged'
    if theirs == mine:
        # a quarter is an error as large as the measured shift
        return f'{mine} as measured' + ('' if magnitude < 0.25 else ', of the wrong size')
    if mine == 'red':
        return 'red shift missed' + (', predicted blue' if theirs == 'blue' else '')
    return 'blue shift ' + ('predicted red' if theirs == 'red' else 'not seen')
