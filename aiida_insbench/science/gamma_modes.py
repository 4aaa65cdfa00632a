"""Normal modes at Γ: frequencies, mass-weighted eigenvectors and irreducible representations.

Frequencies are in cm⁻¹; imaginary ones are negative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.physical_units import get_physical_units
from scipy.optimize import linear_sum_assignment

from aiida_insbench.science.supercells import require_force_constants

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class GammaModes:
    """Normal modes at Γ in order of rising frequency.

    Attributes
    ----------
    frequencies : ndarray, shape (3N,)
        In cm⁻¹; negative is imaginary.
    eigenvectors : ndarray, shape (3N, N, 3)
        Mass-weighted (displacement × √mass), real, orthonormal, one mode a row; cartesian axes.
    irreps : tuple of str, length 3N
        Mulliken symbol of each mode (``Eg``), empty where none could be given.
    masses : ndarray, shape (N,)
        In atomic mass units.
    """

    frequencies: FloatArray
    eigenvectors: FloatArray
    irreps: tuple[str, ...]
    masses: FloatArray

    @property
    def translation_weight(self) -> FloatArray:
        """Share of rigid translation in each mode, shape (3N,): 1 for acoustic modes."""
        return _translation_weight(self.eigenvectors, self.masses)

    @property
    def acoustic(self) -> NDArray[np.int64]:
        """Indices of the three modes with most rigid translation, in rising order."""
        return np.sort(np.argsort(-self.translation_weight, kind='stable')[:3])


def gamma_modes(*, phonon: Phonopy, irreps: bool = True) -> GammaModes:
    r"""Diagonalise the dynamical matrix at Γ.

    .. math:: \sum_{j\beta} \frac{1}{\sqrt{m_i m_j}} \sum_R \Phi_{i\alpha,j\beta}(R)\,
              e_{j\beta} = \omega^2 e_{i\alpha}

    No non-analytical term is added: modes are the transverse ones.

    Parameters
    ----------
    phonon : Phonopy
        With force constants.
    irreps : bool
        Whether to look for irreducible representations. phonopy has none for cells that are not
        primitive and for some point groups; the symbols are empty then.

    Returns
    -------
    GammaModes
        Frequencies, eigenvectors and symbols.

    Raises
    ------
    InputError
        If the Phonopy object has no force constants.
    """
    require_force_constants(phonon)
    matrix = phonon.run_qpoints([[0.0, 0.0, 0.0]], with_dynamical_matrices=True)
    dynamical = np.asarray(matrix.dynamical_matrices[0]).real
    eigenvalues, vectors = np.linalg.eigh(0.5 * (dynamical + dynamical.T))
    frequencies = eigenvalues_to_wavenumbers(
        eigenvalues, factor=float(phonon.unit_conversion_factor)
    )
    modes = GammaModes(
        frequencies=frequencies,
        eigenvectors=vectors.T.reshape(len(frequencies), -1, 3).copy(),
        irreps=('',) * len(frequencies),
        masses=np.array(phonon.primitive.masses, dtype=float),
    )
    return replace(modes, irreps=_labels(phonon, modes)) if irreps else modes


def eigenvalues_to_wavenumbers(
    eigenvalues: FloatArray, *, factor: float | None = None
) -> FloatArray:
    r"""Wavenumbers of eigenvalues of a dynamical matrix, :math:`\mathrm{sgn}(λ)\sqrt{|λ|}`.

    Parameters
    ----------
    eigenvalues : ndarray
        ω² in eV/(Å² u), or in the units `factor` is for.
    factor : float, optional
        Turns the root into THz.

    Returns
    -------
    ndarray
        In cm⁻¹; negative where ω² < 0.
    """
    physical = get_physical_units()
    to_thz = physical.DefaultToTHz if factor is None else factor
    roots = np.sign(eigenvalues) * np.sqrt(np.abs(eigenvalues))
    return np.asarray(roots * to_thz * physical.THzToCm)


def _translation_weight(eigenvectors: Any, masses: FloatArray) -> FloatArray:
    rigid = np.sqrt(masses / masses.sum())
    along = np.einsum('mia,i->ma', eigenvectors, rigid)
    return np.asarray((np.abs(along) ** 2).sum(axis=1))


def _labels(phonon: Phonopy, modes: GammaModes) -> tuple[str, ...]:
    """Symbol of each mode: that of the symmetry-adapted set which holds most of it."""
    none = modes.irreps
    try:
        found: Any = phonon.run_irreps([0.0, 0.0, 0.0], symmetry_adapted=True)
    except RuntimeError:
        # phonopy raises RuntimeError, with words, where the cell is not primitive, the point group
        # has no character table, or atoms cannot be mapped
        return none
    symbols = found._ir_labels  # no public accessor in phonopy 4.10
    if symbols is None:
        return none
    adapted = np.asarray(found.eigenvectors)
    overlap = np.abs(adapted.conj().T @ modes.eigenvectors.reshape(len(none), -1).T) ** 2
    weights = np.array([overlap[list(band)].sum(axis=0) for band in found.band_indices])
    best = weights.argmax(axis=0)
    labels = [
        str(symbols[index] or '') if weights[index, mode] > 0.5 else ''
        for mode, index in enumerate(best)
    ]
    # acoustic modes are zero to rounding, which mixes them: each adapted one gives its symbol once
    rigid = _translation_weight(adapted.T.reshape(len(none), -1, 3), modes.masses)
    bands = np.argsort(-rigid, kind='stable')[:3]
    set_of = {band: index for index, members in enumerate(found.band_indices) for band in members}
    for row, column in zip(
        *linear_sum_assignment(-overlap[np.ix_(bands, modes.acoustic)]), strict=True
    ):
        labels[modes.acoustic[column]] = str(symbols[set_of[int(bands[row])]] or '')
    return tuple(labels)
