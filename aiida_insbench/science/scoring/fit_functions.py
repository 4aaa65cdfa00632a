"""Functions of energy that the fit multiplies and adds: absorption, and a bounded background.

Energies in cm⁻¹.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import BSpline

from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

_THERMAL = 25.3 * MEV_TO_WAVENUMBER  # cm⁻¹, where absorption cross-sections are tabulated


def attenuation(energies: FloatArray, tau: float, final_energy: float) -> FloatArray:
    r"""Share of the signal that absorption leaves, :math:`e^{-\tau\sqrt{E_0/(E+E_f)}}`.

    Parameters
    ----------
    energies : ndarray, shape (n,)
        Energy transfer in cm⁻¹; below zero the value at zero is taken.
    tau : float
        Absorption at 25.3 meV.
    final_energy : float
        In cm⁻¹.
    """
    return np.exp(-tau * np.sqrt(_THERMAL / (np.maximum(energies, 0.0) + final_energy)))


def bernstein(energies: FloatArray, order: int, *, low: float, high: float) -> FloatArray:
    """Bernstein polynomials of an order on a range, shape (n, order + 1); their sum is 1."""
    knots = np.repeat([low, high], order + 1)
    places = np.clip(energies, low, high)
    return np.asarray(BSpline.design_matrix(places, knots, order).toarray())
