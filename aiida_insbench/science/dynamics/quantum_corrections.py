r"""Factors that give a classical spectrum the detailed balance of a quantum one.

With :math:`x = \hbar\omega/k_BT` the scattering function of the crystal is taken as
:math:`S(Q,\omega) = f(x)\,S_\mathrm{classical}(Q,\omega)`:

==============  ==========================  =====================================================
``kubo``        :math:`x/(1-e^{-x})`        exact for one-phonon lines of a harmonic crystal but
                                            for their Debye–Waller factor, and for the first
                                            moment; Bader & Berne, *J. Chem. Phys.* 100, 8359
                                            (1994)
``standard``    :math:`2/(1+e^{-x})`        keeps the zeroth moment; Berens, Mackay, White &
                                            Wilson, *J. Chem. Phys.* 79, 2375 (1983); Egorov,
                                            Everitt & Skinner, *J. Phys. Chem. A* 103, 9494 (1999)
``schofield``   :math:`e^{x/2}`             by a shift of time by iħ/2kT; Schofield, *Phys. Rev.
                                            Lett.* 4, 239 (1960); grows without bound
``none``        1                           classical: even in ω
==============  ==========================  =====================================================

None is right for more than one phonon: each line of a harmonic crystal that is a combination of
several would need the product of their factors, of which ``kubo`` gives less.
"""

from __future__ import annotations

import numpy as np

from aiida_insbench.science.dynamics.run import FloatArray
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.units import KELVIN_TO_WAVENUMBER

KUBO, STANDARD, SCHOFIELD, NONE = CORRECTIONS = ('kubo', 'standard', 'schofield', 'none')


def quantum_factor(energies: FloatArray, *, temperature: float, correction: str) -> FloatArray:
    """Factor by which a classical spectrum is multiplied.

    Parameters
    ----------
    energies : ndarray
        ħω in cm⁻¹, positive where the neutron loses energy.
    temperature : float
        In K, > 0.
    correction : {'kubo', 'standard', 'schofield', 'none'}
        See above.

    Returns
    -------
    ndarray
        Of the shape of `energies`.

    Raises
    ------
    InputError
        If the name is unknown or the temperature not positive.
    """
    if correction not in CORRECTIONS:
        raise InputError(f'`correction` must be one of {CORRECTIONS}, not {correction!r}.')
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f'The temperature must be > 0 K, not {temperature}.')
    ratio = np.asarray(energies, dtype=np.float64) / (KELVIN_TO_WAVENUMBER * temperature)
    if correction == NONE:
        return np.ones_like(ratio)
    with np.errstate(over='ignore'):  # an infinite denominator is a factor of 0
        if correction == SCHOFIELD:
            return np.asarray(np.exp(ratio / 2))
        if correction == STANDARD:
            return np.asarray(2 / (1 + np.exp(-ratio)))
        safe = np.where(ratio == 0, 1.0, ratio)
        return np.asarray(np.where(ratio == 0, 1.0, safe / -np.expm1(-safe)))
