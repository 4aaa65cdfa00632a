r"""The Birch–Murnaghan equation of state.

With the strain :math:`f = \frac12[(V_0/V)^{2/3} - 1]`,

.. math:: P(V) = 3 B_0 f (1 + 2f)^{5/2} \left[1 + \tfrac32 (B_0' - 4) f\right], \qquad
          E(V) = E_0 + \tfrac92 V_0 B_0 f^2 \left[1 + (B_0' - 4) f\right]

(Birch, *Phys. Rev.* **71**, 809 (1947)); of second order with :math:`B_0' = 4`. Volumes in Å³ (of
whatever number of atoms), pressures and moduli in GPa, energies in eV of the same number of atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase.units import GPa
from scipy.optimize import brentq

from aiida_insbench.science.errors import ComputationError, format_error

FloatArray = npt.NDArray[np.float64]

#: Where a volume is looked for, as shares of that at zero pressure.
_SEARCHED = (0.3, 2.0)


@dataclass(frozen=True)
class BirchMurnaghan:
    """One equation of state.

    Attributes
    ----------
    v0 : float
        Volume at zero pressure, Å³.
    b0 : float
        Bulk modulus there, GPa.
    b0_prime : float
        Its derivative by pressure.
    e0 : float
        Energy there, eV.
    """

    v0: float
    b0: float
    b0_prime: float = 4.0
    e0: float = 0.0

    def pressure(self, volume: npt.ArrayLike) -> FloatArray:
        """Pressure in GPa of volumes in Å³."""
        f = self._strain(volume)
        return np.asarray(
            3 * self.b0 * f * (1 + 2 * f) ** 2.5 * (1 + 1.5 * (self.b0_prime - 4) * f)
        )

    def energy(self, volume: npt.ArrayLike) -> FloatArray:
        """Energy in eV of volumes in Å³."""
        f = self._strain(volume)
        work = 4.5 * self.v0 * self.b0 * GPa * f**2 * (1 + (self.b0_prime - 4) * f)
        return np.asarray(self.e0 + work)

    def bulk_modulus(self, volume: npt.ArrayLike) -> FloatArray:
        r"""Bulk modulus :math:`-V\,dP/dV` in GPa at volumes in Å³."""
        f = self._strain(volume)
        a = 1.5 * (self.b0_prime - 4)
        # dP/df and df/dV = −(1 + 2f) / 3V
        slope = (1 + 2 * f) ** 1.5 * ((1 + 2 * a * f) * (1 + 2 * f) + 5 * f * (1 + a * f))
        return np.asarray(self.b0 * slope * (1 + 2 * f))

    def volume(self, pressure: float) -> float:
        """Volume in Å³ at a pressure in GPa, on the branch where the crystal is stable.

        Raises
        ------
        ComputationError
            If there is none: under tension beyond the spinodal, or far beyond what was fitted.
        """
        low, high = (share * self.v0 for share in _SEARCHED)
        volumes = np.linspace(low, high, 500)
        start = int(np.searchsorted(volumes, self.v0))
        unstable = np.flatnonzero(self.bulk_modulus(volumes) <= 0)
        above, below = unstable[unstable >= start], unstable[unstable < start]
        high = volumes[above[0] - 1] if len(above) else high
        low = volumes[below[-1] + 1] if len(below) else low
        if not float(self.pressure(high)) <= pressure <= float(self.pressure(low)):
            raise ComputationError(
                format_error(
                    f'The equation of state has no stable volume at {pressure:g} GPa.',
                    reason=f'It has V0 = {self.v0:.3f} Å³, B0 = {self.b0:.2f} GPa and '
                    f"B0' = {self.b0_prime:.2f}.",
                )
            )
        return float(brentq(lambda v: float(self.pressure(v)) - pressure, low, high, xtol=1e-12))

    def _strain(self, volume: npt.ArrayLike) -> FloatArray:
        return np.asarray(0.5 * ((self.v0 / np.asarray(volume, dtype=float)) ** (2 / 3) - 1))
