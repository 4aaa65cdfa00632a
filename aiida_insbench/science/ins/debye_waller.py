r"""Thermal motion of harmonic atoms: occupations and mean-square displacements.

Frequencies in cm⁻¹, masses in atomic mass units, displacements in Å². The exponent of the
Debye–Waller factor of atom i along Q is :math:`2W_i = Q\cdot U_i\cdot Q`; Euphonic's `DebyeWaller`
holds :math:`U_i/2`.

Source: Mitchell et al., *Vibrational Spectroscopy with Neutrons* (2005), ch. 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import ImaginaryModeError, InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.census import MINIMUM_FREQUENCY
from aiida_insbench.science.ins.modes import ModeSource, PhononModes
from aiida_insbench.science.ins.units import KELVIN_TO_WAVENUMBER, ZERO_POINT_DISPLACEMENT

#: K; no crystal is hotter.
HOTTEST = 20_000.0


def occupation(*, frequencies: FloatArray, temperature: float) -> FloatArray:
    r"""Bose–Einstein occupation.

    .. math:: n = \frac{1}{\exp(\hbar\omega/k_BT) - 1}

    Parameters
    ----------
    frequencies : ndarray
        In cm⁻¹, all > 0.
    temperature : float
        In K; 0 gives zero.

    Returns
    -------
    ndarray
        Of the shape of `frequencies`.

    Raises
    ------
    ImaginaryModeError
        If a frequency is ≤ 0.
    InputError
        If the temperature is negative, that of no crystal, or not finite.
    """
    frequencies = np.asarray(frequencies, dtype=np.float64)
    if not 0 <= temperature <= HOTTEST:
        raise InputError(
            f'The temperature must be a number from 0 to {HOTTEST:g} K, not {temperature}.'
        )
    if (frequencies <= 0).any():
        bad = np.flatnonzero(frequencies.ravel() <= 0)
        raise ImaginaryModeError(
            f'{bad.size} modes have a frequency ≤ 0 (first: {bad[:5].tolist()}) and no occupation.'
        )
    if temperature * KELVIN_TO_WAVENUMBER == 0:
        return np.zeros_like(frequencies)
    with np.errstate(over='ignore'):  # exp(ħω/kT) = ∞ is an occupation of 0
        ratio = frequencies / (KELVIN_TO_WAVENUMBER * temperature)
        return np.asarray(1 / np.expm1(ratio))


def mean_square_displacement(
    *, frequencies: FloatArray, masses: FloatArray, temperature: float
) -> FloatArray:
    r"""Mean-square displacement of harmonic oscillators in one direction.

    .. math:: \langle u^2\rangle = \frac{\hbar}{2m\omega}\coth\frac{\hbar\omega}{2k_BT}

    Parameters
    ----------
    frequencies : ndarray, shape (n_modes,)
        In cm⁻¹, all > 0.
    masses : ndarray, shape (n_modes,)
        In atomic mass units.
    temperature : float
        In K; 0 gives zero-point motion.

    Returns
    -------
    ndarray, shape (n_modes,)
        In Å².

    Raises
    ------
    ImaginaryModeError
        If a frequency is ≤ 0; lists the modes.
    InputError
        If the temperature is negative or not finite.

    References
    ----------
    Mitchell et al., *Vibrational Spectroscopy with Neutrons* (2005), ch. 2.
    """
    thermal = 2 * occupation(frequencies=frequencies, temperature=temperature) + 1
    return np.asarray(ZERO_POINT_DISPLACEMENT / (masses * frequencies) * thermal)


def displacement_tensors(
    source: ModeSource, *, temperature: float, minimum_frequency: float = MINIMUM_FREQUENCY
) -> FloatArray:
    r"""Mean-square displacement tensors of all atoms.

    .. math:: U_i = \sum_q w_q \sum_j \frac{\hbar}{2m_i\omega_{qj}}
              \coth\frac{\hbar\omega_{qj}}{2k_BT}\; \mathrm{Re}\, e_{qj,i}\, e_{qj,i}^\dagger

    Parameters
    ----------
    source : ModeSource
        Modes on a mesh.
    temperature : float
        In K.
    minimum_frequency : float
        In cm⁻¹; modes below it, and so all imaginary ones, are left out.

    Returns
    -------
    ndarray, shape (n_atoms, 3, 3)
        In Å², Cartesian, symmetric.
    """
    result = np.zeros((len(source.symbols), 3, 3))
    for share, modes in source.blocks():
        weights = _squared_displacements(modes, temperature, minimum_frequency)
        vectors = modes.eigenvectors
        for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
            # Re e_a e_b*, component by component: all nine at once would take much memory
            product = vectors[..., a].real * vectors[..., b].real
            product += vectors[..., a].imag * vectors[..., b].imag
            part = share * np.einsum('qj,qji->i', weights, product) / modes.masses
            result[:, a, b] += part
            if a != b:
                result[:, b, a] += part
    return result


def _squared_displacements(
    modes: PhononModes, temperature: float, minimum_frequency: float
) -> FloatArray:
    """Weighted mean-square displacement of each mode for a mass of 1, 0 for modes left out."""
    used = modes.frequencies >= minimum_frequency
    squared = mean_square_displacement(
        frequencies=np.where(used, modes.frequencies, 1.0),
        masses=np.ones_like(modes.frequencies),
        temperature=temperature,
    )
    return np.asarray(np.where(used, squared, 0.0) * modes.weights[:, None])


def isotropic_displacements(symbols: Sequence[str], tensors: FloatArray) -> dict[str, float]:
    """Mean of trace(U)/3 over the atoms of each label, in Å²."""
    traces = np.trace(tensors, axis1=1, axis2=2) / 3
    labels = np.array(symbols)
    return {label: float(traces[labels == label].mean()) for label in dict.fromkeys(symbols)}


@dataclass(frozen=True)
class DominantMode:
    """A single mode that holds much of an element's mean-square displacement.

    Parameters
    ----------
    element : str
        Chemical symbol.
    qpoint : int
        Index of the q-point.
    frequency : float
        In cm⁻¹.
    share : float
        Of the element's trace of U, 0 to 1.
    """

    element: str
    qpoint: int
    frequency: float
    share: float

    def __str__(self) -> str:
        return (
            f'One mode at {self.frequency:.1f} cm⁻¹ (q-point {self.qpoint}) holds '
            f'{self.share:.0%} of the mean-square displacement of {self.element}: the '
            'Debye–Waller factor hangs on it. Take a finer mesh, or see whether that frequency is '
            'to be trusted.'
        )


def dominant_modes(
    source: ModeSource,
    *,
    temperature: float,
    minimum_frequency: float = MINIMUM_FREQUENCY,
    share: float = 0.2,
) -> tuple[DominantMode, ...]:
    """Find single modes, soft ones as a rule, that hold much of an element's displacement.

    Parameters
    ----------
    source : ModeSource
        Modes on a mesh; of a molecule at Γ single modes always dominate.
    temperature : float
        In K.
    minimum_frequency : float
        In cm⁻¹; modes below it are left out.
    share : float
        What is much, 0 to 1.

    Returns
    -------
    tuple of DominantMode
        At most one for each element.
    """
    search = DominanceSearch(
        source.symbols, temperature=temperature, minimum_frequency=minimum_frequency
    )
    for part, block in source.blocks():
        search.add(block, share=part)
    return search.found(share)


class DominanceSearch:
    """Looks for dominant modes block by block of q-points."""

    def __init__(
        self, symbols: tuple[str, ...], *, temperature: float, minimum_frequency: float
    ) -> None:
        self._symbols = symbols
        self._conditions = temperature, minimum_frequency
        self._largest: dict[str, tuple[float, int, float]] = {}
        self._sums = dict.fromkeys(symbols, 0.0)
        self._n_qpoints = 0

    def add(self, modes: PhononModes, *, share: float) -> None:
        """Look at a block that is so much of the Brillouin zone."""
        weights = share * _squared_displacements(modes, *self._conditions)
        motion = modes.motion / modes.masses
        symbols = np.array(self._symbols)
        for element in self._sums:
            parts = weights * motion[:, :, symbols == element].sum(axis=-1)
            qpoint, mode = np.unravel_index(int(parts.argmax()), parts.shape)
            found = (
                float(parts[qpoint, mode]),
                self._n_qpoints + int(qpoint),
                float(modes.frequencies[qpoint, mode]),
            )
            self._largest[element] = max(self._largest.get(element, found), found)
            self._sums[element] += float(parts.sum())
        self._n_qpoints += modes.n_qpoints

    def found(self, share: float) -> tuple[DominantMode, ...]:
        """Modes that hold more than `share` of an element's displacement."""
        return tuple(
            DominantMode(element, qpoint, frequency, part / self._sums[element])
            for element, (part, qpoint, frequency) in self._largest.items()
            if part > share * max(self._sums[element], 1e-300)
        )
