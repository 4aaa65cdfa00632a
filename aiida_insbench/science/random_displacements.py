r"""Force constants from random displacements of all atoms at once, fitted by symfc.

Every force of a supercell with all atoms displaced is an equation for the force constants, so that
:math:`N_\mathrm{basis}/3n` supercells of n atoms determine the :math:`N_\mathrm{basis}` free
parameters that symmetry leaves. Symmetry-reduced displacements of one atom at a time need
supercells in proportion to the inequivalent sites. The first pays in crystals of many inequivalent
atoms in small supercells, the second in high symmetry.

Displacements come in pairs of both signs, whose odd part of the forces is fitted: residual forces
and cubic terms cancel. One pair more than the fit needs is held out, and what the fit misses of its
forces decides whether more are added: symfc gives wrong force constants in silence when
displacements are too few.

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
from aiida_insbench.science.supercells import build_phonopy, full_force_constants, supercell_of

FloatArray = NDArray[np.float64]
#: Equations over unknowns with which the fit begins.
OVERDETERMINED = 1.3
#: Share of the held-out pair's forces that may be missed; 0.2 % are some 0.1 % of a frequency.
HELD_OUT_RESIDUAL = 2e-3


@dataclass(frozen=True)
class Plan:
    """How many force calls each route takes.

    Attributes
    ----------
    parameters : int
        Free parameters of the force constants.
    pairs : int
        Pairs of random displacements to begin with, the held-out one included.
    finite : int
        Displaced supercells of the symmetry-reduced route.
    """

    parameters: int
    pairs: int
    finite: int

    @property
    def random_pays(self) -> bool:
        """Whether random displacements take fewer force calls."""
        return 2 * self.pairs < self.finite


def plan_displacements(*, phonon: Phonopy, displacement: float = 0.01) -> Plan:
    """Count the force calls of both routes.

    Parameters
    ----------
    phonon : Phonopy
        Of the undisplaced crystal; its dataset is replaced.
    displacement : float
        In Å.
    """
    phonon.generate_displacements(distance=displacement, is_plusminus=True)
    finite = len(phonon.dataset['first_atoms'])
    solver = SymfcFCSolver(phonon.supercell, symmetry=phonon.symmetry)
    solver._symfc.compute_basis_set(orders=[2])  # no public way short of a fit in phonopy 4.10
    parameters = int(solver.basis_set[2].basis_set.shape[1])
    equations = 3 * len(phonon.supercell)
    return Plan(
        parameters=parameters,
        pairs=math.ceil(OVERDETERMINED * parameters / equations) + 1,
        finite=finite,
    )


def random_force_constants(
    *,
    atoms: Atoms,
    calculator: Any,
    supercell_matrix: ArrayLike,
    seed: int,
    displacement: float = 0.01,
    symprec: float = 1e-4,
    max_residual: float = HELD_OUT_RESIDUAL,
    report: Callable[[int, int], None] | None = None,
) -> Phonopy:
    """Force constants of a crystal with a calculator, from random displacements.

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
    displacement : float
        Length of every atom's displacement, Å.
    symprec : float
        Tolerance of positions for the symmetry, Å.
    max_residual : float
        Largest share of the held-out pair's forces that may be missed.
    report : callable, optional
        Called as ``report(done, total)`` after each supercell; `total` grows if more are needed.

    Returns
    -------
    Phonopy
        With compact force constants fitted to all pairs.

    Raises
    ------
    ConvergenceError
        If forces are not finite, or twice the pairs to begin with leave too much unexplained.
    """
    phonon = build_phonopy(atoms=atoms, supercell_matrix=supercell_matrix, symprec=symprec)
    plan = plan_displacements(phonon=phonon, displacement=displacement)
    moves = _directions(len(phonon.supercell), 2 * plan.pairs, seed) * displacement
    odd: FloatArray = np.empty((0, *moves.shape[1:]))
    residual, wanted = math.inf, plan.pairs
    while residual > max_residual and wanted <= len(moves):
        new = moves[len(odd) : wanted]
        odd = np.concatenate([odd, _odd_forces(phonon, new, calculator, len(odd), report)])
        _fit(phonon, moves[: wanted - 1], odd[:-1])
        residual = _missed(phonon, moves[wanted - 1], odd[-1])
        wanted += max(1, plan.pairs // 8)
    if residual > max_residual:
        raise ConvergenceError(
            format_error(
                f'Force constants from {len(odd)} pairs of random displacements miss '
                f'{100 * residual:.2f} % of the forces of a pair held out; allowed are '
                f'{100 * max_residual:.2f} %.',
                reason=f'{displacement} Å may be outside the harmonic range or lost in noise.',
                fix='Change `displacement`, or use finite displacements.',
            )
        )
    _fit(phonon, moves[: len(odd)], odd)
    return phonon


def _directions(n_atoms: int, count: int, seed: int) -> FloatArray:
    """Random unit vectors, shape (count, n_atoms, 3); the first ones do not depend on `count`."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, n_atoms, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=2, keepdims=True))


def _odd_forces(
    phonon: Phonopy,
    moves: FloatArray,
    calculator: Any,
    before: int,
    report: Callable[[int, int], None] | None,
) -> FloatArray:
    """½ (F(u) − F(−u)) of each pair, shape (n_pairs, n_atoms, 3)."""
    frames = []
    for move in moves:
        for sign in (1, -1):
            frame = supercell_of(phonon)
            frame.positions += sign * move
            frames.append(frame)

    def tell(done: int, total: int) -> None:
        if report is not None:
            report(2 * before + done, 2 * before + total)

    forces = supercell_forces(supercells=frames, calculator=calculator, report=tell)
    return np.asarray(0.5 * (forces[::2] - forces[1::2]))


def _fit(phonon: Phonopy, moves: FloatArray, odd: FloatArray) -> None:
    phonon.dataset = {'displacements': moves, 'forces': odd}
    phonon.produce_force_constants(fc_calculator='symfc', calculate_full_force_constants=False)


def _missed(phonon: Phonopy, move: FloatArray, odd: FloatArray) -> float:
    predicted = -np.einsum('ijab,jb->ia', full_force_constants(phonon), move)
    missed = float(np.linalg.norm(odd - predicted) / np.linalg.norm(odd))
    return missed if math.isfinite(missed) else math.inf
