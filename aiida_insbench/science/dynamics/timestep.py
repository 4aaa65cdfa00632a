r"""How long a step of molecular dynamics may be.

Velocity Verlet gives a harmonic mode of angular frequency ω, followed in steps Δt, the frequency

.. math:: \omega' = \frac{2}{\Delta t} \arcsin\frac{\omega\,\Delta t}{2}
          \approx \omega \left(1 + \frac{(\omega\,\Delta t)^2}{24}\right)

and is unstable for ωΔt ≥ 2 (Hairer, Lubich, Wanner, *Acta Numerica* **12**, 399 (2003), section 4).
The O–H and N–H bonds, at up to 3700 cm⁻¹, want 0.5 fs, where they are off by 0.5 %; a bond between
heavier atoms of like stiffness vibrates slower by the square root of the mass, so that steps scale
with that of the lightest atom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aiida_insbench.science.dynamics.run import ANGULAR, FloatArray
from aiida_insbench.science.errors import InputError, format_error

#: Step for hydrogen, fs, and the longest for anything.
FOR_HYDROGEN = 0.5
LONGEST = 2.0
_HYDROGEN_MASS = 1.008
#: A step is warned of above this times the default, refused above the second.
WARNED, REFUSED = 2.0, 4.0
#: Wavenumber of the stiffest bond of hydrogen, cm⁻¹.
STIFFEST = 3700.0


def default_timestep(masses: Sequence[float]) -> float:
    """Step for the lightest of atoms, fs, rounded down to 0.05.

    Parameters
    ----------
    masses : sequence of float
        In atomic mass units.
    """
    step = min(FOR_HYDROGEN * math.sqrt(min(masses) / _HYDROGEN_MASS), LONGEST)
    return math.floor(step / 0.05 + 1e-9) * 0.05


def check_timestep(timestep: float, *, masses: Sequence[float]) -> list[str]:
    """Warn of a step that shifts the highest modes, refuse one that may not be stable.

    Parameters
    ----------
    timestep : float
        In fs.
    masses : sequence of float
        In atomic mass units.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    InputError
        If the step is not above zero or more than `REFUSED` times the default.
    """
    usual = default_timestep(masses)
    if not (math.isfinite(timestep) and timestep > 0):
        raise InputError(f'`timestep` is {timestep} fs; give a number above 0, such as {usual:g}.')
    lightest = min(masses)
    if timestep > REFUSED * usual:
        raise InputError(
            format_error(
                f'`timestep` is {timestep:g} fs, and the lightest atom weighs {lightest:.3f} u.',
                reason='Its bonds would be followed in too few steps to stay stable.',
                fix=f'Give at most {REFUSED * usual:g} fs; {usual:g} fs is the default.',
            )
        )
    if timestep > WARNED * usual * (1 + 1e-9):
        fastest = STIFFEST * math.sqrt(_HYDROGEN_MASS / lightest)
        shift = float(integrator_frequencies(fastest, timestep=timestep)) - fastest
        return [
            f'A step of {timestep:g} fs is long for atoms of {lightest:.3f} u: a mode at '
            f'{fastest:.0f} cm⁻¹ would appear {shift:.0f} cm⁻¹ too high. The default is '
            f'{usual:g} fs.'
        ]
    return []


def integrator_frequencies(frequencies: FloatArray | float, *, timestep: float) -> FloatArray:
    """Frequencies at which velocity Verlet oscillates; see the module.

    Parameters
    ----------
    frequencies : ndarray or float
        Of the crystal, cm⁻¹; imaginary ones, below zero, are left as they are.
    timestep : float
        In fs.

    Raises
    ------
    InputError
        If the integrator is unstable for one.
    """
    halves = np.maximum(frequencies, 0.0) * ANGULAR * timestep / 2000
    if not timestep > 0 or (halves >= 1).any():
        raise InputError(
            f'A timestep of {timestep} fs is not positive, or too long for '
            f'{np.max(frequencies):.0f} cm⁻¹: the integrator is unstable there.'
        )
    return np.asarray(
        np.where(frequencies > 0, np.arcsin(halves) * 2000 / (ANGULAR * timestep), frequencies)
    )


def crystal_energies(energies: FloatArray | float, *, timestep: float) -> FloatArray:
    """Undo `integrator_frequencies`, for energies up to π/Δt."""
    return np.asarray(np.sin(energies * ANGULAR * timestep / 2000) * 2000 / (ANGULAR * timestep))
