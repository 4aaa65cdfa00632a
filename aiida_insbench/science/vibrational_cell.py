r"""The static pressure of a crystal that stands at a pressure with its vibrations.

A crystal of least static energy at :math:`P_s` has the volume V and, in the quasi-harmonic
approximation, stands at

.. math:: P = P_s(V) + P_\mathrm{vib}(V, T), \qquad
          P_\mathrm{vib} = -\partial F_\mathrm{vib}/\partial V

with F_vib the free energy of its vibrations. From states that have been computed, ln V is taken as
a polynomial in P_s and F as one in V, of degree 3 and 4 at most; the next state to compute follows.

Pressures in GPa, volumes in Å³ and energies in eV per cell.

Source: Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), §§ 4, 16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import units
from scipy.optimize import brentq

from aiida_insbench.science.errors import ConvergenceError, InputError, format_error

_DEGREE_OF_VOLUME, _DEGREE_OF_ENERGY = 3, 4
#: Volumes closer than this share count once: their difference in F is no slope.
_SAME_VOLUME = 1e-3
#: Static pressures may lie this far outside those computed, GPa.
_REACH = 10.0


@dataclass(frozen=True)
class StaticState:
    """A crystal of least static energy at a pressure.

    Attributes
    ----------
    static_pressure : float
        GPa.
    volume : float
        Å³.
    energy : float
        Static energy, eV.
    free_energy : float
        Of the vibrations at the temperature asked for, zero-point energy included, eV.
    """

    static_pressure: float
    volume: float
    energy: float
    free_energy: float


def vibrational_pressure_of(state: StaticState, states: Sequence[StaticState]) -> float:
    """P_vib at a state's volume, GPa.

    Parameters
    ----------
    state : StaticState
        One of `states`, or another.
    states : sequence of StaticState
        At least two volumes.

    Raises
    ------
    InputError
        If there are fewer than two different volumes.
    """
    return _pressure_of_vibrations(states)(state.volume)


def static_pressure_for(pressure: float, states: Sequence[StaticState]) -> float:
    """Static pressure at which the crystal with its vibrations stands at a pressure, GPa.

    Parameters
    ----------
    pressure : float
        P in GPa.
    states : sequence of StaticState
        Those computed so far, at least two volumes.

    Raises
    ------
    InputError
        If there are fewer than two different volumes.
    ConvergenceError
        If there is none within 10 GPa of those computed.
    """
    kept = _distinct(states)
    statics = np.array([one.static_pressure for one in kept])
    middle = float(statics.mean())
    vibrations = _pressure_of_vibrations(states)
    degree = min(_DEGREE_OF_VOLUME, len(kept) - 1)
    logs = np.polyfit(statics - middle, np.log([one.volume for one in kept]), degree)

    def excess(static: float) -> float:
        volume = float(np.exp(np.polyval(logs, static - middle)))
        return static + vibrations(volume) - pressure

    # from the nearest computed pressure outwards: parabolas turn back far outside
    start = float(statics[np.argmin([abs(excess(float(value))) for value in statics])])
    for reach in (1.0, 2.0, 4.0, _REACH):
        low, high = start - reach, start + reach
        if excess(low) <= 0 <= excess(high):
            return float(brentq(excess, low, high, xtol=1e-6))
    raise ConvergenceError(
        format_error(
            f'No static pressure within {_REACH:g} GPa of {start:g} GPa stands at {pressure:g} GPa '
            'with its vibrations.',
            reason='The free energy of the vibrations does not vary smoothly with volume.',
            fix='Use `cell_policy: static`, or pressures closer to each other.',
        )
    )


def _pressure_of_vibrations(states: Sequence[StaticState]) -> Callable[[float], float]:
    """P_vib(V) in GPa."""
    kept = _distinct(states)
    if len(kept) < 2:
        raise InputError(
            format_error(
                'One volume is too few for the vibrational pressure.',
                reason='It is a derivative with respect to the volume.',
                fix='Compute a second pressure.',
            )
        )
    volumes = np.array([one.volume for one in kept])
    middle, width = float(volumes.mean()), float(np.ptp(volumes))
    degree = min(_DEGREE_OF_ENERGY, len(kept) - 1)
    fit = np.polyfit((volumes - middle) / width, [one.free_energy for one in kept], degree)
    slope = np.polyder(fit) / width

    def pressure(volume: float) -> float:
        return float(-np.polyval(slope, (volume - middle) / width) / units.GPa)

    return pressure


def _distinct(states: Sequence[StaticState]) -> list[StaticState]:
    """States of different volumes; of near twins the last one."""
    kept: list[StaticState] = []
    for one in reversed(states):
        if all(abs(one.volume / other.volume - 1) > _SAME_VOLUME for other in kept):
            kept.append(one)
    return kept
