"""Bands of spectra followed by position and height from one pressure to the next.

Positions in cm⁻¹. This is what an eye does with printed spectra; it knows no eigenvectors, so a
chain is given up where the next band is farther away than `REACH`. Where several bands are near,
the one of like height is the same band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

#: A band is not followed farther than this from one pressure to the next, cm⁻¹.
REACH = 60.0
#: A band e times as high counts as this much farther away, cm⁻¹.
HEIGHT = 40.0
#: Shifts smaller than this are called flat, cm⁻¹ (spectra have 1 cm⁻¹ bins).
FLAT = 2.0


@dataclass(frozen=True)
class BandChain:
    """One band at every pressure."""

    positions: tuple[float, ...]
    height: float

    @property
    def shift(self) -> float:
        """Last − first position, cm⁻¹."""
        return self.positions[-1] - self.positions[0]

    @property
    def direction(self) -> str:
        """Red, blue or flat."""
        if abs(self.shift) < FLAT:
            return 'flat'
        return 'red' if self.shift < 0 else 'blue'


def sorted_spectra(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Spectra in order of pressure."""
    return sorted(data.get('spectra') or [], key=lambda spectrum: spectrum['pressure'])


def strongest(
    bands: Sequence[Mapping[str, float]], *, count: int, separation: float
) -> list[Mapping[str, float]]:
    """Return the highest bands, none closer than `separation` cm⁻¹ to a higher one."""
    kept: list[Mapping[str, float]] = []
    for band in sorted(bands, key=lambda one: -one['height']):
        if all(abs(band['position'] - other['position']) >= separation for other in kept):
            kept.append(band)
    return sorted(kept[:count], key=lambda one: one['position'])


def band_chains(spectra: Sequence[Mapping[str, Any]], *, count: int = 6) -> list[BandChain]:
    """Follow the strongest bands of the first spectrum through the others.

    Parameters
    ----------
    spectra : sequence of dict
        In order of pressure, each with ``bands``.
    count : int
        How many bands to follow.

    Returns
    -------
    list of BandChain
        Those that could be followed to the last pressure, strongest first.
    """
    if not spectra:
        return []
    start = sorted(spectra[0].get('bands') or [], key=lambda one: -one['height'])[:count]
    chains: list[list[Mapping[str, float]] | None] = [[band] for band in start]
    for spectrum in spectra[1:]:
        _extend(chains, spectrum.get('bands') or [])
    return [
        BandChain(tuple(band['position'] for band in chain), chain[0]['height'])
        for chain in chains
        if chain is not None
    ]


def _extend(
    chains: list[list[Mapping[str, float]] | None], bands: Sequence[Mapping[str, float]]
) -> None:
    alive = [index for index, chain in enumerate(chains) if chain is not None]
    ends = [chains[index][-1] for index in alive]  # type: ignore[index]
    distance = np.abs(np.subtract.outer(_column(ends, 'position'), _column(bands, 'position')))
    unlike = np.abs(
        np.subtract.outer(np.log(_column(ends, 'height')), np.log(_column(bands, 'height')))
    )
    cost = np.where(distance > REACH, 100 * REACH, distance + HEIGHT * unlike)
    rows, columns = linear_sum_assignment(cost)
    taken = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    for row, index in enumerate(alive):
        column = taken.get(row)
        chain = chains[index]
        if column is None or distance[row, column] > REACH or chain is None:
            chains[index] = None
        else:
            chain.append(bands[column])


def _column(bands: Sequence[Mapping[str, float]], name: str) -> npt.NDArray[np.float64]:
    return np.array([band[name] for band in bands], dtype=float)
