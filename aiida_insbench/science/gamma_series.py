"""Γ modes of one source at all pressures, followed, with atoms in one crystal's order.

Frequencies in cm⁻¹, pressures in GPa, lengths in Å.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from phonopy import Phonopy

from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.modes import IntArray, ModeSet
from aiida_insbench.science.molecules import Molecule, find_molecules
from aiida_insbench.science.neutron_weights import total_cross_sections
from aiida_insbench.science.phonon_isotopes import masses_keep_symmetry
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.segments import atom_order
from aiida_insbench.science.shifts import ModeSeries, Tolerances, mode_series
from aiida_insbench.science.supercells import to_ase


def atom_orders(
    phonons: Mapping[str, Phonopy], standard: Atoms, *, name: str
) -> dict[str, IntArray]:
    """Order of atoms at each pressure in which they stand on the sites of another crystal.

    Parameters
    ----------
    phonons : mapping from str to Phonopy
        By pressure label.
    standard : Atoms
        The crystal whose order counts.
    name : str
        Of the source, for messages.

    Returns
    -------
    dict
        Atom k of `standard` is atom ``order[k]`` of the primitive cell.

    Raises
    ------
    StructureError
        If a cell is not the same crystal in the same setting.
    """
    return {
        label: atom_order(to_ase(phonon.primitive), standard, where=f'{name}, {label}')
        for label, phonon in phonons.items()
    }


def gamma_series(
    phonons: Mapping[str, Phonopy],
    orders: Mapping[str, IntArray],
    *,
    tolerances: Tolerances,
    sites: Sequence[str] | None = None,
) -> ModeSeries:
    """Γ modes at all pressures, followed from each to the next.

    Parameters
    ----------
    phonons : mapping from str to Phonopy
        With force constants, by pressure label.
    orders : mapping from str to ndarray of int, shape (n_atoms,)
        Atom k of the modes is atom ``order[k]`` of the primitive cell.
    tolerances : Tolerances
        What counts as noise.
    sites : sequence of str, optional
        Labels of isotopes in the order of the modes, for neutron weights; chemical symbols by
        default. Masses are those of the phonons.

    Raises
    ------
    ComputationError
        If acoustic modes cannot be told; the message names the label.
    """
    lowest = min(phonons, key=pressure_from_label)
    cell = to_ase(phonons[lowest].primitive)[orders[lowest]]
    return mode_series(
        {label: _mode_set(phonon, orders[label]) for label, phonon in phonons.items()},
        pressures={label: pressure_from_label(label) for label in phonons},
        symbols=cell.get_chemical_symbols(),
        masses=cell.get_masses(),
        tolerances=tolerances,
        volumes={label: float(one.primitive.volume) for label, one in phonons.items()},
        molecules=_molecules(cell),
        cross_sections=total_cross_sections(sites or cell.get_chemical_symbols()),
    )


def in_own_order(modes: ModeSet, order: IntArray) -> ModeSet:
    """Modes with their atoms as the source's own cell has them."""
    vectors = modes.eigenvectors.reshape(len(modes.frequencies), -1, 3)
    own = np.empty_like(vectors)
    own[:, order] = vectors
    return ModeSet(modes.frequencies, own.reshape(modes.eigenvectors.shape), modes.irreps)


def _mode_set(phonon: Phonopy, order: IntArray) -> ModeSet:
    # irreps of the structure are none of vibrations that isotopes have made less symmetric
    found = gamma_modes(phonon=phonon, irreps=masses_keep_symmetry(phonon))
    vectors = found.eigenvectors[:, order].reshape(len(found.frequencies), -1)
    return ModeSet(found.frequencies, vectors, found.irreps)


def _molecules(cell: Atoms) -> tuple[Molecule, ...]:
    """Molecules of a cell; none in a framework of bonds or of single atoms."""
    found = find_molecules(cell)
    if found is None or all(len(one.atoms) == 1 for one in found):
        return ()
    return tuple(found)
