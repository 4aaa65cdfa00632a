r"""Force constants from displacements of one sign, so small that the sign does not matter.

.. math:: \Phi_{i\alpha,j\beta} = -\frac{F_{j\beta}(u_{i\alpha}) - F_{j\beta}(0)}{u}

misses the derivative by ½Ψu, with Ψ the cubic constants, where displacements of both signs miss it
by Φ⁽⁴⁾u²/6. For a stretch of a Morse bond with the exponent a these are ³⁄₂ a u and ⁷⁄₆ a²u² of Φ:
with a = 2 Å⁻¹ the one-sided difference at 10⁻⁶ Å errs by 3·10⁻⁶, the two-sided one at 0.01 Å by
5·10⁻⁴. So a potential whose forces are exact to 15 digits does better with half the force calls.
Forces of single precision, or of DFT, are lost in noise at such displacements. Measured with a MACE
model of benzene (48 atoms, noise 6·10⁻¹⁴ eV/Å), against both signs at 0.001 Å: both signs at 0.01 Å
are off by up to 0.72 cm⁻¹, one sign at 10⁻⁶ Å by 0.01.

Units: Å, eV/Å, eV/Å².

Source: derivatives of Morse's potential, *Physical Review* 34, 57 (1929).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from phonopy import Phonopy

from aiida_insbench.science.errors import ConvergenceError, format_error
from aiida_insbench.science.finite_displacements import (
    MAX_RESIDUAL,
    impose_invariances,
    supercell_forces,
)
from aiida_insbench.science.supercells import (
    build_phonopy,
    full_force_constants,
    supercell_of,
    to_ase,
)

#: Å: errors of 0.01 cm⁻¹ in stretches of 3000 cm⁻¹, far above the noise of double precision.
TINY_DISPLACEMENT = 1e-6
#: Noise of forces, eV/Å, up to which displacements may be that small: 1e-4 of 0.1 eV/Å² times u.
LARGEST_NOISE = 1e-11
_SHIFT = np.array([0.1234567, 0.2345678, 0.3456789])


def force_noise(*, atoms: Atoms, calculator: Any) -> float:
    """Noise of a calculator's forces: how much they change if the whole crystal is moved.

    Parameters
    ----------
    atoms : Atoms
        A crystal.
    calculator : ase Calculator
        Computes two frames.

    Returns
    -------
    float
        Largest change of a component, eV/Å.
    """
    moved = atoms.copy()
    moved.positions += _SHIFT
    first, second = supercell_forces(supercells=[atoms, moved], calculator=calculator)
    return float(np.abs(first - second).max())


def one_sided_force_constants(
    *,
    atoms: Atoms,
    calculator: Any,
    supercell_matrix: ArrayLike,
    displacement: float = TINY_DISPLACEMENT,
    symprec: float = 1e-4,
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
    displacement : float
        In Å.
    symprec : float
        Tolerance of positions for the symmetry, Å.
    report : callable, optional
        Called as ``report(done, total)`` after each supercell, the undisplaced one included.

    Returns
    -------
    Phonopy
        With compact force constants, symmetrised.

    Raises
    ------
    ConvergenceError
        If forces are not finite or the fit leaves too much unexplained.
    """
    phonon = build_phonopy(atoms=atoms, supercell_matrix=supercell_matrix, symprec=symprec)
    phonon.generate_displacements(distance=displacement, is_plusminus=False)
    frames = [supercell_of(phonon), *map(to_ase, phonon.supercells_with_displacements or [])]
    forces = supercell_forces(supercells=frames, calculator=calculator, report=report)
    phonon.forces = forces[1:] - forces[0]
    phonon.produce_force_constants(calculate_full_force_constants=False)
    impose_invariances(phonon)
    residual = _residual(phonon)
    if not residual <= MAX_RESIDUAL:
        raise ConvergenceError(
            format_error(
                f'Force constants leave {100 * residual:.1f} % of the forces unexplained at a '
                f'displacement of {displacement:g} Å; allowed are {100 * MAX_RESIDUAL:.1f} %.',
                reason='The forces are too noisy for it, or the symmetry is not what `symprec` '
                'says.',
                fix='Use `displacements: finite`.',
            )
        )
    return phonon


def _residual(phonon: Phonopy) -> float:
    full = full_force_constants(phonon)
    missed = total = 0.0
    for entry in phonon.dataset['first_atoms']:
        predicted = -np.einsum('iab,b->ia', full[:, entry['number']], entry['displacement'])
        missed += float(((entry['forces'] - predicted) ** 2).sum())
        total += float((np.asarray(entry['forces']) ** 2).sum())
    return float(np.sqrt(missed / total)) if total > 0 else float('inf')
