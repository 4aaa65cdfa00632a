"""Modes that were followed across pressure, each as a vibration of the crystal at its pressure.

Frequencies in cm⁻¹, negative for imaginary modes; lengths in Å.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from phonopy import Phonopy

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.gamma_series import gamma_series
from aiida_insbench.science.lattice_waves import Vibration, clear_partners
from aiida_insbench.science.segments import find_segments
from aiida_insbench.science.shifts import ModeSeries, Tolerances
from aiida_insbench.science.supercells import to_ase

SYMPREC = 1e-3  # Å


@dataclass(frozen=True)
class FollowedVibrations:
    """Followed optical modes at Γ and the crystals they belong to.

    Attributes
    ----------
    series : ModeSeries
        The modes; a group of ``series.optical`` is a row of `mode_table`.
    cells : dict of str to Atoms
        Primitive cell by pressure label, pressures rising, with masses; atoms in the order of the
        eigenvectors, each on the image nearest to its place at the first pressure.
    """

    series: ModeSeries
    cells: dict[str, Atoms]

    def vectors(self, group: int, label: str) -> NDArray[Any]:
        """Eigenvectors of a group at a pressure, shape (d, n_atoms, 3).

        Those of the first pressure are turned to cartesian axes (`clear_partners`), those of others
        so that each is as near as can be to its own there (orthogonal Procrustes problem:
        Schönemann, *Psychometrika* 31, 1 (1966)).
        """
        members = self.series.optical.groups[group]
        first = clear_partners(self.series.optical.sets[0].eigenvectors[members])
        place = list(self.series.pressures).index(label)
        here = self.series.optical.sets[place].eigenvectors[members]
        left, _, right = np.linalg.svd(first.conj() @ here.T)
        return np.asarray((left @ right).conj() @ here).reshape(len(members), -1, 3)

    def vibration(self, group: int, label: str, *, member: int = 0) -> Vibration:
        """One mode at one pressure, numbered from 1 in the order of `mode_table`.

        Parameters
        ----------
        group : int
            Of ``series.optical``, from 0.
        label : str
            Of the pressure.
        member : int
            Of a degenerate set, from 0.

        Raises
        ------
        InputError
            If the set has no such member.
        """
        vectors = self.vectors(group, label)
        if not 0 <= member < len(vectors):
            count = 'one member' if len(vectors) == 1 else f'{len(vectors)} members'
            raise InputError(f'Mode {group + 1} has {count}; there is no member {member + 1}.')
        return Vibration(
            frequency=self.series.by_label(group)[label],
            eigenvector=vectors[member],
            qpoint=(0.0, 0.0, 0.0),
            cell=self.cells[label],
            irrep=self.series.optical.irrep(group),
            number=group + 1,
        )


def followed_vibrations(
    phonons: Mapping[str, Phonopy],
    *,
    tolerances: Tolerances | None = None,
    symprec: float = SYMPREC,
) -> list[FollowedVibrations]:
    """Γ modes of one source, followed from pressure to pressure as far as the crystal is the same.

    Parameters
    ----------
    phonons : mapping of str to Phonopy
        With force constants, by pressure label.
    tolerances : Tolerances, optional
        What counts as noise.
    symprec : float
        For the space groups, Å.

    Returns
    -------
    list of FollowedVibrations
        One a segment (`aiida_insbench.science.segments`), in order of pressure.

    Raises
    ------
    InputError
        If there are no force constants, or the crystals are not one substance.
    ComputationError
        If acoustic modes cannot be told.
    """
    if not phonons:
        raise InputError('There are no force constants.')
    crystals = {label: to_ase(phonon.primitive) for label, phonon in phonons.items()}
    found = []
    for segment in find_segments(crystals, symprec=symprec, name='The crystal'):
        standard = crystals[segment.labels[0]]
        inside = {label: phonons[label] for label in segment.labels}
        found.append(
            FollowedVibrations(
                series=gamma_series(inside, segment.orders, tolerances=tolerances or Tolerances()),
                cells={
                    label: _in_place(crystals[label][segment.orders[label]], standard)
                    for label in segment.labels
                },
            )
        )
    return found


def _in_place(cell: Atoms, standard: Atoms) -> Atoms:
    """Cell with each atom on the image nearest to its place in another cell."""
    moved = cell.copy()
    away = cell.get_scaled_positions(wrap=False) - standard.get_scaled_positions(wrap=False)
    moved.positions -= np.rint(away) @ cell.cell.array
    return moved
