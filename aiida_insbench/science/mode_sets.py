r"""Γ modes of a crystal: sets of near-degenerate ones, overlaps, acoustic and optical ones.

Frequencies in cm⁻¹, negative for imaginary modes. Eigenvectors are those of the mass-weighted
dynamical matrix, orthonormal, one row a mode, cartesian components in one atom order.

Degenerate modes have no eigenvectors of their own, only a subspace, and two modes that cross can
come so close that a program mixes them. Overlaps are therefore taken with subspaces: with
:math:`P_B` the projector on a set *B* of near-degenerate modes, a mode *e* lives in *B* with the
weight :math:`\langle e|P_B|e\rangle`, and two sets overlap by
:math:`\mathrm{tr}(P_A P_B)/\max(d_A, d_B)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from aiida_insbench.science.errors import ComputationError, format_error

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int_]

#: Modes whose frequencies lie within this width (cm⁻¹) are compared as one subspace.
DEGENERACY_TOLERANCE = 1.5


@dataclass(frozen=True)
class ModeSet:
    """Γ modes of one crystal at one pressure.

    Attributes
    ----------
    frequencies : ndarray, shape (n_modes,)
        In cm⁻¹, negative for imaginary modes.
    eigenvectors : ndarray, shape (n_modes, 3 n_atoms)
        Orthonormal rows, mass-weighted, real or complex.
    irreps : tuple of str
        Label of each mode, empty where unknown.
    """

    frequencies: FloatArray
    eigenvectors: NDArray[Any]
    irreps: tuple[str, ...]

    def __post_init__(self) -> None:
        n_modes = len(self.frequencies)
        if self.eigenvectors.shape[:1] != (n_modes,) or len(self.irreps) != n_modes:
            raise ComputationError(
                f'{n_modes} frequencies, eigenvectors of shape {self.eigenvectors.shape} and '
                f'{len(self.irreps)} irreps do not fit together.'
            )
        gram = self.eigenvectors.conj() @ self.eigenvectors.T
        error = float(np.abs(gram - np.eye(n_modes)).max(initial=0.0))
        if error > 1e-4:
            raise ComputationError(f'Eigenvectors are not orthonormal: error {error:.1e}.')

    def rotated(self, members: IntArray, rotation: NDArray[Any]) -> ModeSet:
        """Return the modes with another basis inside one near-degenerate set.

        Parameters
        ----------
        members : ndarray of int, shape (d,)
            The modes of the set.
        rotation : ndarray, shape (d, d)
            Unitary; row *i* holds the new mode *i* in the old ones. Its squared frequency is the
            Rayleigh quotient, its irrep that of the old mode it holds most of.
        """
        weights = np.abs(rotation) ** 2
        frequencies, vectors = (
            self.frequencies.copy(),
            self.eigenvectors.astype(np.result_type(self.eigenvectors, rotation)),
        )
        squares = weights @ _signed_square(self.frequencies[members])
        frequencies[members] = np.sign(squares) * np.sqrt(np.abs(squares))
        vectors[members] = rotation @ self.eigenvectors[members]
        irreps = list(self.irreps)
        for new, old in zip(members, members[weights.argmax(axis=1)], strict=True):
            irreps[new] = self.irreps[old]
        return ModeSet(frequencies, vectors, tuple(irreps))

    def taken(self, order: IntArray) -> ModeSet:
        """Return the modes in another order, or some of them."""
        return ModeSet(
            self.frequencies[order],
            self.eigenvectors[order],
            tuple(self.irreps[index] for index in order),
        )


def subspace_overlap(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Overlap of two subspaces, tr(P_A P_B) / max(d_A, d_B), between 0 and 1.

    Parameters
    ----------
    first, second : ndarray, shapes (d_A, n) and (d_B, n)
        Orthonormal rows.
    """
    weight = float((np.abs(first.conj() @ second.T) ** 2).sum())
    return weight / max(len(first), len(second))


def near_degenerate(
    frequencies: FloatArray, *, tolerance: float = DEGENERACY_TOLERANCE
) -> list[IntArray]:
    """Sets of modes no wider than `tolerance`, closest modes first (complete linkage).

    Parameters
    ----------
    frequencies : ndarray, shape (n_modes,)
        In cm⁻¹.
    tolerance : float
        Greatest difference inside a set, cm⁻¹.

    Returns
    -------
    list of ndarray of int
        Indices of each set, in order of frequency.
    """
    distances = np.abs(np.subtract.outer(frequencies, frequencies))
    return clusters(distances, order_by=frequencies, width=tolerance)


def split_acoustic(
    modes: ModeSet, masses: FloatArray, *, tolerance: float = DEGENERACY_TOLERANCE
) -> tuple[ModeSet, ModeSet]:
    r"""Tell acoustic from optical modes by their overlap with rigid translations.

    The weight of a mode in the translations is :math:`\sum_\alpha |\langle t_\alpha|e\rangle|^2`
    with :math:`t_{\alpha,i\beta} = \delta_{\alpha\beta}\sqrt{m_i/M}`. Frequencies are not looked
    at: a soft optical mode may lie below a noisy acoustic one. Where both are near-degenerate,
    their set is first rotated into pure translations and the rest.

    Parameters
    ----------
    modes : ModeSet
        All 3 n_atoms modes at Γ.
    masses : ndarray, shape (n_atoms,)
        In any one unit.
    tolerance : float
        Width of a near-degenerate set, cm⁻¹.

    Returns
    -------
    optical, acoustic : ModeSet
        3 n_atoms − 3 modes and 3 modes, in the order given.

    Raises
    ------
    ComputationError
        If no three modes are more than half translation, as when the acoustic sum rule is
        violated.
    """
    translations = rigid_translations(masses)
    for members in near_degenerate(modes.frequencies, tolerance=tolerance):
        inside = modes.eigenvectors[members].conj() @ translations.T
        weights = (np.abs(inside) ** 2).sum(axis=1)
        if len(members) > 1 and ((weights > 0.01) & (weights < 0.99)).any():
            _, basis = np.linalg.eigh(inside @ inside.conj().T)
            modes = modes.rotated(members, basis.T)
    weights = (np.abs(modes.eigenvectors.conj() @ translations.T) ** 2).sum(axis=1)
    acoustic = np.sort(np.argsort(-weights, kind='stable')[:3])
    if weights[acoustic].min() < 0.5:
        raise ComputationError(
            format_error(
                'No three modes at Γ are rigid translations: the third best is '
                f'{weights[acoustic].min():.2f} translation.',
                reason='The force constants violate the acoustic sum rule.',
                fix='Symmetrise them.',
            )
        )
    optical = np.setdiff1d(np.arange(len(weights)), acoustic)
    return modes.taken(optical), modes.taken(acoustic)


def rigid_translations(masses: FloatArray) -> FloatArray:
    """Mass-weighted unit vectors of the three rigid translations, shape (3, 3 n_atoms)."""
    root = np.sqrt(masses / masses.sum())
    translations: FloatArray = np.einsum('i,ab->aib', root, np.eye(3)).reshape(3, -1)
    return translations


def clusters(distances: FloatArray, *, order_by: FloatArray, width: float) -> list[IntArray]:
    """Sets of things no wider than `width` (complete linkage), in order of their mean.

    Parameters
    ----------
    distances : ndarray, shape (n, n)
        Symmetric, zero on the diagonal.
    order_by : ndarray, shape (n,)
        The sets come in order of its mean.
    width : float
        Greatest distance inside a set.
    """
    if len(order_by) < 2:
        return [np.arange(len(order_by))] if len(order_by) else []
    tree = linkage(squareform(distances, checks=False), method='complete')
    labels = fcluster(tree, t=width, criterion='distance')
    found = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return sorted(found, key=lambda members: float(order_by[members].mean()))


def _signed_square(frequencies: FloatArray) -> FloatArray:
    return np.asarray(np.sign(frequencies) * frequencies**2)
