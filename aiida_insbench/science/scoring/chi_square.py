r"""χ² of the fitted spectrum with a stated model error.

.. math:: \chi^2 = \sum_i \frac{(y_i - m_i)^2}{\sigma_i^2 + (r\,m_i)^2 + (f\,\bar y)^2}

over the bins that count, see `model_error`. Divided by the number of bins less that of free values
it is near 1 where the simulation is as good as the model error grants. It goes by single bins, so
unlike shift and residual it hangs on the binning, and a small shift of a sharp band costs as much
as its absence.

References
----------
Press, Teukolsky, Vetterling & Flannery, *Numerical Recipes* (2007), § 15.1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.fit_result import FitResult
from aiida_insbench.science.scoring.model_error import model_error
from aiida_insbench.science.scoring.spectra import Measurement


@dataclass(frozen=True)
class ChiSquare:
    """χ² and what went into it.

    Attributes
    ----------
    value, reduced : float
        χ², and χ² by degree of freedom.
    freedoms : int
        Bins less free values.
    relative, floor : float
        Shares of the model error.
    counting_known : bool
        Whether there are counting errors beside it.
    """

    value: float
    reduced: float
    freedoms: int
    relative: float
    floor: float
    counting_known: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def chi_square(
    measured: Measurement, fitted: FitResult, *, relative: float, floor: float
) -> ChiSquare:
    """χ² of a fit.

    Parameters
    ----------
    measured : Measurement
        With or without counting errors.
    fitted : FitResult
        Of the same spectrum.
    relative, floor : float
        Model error as shares of the predicted and of the mean measured intensity.

    Returns
    -------
    ChiSquare
        Over the bins that were fitted.

    Raises
    ------
    InputError
        If there are no more bins than free values, or there is no error at all.
    """
    used = fitted.used
    freedoms = int(used.sum()) - fitted.n_free
    if freedoms < 1:
        raise InputError(f'{int(used.sum())} bins are too few for {fitted.n_free} free values.')
    granted = model_error(fitted.total, measured, relative=relative, floor=floor)
    variance = (measured.sigma**2 + granted**2)[used]
    if not (variance > 0).all():
        raise InputError('χ² needs a counting error or a floor of the model error in every bin.')
    value = float(((measured.values - fitted.total)[used] ** 2 / variance).sum())
    return ChiSquare(
        value=value,
        reduced=value / freedoms,
        freedoms=freedoms,
        relative=relative,
        floor=floor,
        counting_known=measured.error is not None,
    )
