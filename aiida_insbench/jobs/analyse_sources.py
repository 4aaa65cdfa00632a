"""Sources of modes that the stage ``analyse`` compares: each potential, and DFT.

All have their atoms in the order of one crystal, the first one's at its lowest pressure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from phonopy import Phonopy

from aiida_insbench.jobs.analyse_isotopes import place_isotopes
from aiida_insbench.jobs.analyse_settings import AnalyseSettings
from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.gamma_series import gamma_series
from aiida_insbench.science.modes import IntArray
from aiida_insbench.science.phonon_isotopes import with_isotopes
from aiida_insbench.science.segments import Segment, atom_order, find_groups, find_segments
from aiida_insbench.science.shifts import ModeSeries, mode_table
from aiida_insbench.science.supercells import to_ase


@dataclass(frozen=True)
class Source:
    """One potential, or DFT.

    Attributes
    ----------
    name : str
        Of the potential; empty for DFT.
    phonons : dict from str to Phonopy
        By pressure label, all of them, with the masses of isotopes.
    segments : list of Segment
        Pressures at which the crystal is one; modes are followed through the first.
    orders : dict from str to ndarray of int
        Atom k of the modes is atom ``order[k]`` of the primitive cell; labels of the first segment.
    sites : dict from str to tuple of str
        Labels of isotopes on the primitive cell's sites, by pressure label.
    series : ModeSeries
        Modes of the first segment.
    apart : str
        Why its modes cannot be compared with those of the first source; empty if they can.
    """

    name: str
    phonons: dict[str, Phonopy]
    segments: list[Segment]
    orders: dict[str, IntArray]
    sites: dict[str, tuple[str, ...]]
    series: ModeSeries
    apart: str = ''

    @property
    def followed(self) -> dict[str, Phonopy]:
        """Phonons at the pressures that modes are followed through."""
        return {label: self.phonons[label] for label in self.segments[0].labels}


def make_sources(
    phonons: Mapping[str, dict[str, Phonopy]], settings: AnalyseSettings
) -> dict[str, Source]:
    """Segments and followed modes of each source.

    Raises
    ------
    InputError
        If two sources hold the same crystal in different settings, or isotopes name no atom.
    ComputationError
        If acoustic modes cannot be told.
    """
    sources: dict[str, Source] = {}
    standard: Atoms | None = None
    for name, by_label in phonons.items():
        title = name or 'DFT'
        cells = {label: to_ase(one.primitive) for label, one in by_label.items()}
        segments = find_segments(cells, symprec=settings.symprec, name=title)
        lowest = segments[0].labels[0]
        standard = cells[lowest] if standard is None else standard
        order, apart = _order(
            cells[lowest], standard, symprec=settings.symprec, where=f'{title}, {lowest}'
        )
        sites = place_isotopes(segments, cells, standard, isotopes=settings.isotopes, title=title)
        exchanged = {label: with_isotopes(by_label[label], sites[label]) for label in sites}
        orders = {label: one[order] for label, one in segments[0].orders.items()}
        sources[name] = Source(
            name=name,
            phonons=exchanged,
            segments=segments,
            orders=orders,
            sites=sites,
            series=_series(exchanged, orders, sites, settings),
            apart=apart,
        )
    return sources


def _series(
    phonons: Mapping[str, Phonopy],
    orders: Mapping[str, IntArray],
    sites: Mapping[str, tuple[str, ...]],
    settings: AnalyseSettings,
) -> ModeSeries:
    """Followed modes at the pressures of `orders`."""
    lowest = next(iter(orders))
    return gamma_series(
        {label: phonons[label] for label in orders},
        orders,
        tolerances=settings.tolerances,
        sites=[sites[lowest][atom] for atom in orders[lowest]],
    )


def segment_tables(source: Source, settings: AnalyseSettings) -> list[dict[str, Any]]:
    """All segments, JSON-ready, with the tables of all but the first.

    Returns
    -------
    list of dict
        ``labels``, ``space_group``, ``n_atoms``, ``change`` (against the pressure before; empty
        for the first), and ``modes`` and ``acoustic_cm1`` as of the source (None for the first,
        where they are the source's own).
    """
    rows = []
    for segment in source.segments:
        row: dict[str, Any] = {
            'labels': list(segment.labels),
            'space_group': segment.space_group,
            'n_atoms': segment.n_atoms,
            'change': segment.change,
            'modes': None,
            'acoustic_cm1': None,
        }
        if segment.change:
            series = _series(source.phonons, segment.orders, source.sites, settings)
            row |= {'modes': mode_table(series), 'acoustic_cm1': series.acoustic}
        rows.append(row)
    return rows


def _order(cell: Atoms, standard: Atoms, *, symprec: float, where: str) -> tuple[IntArray, str]:
    """Order of atoms as in the first crystal, or why there is none."""
    try:
        return atom_order(cell, standard, where=where), ''
    except StructureError as exc:
        groups = [find_groups(one, symprec=symprec) for one in (cell, standard)]
        if len(cell) == len(standard) and groups[0].same(groups[1]):
            raise  # one crystal, given in two settings: that can be mended
        return np.arange(len(cell)), str(exc)
