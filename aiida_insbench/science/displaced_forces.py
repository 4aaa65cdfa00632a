"""Force constants from forces that were computed elsewhere, such as by DFT.

Units: Å, eV/Å, eV/Å². Supercell matrices have the supercell's axes in their rows; atoms of
supercells stand in phonopy's order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.utils import similarity_transformation

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.finite_displacements import MAX_RESIDUAL, fit_force_constants
from aiida_insbench.science.supercells import build_phonopy

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: Smallest share of the largest displacement that counts as a direction of its own.
_DIRECTION = 1e-3


@dataclass(frozen=True)
class DisplacedForces:
    """Forces of supercells, each with one atom displaced.

    Attributes
    ----------
    atoms : Atoms
        The undisplaced unit cell.
    supercell_matrix : ndarray, shape (3, 3)
        Integers; rows are the supercell's axes in the unit cell's axes.
    displaced_atoms : ndarray, shape (n,)
        Index of the displaced atom in the supercell.
    displacements : ndarray, shape (n, 3)
        In Å, cartesian.
    forces : ndarray, shape (n, n_supercell, 3)
        In eV/Å.
    symprec : float
        Tolerance of positions with which symmetry reduced the displacements, Å.
    """

    atoms: Atoms
    supercell_matrix: IntArray
    displaced_atoms: IntArray
    displacements: FloatArray
    forces: FloatArray
    symprec: float

    @property
    def gamma_only(self) -> bool:
        """Whether the supercell is the unit cell, so that only Γ has a meaning."""
        return abs(round(float(np.linalg.det(self.supercell_matrix)))) == 1

    def fit(self, *, max_residual: float = MAX_RESIDUAL) -> tuple[Phonopy, float]:
        """Fit symmetrised force constants.

        Parameters
        ----------
        max_residual : float
            Largest share of the forces that may stay unexplained; see `fit_force_constants`.

        Returns
        -------
        tuple of Phonopy and float
            With compact force constants; the share that stayed unexplained.

        Raises
        ------
        InputError
            If shapes do not fit, a number is not finite, a displacement lacks its opposite, or the
            displacements leave a direction of an atom open.
        ConvergenceError
            If too much stays unexplained.
        """
        phonon = build_phonopy(
            atoms=self.atoms, supercell_matrix=self.supercell_matrix, symprec=self.symprec
        )
        self._check(len(phonon.supercell))
        phonon.dataset = {
            'natom': len(phonon.supercell),
            'first_atoms': [
                {'number': int(atom), 'displacement': vector}
                for atom, vector in zip(self.displaced_atoms, self.displacements, strict=True)
            ],
        }
        check_directions(phonon)
        return phonon, fit_force_constants(
            phonon=phonon, forces=self.forces, max_residual=max_residual
        )

    def _check(self, n_supercell: int) -> None:
        count = len(self.displaced_atoms)
        if self.displacements.shape != (count, 3) or self.forces.shape != (count, n_supercell, 3):
            raise InputError(
                f'{count} displaced atoms, displacements of shape {self.displacements.shape} and '
                f'forces of shape {self.forces.shape} do not fit a supercell of {n_supercell} '
                'atoms.'
            )
        if not (np.isfinite(self.forces).all() and np.isfinite(self.displacements).all()):
            raise InputError('Displacements or forces hold numbers that are not finite.')
        if (
            count
            and not 0 <= self.displaced_atoms.min() <= self.displaced_atoms.max() < n_supercell
        ):
            raise InputError(
                f'Atoms {self.displaced_atoms.tolist()} are displaced in a supercell of '
                f'{n_supercell} atoms.'
            )


def check_directions(phonon: Phonopy) -> None:
    """See that displacements and symmetry reach every direction of every atom.

    phonopy's solver takes a pseudo-inverse: a direction left open would have no force constants,
    in silence.

    Parameters
    ----------
    phonon : Phonopy
        With a dataset of displacements.

    Raises
    ------
    InputError
        Naming the atom.
    """
    symmetry, lattice = phonon.symmetry, phonon.supercell.cell.T
    classes = symmetry.get_map_atoms()
    moves: dict[int, list[FloatArray]] = {}
    for entry in phonon.dataset['first_atoms']:
        moves.setdefault(int(entry['number']), []).append(np.asarray(entry['displacement']))
    reached = set()
    for atom, vectors in moves.items():
        turns = [
            similarity_transformation(lattice, one) for one in symmetry.get_site_symmetry(atom)
        ]
        images = np.array([turn @ vector for turn in turns for vector in vectors])
        values = np.linalg.svd(images, compute_uv=False)
        if len(values) == 3 and values[2] > _DIRECTION * values[0]:
            reached.add(int(classes[atom]))
    lacking = sorted(set(classes.tolist()) - reached)
    if lacking:
        symbols = phonon.supercell.symbols
        raise InputError(
            format_error(
                'Displacements leave directions open of '
                + ', '.join(f'atom {atom} ({symbols[atom]})' for atom in lacking)
                + '.',
                reason='Force constants in these directions would be wrong in silence.',
                fix='Give the forces of all displaced supercells, and the `symprec` they were '
                'made with.',
            )
        )
