r"""After how many frames a trajectory has forgotten: autocorrelation times, counted in frames.

The statistical inefficiency of a series with the normalised autocorrelation C(k),

.. math:: g = 1 + 2\sum_{k\ge 1}\Bigl(1 - \frac kN\Bigr) C(k)

is the number of frames that count as one (Chodera et al., *J. Chem. Theory Comput.* 3, 26, 2007).
The sum ends before the first C(k) ≤ 0, where noise begins. Vibrations make C(k) oscillate: then
this sum ends after a quarter of a period although the motion repeats itself. So the same is asked
of :math:`C(k)^2`, the correlation of quadratic quantities of a Gaussian process, which shows the
envelope; its sum ends at the first K ≥ 5 g(K) (Sokal, *Monte Carlo Methods in Statistical
Mechanics* (1997), § 3). The larger of the two counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from aiida_insbench.science.sampling.cells import FloatArray

#: A window of so many times g holds the sum over C² (Sokal's c).
_WINDOW = 5.0
#: Columns transformed at once: long trajectories of large cells would fill the memory.
_AT_ONCE = 64
#: Variances below this share of the largest square are rounding.
_STILL = 1e-24


def autocorrelation(series: FloatArray) -> FloatArray:
    """Normalised autocorrelation of a vector series about its mean, summed over components.

    Parameters
    ----------
    series : ndarray, shape (n, n_components)
        One row a frame.

    Returns
    -------
    ndarray, shape (n,)
        C(k), without bias, C(0) = 1; all 0 after C(0) if nothing moves.
    """
    count = len(series)
    columns = np.asarray(series, dtype=float).reshape(count, -1)
    products = np.zeros(count)
    for first in range(0, columns.shape[1], _AT_ONCE):
        centred = columns[:, first : first + _AT_ONCE]
        centred = centred - centred.mean(axis=0)
        # zero padding to twice the length: no frame meets itself around the end
        spectrum = np.fft.rfft(centred, n=2 * count, axis=0)
        products += np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=1), n=2 * count)[:count]
    products = products / np.arange(count, 0, -1)
    if products[0] <= _STILL * float((columns**2).max(initial=0.0)):
        return np.asarray(np.arange(count) == 0, dtype=float)
    return np.asarray(products / products[0], dtype=float)


def correlation_time(series: FloatArray) -> float:
    """Number of frames of a series that count as one, ≥ 1.

    Parameters
    ----------
    series : ndarray, shape (n,) or (n, n_components)
        One row a frame. A series that does not fluctuate gives 1.
    """
    found = autocorrelation(series)
    return max(1.0, _until_zero(found), _windowed(found**2))


def energy_time(energies: Sequence[float]) -> float:
    """`correlation_time` of potential energies."""
    return correlation_time(np.asarray(energies, dtype=float))


def displacement_time(frames: Sequence[Atoms]) -> float:
    """`correlation_time` of the displacements of all atoms from their mean places.

    Parameters
    ----------
    frames : sequence of Atoms
        The same atoms in the same order. An atom must move by less than half a cell from one frame
        to the next: jumps between images are undone. The motion of the centre of mass is taken out.
    """
    fractions = np.array([frame.get_scaled_positions(wrap=False) for frame in frames])
    steps = np.diff(fractions, axis=0)
    steps -= np.rint(steps)
    unwrapped = fractions[0] + np.concatenate([np.zeros_like(fractions[:1]), steps.cumsum(axis=0)])
    cell = np.mean([frame.cell.array for frame in frames], axis=0)
    places = unwrapped @ cell
    masses = frames[0].get_masses()
    centre = np.einsum('i,tia->ta', masses, places) / masses.sum()
    return correlation_time((places - centre[:, None]).reshape(len(frames), -1))


def _until_zero(found: FloatArray) -> float:
    count = len(found)
    below = np.flatnonzero(found[1:] <= 0)
    end = int(below[0]) + 1 if len(below) else count
    lags = np.arange(1, end)
    return 1 + 2 * float(((1 - lags / count) * found[1:end]).sum())


def _windowed(squares: FloatArray) -> float:
    count = len(squares)
    lags = np.arange(1, count)
    sums = 1 + 2 * np.cumsum((1 - lags / count) * squares[1:])
    enough = np.flatnonzero(lags >= _WINDOW * sums)
    if len(sums) == 0:
        return 1.0
    return float(sums[enough[0]] if len(enough) else sums[-1])
