r"""Sum rules of the scattering function at fixed Q.

.. math:: \sum_{n=0}^{\infty}\int S_n(Q,\omega)\,d\omega = 1, \qquad
          \sum_n\int \hbar\omega\, S_n(Q,\omega)\,d\omega = \frac{\hbar^2Q^2}{2M}

Both are evaluated from the kernel as it stands on the grid, so that lost modes, lost orders and
errors of binning show.

Source: Placzek, *Physical Review* 86, 377 (1952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc

from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.density import DisplacementDensity, along
from aiida_insbench.science.ins.units import RECOIL_ENERGY


@dataclass(frozen=True)
class SumRules:
    """Sum rules, each a ratio to what it should be.

    Parameters
    ----------
    momentum_transfer : float
        Q in Å⁻¹ at which they were evaluated.
    norm : float
        Sum of all computed orders and the elastic line; 1 but for orders left out.
    first_moment : float
        First moment over ħ²Q²/2M; 1 but for orders and modes left out.
    missing_weight : float
        Poisson weight of the orders left out.
    elastic_weight : float
        Weight of the elastic line.
    """

    momentum_transfer: float
    norm: float
    first_moment: float
    missing_weight: float
    elastic_weight: float


def sum_rules(
    density: DisplacementDensity,
    *,
    tensor: FloatArray,
    mass: float,
    momentum_transfer: float,
    orders: int,
    directions: FloatArray,
    weights: FloatArray,
) -> SumRules:
    """Sum rules of one atom.

    Parameters
    ----------
    density : DisplacementDensity
        The kernel on its grid.
    tensor : ndarray, shape (3, 3)
        Mean-square displacements U from the modes themselves, in Å².
    mass : float
        In atomic mass units.
    momentum_transfer : float
        Q in Å⁻¹.
    orders : int
        Highest order computed.
    directions, weights : ndarray, shapes (n_directions, 3) and (n_directions,)
        Quadrature over the sphere.

    Returns
    -------
    SumRules
        Ratios of this atom.
    """
    squared = momentum_transfer**2
    exact = squared * np.einsum('da,ab,db->d', directions, tensor, directions)
    binned = squared * np.einsum('da,ab,db->d', directions, density.tensor(), directions)
    moments = along(directions) @ density.first_moment()
    scale = weights * np.exp(binned - exact)
    norm = scale @ gammaincc(orders + 1, binned)
    first = (scale * moments) @ gammaincc(orders, binned) * mass / RECOIL_ENERGY
    missing = 1 - weights @ gammaincc(orders + 1, exact)
    elastic = weights @ np.exp(-exact)
    return SumRules(momentum_transfer, float(norm), float(first), float(missing), float(elastic))


def mean_sum_rules(rules: list[SumRules], shares: FloatArray) -> SumRules:
    """Mean of the atoms' sum rules; `shares` add up to 1."""
    table = np.array(
        [[rule.norm, rule.first_moment, rule.missing_weight, rule.elastic_weight] for rule in rules]
    )
    norm, first, missing, elastic = (float(value) for value in shares @ table)
    return SumRules(rules[0].momentum_transfer, norm, first, missing, elastic)
