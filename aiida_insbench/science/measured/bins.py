"""Densities of uneven bins, even over each, on other bins, with their errors.

`aiida_insbench.science.ins.rebinning` has the smooth integral that spectra are shifted with.
"""

from __future__ import annotations

import numpy as np

from aiida_insbench.science.ins.arrays import FloatArray


def on_other_bins(
    old_edges: FloatArray,
    values: FloatArray,
    new_edges: FloatArray,
    *,
    errors: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray | None, FloatArray]:
    r"""Means of a density over other bins: integrals are conserved where the old bins reach.

    .. math:: y_j = \frac{1}{W_j} \sum_i o_{ij} y_i, \quad
              \sigma_j^2 = \frac{1}{W_j^2} \sum_i o_{ij}^2 \sigma_i^2

    with o the overlap of old bin i and new bin j and W the width of the new one. New bins that
    share an old one are correlated; the σ are those of single bins.

    Parameters
    ----------
    old_edges : ndarray, shape (n + 1,)
        Rising.
    values : ndarray, shape (n,)
        Per unit of energy, even over each bin.
    new_edges : ndarray, shape (m + 1,)
        Rising.
    errors : ndarray, shape (n,), optional
        Standard deviations, independent of each other.

    Returns
    -------
    means : ndarray, shape (m,)
        Parts outside the old bins count as empty.
    errors : ndarray, shape (m,) or None
    covered : ndarray, shape (m,)
        Share of each new bin inside the old ones.
    """
    inside = old_edges[(old_edges > new_edges[0]) & (old_edges < new_edges[-1])]
    cuts = np.union1d(new_edges, inside)
    middles = (cuts[1:] + cuts[:-1]) / 2
    old = np.searchsorted(old_edges, middles, side='right') - 1
    new = np.searchsorted(new_edges, middles, side='right') - 1
    within = (old >= 0) & (old < len(values))
    widths, count = np.diff(new_edges), len(new_edges) - 1
    # each pair of an old and a new bin shares one piece
    weights = (np.diff(cuts) / widths[new])[within]
    old, new = old[within], new[within]

    def summed(parts: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(new, parts, minlength=count), dtype=np.float64)

    means, covered = summed(weights * values[old]), summed(weights)
    if errors is None:
        return means, None, covered
    return means, np.sqrt(summed((weights * errors[old]) ** 2)), covered
