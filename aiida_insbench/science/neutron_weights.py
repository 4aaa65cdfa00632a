r"""What neutrons see of each Γ mode: shares of the one-phonon intensity.

In the incoherent approximation a powder scatters with one phonon of frequency ω as

.. math:: S(Q,\omega) \propto \sum_i \sigma_i\,\frac{\hbar Q^2}{6m_i\omega}\,|e_i|^2\,(n+1)\,
          e^{-2W_i(Q)},

σ the total cross-section of the site, m its mass, e the eigenvector. An indirect-geometry
spectrometer with a small final energy (TOSCA, VISION) goes along one path through Q and ω, with
:math:`\hbar^2Q^2/2m_n \approx \hbar\omega`: the factor Q²/ω is the same for all modes, and what
weighs them against each other is

.. math:: w \propto \sum_i \sigma_i |e_i|^2/m_i.

It leaves out the Debye-Waller factor, which takes from modes at high Q and from soft atoms, the
population n + 1, overtones and combinations, which fill in what the factor takes, and the
dispersion of modes away from Γ.

Cross-sections in barn, masses in atomic mass units.

Source: Mitchell, Parker, Ramirez-Cuesta & Tomkinson, *Vibrational Spectroscopy with Neutrons*
(2005), ch. 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_insbench.science.errors import StructureError, format_error
from aiida_insbench.science.ins.isotopes import scatterer
from aiida_insbench.science.modes import FloatArray


def one_phonon_weights(
    eigenvectors: NDArray[Any], *, masses: FloatArray, cross_sections: FloatArray
) -> FloatArray:
    r"""Share of each mode, :math:`\sum_i\sigma_i|e_i|^2/m_i`, of the sum over all modes given.

    Parameters
    ----------
    eigenvectors : ndarray, shape (n_modes, 3 n_atoms)
        Orthonormal rows, mass-weighted: the optical modes.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.
    cross_sections : ndarray, shape (n_atoms,)
        In barn.

    Returns
    -------
    ndarray, shape (n_modes,)
        Their sum is 1.
    """
    by_atom = (np.abs(eigenvectors) ** 2).reshape(len(eigenvectors), -1, 3).sum(axis=2)
    weights = by_atom @ (cross_sections / masses)
    return np.asarray(weights / weights.sum())


def total_cross_sections(labels: Sequence[str]) -> FloatArray | None:
    """Total cross-sections of sites, in barn; None if the tables lack one of them.

    Parameters
    ----------
    labels : sequence of str
        Chemical symbols or isotopes, see `aiida_insbench.science.ins.isotopes`.
    """
    try:
        return np.array([scatterer(label).total for label in labels])
    except StructureError:
        return None


def cross_sections_of(symbols: Sequence[str]) -> FloatArray:
    """Total cross-sections of elements, barn.

    Raises
    ------
    StructureError
        Naming the elements whose cross-sections are not known.
    """
    found = total_cross_sections(symbols)
    if found is None:
        lacking = [one for one in dict.fromkeys(symbols) if total_cross_sections([one]) is None]
        raise StructureError(
            format_error(
                f'The neutron cross-section of {", ".join(lacking)} is not known.',
                reason='What neutrons see of it is asked for as a weight.',
                fix='Use a method or setting that weighs nothing.',
            )
        )
    return found
