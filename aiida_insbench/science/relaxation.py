"""Relaxation of cell and positions at a pressure, with any ASE calculator.

Units: eV, Å, stresses eV/Å³ in ASE's sign and Voigt order, pressures GPa (positive compresses).

The degrees of freedom are the positions and the logarithm of the deformation gradient
(`ase.filters.FrechetCellFilter`), the optimiser is BFGS with a dense Hessian. Two numbers decide
its speed: the stiffness it starts from and the scale of the cell's degrees of freedom against the
atoms'. With ASE's defaults (70 eV/Å², scale = number of atoms) the cell is 10 to 100 times softer
than the optimiser believes. Measured with EMT: rutile CuAl2, 6 atoms, 44 → 21 force calls at 0 GPa
and 29 → 17 at 5 GPa; triclinic AlNiCu, 5 atoms, 115 → 49 and 90 → 45. LBFGS with ASE's defaults
needed 236 to more than 300 and found another stationary point in one case, BFGSLineSearch needed as
many force calls as this one and trusts energies to a precision that float32 potentials lack.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib
from ase import Atoms, units
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from numpy.typing import NDArray

from aiida_insbench.science.errors import ConvergenceError, StructureError, format_error

FloatArray = NDArray[np.float64]

#: Curvature from which BFGS starts, eV/Å²: between a soft lattice mode's and an X–H stretch's.
INITIAL_STIFFNESS = 20.0
#: Longest step of an atom, Å; with `_cell_scale` ≥ 2 a cell is strained by no more than 10 % a
#: step, well below the 25 % at which `FixSymmetry` gives up.
LONGEST_STEP = 0.2
_IDENTITY = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class Relaxation:
    """A relaxed crystal and what it took.

    Attributes
    ----------
    atoms : Atoms
        The relaxed crystal, without calculator or constraint.
    pressure : float
        Target, GPa.
    energy : float
        In eV, without the pV term.
    stress : ndarray, shape (6,)
        In eV/Å³, ASE's sign and Voigt order; −P on the diagonal up to `residual_stress`.
    residual_stress : float
        Largest component of σ + P, absolute, GPa; σ as the calculator gives it.
    residual_force : float
        Largest force on an atom as the calculator gives it, eV/Å.
    steps : int
        Steps of the optimiser; each is one force call.
    space_group_before, space_group_after : str
        International symbol and number, ``P4_2/mnm (136)``.
    """

    atoms: Atoms
    pressure: float
    energy: float
    stress: FloatArray
    residual_stress: float
    residual_force: float
    steps: int
    space_group_before: str
    space_group_after: str

    @property
    def static_pressure(self) -> float:
        """Minus a third of the trace of the stress, GPa: the target where the cell was free."""
        return float(-self.stress[:3].mean() / units.GPa)

    @property
    def enthalpy(self) -> float:
        """E + PV at the target pressure, eV."""
        return self.energy + self.pressure * float(units.GPa) * float(self.atoms.get_volume())


def space_group(*, atoms: Atoms, symprec: float) -> str:
    """International symbol and number of a crystal's space group, ``P4_2/mnm (136)``.

    Parameters
    ----------
    atoms : Atoms
        The crystal.
    symprec : float
        Tolerance of positions in Å.

    Raises
    ------
    StructureError
        If spglib finds none, as when two atoms lie on top of each other.
    """
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    try:
        with warnings.catch_warnings():
            # spglib 2.8 returns None and warns that later versions will raise: both are met here
            warnings.simplefilter('ignore', DeprecationWarning)
            found = spglib.get_spacegroup(cell, symprec=symprec)
    except spglib.SpglibError:
        found = None
    if found is None:
        raise StructureError(
            format_error(
                f'spglib finds no space group within {symprec} Å.',
                reason='Atoms may lie on top of each other.',
                fix='Check the structure or change `symprec`.',
            )
        )
    return str(found)


def relax(
    *,
    atoms: Atoms,
    calculator: Any,
    pressure: float,
    fmax: float = 1e-4,
    stress_tolerance: float = 5e-3,
    max_steps: int = 500,
    fix_symmetry: bool = True,
    fix_cell: bool = False,
    symprec: float = 1e-4,
    max_volume_change: float = 0.4,
    report: Callable[[int, float, float], None] | None = None,
) -> Relaxation:
    """Relax cell and positions until forces vanish and the stress is −P.

    Minimises the enthalpy E + pV, or the energy in a given cell. The crystal given is not changed.

    Parameters
    ----------
    atoms : Atoms
        The crystal to start from.
    calculator : ase Calculator
        Gives energy, forces and stress.
    pressure : float
        In GPa; positive is compression.
    fmax : float
        Largest force allowed on an atom, eV/Å.
    stress_tolerance : float
        Largest component of |σ + P| allowed, GPa.
    max_steps : int
        Steps of the optimiser before it gives up.
    fix_symmetry : bool
        Keep the space group found within `symprec`; the crystal is first made to obey it exactly.
    fix_cell : bool
        Relax positions only; the stress is reported, not judged.
    symprec : float
        Tolerance of positions for the space group, Å.
    max_volume_change : float
        Share of the starting volume beyond which the crystal is taken to collapse or to fly apart.
    report : callable, optional
        Called as ``report(step, largest force, largest |σ + P|)`` at each step.

    Returns
    -------
    Relaxation
        The crystal, its energy, stress, residuals and space groups.

    Raises
    ------
    ConvergenceError
        If `max_steps` do not suffice, a number is not finite, the volume leaves its bounds, or
        forces that break the symmetry remain; with the numbers.
    StructureError
        If no space group is found.
    """
    before = space_group(atoms=atoms, symprec=symprec)
    work = _prepare(atoms, calculator, symprec if fix_symmetry else None)
    freedom = work if fix_cell else _cell_filter(work, pressure)
    optimizer = BFGS(freedom, logfile=None, alpha=INITIAL_STIFFNESS, maxstep=LONGEST_STEP)
    if fix_cell:
        stress_tolerance = math.inf
    force = stress = math.inf
    # our own criterion instead of fmax: the filter mixes the cell's scale into its gradient
    for _ in optimizer.irun(fmax=0.0, steps=max_steps):
        force, stress = _residuals(work, pressure, constrained=True)
        _guard(work, atoms.get_volume(), pressure, max_volume_change, (force, stress))
        if report is not None:
            report(optimizer.nsteps, force, stress)
        if force <= fmax and stress <= stress_tolerance:
            break
    else:
        raise ConvergenceError(
            format_error(
                f'The relaxation at {pressure} GPa did not converge in {max_steps} steps: largest '
                f'force {force:.2g} eV/Å (allowed {fmax:.2g}), largest |σ + P| {stress:.2g} GPa '
                f'(allowed {stress_tolerance:.2g}).',
                fix='Raise `max_steps`, or start from a structure closer to the end.',
            )
        )
    return _collect(work, pressure, before, symprec, optimizer.nsteps, fmax, stress_tolerance)


def evaluate(
    *, atoms: Atoms, calculator: Any, pressure: float, symprec: float = 1e-4
) -> Relaxation:
    """Energy, stress and residuals of a crystal that has been relaxed before; nothing moves.

    Parameters
    ----------
    atoms : Atoms
        The relaxed crystal.
    calculator : ase Calculator
        Gives energy, forces and stress.
    pressure : float
        At which it was relaxed, GPa.
    symprec : float
        Tolerance of positions for the space group, Å.
    """
    work = _prepare(atoms, calculator, None)
    group = space_group(atoms=atoms, symprec=symprec)
    return _collect(work, pressure, group, symprec, 0, math.inf, math.inf)


def _prepare(atoms: Atoms, calculator: Any, symprec: float | None) -> Atoms:
    work = atoms.copy()
    work.set_constraint()
    work.calc = calculator
    if symprec is not None:
        # makes the crystal obey its space group exactly, then holds it there
        work.set_constraint(FixSymmetry(work, symprec=symprec))
    return work


def _cell_filter(work: Atoms, pressure: float) -> FrechetCellFilter:
    return FrechetCellFilter(
        work, scalar_pressure=pressure * units.GPa, exp_cell_factor=_cell_scale(work)
    )


def _cell_scale(atoms: Atoms) -> float:
    # V·C/x² is the curvature of the cell's degrees of freedom; set equal to INITIAL_STIFFNESS for
    # C = 2 eV/Å³ (320 GPa), an upper end: too stiff a guess costs steps, too soft one overshoots
    return max(2.0, math.sqrt(abs(atoms.get_volume()) * 2.0 / INITIAL_STIFFNESS))


def _residuals(atoms: Atoms, pressure: float, *, constrained: bool) -> tuple[float, float]:
    forces = atoms.get_forces(apply_constraint=constrained)
    stress = atoms.get_stress(apply_constraint=constrained)
    force = float(np.linalg.norm(forces, axis=1).max())
    return force, float(np.abs(stress / units.GPa + pressure * _IDENTITY).max())


def _guard(
    atoms: Atoms,
    start_volume: float,
    pressure: float,
    max_change: float,
    residuals: tuple[float, float],
) -> None:
    values = (*residuals, atoms.get_potential_energy())
    if not np.isfinite(values).all():
        raise ConvergenceError(
            f'The relaxation at {pressure} GPa met a number that is not finite: force '
            f'{values[0]}, stress {values[1]}, energy {values[2]}.'
        )
    ratio = atoms.get_volume() / start_volume
    if abs(ratio - 1) > max_change:
        raise ConvergenceError(
            format_error(
                f'The volume changed by {100 * (ratio - 1):+.0f} % while relaxing at {pressure} '
                f'GPa; allowed are {100 * max_change:.0f} %.',
                reason='The crystal collapses or flies apart: the potential fails here.',
                fix='Train the potential at this pressure, or leave the pressure out.',
            )
        )


def _collect(
    work: Atoms,
    pressure: float,
    before: str,
    symprec: float,
    steps: int,
    fmax: float,
    stress_tolerance: float,
) -> Relaxation:
    force, stress = _residuals(work, pressure, constrained=False)
    # ten times the tolerance: rounding may break the symmetry a little, wrong physics a lot
    if force > 10 * fmax or stress > 10 * stress_tolerance:
        raise ConvergenceError(
            format_error(
                f'At {pressure} GPa forces that break the symmetry remain: {force:.2g} eV/Å, '
                f'|σ + P| {stress:.2g} GPa.',
                reason=f'The potential does not respect the space group {before}.',
                fix='Relax with `fix_symmetry: false`.',
            )
        )
    relaxed = work.copy()
    relaxed.set_constraint()
    try:
        after = space_group(atoms=relaxed, symprec=symprec)
    except StructureError as exc:
        raise ConvergenceError(f'The structure relaxed at {pressure} GPa is broken: {exc}') from exc
    return Relaxation(
        atoms=relaxed,
        pressure=pressure,
        energy=float(work.get_potential_energy()),
        stress=np.array(work.get_stress(apply_constraint=False), dtype=float),
        residual_stress=stress,
        residual_force=force,
        steps=steps,
        space_group_before=before,
        space_group_after=after,
    )
