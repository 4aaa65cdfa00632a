r"""Which Γ mode a measured band is, and how both shift with pressure.

Bands of one source, technique and temperature are given to different modes so that the sum of
:math:`|\omega_\mathrm{band} - \omega_\mathrm{mode}|` is least (the assignment problem: Kuhn, *Naval
Res. Logist. Q.* 2, 83 (1955)), and no band to a mode farther off than a stated share of its energy.
Modes go by the frequencies of the DFT modes they are matched with, where those are known, so that
a potential's error of frequency moves no band to another mode; else by their own. A band whose
label names an irreducible representation goes to a mode of it alone; a band of INS to a mode that
neutrons see. Energies in cm⁻¹, slopes in cm⁻¹/GPa.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.measured.band_shifts import INS, BandShift
from aiida_insbench.science.scoring.band_slopes import BandSlope
from aiida_insbench.science.scoring.pressure_score import PressureScore, score_shifts

_SEEN = 1e-4  # share of the neutron intensity below which INS does not see a mode
_FAR = 1e9  # cm⁻¹, between what cannot be one


@dataclass(frozen=True)
class ShiftSettings:
    """How measured shifts are assigned and scored.

    Attributes
    ----------
    reach : float
        A mode belongs to a band within this share of the band's energy,
    least_reach : float
        and within this in any case, cm⁻¹.
    significance, flat, assumed_error : float
        See `score_shifts`.
    """

    reach: float = 0.1
    least_reach: float = 25.0
    significance: float = 2.0
    flat: float = 0.2
    assumed_error: float = 0.5

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ShiftSettings:
        """Read settings from JSON.

        Raises
        ------
        InputError
            If a name is not known or a value not > 0.
        """
        known = {**asdict(cls()), **given}
        if unknown := sorted(set(given) - set(asdict(cls()))):
            raise InputError(
                f'Unknown settings of band shifts: {", ".join(unknown)}; known: '
                f'{", ".join(asdict(cls()))}.'
            )
        found = cls(**{name: float(value) for name, value in known.items()})
        if not all(math.isfinite(value) and value > 0 for value in asdict(found).values()):
            raise InputError(f'Settings of band shifts must be > 0: {asdict(found)}.')
        return found


def score_modes(
    bands: Sequence[BandShift],
    modes: Sequence[Mapping[str, Any]],
    settings: ShiftSettings | None = None,
) -> tuple[PressureScore, list[dict[str, Any] | None]]:
    """Score the slopes of Γ modes against measured band shifts.

    Parameters
    ----------
    bands : sequence of BandShift
        Measured, at least one.
    modes : sequence of mapping
        Rows of `aiida_insbench.science.shifts.mode_table`; none for a potential that has no modes:
        then every band costs 1.
    settings : ShiftSettings, optional
        Limits.

    Returns
    -------
    score : PressureScore
        See `score_shifts`.
    assigned : list of dict or None
        By band: ``index``, ``irrep``, ``frequency`` (its own at the first pressure) and
        ``reference`` (DFT's, None where not known) of its mode; None without one.

    Raises
    ------
    InputError
        If there is no band.
    """
    settings = settings or ShiftSettings()
    found = assign(bands, modes, settings)
    labels = _labels(bands)
    measured = [
        BandSlope(label, band.frequency, band.slope, band.slope_error)
        for label, band in zip(labels, bands, strict=True)
    ]
    predicted = [
        BandSlope(label, _own(mode), float(mode['slope']), _error(mode))
        for label, mode in zip(labels, found, strict=True)
        if mode is not None and mode.get('slope') is not None
    ]
    score = score_shifts(
        measured,
        predicted,
        significance=settings.significance,
        flat=settings.flat,
        assumed_error=settings.assumed_error,
    )
    return score, [None if mode is None else _plain(mode) for mode in found]


def assign(
    bands: Sequence[BandShift], modes: Sequence[Mapping[str, Any]], settings: ShiftSettings
) -> list[Mapping[str, Any] | None]:
    """Mode of each band; None where none is near."""
    found: list[Mapping[str, Any] | None] = [None] * len(bands)
    if not modes:
        return found
    for places in _sources(bands):
        distances = np.array(
            [[_distance(bands[place], mode, settings, modes) for mode in modes] for place in places]
        )
        for row, column in zip(*linear_sum_assignment(distances), strict=True):
            if distances[row, column] < _FAR:
                found[places[row]] = modes[column]
    return found


def _sources(bands: Sequence[BandShift]) -> Iterator[list[int]]:
    """Places of the bands of one source each: within it no two bands are one mode."""
    keys = [(band.technique, band.temperature, band.doi) for band in bands]
    for key in dict.fromkeys(keys):
        yield [place for place, one in enumerate(keys) if one == key]


def _distance(
    band: BandShift,
    mode: Mapping[str, Any],
    settings: ShiftSettings,
    modes: Sequence[Mapping[str, Any]],
) -> float:
    irreps = {one.get('irrep') for one in modes} - {None, ''}
    if band.label in irreps and mode.get('irrep') != band.label:
        return _FAR
    if band.technique == INS and not _seen(mode):
        return _FAR
    theirs = _reference(mode)
    off = abs(band.frequency - (_own(mode) if theirs is None else theirs))
    reach = max(settings.least_reach, settings.reach * band.frequency)
    return off if off <= reach else _FAR


def _seen(mode: Mapping[str, Any]) -> bool:
    weights = mode.get('ins_weight') or {}
    return not weights or max(weights.values()) > _SEEN


def _own(mode: Mapping[str, Any]) -> float:
    return float(next(iter(mode['frequencies'].values())))


def _reference(mode: Mapping[str, Any]) -> float | None:
    known = mode.get('reference') or {}
    return float(next(iter(known.values()))) if known else None


def _error(mode: Mapping[str, Any]) -> float | None:
    """A committee's spread; that a predicted line is curved is no error of its slope."""
    sigma = mode.get('slope_sigma')
    return None if sigma is None else float(sigma)


def _plain(mode: Mapping[str, Any]) -> dict[str, Any]:
    return {
        'index': mode.get('index'),
        'irrep': mode.get('irrep'),
        'frequency': _own(mode),
        'reference': _reference(mode),
    }


def _labels(bands: Sequence[BandShift]) -> list[str]:
    """A name for each band: its own, its energy, and where these are not enough its source."""
    short = [f'{band.label} {band.frequency:g} cm⁻¹'.strip() for band in bands]
    long = [
        f'{name} ({band.technique}, {band.temperature:g} K)'
        for name, band in zip(short, bands, strict=True)
    ]
    full = [
        name if short.count(name) == 1 else more for name, more in zip(short, long, strict=True)
    ]
    return [
        name if full.count(name) == 1 else f'{name}, line {band.line}'
        for name, band in zip(full, bands, strict=True)
    ]


def shift_words(score: Mapping[str, Any]) -> str:
    """Directions of measured shifts in words, such as "blue shifts right; red shift … missed".

    Parameters
    ----------
    score : mapping
        `PressureScore.to_dict`.
    """
    parts = []
    for kind in ('blue', 'red'):
        sign = 1 if kind == 'blue' else -1
        bands = [
            band for band in score['bands'] if band['significant'] and sign * band['measured'] > 0
        ]
        missed = [band for band in bands if not band['sign_right']]
        if bands and not missed:
            parts.append(f'{kind} shift{_s(bands)} right')
        elif missed:
            where = ', '.join(f'{band["position"]:.0f}' for band in missed)
            parts.append(f'{kind} shift{_s(missed)} at {where} cm⁻¹ missed')
    return '; '.join(parts) or 'no measured shift is beyond its error'


def _s(bands: Sequence[Any]) -> str:
    return '' if len(bands) == 1 else 's'
