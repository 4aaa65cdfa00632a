"""Constants of neutron scattering in cm⁻¹, meV, Å, K and atomic mass units.

Source: CODATA as in `scipy.constants`.
"""

from __future__ import annotations

from scipy import constants

_JOULE_PER_WAVENUMBER = constants.h * constants.c * 100

MEV_TO_WAVENUMBER: float = constants.e * 1e-3 / _JOULE_PER_WAVENUMBER
"""cm⁻¹ per meV, 8.0655."""

KELVIN_TO_WAVENUMBER: float = constants.k / _JOULE_PER_WAVENUMBER
"""cm⁻¹ per K, 0.69503: k_B T in cm⁻¹ is this times T."""

ZERO_POINT_DISPLACEMENT: float = (
    constants.hbar**2 / (2 * constants.atomic_mass * _JOULE_PER_WAVENUMBER) * 1e20
)
"""ħ/2mω of 1 u at 1 cm⁻¹ in Å², 16.858; ħ²Q²/2M of 1 u at 1 Å⁻¹ in cm⁻¹ is the same number."""

RECOIL_ENERGY: float = ZERO_POINT_DISPLACEMENT
"""ħ²Q²/2M of 1 u at Q = 1 Å⁻¹ in cm⁻¹."""

NEUTRON_KINETIC_ENERGY: float = constants.hbar**2 / (2 * constants.m_n * constants.e * 1e-3) * 1e20
"""ħ²k²/2m_n of a neutron with k = 1 Å⁻¹ in meV, 2.0721."""
