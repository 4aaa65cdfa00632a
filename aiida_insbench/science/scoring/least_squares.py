"""Linear least squares with bounds that also end where columns cannot be told apart.

References
----------
Stark & Parker, *Comput. Stat.* 10, 129 (1995): BVLS, as `scipy.optimize.lsq_linear` has it.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import lsq_linear

from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.ins.arrays import FloatArray

_STEPS = 200  # scipy's own limit, the number of columns, is met by sound fits too
_RIDGE = 1e-6  # in units of the columns' length: a millionth of what a column explains


def bounded_least_squares(
    matrix: FloatArray, target: FloatArray, *, lower: FloatArray, upper: FloatArray
) -> FloatArray:
    """Minimise |A x − b| within bounds.

    Columns that cannot be told apart, as those of a featureless spectrum and a background, can keep
    the method going round in circles; a small ridge then takes the shortest of equal solutions.

    Parameters
    ----------
    matrix : ndarray, shape (n, m)
        A.
    target : ndarray, shape (n,)
        b.
    lower, upper : ndarray, shape (m,)
        Bounds, lower < upper.

    Returns
    -------
    ndarray, shape (m,)
        Within the bounds.

    Raises
    ------
    ComputationError
        If it does not converge with a ridge either.
    """
    norms = np.linalg.norm(matrix, axis=0)
    norms[norms == 0] = 1.0
    columns = matrix / norms
    ridge = np.vstack((columns, _RIDGE * np.eye(len(norms))))
    padded = np.concatenate((target, np.zeros(len(norms))))
    for sides in ((columns, target), (ridge, padded)):
        found = lsq_linear(
            *sides, bounds=(lower * norms, upper * norms), method='bvls', max_iter=_STEPS
        )
        if found.success:
            return np.asarray(np.clip(found.x / norms, lower, upper))
    raise ComputationError(f'Least squares with bounds did not converge: {found.message}')
