r"""Thermal functions of harmonic vibrations, and the pressure they exert.

For modes of frequency ω with weights w of their q-points (sum 1), per cell,

.. math::

    F &= \sum_q w_q\sum_j\left[\tfrac12\hbar\omega + k_BT\ln(1-e^{-\hbar\omega/k_BT})\right] \\
    S &= -\partial F/\partial T, \qquad
    C_V = k_B\sum_q w_q\sum_j x^2\frac{e^x}{(e^x-1)^2}, \quad x = \hbar\omega/k_BT

and, in the quasi-harmonic approximation, where frequencies depend on the volume alone,

.. math:: P_\mathrm{vib} = -\left.\frac{\partial F}{\partial V}\right|_T

so that a crystal whose static energy is minimal at the pressure P stands at :math:`P +
P_\mathrm{vib}`.

Frequencies in cm⁻¹, energies in eV per cell, volumes in Å³, pressures in GPa, temperatures in K.

Source: Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), §§ 4, 16.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray

from aiida_insbench.science.errors import InputError, format_error

FloatArray = NDArray[np.float64]
_EV_PER_WAVENUMBER: float = units.invcm
#: Modes below this many cm⁻¹, the acoustic ones at Γ, have no free energy.
MINIMUM_FREQUENCY = 1.0


@dataclass(frozen=True)
class ThermalFunctions:
    """Thermal functions per cell.

    Parameters
    ----------
    temperatures : ndarray, shape (n,)
        In K.
    free_energy : ndarray, shape (n,)
        F in eV, zero-point energy included.
    entropy, heat_capacity : ndarray, shape (n,)
        S and C_V in eV/K.
    left_out : float
        Share of the modes that was left out for a frequency below the minimum.
    """

    temperatures: FloatArray
    free_energy: FloatArray
    entropy: FloatArray
    heat_capacity: FloatArray
    left_out: float


def thermal_functions(
    frequencies: FloatArray,
    weights: FloatArray | NDArray[np.int64],
    *,
    temperatures: FloatArray,
    minimum_frequency: float = MINIMUM_FREQUENCY,
) -> ThermalFunctions:
    """Thermal functions of modes on a mesh.

    Parameters
    ----------
    frequencies : ndarray, shape (n_qpoints, n_modes)
        In cm⁻¹.
    weights : ndarray, shape (n_qpoints,)
        Of the q-points, in any one unit.
    temperatures : ndarray, shape (n,)
        In K, ≥ 0.
    minimum_frequency : float
        In cm⁻¹, > 0; modes below it, and so all imaginary ones, are left out.

    Returns
    -------
    ThermalFunctions
        Per cell.

    Raises
    ------
    InputError
        If a temperature is negative or not finite, or the minimum is not positive.
    """
    kelvin = np.asarray(temperatures, dtype=float)
    if not (np.isfinite(kelvin).all() and (kelvin >= 0).all()):
        raise InputError(f'Temperatures must be numbers ≥ 0 K, not {kelvin.tolist()}.')
    if not minimum_frequency > 0:
        raise InputError(f'The lowest frequency must be > 0 cm⁻¹, not {minimum_frequency}.')
    used = frequencies >= minimum_frequency
    shares = np.broadcast_to((weights / weights.sum())[:, None], frequencies.shape)
    energies, parts = frequencies[used] * _EV_PER_WAVENUMBER, shares[used]
    rows = np.array([_at(energies, parts, value) for value in kelvin]).reshape(-1, 3)
    return ThermalFunctions(
        kelvin, rows[:, 0], rows[:, 1], rows[:, 2], float(shares[~used].sum() / shares.sum())
    )


def vibrational_pressure(volumes: FloatArray, free_energies: FloatArray) -> FloatArray:
    """P_vib at each volume, from the parabola through F(V); from the line through two.

    Parameters
    ----------
    volumes : ndarray, shape (n,)
        In Å³, at least two different ones.
    free_energies : ndarray, shape (n,)
        F in eV at one temperature.

    Returns
    -------
    ndarray, shape (n,)
        In GPa.

    Raises
    ------
    InputError
        If there are fewer than two different volumes.
    """
    distinct = len(np.unique(np.round(volumes, 6)))
    if distinct < 2:
        raise InputError(
            format_error(
                f'{distinct} volume is too few for the vibrational pressure.',
                reason='It is a derivative with respect to the volume.',
                fix='Compute phonons at a second pressure.',
            )
        )
    middle = float(np.mean(volumes))
    fit = np.polyfit(np.asarray(volumes) - middle, free_energies, min(2, distinct - 1))
    return np.asarray(-np.polyval(np.polyder(fit), np.asarray(volumes) - middle) / units.GPa)


def _at(energies: FloatArray, parts: FloatArray, temperature: float) -> tuple[float, float, float]:
    """F, S and C_V at one temperature."""
    zero_point = float(parts @ energies) / 2
    thermal = units.kB * temperature
    if thermal == 0:
        return zero_point, 0.0, 0.0
    ratio = energies / thermal
    boltzmann = np.exp(-ratio)
    free = zero_point + thermal * float(parts @ np.log1p(-boltzmann))
    occupation = boltzmann / (1 - boltzmann)
    inner = zero_point + float(parts @ (energies * occupation))
    heat = units.kB * float(parts @ (ratio**2 * boltzmann / (1 - boltzmann) ** 2))
    return free, (inner - free) / temperature, heat
