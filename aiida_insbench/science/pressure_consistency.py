r"""Whether energies, volumes and pressures of relaxed crystals belong together.

Along a list of static pressures :math:`dE = -P\,dV`, and P falls as V rises, so that between two
pressures the energy rises by more than the lower and less than the higher one does in work,

.. math:: P_1 (V_1 - V_2) \le E_2 - E_1 \le P_2 (V_1 - V_2).

A potential whose stress is not the derivative of its energy, or a crystal that jumps to another
structure, breaks it.

Pressures in GPa, volumes in Å³ per atom, energies in eV per atom.

Source: Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), § 11.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from ase import units

#: What energies may be outside: eV per atom, and a share of the distance of the two bounds.
_ABSOLUTE, _RELATIVE = 1e-4, 0.05


@dataclass(frozen=True)
class RelaxedState:
    """One pressure of a crystal.

    Attributes
    ----------
    pressure : float
        Static, GPa.
    volume : float
        Å³ per atom.
    energy : float
        eV per atom.
    """

    pressure: float
    volume: float
    energy: float


def inconsistencies(states: Mapping[str, RelaxedState]) -> list[str]:
    """Say in plain words what does not belong together.

    Parameters
    ----------
    states : mapping from str to RelaxedState
        By pressure label.

    Returns
    -------
    list of str
        Empty where all is well.
    """
    ordered = sorted(states.items(), key=lambda item: item[1].pressure)
    found = []
    for (low, first), (high, second) in itertools.pairwise(ordered):
        if second.pressure - first.pressure < 1e-6:
            continue
        if not second.volume < first.volume:
            found.append(
                f'The volume does not fall from {low} to {high}: {first.volume:.4f} to '
                f'{second.volume:.4f} Å³ per atom.'
            )
        change = second.energy - first.energy
        least, most = (
            one.pressure * units.GPa * (first.volume - second.volume) for one in (first, second)
        )
        slack = _ABSOLUTE + _RELATIVE * abs(most - least)
        if not least - slack <= change <= most + slack:
            found.append(
                f'Energies and stresses disagree from {low} to {high}: the energy changes by '
                f'{1000 * change:.2f} meV per atom, the work of the pressure lies between '
                f'{1000 * least:.2f} and {1000 * most:.2f} meV per atom. The crystal jumps to '
                "another structure there, or the potential's stress is not the derivative of its "
                'energy.'
            )
    return found
