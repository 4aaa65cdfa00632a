"""Which modes enter a spectrum, and how much of the crystal's motion they hold.

A mode of imaginary frequency has no mean-square displacement, one of frequency near zero an
arbitrary one: both are left out, counted, and refused when they hold too much. Translations of the
whole cell or molecule, the acoustic modes at Γ, have frequency zero in any crystal and are counted
apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import ConvergenceError, ImaginaryModeError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.modes import ModeSource, PhononModes

MINIMUM_FREQUENCY = 1.0
"""Modes below this many cm⁻¹ are left out."""

MAXIMUM_IMAGINARY_WEIGHT = 0.05
"""Largest share of an element's motion in modes left out."""

MINIMUM_COMPLETENESS = 0.99
"""Smallest share of an atom's motion in all modes given."""

_IS_TRANSLATION = 0.9
"""Share of a mode that moves everything alike, above which it is a translation."""


@dataclass(frozen=True)
class ModeCensus:
    """Count of modes and of the motion they hold.

    Parameters
    ----------
    n_modes : int
        Modes at the computed q-points (one of q and −q).
    n_imaginary : int
        Of these, with a frequency ≤ −minimum.
    n_near_zero : int
        Of these, with a frequency between −minimum and minimum, translations not counted.
    n_translations : int
        Of these, near zero and moving everything alike.
    lowest_frequency : float
        In cm⁻¹; negative stands for imaginary.
    left_out : mapping from str to float
        Share of each element's motion in modes left out, 0 to 1, translations not counted.
    given : ndarray, shape (n_atoms,)
        Share of each atom's motion in all modes given; 1 if the eigenvectors are complete.
    completeness : ndarray, shape (n_atoms,)
        Share of each atom's motion in the modes used.
    """

    n_modes: int
    n_imaginary: int
    n_near_zero: int
    n_translations: int
    lowest_frequency: float
    left_out: Mapping[str, float]
    given: FloatArray
    completeness: FloatArray


def take_census(source: ModeSource, *, minimum_frequency: float = MINIMUM_FREQUENCY) -> ModeCensus:
    r"""Count modes and the share of motion they hold.

    The share of atom i in a set of modes is

    .. math:: c_i = \tfrac13 \sum_q w_q \sum_{j} |e_{qj,i}|^2

    which is 1 for all modes of the crystal.

    Parameters
    ----------
    source : ModeSource
        Modes on a mesh.
    minimum_frequency : float
        In cm⁻¹; modes below it are left out.

    Returns
    -------
    ModeCensus
        Counts and shares.
    """
    counter = CensusCounter(source.symbols, minimum_frequency=minimum_frequency)
    for share, block in source.blocks():
        counter.add(block, share=share)
    return counter.census()


class CensusCounter:
    """Takes the census block by block of q-points."""

    def __init__(self, symbols: tuple[str, ...], *, minimum_frequency: float) -> None:
        self._symbols = symbols
        self._minimum = minimum_frequency
        self._shares = np.zeros((3, len(symbols)))
        self._counts = np.zeros(4, dtype=int)
        self._lowest = np.inf

    def add(self, modes: PhononModes, *, share: float) -> None:
        """Count a block that is so much of the Brillouin zone."""
        frequencies = modes.frequencies
        motion = modes.motion
        used = frequencies >= self._minimum
        near_zero = np.abs(frequencies) < self._minimum
        moves_all = near_zero & (_translation(modes) > _IS_TRANSLATION)
        for row, kept in enumerate((np.ones_like(used), used, used | moves_all)):
            self._shares[row] += share * np.einsum('q,qj,qji->i', modes.weights, kept, motion) / 3
        self._counts += (
            frequencies.size,
            (frequencies <= -self._minimum).sum(),
            (near_zero & ~moves_all).sum(),
            moves_all.sum(),
        )
        self._lowest = min(self._lowest, float(frequencies.min()))

    def census(self) -> ModeCensus:
        """What has been counted so far."""
        given, completeness, explained = self._shares
        symbols = np.array(self._symbols)
        n_modes, n_imaginary, n_near_zero, n_translations = map(int, self._counts)
        return ModeCensus(
            n_modes=n_modes,
            n_imaginary=n_imaginary,
            n_near_zero=n_near_zero,
            n_translations=n_translations,
            lowest_frequency=self._lowest,
            left_out={
                element: max(0.0, float((given - explained)[symbols == element].mean()))
                for element in dict.fromkeys(self._symbols)
            },
            given=given,
            completeness=completeness,
        )


def _translation(modes: PhononModes) -> FloatArray:
    """Share of each mode that moves everything alike, shape (n_qpoints, n_modes)."""
    weights = np.sqrt(modes.masses / modes.masses.sum())
    amplitude = np.einsum('qjia,i->qja', modes.eigenvectors, weights)
    return np.asarray((np.abs(amplitude) ** 2).sum(axis=-1))


def check_census(
    census: ModeCensus, *, maximum_imaginary_weight: float = MAXIMUM_IMAGINARY_WEIGHT
) -> None:
    """Refuse modes from which no spectrum should be made.

    Raises
    ------
    ConvergenceError
        If the modes given hold less than `MINIMUM_COMPLETENESS` of an atom's motion.
    ImaginaryModeError
        If the modes left out hold more than `maximum_imaginary_weight` of an element's motion.
    """
    atom = int(np.argmin(census.given))
    if census.given[atom] < MINIMUM_COMPLETENESS:
        raise ConvergenceError(
            format_error(
                f'The eigenvectors hold {census.given[atom]:.3f} of the motion of atom {atom}.',
                reason='Modes are missing, so intensities would be too low.',
                fix='Give all 3N modes at every q-point.',
            )
        )
    element = max(census.left_out, key=lambda name: census.left_out[name])
    share = census.left_out[element]
    if share > maximum_imaginary_weight:
        raise ImaginaryModeError(
            format_error(
                f'{census.n_imaginary} imaginary and {census.n_near_zero} zero modes of '
                f'{census.n_modes} hold {share:.1%} of the motion of {element} (lowest: '
                f'{census.lowest_frequency:.0f} cm⁻¹; allowed: {maximum_imaginary_weight:.1%}).',
                reason='The crystal is unstable here, so it has no harmonic spectrum.',
                fix='Relax it better, use another structure, or allow a larger share.',
            )
        )
