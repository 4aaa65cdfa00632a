r"""Why a mode shifts: the change of its squared frequency, pair of atoms by pair of atoms.

For a mode followed from one state (1) to another (2), with eigenvectors of the mass-weighted
dynamical matrices at Γ,

.. math:: (\omega_2^2 - \omega_1^2)\; e_1^\dagger e_2 = e_1^\dagger (D_2 - D_1)\, e_2

holds exactly, whatever the size of the change: :math:`D_1` acts to the left, :math:`D_2` to the
right. (:math:`e^T\Delta D\,e` is the limit of small changes only.) With :math:`x = e_1/\sqrt m`,
:math:`y = e_2/\sqrt m` and the acoustic sum rule :math:`\Phi_{ii} = -\sum_{J\ne i}\Phi_{iJ}` the
right side is a sum over pairs,

.. math:: e_1^\dagger\,\Delta D\, e_2 = \sum_i\sum_{J\ne i} x_i^\dagger\,\Delta\Phi_{iJ}\,(y_J -
y_i)

where J runs over the atoms of the supercell and y_J is that of its image in the unit cell. Terms of
one atom with itself, which would count the neighbours' change as its own, do not appear, nor do
rigid translations. Over a degenerate set both sides are summed over its members, which makes them
independent of the basis if the two sets are rotated alike.

The sum is linear in ΔΦ: a path from 1 to 2 through a third state, the cell of 2 with the inner
coordinates of 1 say, splits it further, with the same x and y.

Force constants in eV/Å², masses in atomic mass units, frequencies in cm⁻¹.

Source: the identity follows from the two eigenvalue equations; its limit of small changes is
Hellmann's and Feynman's theorem, Feynman, *Physical Review* 56, 340 (1939). Acoustic sum rule: Born
& Huang, *Dynamical Theory of Crystal Lattices* (1954), § 23.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import ComputationError, format_error
from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.modes import FloatArray, IntArray, ModeSet, subspace_overlap
from aiida_insbench.science.pairs import (
    SHELLS,
    PairFrame,
    pair_terms,
    sums_of_pairs,
)

#: Sets that overlap less are not the same mode: the identity would divide by next to nothing.
LEAST_OVERLAP = 0.3


@dataclass(frozen=True)
class Attribution:
    r"""Parts of the shift of one mode, or of the mean of a degenerate set.

    Parts are in cm⁻¹ of the shift: a part of the change of ω², over
    :math:`e_1^\dagger e_2\,(\omega_1+\omega_2)`. They add up to `shift`.

    Parameters
    ----------
    frequencies : (float, float)
        Before and after, in cm⁻¹, negative for imaginary modes.
    shift : float
        Change of the frequency in cm⁻¹; of an imaginary mode that of its signed frequency.
    overlap : float
        Subspace overlap of the two eigenvectors or sets, 0 to 1.
    residual : float
        What the parts miss of the shift, in cm⁻¹: the force constants break the acoustic sum rule
        or the modes are not theirs.
    bonding : mapping from str to float
        ``intramolecular`` and ``intermolecular``; empty where there are no molecules.
    elements : mapping from str to float
        By pair of elements, such as ``C-H``.
    shells : mapping from str to float
        By distance of the pair, such as ``1.3-2.0``, in Å.
    """

    frequencies: tuple[float, float]
    shift: float
    overlap: float
    residual: float
    bonding: Mapping[str, float]
    elements: Mapping[str, float]
    shells: Mapping[str, float]


def attribute(
    frame: PairFrame,
    change: FloatArray,
    *,
    first: ModeSet,
    second: ModeSet,
    members: IntArray,
    shells: tuple[float, ...] = SHELLS,
    parts_of: FloatArray | None = None,
) -> Attribution:
    """Split the shift of a mode, or of the mean of a degenerate set.

    Parameters
    ----------
    frame : PairFrame
        Of the first state.
    change : ndarray, shape (n_atoms, n_supercell, 3, 3)
        ΔΦ of the whole change, from `change_of_force_constants`.
    first, second : ModeSet
        Modes at Γ of the two states, row i the same mode in each and near-degenerate sets rotated
        alike, as `aiida_insbench.science.modes.follow` gives them.
    members : ndarray of int, shape (d,)
        Modes of the set.
    shells : tuple of float
        Rising edges of the distance shells in Å.
    parts_of : ndarray, optional
        ΔΦ of one step of the change, to be split instead; its parts add up to that step's share,
        and `residual` is that of the whole.

    Returns
    -------
    Attribution
        Parts in cm⁻¹.

    Raises
    ------
    ComputationError
        If the sets overlap too little, or the frequencies cancel.
    """
    before, after = first.eigenvectors[members], second.eigenvectors[members]
    overlap = subspace_overlap(before, after)
    inner = float(np.real(np.einsum('km,km->', before.conj(), after))) / len(members)
    if overlap < LEAST_OVERLAP or abs(inner) < LEAST_OVERLAP:
        raise ComputationError(
            format_error(
                f'The modes of the two states overlap by {overlap:.2f} only.',
                reason='They are not one mode, so there is no shift to explain.',
                fix='Compute a state between the two.',
            )
        )
    frequencies = tuple(float(one.frequencies[members].mean()) for one in (first, second))
    shift = frequencies[1] - frequencies[0]
    scale = _per_wavenumber(first, second, members, inner, frame.factor, shift)
    pairs = scale * pair_terms(frame, change, before, after)
    residual = shift - float(pairs.sum())
    if parts_of is not None:
        pairs = scale * pair_terms(frame, parts_of, before, after)
    return Attribution(
        frequencies=(frequencies[0], frequencies[1]),
        shift=shift,
        overlap=overlap,
        residual=residual,
        **sums_of_pairs(frame, pairs, shells=shells),
    )


def _per_wavenumber(
    first: ModeSet,
    second: ModeSet,
    members: IntArray,
    inner: float,
    factor: float,
    shift: float,
) -> float:
    """Turns parts of e₁†ΔDe₂, in eV/(Å² u), into parts of the shift in cm⁻¹.

    For degenerate sets Σ(ω₂² − ω₁²) e₁†e₂ stands for the mean.
    """
    unit = float(eigenvalues_to_wavenumbers(np.array([1.0]), factor=factor)[0])
    squares = [np.sign(one.frequencies[members]) * one.frequencies[members] ** 2
               for one in (first, second)]  # fmt: skip
    products = np.real(
        np.einsum('km,km->k', first.eigenvectors[members].conj(), second.eigenvectors[members])
    )
    whole = float(((squares[1] - squares[0]) * products).mean()) / unit**2
    mean = abs(float(squares[1].mean() - squares[0].mean()))
    if abs(whole) < 1e-12 or mean < 1e-9:
        # nothing shifts: parts cancel, and are put in wavenumbers by the mean frequency
        middle = sum(float(np.abs(one.frequencies[members]).mean()) for one in (first, second))
        if middle < 1e-6:
            raise ComputationError('A mode of frequency zero in both states has no shift.')
        return unit**2 / (inner * middle)
    return shift / whole
