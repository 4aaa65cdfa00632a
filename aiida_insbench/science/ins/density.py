r"""Displacement-weighted density of states of one atom, a tensor in every bin.

.. math:: G_{ab}(\omega) = \sum_q w_q\sum_j \frac{\hbar}{2m\omega_{qj}}\,
          \mathrm{Re}\, e_{qj,a} e_{qj,b}^*\left[(n_{qj}+1)\,\delta(\omega-\omega_{qj})
          + n_{qj}\,\delta(\omega+\omega_{qj})\right]

Delta functions are shared between the two nearest bins in proportion, which keeps their position
exactly in the mean. Energies in cm⁻¹, displacements in Å².

Source: Sjölander, *Arkiv för Fysik* 14, 315 (1958); Mitchell et al. (2005), ch. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.ins.arrays import FloatArray, IntArray
from aiida_insbench.science.ins.census import MINIMUM_FREQUENCY
from aiida_insbench.science.ins.debye_waller import mean_square_displacement, occupation
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.units import KELVIN_TO_WAVENUMBER

# Components of a symmetric tensor, and how often each stands in û·T·û.
_ROWS = np.array([0, 1, 2, 1, 0, 0])
_COLUMNS = np.array([0, 1, 2, 2, 2, 1])
_MULTIPLICITY = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])


@dataclass(frozen=True)
class DisplacementDensity:
    """Displacement-weighted density of states of one atom, a tensor in every bin.

    Parameters
    ----------
    bin_width : float
        In cm⁻¹.
    loss : ndarray, shape (6, n_bins)
        The neutron loses energy: bins 0 to n − 1; components xx, yy, zz, yz, xz, xy in Å² a bin.
    gain : ndarray, shape (6, n_bins)
        The neutron gains energy: bins 0 to −(n − 1).
    thermal_energy : float
        kT in cm⁻¹.
    """

    bin_width: float
    loss: FloatArray
    gain: FloatArray
    thermal_energy: float

    def tensor(self) -> FloatArray:
        """Mean-square displacement tensor: the sum over all bins, shape (3, 3), in Å²."""
        sums = (self.loss + self.gain).sum(axis=1)
        tensor = np.zeros((3, 3))
        tensor[_ROWS, _COLUMNS] = tensor[_COLUMNS, _ROWS] = sums
        return tensor

    def first_moment(self) -> FloatArray:
        """Tensor of first moments ħ²/2M, components as in `loss`, in Å² cm⁻¹."""
        energies = np.arange(self.loss.shape[1]) * self.bin_width
        return np.asarray((self.loss - self.gain) @ energies)


def displacement_density(
    modes: PhononModes,
    *,
    atom: int,
    temperature: float,
    bin_width: float,
    minimum_frequency: float = MINIMUM_FREQUENCY,
) -> DisplacementDensity:
    r"""Displacement-weighted density of states of one atom.

    Parameters
    ----------
    modes : PhononModes
        Modes on a mesh.
    atom : int
        Index of the atom.
    temperature : float
        In K.
    bin_width : float
        In cm⁻¹.
    minimum_frequency : float
        In cm⁻¹; modes below it, and so all imaginary ones, are left out.

    Returns
    -------
    DisplacementDensity
        :math:`G_{ab}(\omega)` with :math:`g_{\hat u} = \hat u\cdot G\cdot\hat u`.
    """
    used = modes.frequencies >= minimum_frequency
    frequencies = modes.frequencies[used]
    vectors = modes.eigenvectors[:, :, atom][used]
    strength = np.broadcast_to(modes.weights[:, None], used.shape)[used] * mean_square_displacement(
        frequencies=frequencies,
        masses=np.full_like(frequencies, modes.masses[atom]),
        temperature=0.0,
    )
    outer = (vectors[:, _ROWS] * vectors[:, _COLUMNS].conj()).real * strength[:, None]
    thermal = occupation(frequencies=frequencies, temperature=temperature)
    bins, parts = share_between_bins(frequencies, bin_width=bin_width)
    size = int(bins.max(initial=1)) + 1

    def binned(amplitude: FloatArray) -> FloatArray:
        values = np.tile(outer * amplitude[:, None], (2, 1)) * parts[:, None]
        return np.array([np.bincount(bins, column, minlength=size) for column in values.T])

    return DisplacementDensity(
        bin_width=bin_width,
        loss=binned(thermal + 1),
        gain=binned(thermal),
        thermal_energy=KELVIN_TO_WAVENUMBER * temperature,
    )


def share_between_bins(frequencies: FloatArray, *, bin_width: float) -> tuple[IntArray, FloatArray]:
    """Share lines between the two nearest bins, so that their mean position is kept.

    Parameters
    ----------
    frequencies : ndarray, shape (n,)
        In cm⁻¹, ≥ 0.
    bin_width : float
        In cm⁻¹; bin k is centred on k times this.

    Returns
    -------
    bins : ndarray of int, shape (2 n,)
        The lower bins of all lines, then the upper ones.
    shares : ndarray, shape (2 n,)
        Of each line in its bin.
    """
    lower = np.floor(frequencies / bin_width).astype(np.int64)
    share = frequencies / bin_width - lower
    return np.concatenate((lower, lower + 1)), np.concatenate((1 - share, share))


def along(directions: FloatArray) -> FloatArray:
    """Factors that contract the six components of a symmetric tensor with directions.

    Parameters
    ----------
    directions : ndarray, shape (n_directions, 3)
        Unit vectors û.

    Returns
    -------
    ndarray, shape (n_directions, 6)
        û·T·û is this times the components xx, yy, zz, yz, xz, xy.
    """
    return np.asarray(directions[:, _ROWS] * directions[:, _COLUMNS] * _MULTIPLICITY)


def six_components(tensor: FloatArray) -> FloatArray:
    """Components xx, yy, zz, yz, xz, xy of a symmetric tensor, shape (3, 3)."""
    return np.asarray(tensor[_ROWS, _COLUMNS])
