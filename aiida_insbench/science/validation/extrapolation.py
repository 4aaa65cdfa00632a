r"""How often molecular dynamics leaves what a committee knows.

A committee's spread of the force on an atom (`aiida_insbench.science.committee`) is small where its
members have learnt and grows where they guess. What is large is told by the training frames: with
:math:`q_X` the quantile of the spreads of all atoms of element X there, an atom in a frame of
molecular dynamics counts as extrapolation if its spread is above :math:`f q_X`. Atoms are counted,
not frames: the greatest spread of a frame grows with its number of atoms.

Spread is no error (see there); a committee that agrees on something wrong is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.validation.check import EXTRAPOLATION, Check, at_most
from aiida_insbench.science.validation.limits import ValidationLimits

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AtomSpreads:
    """A committee's spread of forces on the atoms of frames.

    Attributes
    ----------
    symbols : tuple of str, length n_atoms of all frames
        Elements, frame after frame.
    counts : tuple of int
        Atoms of each frame.
    spreads : ndarray, shape (n_atoms of all frames,)
        Norm of the spread over components, eV/Å.
    """

    symbols: tuple[str, ...]
    counts: tuple[int, ...]
    spreads: FloatArray

    def __post_init__(self) -> None:
        if not len(self.symbols) == len(self.spreads) == sum(self.counts):
            raise DatasetError(
                f'{len(self.spreads)} spreads stand beside {len(self.symbols)} atoms in frames of '
                f'{sum(self.counts)}.'
            )


def extrapolation_checks(
    runs: Mapping[str, tuple[AtomSpreads, Sequence[float]]],
    training: AtomSpreads,
    *,
    limits: ValidationLimits,
) -> tuple[list[Check], dict[str, Any]]:
    """Compare spreads along runs with those of training frames.

    Parameters
    ----------
    runs : mapping from str to (AtomSpreads, times)
        By label; times of the frames in ps.
    training : AtomSpreads
        Of the frames learnt from.
    limits : ValidationLimits
        ``spread_quantile``, ``spread_factor``, ``extrapolation``.

    Returns
    -------
    tuple of (list of Check, dict)
        One check a run, and a table: ``training`` by element (``quantile_mev_a``, ``n_atoms``) and
        ``runs`` by label (``share``, ``by_element``, ``mean_mev_a``, ``largest_mev_a``, its
        ``time`` in ps and ``atom``, ``n_frames``).

    Raises
    ------
    DatasetError
        If a run holds an element that no training frame has.
    """
    known = {
        element: float(np.quantile(_of(training, element), limits.spread_quantile))
        for element in dict.fromkeys(training.symbols)
    }
    table: dict[str, Any] = {
        'training': {
            element: {
                'quantile_mev_a': 1000 * value,
                'n_atoms': len(_of(training, element)),
            }
            for element, value in known.items()
        },
        'runs': {},
    }
    checks = []
    for label, (found, times) in runs.items():
        row = _row(label, found, times, known, limits.spread_factor)
        table['runs'][label] = row
        checks.append(
            at_most(
                EXTRAPOLATION,
                'share',
                label,
                row['share'],
                limits.extrapolation,
                '1',
                what=f'{label}, share of atoms on which the committee spreads more than '
                f'{limits.spread_factor:g} times what is usual in training',
            )
        )
    return checks, table


def _row(
    label: str,
    found: AtomSpreads,
    times: Sequence[float],
    known: Mapping[str, float],
    factor: float,
) -> dict[str, Any]:
    unknown = sorted(set(found.symbols) - set(known))
    if unknown:
        raise DatasetError(f'{label} holds {", ".join(unknown)}, which no training frame has.')
    symbols = np.array(found.symbols)
    beyond = found.spreads > factor * np.array([known[one] for one in found.symbols])
    worst = int(found.spreads.argmax())
    owner = np.repeat(np.arange(len(found.counts)), found.counts)
    frame = int(owner[worst])
    return {
        'share': float(beyond.mean()),
        'by_element': {
            str(element): float(beyond[symbols == element].mean())
            for element in sorted(set(symbols))
        },
        'mean_mev_a': 1000 * float(found.spreads.mean()),
        'largest_mev_a': 1000 * float(found.spreads[worst]),
        'time': float(times[frame]),
        'atom': worst - sum(found.counts[:frame]),
        'n_frames': len(found.counts),
    }


def _of(found: AtomSpreads, element: str) -> FloatArray:
    return np.asarray(found.spreads[np.array(found.symbols) == element])
