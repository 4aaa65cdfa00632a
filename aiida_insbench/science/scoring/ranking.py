r"""Many cells to one list of potentials: means, errors, ranks with ties.

A cell is one measured spectrum at one pressure. Every potential is judged on every cell: where it
has no score, it gets the worst one, with the reason that it is missing. With weights :math:`w_c`
and errors :math:`\sigma_c` of the cells

.. math:: \bar C = \frac{\sum_c w_c C_c}{\sum_c w_c}, \qquad
          \sigma = \frac{\sqrt{\sum_c w_c^2\sigma_c^2}}{\sum_c w_c}

Two potentials tie where their means differ by no more than `significance` times the error of the
difference. Counting noise and the pressure of a target are the same for all potentials, which they
change alike: of these sources the paired changes count,

.. math:: \sigma_{ab}^2 = \sigma_a'^2 + \sigma_b'^2
          + \sum_s \mathrm{var}_k(\delta_{ask} - \delta_{bsk})

for a cell, with σ' from all other sources and :math:`\delta_{ask}` the change of a's cost in the
k-th set of redrawn counts, or on the k-th side of the pressure (Efron & Tibshirani, *An
Introduction to the Bootstrap* (1993), ch. 8: paired data). The rank is one more than the number of
potentials that are significantly better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.score import WORST

_SURE = 2.0  # standard errors


@dataclass(frozen=True)
class CellScore:
    """One potential on one cell.

    Attributes
    ----------
    headline : float
        Cost, 0 … 1.
    error : float
        Its standard error.
    failure : str
        Reason of a failure; empty for none.
    common : mapping from str to tuple of float
        Changes of the cost by sources that all potentials share (``counting``: of one set of
        redrawn counts each; ``pressure``: of one side each); they are part of `error`.
    """

    headline: float
    error: float = 0.0
    failure: str = ''
    common: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (0 <= self.headline <= WORST and self.error >= 0 and math.isfinite(self.error)):
            raise InputError(
                f'A headline must be 0 … {WORST:g} and its error ≥ 0: {self.headline}, '
                f'{self.error}.'
            )


@dataclass(frozen=True)
class Ranked:
    """One potential in the list.

    Attributes
    ----------
    name : str
        Of the potential.
    rank : int
        One more than the number of potentials that are significantly better.
    mean, error : float
        Over the cells.
    tied_with : tuple of str
        Potentials that cannot be told apart from it.
    failures : dict of str to str
        Reasons by cell, missing ones among them.
    cells : dict of str to float
        Headline by cell.
    """

    name: str
    rank: int
    mean: float
    error: float
    tied_with: tuple[str, ...]
    failures: dict[str, str]
    cells: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), 'tied_with': list(self.tied_with)}


def rank_potentials(
    scores: Mapping[str, Mapping[str, CellScore]],
    *,
    weights: Mapping[str, float] | None = None,
    significance: float = _SURE,
) -> tuple[Ranked, ...]:
    """Rank potentials over cells.

    Parameters
    ----------
    scores : mapping of str to (mapping of str to CellScore)
        By potential and cell.
    weights : mapping of str to float, optional
        By cell, > 0; these are the cells. All cells that any potential has, weighted alike, if not
        given.
    significance : float
        Number of standard errors.

    Returns
    -------
    tuple of Ranked
        Best first; of equals, by name.

    Raises
    ------
    InputError
        If there is no potential or no cell, a weight is not positive, or a score belongs to no
        cell.
    """
    cells = dict(weights) if weights is not None else _all_cells(scores)
    if not scores or not cells:
        raise InputError('A ranking needs at least one potential and one cell.')
    if not all(weight > 0 and math.isfinite(weight) for weight in cells.values()):
        raise InputError(f'Weights of cells must be > 0: {cells}.')
    strangers = sorted({cell for rows in scores.values() for cell in rows} - set(cells))
    if strangers:
        raise InputError(f'Scores of {", ".join(strangers)} belong to no cell that is weighted.')
    full = {
        name: {cell: rows.get(cell) or _missing() for cell in cells}
        for name, rows in scores.items()
    }
    means = {name: _mean(rows, cells) for name, rows in full.items()}
    return tuple(
        _ranked(name, full, means, cells, significance)
        for name in sorted(full, key=lambda name: (means[name][0], name))
    )


def _all_cells(scores: Mapping[str, Mapping[str, CellScore]]) -> dict[str, float]:
    return dict.fromkeys((cell for rows in scores.values() for cell in rows), 1.0)


def _missing() -> CellScore:
    return CellScore(WORST, failure='missing: it has no score on this cell')


def _mean(rows: Mapping[str, CellScore], weights: Mapping[str, float]) -> tuple[float, float]:
    total = sum(weights.values())
    mean = sum(weights[cell] * row.headline for cell, row in rows.items()) / total
    variance = sum((weights[cell] * row.error) ** 2 for cell, row in rows.items())
    return mean, math.sqrt(variance) / total


def _ranked(
    name: str,
    full: Mapping[str, Mapping[str, CellScore]],
    means: Mapping[str, tuple[float, float]],
    weights: Mapping[str, float],
    significance: float,
) -> Ranked:
    rows, (mean, error) = full[name], means[name]
    better, tied = 0, []
    for other, (theirs, _) in means.items():
        # 1e-12: means that differ by rounding tie
        apart = significance * _difference_error(rows, full[other], weights) + 1e-12
        if other != name and abs(theirs - mean) <= apart:
            tied.append(other)
        better += theirs < mean - apart
    return Ranked(
        name=name,
        rank=1 + better,
        mean=mean,
        error=error,
        tied_with=tuple(sorted(tied)),
        failures={cell: row.failure for cell, row in rows.items() if row.failure},
        cells={cell: row.headline for cell, row in rows.items()},
    )


def _difference_error(
    mine: Mapping[str, CellScore], theirs: Mapping[str, CellScore], weights: Mapping[str, float]
) -> float:
    """Standard error of the difference of two means."""
    variance = sum(
        weight**2 * _paired_variance(mine[cell], theirs[cell]) for cell, weight in weights.items()
    )
    return math.sqrt(variance) / sum(weights.values())


def _paired_variance(mine: CellScore, theirs: CellScore) -> float:
    """Of the difference of two costs on one cell."""
    variance = mine.error**2 + theirs.error**2
    for source in set(mine.common) & set(theirs.common):
        one, other = np.array(mine.common[source]), np.array(theirs.common[source])
        if len(one) == len(other) > 0:
            spread = _SPREADS[source]
            variance += spread(one - other) - spread(one) - spread(other)
    return max(0.0, variance)


def _side_variance(changes: FloatArray) -> float:
    """Two sides are no sample: their mean square."""
    return float((changes**2).mean())


def _draw_variance(changes: FloatArray) -> float:
    return float(changes.var(ddof=1)) if len(changes) > 1 else 0.0


#: As `uncertainty` makes an error of each source.
_SPREADS = {'counting': _draw_variance, 'pressure': _side_variance}
#: Sources whose changes all potentials on a target share.
SHARED = tuple(_SPREADS)
