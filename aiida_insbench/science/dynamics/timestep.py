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

from ase.units import _c

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
        shift = verlet_wavenumber(fastest, timestep=timestep) - fastest
        return [
            f'A step of {timestep:g} fs is long for atoms of {lightest:.3f} u: a mode at '
            f'{fastest:.0f} cm⁻¹ would appear {shift:.0f} cm⁻¹ too high. The default is '
            f'{usual:g} fs.'
        ]
    return []


def verlet_wavenumber(wavenumber: float, *, timestep: float) -> float:
    """Where a harmonic mode appears that is followed in steps, cm⁻¹; see the module.

    Parameters
    ----------
    wavenumber : float
        Of the mode, cm⁻¹.
    timestep : float
        In fs.

    Raises
    ------
    InputError
        If the motion is unstable.
    """
    half = 0.5 * _radians_per_step(wavenumber, timestep)
    if half >= 1:
        raise InputError(
            f'A mode at {wavenumber:.0f} cm⁻¹ is unstable in steps of {timestep:g} fs.'
        )
    return float(wavenumber * math.asin(half) / half) if half else wavenumber


def true_wavenumber(apparent: float, *, timestep: float) -> float:
    """Wavenumber of the mode that appears at `apparent`, cm⁻¹: the inverse, exact if harmonic."""
    half = 0.5 * _radians_per_step(apparent, timestep)
    return float(apparent * math.sin(half) / half) if half else apparent


def _radians_per_step(wavenumber: float, timestep: float) -> float:
    return float(2 * math.pi * _c * 100 * wavenumber * timestep * 1e-15)
