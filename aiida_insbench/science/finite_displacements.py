"""Displaced supercells, their forces, and force constants fitted to them.

Units: Å, eV/Å, eV/Å². Displacements always have both signs: residual forces then cancel. One-sided
displacements with residual forces of 9 meV/Å made a mode of 678i cm⁻¹ in n-hexane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy

from aiida_insbench.science.errors import ConvergenceError, InputError, format_error
from aiida_insbench.science.supercells import full_force_constants, to_ase

FloatArray = NDArray[np.float64]
#: Share of the displacements' forces that force constants may leave unexplained.
MAX_RESIDUAL = 0.05


def displaced_supercells(*, phonon: Phonopy, displacement: float = 0.01) -> list[Atoms]:
    """Symmetry-reduced displaced supercells, each displacement with both signs.

    Parameters
    ----------
    phonon : Phonopy
        Its dataset of displacements is set.
    displacement : float
        In Å.

    Returns
    -------
    list of Atoms
        In the order of ``phonon.dataset['first_atoms']``.
    """
    phonon.generate_displacements(distance=displacement, is_plusminus=True)
    return [to_ase(cell) for cell in phonon.supercells_with_displacements or []]


def supercell_forces(
    *,
    supercells: Sequence[Atoms],
    calculator: Any,
    report: Callable[[int, int], None] | None = None,
) -> FloatArray:
    """Forces of supercells, one at a time.

    Parameters
    ----------
    supercells : sequence of Atoms
        All of n_atoms atoms.
    calculator : ase Calculator
        Gives forces.
    report : callable, optional
        Called as ``report(done, total)`` after each supercell.

    Returns
    -------
    ndarray, shape (n_supercells, n_atoms, 3)
        In eV/Å.

    Raises
    ------
    ConvergenceError
        If a force is not finite.
    """
    forces = []
    for done, supercell in enumerate(supercells, start=1):
        frame = supercell.copy()
        frame.calc = calculator
        forces.append(frame.get_forces())
        if not np.isfinite(forces[-1]).all():
            raise ConvergenceError(f'Displaced supercell {done} has forces that are not finite.')
        if report is not None:
            report(done, len(supercells))
    return np.array(forces, dtype=float)


def fit_force_constants(
    *, phonon: Phonopy, forces: ArrayLike, max_residual: float = MAX_RESIDUAL
) -> float:
    r"""Fit symmetrised force constants to the forces of the displaced supercells.

    phonopy's finite-difference solver, then symfc's projector, which imposes permutation,
    translation (the acoustic sum rule) and space group at once. The part of the forces that is odd
    in the displacement must be explained:

    .. math:: r = \frac{\|\tfrac12 (F(u) - F(-u)) + \Phi u\|}{\|\tfrac12 (F(u) - F(-u))\|}

    Parameters
    ----------
    phonon : Phonopy
        With displacements of both signs; compact force constants are set in it, of shape
        (n_unit_cell, n_supercell, 3, 3).
    forces : array_like, shape (n_displacements, n_supercell, 3)
        In eV/Å, in the order of the dataset.
    max_residual : float
        Largest r allowed.

    Returns
    -------
    float
        The residual r.

    Raises
    ------
    ConvergenceError
        If r is too large.
    InputError
        If a displacement lacks its opposite.
    """
    phonon.forces = np.asarray(forces, dtype=float)
    phonon.produce_force_constants(calculate_full_force_constants=False)
    phonon.symmetrize_force_constants(use_symfc_projector=True)
    residual = _residual(phonon)
    if not residual <= max_residual:
        raise ConvergenceError(
            format_error(
                f"Force constants leave {100 * residual:.1f} % of the displaced supercells' "
                f'forces unexplained; allowed are {100 * max_residual:.1f} %.',
                reason='The displacement is outside the harmonic range, lost in noise, or the '
                'symmetry is not what `symprec` says.',
                fix='Change `displacement` or `symprec`.',
            )
        )
    return residual


def _residual(phonon: Phonopy) -> float:
    full = full_force_constants(phonon)
    entries = phonon.dataset['first_atoms']
    missed = total = 0.0
    for entry in entries:
        odd = 0.5 * (entry['forces'] - _opposite(entries, entry)['forces'])
        predicted = -np.einsum('iab,b->ia', full[:, entry['number']], entry['displacement'])
        missed += float(((odd - predicted) ** 2).sum())
        total += float((odd**2).sum())
    return float(np.sqrt(missed / total)) if total > 0 else float('inf')


def _opposite(entries: Sequence[Any], entry: Any) -> Any:
    for other in entries:
        if other['number'] == entry['number'] and np.allclose(
            other['displacement'], -np.asarray(entry['displacement']), atol=1e-6
        ):
            return other
    raise InputError(
        format_error(
            f'Atom {entry["number"]} displaced by {np.asarray(entry["displacement"]).tolist()} Å '
            'lacks the opposite displacement.',
            reason='Residual forces would make false modes.',
        )
    )
