"""Spread of the Γ modes of a committee of potentials.

Modes of each member are matched by eigenvector to those of the first member, at each pressure by
itself. The spread is the standard deviation over the members (n − 1), of frequencies in cm⁻¹ and
of slopes in cm⁻¹/GPa. Imaginary modes count with their negative number: a member in which a mode
is unstable disagrees with one in which it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.mode_series import ModeSeries, falls
from aiida_insbench.science.modes import FloatArray, match

Row = dict[str, Any]


@dataclass(frozen=True)
class CommitteeModes:
    """Modes of a committee, by those of its first member.

    Attributes
    ----------
    first : ModeSeries
        Of the first member.
    frequencies : dict of str to dict of str to ndarray, shape (n_groups,)
        Of each member at each pressure of the first that it has, in the order of the first's rows.
    overlaps : dict of str to ndarray, shape (n_groups,)
        Smallest overlap of a match over the pressures, by member.
    unstable : dict of str to list of str
        Pressures at which a member has an imaginary mode.
    """

    first: ModeSeries
    frequencies: dict[str, dict[str, FloatArray]]
    overlaps: dict[str, FloatArray]
    unstable: dict[str, list[str]]

    @property
    def missing(self) -> dict[str, list[str]]:
        """Pressures of the first member that another lacks."""
        lacks = {
            name: [label for label in self.first.pressures if label not in found]
            for name, found in self.frequencies.items()
        }
        return {name: labels for name, labels in lacks.items() if labels}

    def at(self, label: str) -> FloatArray:
        """Frequencies at a pressure, shape (n_members that have it, n_groups)."""
        return np.array([one[label] for one in self.frequencies.values() if label in one])

    @property
    def slopes(self) -> FloatArray:
        """Slopes of the members that have all pressures, shape (n_members, n_groups)."""
        whole = [one for name, one in self.frequencies.items() if name not in self.missing]
        places = list(self.first.pressures.values())
        if len(places) < 2:
            return np.empty((0, len(self.first.optical.groups)))
        return np.array(
            [
                np.polyfit(places, np.array([one[label] for label in self.first.pressures]), 1)[0]
                for one in whole
            ]
        )


def committee_modes(members: Mapping[str, ModeSeries]) -> CommitteeModes:
    """Match the modes of all members to those of the first.

    Parameters
    ----------
    members : mapping from str to ModeSeries
        All with their atoms in one order.

    Raises
    ------
    InputError
        If there are fewer than two, or they are of different crystals.
    """
    if len(members) < 2:
        raise InputError('A committee has two members at least.')
    first = next(iter(members.values()))
    frequencies: dict[str, dict[str, FloatArray]] = {}
    overlaps: dict[str, FloatArray] = {}
    for name, one in members.items():
        if one.symbols != first.symbols:
            raise InputError(f'{name} is of another crystal than the first of its committee.')
        frequencies[name], overlaps[name] = _matched(first, one)
    unstable = {name: _imaginary(one) for name, one in members.items()}
    return CommitteeModes(
        first, frequencies, overlaps, {name: labels for name, labels in unstable.items() if labels}
    )


def committee_rows(found: CommitteeModes) -> list[Row]:
    """Table of a committee, JSON-ready.

    Returns
    -------
    list of dict
        One a row of the first member's table: ``index``, ``irrep``, ``mean`` and ``sigma`` (by
        label, of the members that have it; no sigma of one), ``slope_mean`` and ``slope_sigma`` (of
        those that have all pressures; None for fewer than one and two), ``overlap`` (smallest of a
        match).
    """
    slopes = found.slopes
    values = {label: found.at(label) for label in found.first.pressures}
    least = np.min(list(found.overlaps.values()), axis=0)
    return [
        {
            'index': index,
            'irrep': found.first.optical.irrep(index),
            'mean': {label: float(one[:, index].mean()) for label, one in values.items()},
            'sigma': {
                label: float(one[:, index].std(ddof=1))
                for label, one in values.items()
                if len(one) > 1
            },
            'slope_mean': float(slopes[:, index].mean()) if len(slopes) else None,
            'slope_sigma': float(slopes[:, index].std(ddof=1)) if len(slopes) > 1 else None,
            'overlap': float(least[index]),
        }
        for index in range(len(found.first.optical.groups))
    ]


def add_spread(rows: Sequence[Row], committee: Sequence[Row], series: ModeSeries) -> None:
    """Give rows of the first member's table ``sigma`` and ``slope_sigma``, and judge them anew.

    A mode is ``anomalous`` if it falls beyond twice the larger of the error and the spread of its
    slope.

    Parameters
    ----------
    rows : sequence of dict
        Of `aiida_insbench.science.shifts.mode_table`; changed.
    committee : sequence of dict
        Of `committee_rows`.
    series : ModeSeries
        Of the first member.
    """
    for row, spread in zip(rows, committee, strict=True):
        row['sigma'] = spread['sigma']
        row['slope_sigma'] = spread['slope_sigma']
        if row['slope'] is not None:
            error = max(row['slope_error'] or 0.0, row['slope_sigma'] or 0.0)
            row['anomalous'] = falls(row['shift'], row['slope'], error, series.tolerances)


def _matched(first: ModeSeries, other: ModeSeries) -> tuple[dict[str, FloatArray], FloatArray]:
    """Frequencies of `other` by the rows of `first`, and the smallest overlap of each row."""
    mine, theirs = list(first.pressures), list(other.pressures)
    frequencies = {}
    least = np.ones(len(first.optical.groups))
    for label in (label for label in mine if label in theirs):
        place = theirs.index(label)
        indices, overlaps = match(first.optical, other.optical, [(mine.index(label), place)])
        values = other.optical.sets[place].frequencies[indices]
        frequencies[label] = np.array([values[group].mean() for group in first.optical.groups])
        least = np.minimum(least, overlaps)
    return frequencies, least


def _imaginary(series: ModeSeries) -> list[str]:
    return [
        label
        for label, one in zip(series.pressures, series.optical.sets, strict=True)
        if (one.frequencies < -series.tolerances.imaginary).any()
    ]
