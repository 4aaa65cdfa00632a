"""Momentum transfer along the path of a spectrometer through (Q, ω).

Energy transfers in cm⁻¹ (positive: the neutron loses energy), neutron energies in meV, angles in
degrees, momentum transfers in Å⁻¹.

Source: Squires, *Introduction to the Theory of Thermal Neutron Scattering* (1978), ch. 1.
"""

from __future__ import annotations

import numpy as np

from aiida_insbench.science.errors import InstrumentError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER, NEUTRON_KINETIC_ENERGY


def indirect_momentum_transfer(
    *, energy_transfer: FloatArray, final_energy: float, angle: float
) -> FloatArray:
    r"""Momentum transfer of an indirect-geometry spectrometer.

    .. math:: Q^2 = k_i^2 + k_f^2 - 2 k_i k_f \cos\theta, \quad
              k^2 = 2m_nE/\hbar^2, \quad E_i = E_f + \hbar\omega

    Parameters
    ----------
    energy_transfer : ndarray, shape (n,)
        ħω in cm⁻¹.
    final_energy : float
        E_f of the analyser in meV, > 0.
    angle : float
        Scattering angle θ in degrees.

    Returns
    -------
    ndarray, shape (n,)
        Q in Å⁻¹.

    Raises
    ------
    InstrumentError
        If the final energy is not positive, or the sample would have to give the neutron more
        than its final energy.
    """
    if not final_energy > 0:
        raise InstrumentError(f'The final energy must be > 0 meV, not {final_energy}.')
    initial = final_energy + np.asarray(energy_transfer, dtype=np.float64) / MEV_TO_WAVENUMBER
    if (initial < 0).any():
        raise InstrumentError(
            format_error(
                f'Energy transfers reach {np.min(energy_transfer):.1f} cm⁻¹.',
                reason=f'A neutron of final energy {final_energy} meV cannot have gained more '
                f'than {final_energy * MEV_TO_WAVENUMBER:.1f} cm⁻¹.',
                fix='Raise the lower end of the range.',
            )
        )
    return _momentum_transfer(initial, final_energy, angle)


def direct_momentum_transfer(
    *, energy_transfer: FloatArray, incident_energy: float, angle: float
) -> FloatArray:
    r"""Momentum transfer of a direct-geometry spectrometer.

    .. math:: Q^2 = k_i^2 + k_f^2 - 2 k_i k_f \cos\theta, \quad
              k^2 = 2m_nE/\hbar^2, \quad E_f = E_i - \hbar\omega

    Parameters
    ----------
    energy_transfer : ndarray, shape (n,)
        ħω in cm⁻¹.
    incident_energy : float
        E_i of the choppers in meV, > 0.
    angle : float
        Scattering angle θ in degrees.

    Returns
    -------
    ndarray, shape (n,)
        Q in Å⁻¹.

    Raises
    ------
    InstrumentError
        If the incident energy is not positive, or the neutron would have to lose more than it.
    """
    if not incident_energy > 0:
        raise InstrumentError(f'The incident energy must be > 0 meV, not {incident_energy}.')
    final = incident_energy - np.asarray(energy_transfer, dtype=np.float64) / MEV_TO_WAVENUMBER
    if (final < 0).any():
        raise InstrumentError(
            format_error(
                f'Energy transfers reach {np.max(energy_transfer):.1f} cm⁻¹.',
                reason=f'A neutron of {incident_energy} meV cannot lose more than '
                f'{incident_energy * MEV_TO_WAVENUMBER:.1f} cm⁻¹.',
                fix='Lower the upper end of the range, or raise the incident energy.',
            )
        )
    return _momentum_transfer(incident_energy, final, angle)


def _momentum_transfer(
    initial: FloatArray | float, final: FloatArray | float, angle: float
) -> FloatArray:
    """Q in Å⁻¹ between two neutron energies in meV, by the cosine law."""
    initial_wave = np.sqrt(initial / NEUTRON_KINETIC_ENERGY)
    final_wave = np.sqrt(final / NEUTRON_KINETIC_ENERGY)
    squared = (
        initial_wave**2 + final_wave**2 - 2 * initial_wave * final_wave * np.cos(np.radians(angle))
    )
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
