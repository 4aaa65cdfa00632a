r"""Force constants from random displacements of all atoms at once, fitted by symfc.

Every force of a supercell with all n atoms displaced is an equation for the force constants. Those
of a general symmetric matrix are determined by its action on all its directions, so that without
further knowledge 3n/|G| supercells are needed, with |G| operations of the supercell's symmetry:
as many as with symmetry-reduced displacements of one atom and one sign. They are fewer where
force constants beyond a cutoff are taken to vanish: :math:`N/3n` supercells for N free parameters.
So the route pays in large supercells with a cutoff, half the price of displacements of both signs
without one, and nowhere against those of one sign.

Displacements are tiny and of one sign, less the forces of the undisplaced supercell; see
`aiida_insbench.science.one_sided_displacements`. One supercell more than the fit needs is held out,
and what the fit misses of its forces decides whether more are added: symfc gives wrong force
constants in silence when displacements are too few.

Units: Å, eV/Å, eV/Å².

Source: Seko & Togo, *Physical Review B* 110, 214302 (2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from phonopy import Phonopy
from phonopy.interface.symfc import SymfcFCSolver

from aiida_insbench.science.errors import ConvergenceError, format_error
from aiida_insbench.science.finite_displacements import supercell_forces
from aiida_insbench.science.one_sided_displacements import TINY_DISPLACEMENT
from aiida_insbench.science.supercells import build_phonopy, full_force_constants, supercell_of

FloatArray = NDArray[np.float64]
#: Equations over unknowns with which the fit begins.
OVERDETERMINED = 1.2
#: Share of the held-out forces that may be missed: half of it is the error of a frequency.
HELD_OUT_RESIDUAL = 5e-4
TRUNCATED_RESIDUAL = 1e-2


@dataclass(frozen=True)
class Plan:
    """How many force calls each route takes.

    Attributes
    ----------
    parameters : int
        Free parameters of the force constants.
    random : int
        Random supercells to begin with, the held-out and the undisplaced one included.
    one_sided : int
        Symmetry-reduced displacements of one sign, and the undisplaced supercell.
    finite : int
        Symmetry-reduced displacements of both signs.
    """

    parameters: int
    random: int
    one_sided: int
    finite: int


def plan_displacements(*, phonon: Phonopy, cutoff: float = 0.0) -> Plan:
    """Count the force calls of the three routes.

    Parameters
    ----------
    phonon : Phonopy
        Of the undisplaced crystal; its dataset is replaced.
    cutoff : float
        Å; force constants of pairs farther apart are taken to vanish in the random route. 0: none.
    """
    counts = []
    for both in (True, False):
        phonon.generate_displacements(distance=0.01, is_plusminus=both)
        counts.append(len(phonon.dataset['first_atoms']))
    solver = SymfcFCSolver(
        phonon.supercell, symmetry=phonon.symmetry, options=_options(cutoff) or None
    )
    solver._symfc.compute_basis_set(orders=[2])  # no public way short of a fit in phonopy 4.10
    parameters = int(solver.basis_set[2].basis_set.shape[1])
    freedoms = 3 * len(phonon.supercell)
    needed = OVERDETERMINED * parameters / freedoms
    if not cutoff:
        operations = len(phonon.symmetry.symmetry_operations['rotations'])
        needed = max(needed, (freedoms - 3) / operations)
    return Plan(
        parameters=parameters,
        random=math.ceil(needed) + 2,
        one_sided=counts[1] + 1,
        finite=counts[0],
    )


def random_force_constants(
    *,
    atoms: Atoms,
    calculator: Any,
    supercell_matrix: ArrayLike,
    seed: int,
    cutoff: float = 0.0,
    displacement: float = TINY_DISPLACEMENT,
    symprec: float = 1e-4,
    max_residual: float | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Phonopy:
    """Force constants of a crystal with a calculator of double precision.

    Parameters
    ----------
    atoms : Atoms
        The relaxed unit cell.
    calculator : ase Calculator
        Gives forces.
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    seed : int
        Of the directions, ≥ 0.
    cutoff : float
        Å; force constants of pairs farther apart are taken to vanish. 0: none.
    displacement : float
        Length of every atom's displacement, Å.
    symprec : float
        Tolerance of positions for the symmetry, Å.
    max_residual : float, optional
        Largest share of the held-out forces that may be missed; by default `HELD_OUT_RESIDUAL`, or
        `TRUNCATED_RESIDUAL` with a cutoff.
    report : callable, optional
        Called as ``report(done, total)`` after each supercell; `total` grows if more are needed.

    Returns
    -------
    Phonopy
        With compact force constants fitted to all supercells.

    Raises
    ------
    ConvergenceError
        If forces are not finite, or twice the supercells to begin with leave too much unexplained.
    """
    phonon = build_phonopy(atoms=atoms, supercell_matrix=supercell_matrix, symprec=symprec)
    plan = plan_displacements(phonon=phonon, cutoff=cutoff)
    allowed = max_residual or (TRUNCATED_RESIDUAL if cutoff else HELD_OUT_RESIDUAL)
    wanted = plan.random - 1
    moves = _directions(len(phonon.supercell), 2 * wanted, seed) * displacement
    forces: FloatArray = np.empty((0, *moves.shape[1:]))
    residual, zero = math.inf, None
    while residual > allowed and wanted <= len(moves):
        new = [_displaced(phonon, move) for move in moves[len(forces) : wanted]]
        if zero is None:
            new.insert(0, supercell_of(phonon))
        found = supercell_forces(
            supercells=new, calculator=calculator, report=_counted(report, zero, len(forces))
        )
        if zero is None:
            zero, found = found[0], found[1:]
        forces = np.concatenate([forces, found - zero])
        _fit(phonon, moves[: wanted - 1], forces[:-1], cutoff)
        residual = _missed(phonon, moves[wanted - 1], forces[-1])
        wanted += max(1, plan.random // 8)
    if residual > allowed:
        raise ConvergenceError(
            format_error(
                f'Force constants from {len(forces)} random displacements miss '
                f'{100 * residual:.2f} % of the forces of one held out; allowed are '
                f'{100 * allowed:.2f} %.',
                reason='The forces are too noisy for a displacement of '
                f'{displacement:g} Å' + (f', or reach beyond {cutoff:g} Å.' if cutoff else '.'),
                fix='Use `displacements: finite`' + (' or a larger cutoff.' if cutoff else '.'),
            )
        )
    _fit(phonon, moves[: len(forces)], forces, cutoff)
    return phonon


def _directions(n_atoms: int, count: int, seed: int) -> FloatArray:
    """Random unit vectors, shape (count, n_atoms, 3); the first ones do not depend on `count`."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, n_atoms, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=2, keepdims=True))


def _displaced(phonon: Phonopy, move: FloatArray) -> Atoms:
    frame = supercell_of(phonon)
    frame.positions += move
    return frame


def _counted(
    report: Callable[[int, int], None] | None, zero: FloatArray | None, before: int
) -> Callable[[int, int], None] | None:
    """Report counts that go on where the earlier supercells ended."""
    if report is None:
        return None
    offset = before + (zero is not None)
    return lambda done, total: report(offset + done, offset + total)


def _fit(phonon: Phonopy, moves: FloatArray, forces: FloatArray, cutoff: float) -> None:
    phonon.dataset = {'displacements': moves, 'forces': forces}
    phonon.produce_force_constants(
        fc_calculator='symfc',
        fc_calculator_options=f'cutoff = {cutoff}' if cutoff else None,
        calculate_full_force_constants=False,
    )


def _options(cutoff: float) -> dict[str, Any]:
    return {'cutoff': {2: cutoff}} if cutoff else {}


def _missed(phonon: Phonopy, move: FloatArray, forces: FloatArray) -> float:
    predicted = -np.einsum('ijab,jb->ia', full_force_constants(phonon), move)
    missed = float(np.linalg.norm(forces - predicted) / np.linalg.norm(forces))
    return missed if math.isfinite(missed) else math.inf
