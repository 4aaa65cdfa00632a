"""What a fit of the stated freedoms found, with every bound."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.spectra import BoolArray, Measurement


@dataclass(frozen=True)
class FittedValue:
    """One fitted number.

    Attributes
    ----------
    name : str
        ``scale``, ``cell``, ``background 0``, … or ``transmission``.
    value, lower, upper : float
        With its bounds.
    error : float or None
        Standard error from counting; 0 at a bound, None for the transmission.
    at_bound : str or None
        ``lower``, ``upper`` or None.
    """

    name: str
    value: float
    lower: float
    upper: float
    error: float | None
    at_bound: str | None


@dataclass(frozen=True)
class FitResult:
    """A fit.

    Attributes
    ----------
    values : tuple of FittedValue
        The linear ones in the order of `covariance`, then the transmission.
    covariance : ndarray, shape (n, n)
        Of the linear ones, from counting errors; zero for those at a bound.
    rank_deficient : bool
        Whether values cannot be told apart, as those of a featureless spectrum and a background.
    used : bool ndarray, shape (n_bins,)
        Bins that are not masked and are simulated.
    factor : ndarray, shape (n_bins,)
        By which a simulated spectrum is multiplied: scale and attenuation.
    sample, background, cell : ndarray, shape (n_bins,)
        Parts of the fitted spectrum.
    shares : dict of str to float
        Shares of background and cell in the measured area.
    misfit : float
        Weighted sum of squares that was minimised.
    """

    values: tuple[FittedValue, ...]
    covariance: FloatArray
    rank_deficient: bool
    used: BoolArray
    factor: FloatArray
    sample: FloatArray
    background: FloatArray
    cell: FloatArray
    shares: dict[str, float]
    misfit: float

    @property
    def total(self) -> FloatArray:
        """Fitted spectrum, shape (n_bins,)."""
        return self.sample + self.background + self.cell

    @property
    def n_free(self) -> int:
        """Number of values that are not at a bound."""
        return sum(one.at_bound is None for one in self.values)

    def value(self, name: str) -> float:
        """One fitted value by its name."""
        return next(one.value for one in self.values if one.name == name)

    def reduced(self, measured: Measurement) -> FloatArray:
        """Measured intensity less background and cell, zero where masked; shape (n_bins,)."""
        return np.where(measured.kept, measured.values - self.background - self.cell, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: values with bounds, covariance, shares."""
        return {
            'values': [asdict(one) for one in self.values],
            'covariance': self.covariance.tolist(),
            'rank_deficient': self.rank_deficient,
            'background_share': self.shares['background'],
            'cell_share': self.shares['cell'],
            'bins': int(self.used.sum()),
        }

    def sentences(self) -> tuple[str, ...]:
        """What a reader should know of the fit."""
        found = [
            f'The {one.name} is at its {one.at_bound} bound, {one.value:.3g}.'
            for one in self.values
            # no absorption, no cell and no background are nothing to tell
            if one.at_bound == 'upper' or (one.at_bound == 'lower' and one.name == 'scale')
        ]
        if self.rank_deficient:
            found.append(
                'Fitted values cannot be told apart: the simulated spectrum is as smooth as the '
                'background.'
            )
        return tuple(found)
