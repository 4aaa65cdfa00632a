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

from aiida_insbench.jobs.analyse_settings import AnalyseSettings
from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.gamma_series import gamma_series
from aiida_insbench.science.modes import IntArray
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
        By pressure label, all of them.
    segments : list of Segment
        Pressures at which the crystal is one; modes are followed through the first.
    orders : dict from str to ndarray of int
        Atom k of the modes is atom ``order[k]`` of the primitive cell; labels of the first segment.
    series : ModeSeries
        Modes of the first segment.
    apart : str
        Why its modes cannot be compared with those of the first source; empty if they can.
    """

    name: str
    phonons: dict[str, Phonopy]
    segments: list[Segment]
    orders: dict[str, IntArray]
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
    StructureError
        If two sources hold the same crystal in different settings.
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
        orders = {label: one[order] for label, one in segments[0].orders.items()}
        sources[name] = Source(
            name=name,
            phonons=by_label,
            segments=segments,
            orders=orders,
            series=gamma_series(
                {label: by_label[label] for label in orders},
                orders,
                tolerances=settings.tolerances,
            ),
            apart=apart,
        )
    return sources


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
            series = gamma_series(
                {label: source.phonons[label] for label in segment.labels},
                segment.orders,
                tolerances=settings.tolerances,
            )
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
