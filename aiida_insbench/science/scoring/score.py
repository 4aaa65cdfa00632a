"""The whole path from a measured and a simulated spectrum to one number and its tables.

The headline is a *cost* from 0, the same spectrum, to 1, as bad as featureless or absent; see
`window_scores` for the formula. A failure of the simulation is the worst score, never a missing
row. Energies in cm⁻¹.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.scoring import VERSION
from aiida_insbench.science.scoring.chi_square import ChiSquare, chi_square
from aiida_insbench.science.scoring.fit_result import FitResult
from aiida_insbench.science.scoring.fitting import fit
from aiida_insbench.science.scoring.peaks import PeakScore, score_peaks
from aiida_insbench.science.scoring.settings import ScoringSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation
from aiida_insbench.science.scoring.wasserstein import Transport, wasserstein
from aiida_insbench.science.scoring.window_scores import (
    Summary,
    WindowScore,
    by_group,
    score_windows,
    summarise,
)
from aiida_insbench.science.scoring.windows import find_windows

#: Headline of a failure.
WORST = 1.0
_NEGATIVE = 0.05  # share of negative area from which it is told

Failure = Literal['relaxation', 'dynamics', 'imaginary modes', 'simulation', 'missing']


@dataclass(frozen=True)
class SpectrumScore:
    """Score of one simulated spectrum against one measured one.

    Attributes
    ----------
    headline : float
        Cost, 0 best … 1 worst.
    failure : str or None
        Kind of the failure for which it is the worst: ``relaxation``, ``dynamics``, ``imaginary
        modes``, ``simulation`` or ``missing``.
    reason : str
        In words, for a failure.
    summary : Summary or None
        Shift, residual and W1 over all windows; None for a failure.
    windows : tuple of WindowScore
        The table.
    groups : dict of str to Summary
        By lattice, skeletal, internal.
    fitted : FitResult or None
        What was fitted, with bounds.
    w1 : Transport or None
        Wasserstein's distance over the whole range.
    chi : ChiSquare or None
        χ² with the model error.
    peaks : PeakScore or None
        Peaks, where the resolution is known.
    notes : tuple of str
        What a reader should mind.
    version : str
        Of the rules.
    """

    headline: float
    failure: Failure | None = None
    reason: str = ''
    summary: Summary | None = None
    windows: tuple[WindowScore, ...] = ()
    groups: dict[str, Summary] = field(default_factory=dict)
    fitted: FitResult | None = None
    w1: Transport | None = None
    chi: ChiSquare | None = None
    peaks: PeakScore | None = None
    notes: tuple[str, ...] = ()
    version: str = VERSION

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; arrays of the fit are left out, their values and bounds are in."""
        return {
            'version': self.version,
            'headline': self.headline,
            'failure': self.failure,
            'reason': self.reason,
            'summary': None if self.summary is None else self.summary.to_dict(),
            'windows': [row.to_dict() for row in self.windows],
            'groups': {name: one.to_dict() for name, one in self.groups.items()},
            'fit': None if self.fitted is None else self.fitted.to_dict(),
            'w1': None
            if self.w1 is None
            else {
                'distance': self.w1.distance,
                'capped': self.w1.capped,
                'negative_share': self.w1.negative_share,
            },
            'chi_square': None if self.chi is None else self.chi.to_dict(),
            'peaks': None if self.peaks is None else self.peaks.to_dict(),
            'notes': list(self.notes),
        }


def score_spectrum(
    measured: Measurement,
    simulated: Simulation,
    settings: ScoringSettings | None = None,
    *,
    cell: Simulation | None = None,
) -> SpectrumScore:
    """Score a simulated spectrum.

    Parameters
    ----------
    measured : Measurement
        Data.
    simulated : Simulation
        With the instrument's resolution in it.
    settings : ScoringSettings, optional
        Those of `insbench-1` if not given.
    cell : Simulation, optional
        Spectrum of the empty cell, where its amplitude is to be fitted.

    Returns
    -------
    SpectrumScore
        Headline, tables and what was fitted.

    Raises
    ------
    InputError
        If the spectra do not overlap, or nothing measured can be scored.
    ComputationError
        If a fit does not converge.
    """
    settings = settings or ScoringSettings()
    measured = within(measured, settings.energy_range)
    fitted = fit(measured, simulated, settings.fit, cell=cell)
    rows = score_windows(measured, simulated, fitted, settings.windows)
    summary = summarise(rows)
    transport = _transport(measured, fitted)
    return SpectrumScore(
        headline=summary.cost,
        summary=summary,
        windows=rows,
        groups=by_group(rows, settings.windows),
        fitted=fitted,
        w1=transport,
        chi=chi_square(measured, fitted, relative=settings.chi_relative, floor=settings.chi_floor),
        peaks=score_peaks(measured, fitted, settings.peaks),
        notes=(*fitted.sentences(), *_notes(measured, summary, transport)),
    )


def score_summary(
    measured: Measurement,
    simulated: Simulation,
    settings: ScoringSettings,
    *,
    cell: Simulation | None = None,
) -> Summary:
    """Headline and means alone, for scores that are taken many times; see `score_spectrum`."""
    measured = within(measured, settings.energy_range)
    fitted = fit(measured, simulated, settings.fit, cell=cell)
    return summarise(score_windows(measured, simulated, fitted, settings.windows))


def with_windows(measured: Measurement, settings: ScoringSettings) -> ScoringSettings:
    """The same settings with the windows that these data get, so that noise moves no cut."""
    windows = find_windows(within(measured, settings.energy_range), settings.windows)
    ends = tuple((window.low, window.high) for window in windows)
    return replace(settings, windows=replace(settings.windows, windows=ends))


def failed_score(kind: Failure, reason: str) -> SpectrumScore:
    """The worst score, with its reason.

    Raises
    ------
    InputError
        If no reason is given.
    """
    if not reason.strip():
        raise InputError(f'A failure ({kind}) needs a reason in words.')
    return SpectrumScore(headline=WORST, failure=kind, reason=reason)


def within(measured: Measurement, energy_range: tuple[float, float] | None) -> Measurement:
    """The same spectrum with all outside a range masked.

    Raises
    ------
    InputError
        If nothing is left.
    """
    if energy_range is None:
        return measured
    low, high = energy_range
    outside = (measured.energies < low) | (measured.energies >= high)
    if (outside | ~measured.kept).all():
        raise InputError(
            format_error(
                f'Nothing is measured from {low:g} to {high:g} cm⁻¹.',
                fix=f'The measured spectrum goes from {measured.energies[0]:g} to '
                f'{measured.energies[-1]:g} cm⁻¹.',
            )
        )
    return replace(measured, mask=outside | ~measured.kept)


def _transport(measured: Measurement, fitted: FitResult) -> Transport | None:
    """Distance over the whole range, nothing where it is masked or not simulated."""
    mine = np.where(fitted.used, fitted.reduced(measured), 0.0)
    theirs = np.where(fitted.used, fitted.sample, 0.0)
    if not (mine @ measured.widths > 0 and theirs @ measured.widths > 0):
        return None
    return wasserstein(measured.edges, mine, theirs)


#: What is said of a window, and of several, by status.
_OF_WINDOWS = (
    (
        'no signal',
        'has no signal above noise and is not scored',
        'have no signal above noise and are not scored',
    ),
    (
        'not simulated',
        'has signal where nothing is simulated and counts as wholly wrong',
        'have signal where nothing is simulated and count as wholly wrong',
    ),
    (
        'too coarse',
        'has too few bins to be aligned and is not scored',
        'have too few bins to be aligned and are not scored',
    ),
)


def _notes(measured: Measurement, summary: Summary, transport: Transport | None) -> tuple[str, ...]:
    found = []
    for status, one, several in _OF_WINDOWS:
        amount = summary.counts[status]
        if amount:
            found.append(f'1 window {one}.' if amount == 1 else f'{amount} windows {several}.')
    if summary.spurious_share > 0:
        found.append(
            f'{100 * summary.spurious_share:.0f} % of the weight is predicted structure where '
            'none is measured.'
        )
    if transport is not None and transport.negative_share > _NEGATIVE:
        found.append(
            f'{100 * transport.negative_share:.0f} % of the area is negative: background is '
            'subtracted too much, or noise is strong.'
        )
    if measured.resolution is None:
        found.append('The resolution is not known, so peaks are not matched.')
    if measured.error is None:
        found.append('Counting errors are not known: noise is taken for signal.')
    return tuple(found)
