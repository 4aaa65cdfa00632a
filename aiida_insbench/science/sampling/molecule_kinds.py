"""Kinds of molecules in a crystal: the same formula and the same bond graph are the same kind.

Conformers and mirror images are of one kind. Graphs are told apart by colours of their atoms: first
the element and how many atoms of which element stand how many bonds away, then again and again the
colours of the neighbours (Weisfeiler & Leman 1968). Lengths in Å.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path

from aiida_insbench.science.molecules import TOLERANCE, Molecule


@dataclass(frozen=True)
class MoleculeKind:
    """Molecules of one kind.

    Attributes
    ----------
    formula : str
        Hill order, ``C6H6``.
    members : tuple of Molecule
        In the crystal's order; the first stands for all.
    """

    formula: str
    members: tuple[Molecule, ...]


def molecule_kinds(atoms: Atoms, molecules: Sequence[Molecule]) -> list[MoleculeKind]:
    """Sort molecules by kind.

    Parameters
    ----------
    atoms : Atoms
        The crystal.
    molecules : sequence of Molecule
        As `aiida_insbench.science.molecules.find_molecules` gives them.

    Returns
    -------
    list of MoleculeKind
        In the order in which they occur first.
    """
    found: dict[tuple[str, ...], list[Molecule]] = {}
    for molecule in molecules:
        key = graph_fingerprint(atoms.numbers[molecule.atoms], bond_matrix(atoms, molecule))
        found.setdefault(key, []).append(molecule)
    return [
        MoleculeKind(
            str(Atoms(numbers=atoms.numbers[members[0].atoms]).get_chemical_formula()),
            tuple(members),
        )
        for members in found.values()
    ]


def bond_matrix(atoms: Atoms, molecule: Molecule) -> NDArray[np.bool_]:
    """Which atoms of a molecule are bonded, shape (n, n)."""
    radii = covalent_radii[atoms.numbers[molecule.atoms]]
    apart = np.linalg.norm(molecule.positions[:, None] - molecule.positions[None], axis=2)
    bonded = apart < TOLERANCE * (radii[:, None] + radii[None])
    np.fill_diagonal(bonded, val=False)
    return np.asarray(bonded)


def graph_fingerprint(numbers: NDArray[np.int64], bonded: NDArray[np.bool_]) -> tuple[str, ...]:
    """Fingerprint of a graph of atoms that the order of the atoms does not change.

    Parameters
    ----------
    numbers : ndarray, shape (n,)
        Atomic numbers.
    bonded : ndarray, shape (n, n)
        Symmetric.
    """
    distances = shortest_path(bonded.astype(float), unweighted=True)
    colours = [
        _name((own, sorted(Counter(zip(row, numbers.tolist(), strict=True)).items())))
        for own, row in zip(numbers.tolist(), distances.tolist(), strict=True)
    ]
    neighbours = [np.flatnonzero(row).tolist() for row in bonded]
    for _ in numbers:
        colours = [
            _name((colour, sorted(colours[other] for other in others)))
            for colour, others in zip(colours, neighbours, strict=True)
        ]
    return tuple(sorted(colours))


def _name(colour: object) -> str:
    """Short name of a colour, the same in every molecule."""
    return hashlib.sha256(repr(colour).encode()).hexdigest()[:16]
