"""Which ends of a simulation are failures, in words.

Imaginary modes are a failure only where the DFT reference has none: to reproduce the functional's
own instability is what a potential is made for. Where both are known on the same q-points, this is
asked q-point by q-point: an instability elsewhere than DFT's is the potential's own. Frequencies in
cm⁻¹, negative for imaginary ones.
"""

from __future__ import annotations

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.score import SpectrumScore, failed_score

_TOLERANCE = 5.0  # cm⁻¹, below minus which a mode is imaginary
_SOFT = 50.0  # cm⁻¹, below which a real mode of the reference is soft at that q-point too


def imaginary_failure(
    frequencies: FloatArray,
    reference: FloatArray | None,
    *,
    tolerance: float = _TOLERANCE,
    soft: float = _SOFT,
) -> SpectrumScore | None:
    """The worst score for imaginary modes that the reference does not have.

    Parameters
    ----------
    frequencies : ndarray
        Of the potential, with acoustic modes at Γ left out; of shape (n_qpoints, n_modes) they are
        compared q-point by q-point with a reference of the same shape, else as a whole.
    reference : ndarray or None
        Of DFT, on the same q-points; None where there is none, and then every imaginary mode is
        the potential's own.
    tolerance : float
        Modes above −tolerance are noise.
    soft : float
        Imaginary modes are excused at a q-point where the mode of the same rank in the reference is
        below this.

    Returns
    -------
    SpectrumScore or None
        None where it is no failure.

    Raises
    ------
    InputError
        If a frequency is not finite.
    """
    mine = _imaginary(frequencies, tolerance)
    if reference is None:
        beside = 'and there is no DFT reference to excuse them'
    elif np.ndim(reference) == 2 and np.shape(reference) == np.shape(frequencies):
        _imaginary(reference, tolerance)
        mine = _own(np.asarray(frequencies), np.asarray(reference), tolerance, soft)
        beside = 'at q-points where the DFT reference has none'
    else:
        beside = 'and the DFT reference has none'
        if _imaginary(reference, tolerance).size > 0:
            return None
    if mine.size == 0:
        return None
    modes = '1 imaginary mode' if mine.size == 1 else f'{mine.size} imaginary modes'
    return failed_score(
        'imaginary modes',
        f'{modes}, down to {-mine.min():.0f}i cm⁻¹, {beside}.',
    )


def _own(
    frequencies: FloatArray, reference: FloatArray, tolerance: float, soft: float
) -> FloatArray:
    """Imaginary modes at q-points where the reference is not even soft."""
    mine, theirs = np.sort(frequencies, axis=1), np.sort(reference, axis=1)
    return np.asarray(mine[(mine < -tolerance) & (theirs > soft)])


def _imaginary(frequencies: FloatArray, tolerance: float) -> FloatArray:
    values = np.asarray(frequencies, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError('Frequencies must be finite to be judged.')
    return np.asarray(values[values < -tolerance])
