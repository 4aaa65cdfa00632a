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
from phonopy.harmonic.force_constants import full_fc_to_compact_fc

from aiida_insbench.science.errors import ConvergenceError, InputError, format_error
from aiida_insbench.science.supercells import full_force_constants, to_ase

FloatArray = NDArray[np.float64]
#: Share of the displacements' forces that force constants may leave unexplained.
MAX_RESIDUAL = 0.05
#: Supercells handed at once to an engine that makes its own batches of them.
_AT_ONCE = 64


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
    """Forces of supercells, one at a time or, by an engine that has ``predict``, many.

    Parameters
    ----------
    supercells : sequence of Atoms
        All of n_atoms atoms.
    calculator : ase Calculator or BatchedPotential
        Gives forces.
    report : callable, optional
        Called as ``report(done, total)`` after each supercell, or each lot of them.

    Returns
    -------
    ndarray, shape (n_supercells, n_atoms, 3)
        In eV/Å.

    Raises
    ------
    ConvergenceError
        If a force is not finite.
    """
    forces: list[FloatArray] = []
    frames_at_once = _AT_ONCE if hasattr(calculator, 'predict') else 1
    for start in range(0, len(supercells), frames_at_once):
        chosen = supercells[start : start + frames_at_once]
        forces.extend(_forces_of(chosen, calculator))
        if not np.isfinite(forces[-len(chosen) :]).all():
            raise ConvergenceError(
                f'Displaced supercell {start + 1} has forces that are not finite.'
                if len(chosen) == 1
                else f'One of the displaced supercells {start + 1} to {start + len(chosen)} has '
                'forces that are not finite.'
            )
        if report is not None:
            report(start + len(chosen), len(supercells))
    return np.array(forces, dtype=float)


def _forces_of(supercells: Sequence[Atoms], calculator: Any) -> list[FloatArray]:
    """Forces of some supercells: one by one, or all at once where the engine can."""
    if hasattr(calculator, 'predict'):
        found = calculator.predict(supercells).forces
        return list(np.asarray(found, dtype=float).reshape(len(supercells), -1, 3))
    forces = []
    for supercell in supercells:
        frame = supercell.copy()
        frame.calc = calculator
        forces.append(frame.get_forces())
    return forces


def fit_force_constants(
    *, phonon: Phonopy, forces: ArrayLike, max_residual: float = MAX_RESIDUAL
) -> float:
    r"""Fit symmetrised force constants to the forces of the displaced supercells.

    phonopy's finite-difference solver, whose force constants have the space group, then
    `impose_invariances`. The part of the forces that is odd in the displacement must be explained:

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
    impose_invariances(phonon)
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


def impose_invariances(phonon: Phonopy) -> None:
    r"""Make force constants symmetric in each pair of atoms and blind to translations.

    Sets, in compact form, the nearest force constants that have both and keep the space group:

    .. math:: \Phi' = P\,\tfrac12(\Phi + \Phi^T)\,P, \qquad
              P_{ij} = \delta_{ij} - \tfrac1N \;\text{(the acoustic sum rule)}

    Averaging over the transpose, over translations and over the space group are orthogonal
    projections that commute, so one after the other they are the projection onto all three.
    symfc's projector gives the same to rounding; its basis took 1.9 s for 384 atoms, this 0.02 s.

    Parameters
    ----------
    phonon : Phonopy
        With force constants that have the space group, as those of finite displacements.
    """
    full = full_force_constants(phonon)
    symmetric = 0.5 * (full + full.transpose(1, 0, 3, 2))
    rows, columns = symmetric.mean(axis=1), symmetric.mean(axis=0)
    phonon.force_constants = full_fc_to_compact_fc(
        phonon.primitive, symmetric - rows[:, None] - columns + rows.mean(axis=0)
    )


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
