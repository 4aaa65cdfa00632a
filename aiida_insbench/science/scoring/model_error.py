r"""The error that any simulation is granted, beside that of counting.

.. math:: \sigma_\mathrm{model} = \sqrt{(r\,m)^2 + (f\,\bar y)^2}

with the predicted intensity :math:`m`, the mean measured one :math:`\bar y`, and the stated shares
`relative` :math:`r` and `floor` :math:`f`. Without it χ² of good statistics only counts neutrons.
"""

from __future__ import annotations

import numpy as np

from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.spectra import Measurement


def mean_level(measured: Measurement) -> float:
    """Mean of the modulus of the measured intensity where it counts, its own unit."""
    kept = measured.kept
    return float(np.average(np.abs(measured.values[kept]), weights=measured.widths[kept]))


def model_error(
    prediction: FloatArray, measured: Measurement, *, relative: float, floor: float
) -> FloatArray:
    """Model error of each bin, same shape and unit as `prediction`.

    Parameters
    ----------
    prediction : ndarray, shape (n,)
        Fitted, in the unit of the measured intensity.
    measured : Measurement
        Sets the mean level.
    relative : float
        Share of the predicted intensity.
    floor : float
        Share of the mean measured intensity.
    """
    return np.hypot(relative * np.abs(prediction), floor * mean_level(measured))
