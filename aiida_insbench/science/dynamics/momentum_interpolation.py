r"""Interpolation of scattering functions between few values of Q.

:math:`S(Q,\omega)/Q^2` of an atom that moves about a site is smooth in Q²: of harmonic motion it is
made of :math:`e^{-Q^2x}` with 0 ≤ x ≤ 2U. A polynomial in Q² through Chebyshev's nodes therefore
holds it with an error known beforehand.

Source: Trefethen, *Approximation Theory and Approximation Practice* (2013), ch. 8.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BarycentricInterpolator
from scipy.special import gammaln

from aiida_insbench.science.dynamics.run import FloatArray
from aiida_insbench.science.errors import ConvergenceError, InputError, format_error

_MOST_NODES = 40


def momentum_nodes(path: FloatArray, *, displacement: float, tolerance: float) -> FloatArray:
    r"""Few values of Q from which those on a path are interpolated.

    Chebyshev's nodes in y = Q² on the interval of middle m and half-width h that the path covers; R
    of them interpolate :math:`e^{-xy}` with an error of at most
    :math:`2(xh/2)^R\,e^{-x(m-h)}/R!`, of which the largest for 0 ≤ x ≤ 2U counts.

    Parameters
    ----------
    path : ndarray
        Q in Å⁻¹.
    displacement : float
        U, the largest mean-square displacement along any axis, Å².
    tolerance : float
        Largest error.

    Returns
    -------
    ndarray, shape (R,)
        Q in Å⁻¹, rising.

    Raises
    ------
    InputError
        If the tolerance is not between 0 and 1.
    ConvergenceError
        If more than 40 are needed.
    """
    if not 0 < tolerance < 1:
        raise InputError(f'`tolerance` must lie between 0 and 1, not {tolerance}.')
    low, high = float((path**2).min()), float((path**2).max())
    middle, half = (low + high) / 2, (high - low) / 2
    exponents = np.linspace(0, 2 * displacement, 400)[1:]
    for count in range(1, _MOST_NODES + 1):
        logs = np.log(2) - exponents * low + count * np.log(exponents * half / 2 + 1e-300)
        if float((logs - gammaln(count + 1)).max()) < np.log(tolerance):
            points = np.cos(np.pi * (np.arange(count) + 0.5) / count)
            return np.sort(np.sqrt(np.maximum(middle + half * points, 1e-12)))
    raise ConvergenceError(
        format_error(
            f'More than {_MOST_NODES} values of Q are needed: mean-square displacements reach '
            f'{displacement:.2g} Å².',
            reason='Atoms diffuse, or the range reaches too large Q.',
            fix='Lower the energy range or raise `tolerance`.',
        )
    )


def along_path(values: FloatArray, nodes: FloatArray, path: FloatArray) -> FloatArray:
    """Interpolate S(Q, ω)/Q² to the path of each bank.

    Parameters
    ----------
    values : ndarray, shape (n_segments, n_q, n_labels, n_energies)
        S(Q, ω) at the nodes.
    nodes : ndarray, shape (n_q,)
        Q in Å⁻¹.
    path : ndarray, shape (n_banks, n_energies)
        Q in Å⁻¹ at the energies.

    Returns
    -------
    ndarray, shape (n_segments, n_banks, n_labels, n_energies)
        S(Q(ω), ω).
    """
    scaled = values / (nodes**2)[:, None, None]
    result = []
    for bank in path:
        shares = BarycentricInterpolator(nodes**2, np.eye(len(nodes)))(bank**2)
        result.append(np.einsum('eq,sqle->sle', shares * (bank**2)[:, None], scaled))
    return np.stack(result, axis=1)
