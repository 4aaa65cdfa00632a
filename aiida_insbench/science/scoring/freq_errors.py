r"""Frequency errors against a reference, weighted by what neutrons see of each mode.

.. math:: \Delta = \sqrt{\frac{\sum_i w_i\,(\omega_i - \omega_i^\mathrm{ref})^2}{\sum_i w_i}}

Force errors do not rank potentials by their spectra; this does. Modes are matched by eigenvectors
elsewhere (`aiida_insbench.science.modes.match`); the weights are the reference's, so that they are
the same for all potentials. Frequencies in cm⁻¹, negative for imaginary ones.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray


@dataclass(frozen=True)
class FrequencyErrors:
    """Errors over matched modes, cm⁻¹.

    Attributes
    ----------
    rms, mean : float
        Weighted root mean square, and weighted mean (potential − reference).
    worst : float
        Largest unweighted error, with its sign.
    worst_reference : float
        Frequency of that mode in the reference.
    n_modes : int
        Number of modes.
    """

    rms: float
    mean: float
    worst: float
    worst_reference: float
    n_modes: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def weighted_frequency_errors(
    frequencies: FloatArray, reference: FloatArray, weights: FloatArray
) -> FrequencyErrors:
    """Errors of matched frequencies.

    Parameters
    ----------
    frequencies, reference : ndarray, same shape
        Of matched modes, at one pressure or several.
    weights : ndarray, same shape
        INS intensity of each mode in the reference, ≥ 0.

    Returns
    -------
    FrequencyErrors
        Over all modes.

    Raises
    ------
    InputError
        If shapes differ, a number is not finite, or weights are negative or all zero.
    """
    mine, theirs, shares = (
        np.asarray(one, dtype=np.float64).ravel() for one in (frequencies, reference, weights)
    )
    if not np.shape(frequencies) == np.shape(reference) == np.shape(weights) or mine.size == 0:
        raise InputError(
            f'Frequencies, reference and weights need one shape: {np.shape(frequencies)}, '
            f'{np.shape(reference)}, {np.shape(weights)}.'
        )
    if not all(np.isfinite(one).all() for one in (mine, theirs, shares)):
        raise InputError('Frequencies and weights must be finite.')
    if (shares < 0).any() or not shares.sum() > 0:
        raise InputError('Weights must be ≥ 0, and some of them more.')
    errors = mine - theirs
    worst = int(np.argmax(np.abs(errors)))
    return FrequencyErrors(
        rms=float(np.sqrt(np.average(errors**2, weights=shares))),
        mean=float(np.average(errors, weights=shares)),
        worst=float(errors[worst]),
        worst_reference=float(theirs[worst]),
        n_modes=int(mine.size),
    )
