r"""How far a committee of potentials disputes each mode of a cell, and the energy each is given.

**Spread.** The modes e are those of the first member, mass-weighted. To first order of perturbation
theory, member k with the mass-weighted Hessian D has the squared frequency

.. math:: \omega_{mk}^2 = e_m^T D_k e_m

in mode m, so that the standard deviation s over the members (n − 1) of this number gives that of
the frequency,

.. math:: \sigma_m = \frac{s_m}{2\max(\omega_m, \omega_\mathrm{floor})}.

Second-order terms, mode mixing among them, are left out: they are of the size of the spread squared
over the distance between modes. Within modes degenerate by symmetry e is arbitrary and the result
is not, D being a multiple of one there (Schur's lemma).

**Weight.** Neutrons weigh a mode with :math:`w_m = \sum_i \sigma_i^\mathrm{tot}|e_{mi}|^2/m_i`
(`aiida_insbench.science.neutron_weights`), here as a share of the sum over the cell's modes, in
natural abundance. The spread of the spectrum is :math:`\sqrt{\sum_m w_m\sigma_m^2}`.

**Energy.** A labelled force along a mode, :math:`f = -\omega^2 q` with an error τ, holds the
information q²/τ² on ω², hence 4ω²q²/τ² on ω. An oscillator of energy kT at a random phase has
⟨q²⟩ = kT/ω²: the information on ω is 4kT/τ² for each frame, whatever ω is. The energy of a mode is
what a label teaches of its frequency, and equal energies teach all frequencies equally. They are
shared out in proportion to what each mode adds to the spread of the spectrum,

.. math:: T_m = T\,\mathrm{clip}\Bigl(M\frac{w_m\sigma_m^2}{\sum_l w_l\sigma_l^2},
          \mathrm{least}, \mathrm{largest}\Bigr),

M the number of modes. It is a rule and no optimum: that would be
:math:`T_m\propto(\mu\sqrt{w_m} - 1/\sigma_m^2)_+`, with a μ that needs the number of frames and τ,
which nobody knows. The limits see to it that nothing is left out and nothing leaves the crystal;
they do not keep the sum of the energies.

Frequencies in cm⁻¹, Hessians in eV/Å², masses in atomic mass units, cross-sections in barn.

Sources: Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), ch. IV (oscillators, first
order in a perturbation of D); Mitchell et al., *Vibrational Spectroscopy with Neutrons* (2005),
ch. 2 (weights).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.neutron_weights import cross_sections_of, one_phonon_weights
from aiida_insbench.science.sampling.optical_modes import FloatArray, OpticalModes

#: Spread of a spectrum (cm⁻¹) below which members agree to rounding: nothing is disputed.
NO_DISPUTE = 1e-6
#: Square of the wavenumber of the eigenvalue 1 eV/(Å² u).
_SQUARED_WAVENUMBER = float(eigenvalues_to_wavenumbers(np.array([1.0]))[0]) ** 2


@dataclass(frozen=True)
class ModeDispute:
    """What a committee says of the modes of one cell, each array of shape (n_modes,).

    Attributes
    ----------
    frequencies : ndarray
        Of the first member, cm⁻¹; negative is imaginary.
    sigma : ndarray
        Standard deviation of each frequency over the members, cm⁻¹.
    weights : ndarray
        Share of the one-phonon intensity; their sum is 1.
    shares : ndarray
        Energy of each mode over that of equal energies.
    by_element : dict of str to ndarray
        Part of each element in the modes, Σ|e|² over its atoms; their sum is 1.
    """

    frequencies: FloatArray
    sigma: FloatArray
    weights: FloatArray
    shares: FloatArray
    by_element: dict[str, FloatArray]

    @property
    def parts(self) -> FloatArray:
        """What each mode adds to the square of the spread of the spectrum, cm⁻²."""
        return self.weights * self.sigma**2


def dispute_modes(
    *,
    supercell: Atoms,
    modes: OpticalModes,
    hessians: Sequence[FloatArray],
    frequency_floor: float,
    limits: tuple[float, float],
) -> ModeDispute:
    """Spread, neutron weight and share of the energy of each mode.

    Parameters
    ----------
    supercell : Atoms
        With masses, in the order of atoms of `modes`.
    modes : OpticalModes
        Of the first member.
    hessians : sequence of ndarray, shape (3N, 3N)
        Of all members at the same crystal, eV/Å².
    frequency_floor : float
        In cm⁻¹, > 0; softer and imaginary modes count as having this frequency.
    limits : tuple of two floats
        Least and largest share.

    Raises
    ------
    InputError
        With fewer than two members.
    StructureError
        If the tables have no cross-section of an element.
    """
    masses = np.asarray(supercell.get_masses(), dtype=float)
    symbols = supercell.get_chemical_symbols()
    vectors = modes.displacements * np.sqrt(masses)[:, None]
    weights = one_phonon_weights(
        vectors.reshape(len(vectors), -1), masses=masses, cross_sections=cross_sections_of(symbols)
    )
    sigma = frequency_spread(modes=modes, hessians=hessians, frequency_floor=frequency_floor)
    by_atom = (vectors**2).sum(axis=2)
    elements = np.array(symbols)
    return ModeDispute(
        frequencies=modes.frequencies,
        sigma=sigma,
        weights=weights,
        shares=energy_shares(sigma=sigma, weights=weights, limits=limits),
        by_element={
            name: by_atom[:, elements == name].sum(axis=1) for name in dict.fromkeys(symbols)
        },
    )


def frequency_spread(
    *, modes: OpticalModes, hessians: Sequence[FloatArray], frequency_floor: float
) -> FloatArray:
    """Standard deviation (n − 1) of each frequency over the members, first order.

    Parameters and errors are those of `dispute_modes`.

    Returns
    -------
    ndarray, shape (n_modes,)
        In cm⁻¹.
    """
    if len(hessians) < 2:
        raise InputError(f'A committee of {len(hessians)} has no spread; two members are needed.')
    # u = e/√m, hence uᵀHu = eᵀDe
    moves = modes.displacements.reshape(len(modes.frequencies), -1)
    squared = np.array([((moves @ hessian) * moves).sum(axis=1) for hessian in hessians])
    spread = squared.std(axis=0, ddof=1) * _SQUARED_WAVENUMBER
    return np.asarray(spread / (2 * np.maximum(modes.frequencies, frequency_floor)))


def energy_shares(
    *, sigma: FloatArray, weights: FloatArray, limits: tuple[float, float]
) -> FloatArray:
    """Energy of each mode over that of equal energies; 1 for all where nothing is disputed.

    Parameters
    ----------
    sigma : ndarray, shape (n_modes,)
        Spread of each frequency, cm⁻¹.
    weights : ndarray, shape (n_modes,)
        Whose sum is 1.
    limits : tuple of two floats
        Least and largest share.
    """
    parts = weights * sigma**2
    total = float(parts.sum())
    if total < NO_DISPUTE**2:
        return np.ones(len(parts))
    return np.asarray(np.clip(len(parts) * parts / total, *limits))


def spectrum_spread(disputes: Sequence[ModeDispute]) -> float:
    """Root mean square spread of the frequencies, weighted by neutrons, over cells; cm⁻¹."""
    return float(np.sqrt(np.mean([one.parts.sum() for one in disputes])))


def most_disputed_modes(
    disputes: Mapping[int, ModeDispute], *, count: int = 10
) -> list[dict[str, Any]]:
    """The modes that add most to the spread of the spectrum, over cells, the worst first.

    Parameters
    ----------
    disputes : mapping of int to ModeDispute
        By place of the cell in the list of sampling cells.
    count : int
        How many at most.

    Returns
    -------
    list of dict
        ``cell``; ``frequency`` and ``sigma`` in cm⁻¹; ``neutron_weight``, its share of the cell's
        one-phonon intensity; ``part``, its share of the cell's squared spread; ``share`` of the
        energy; ``elements``, by symbol. Empty where nothing is disputed.
    """
    rows: list[dict[str, Any]] = [
        {
            'cell': cell,
            'frequency': float(one.frequencies[index]),
            'sigma': float(one.sigma[index]),
            'neutron_weight': float(one.weights[index]),
            'part': float(one.parts[index] / one.parts.sum()),
            'share': float(one.shares[index]),
            'elements': {name: float(part[index]) for name, part in one.by_element.items()},
        }
        for cell, one in sorted(disputes.items())
        if one.parts.sum() >= NO_DISPUTE**2
        for index in range(len(one.sigma))
    ]
    return sorted(rows, key=lambda row: -row['neutron_weight'] * row['sigma'] ** 2)[:count]
