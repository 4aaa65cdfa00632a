"""Where the isotopes that the stage ``analyse`` is asked for stand in each crystal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms

from aiida_insbench.science.errors import InputError, StructureError, format_error
from aiida_insbench.science.ins.isotopes import labels_of_sites
from aiida_insbench.science.modes import IntArray
from aiida_insbench.science.segments import Segment, atom_order


def place_isotopes(
    segments: Sequence[Segment],
    cells: Mapping[str, Atoms],
    standard: Atoms,
    *,
    isotopes: Mapping[str, Any],
    title: str,
) -> dict[str, tuple[str, ...]]:
    """Labels of the sites of one source's crystals.

    Parameters
    ----------
    segments : sequence of Segment
        Of the source.
    cells : mapping from str to Atoms
        Primitive cells by pressure label.
    standard : Atoms
        The crystal whose atoms `isotopes` numbers.
    isotopes : mapping
        Chemical symbols, or numbers of atoms from 0, to isotopes; see `labels_of_sites`.
    title : str
        Of the source, for messages.

    Returns
    -------
    dict from str to tuple of str
        One label an atom, in the order of each cell.

    Raises
    ------
    InputError
        If an isotope or atom is unknown, or an atom by its number has no place in a crystal.
    """
    wanted = labels_of_sites(standard.get_chemical_symbols(), isotopes)
    elements = {key: value for key, value in isotopes.items() if not key.isdigit()}
    placed = {}
    for segment in segments:
        lowest = segment.labels[0]
        order = _place(cells[lowest], standard, where=f'{title}, {lowest}')
        if order is None and len(elements) < len(isotopes):
            raise InputError(
                format_error(
                    f'`isotopes` names atoms by number, and {title} at {lowest} is another crystal '
                    f'({segment.crystal}).',
                    reason='Its atoms have other numbers.',
                    fix='Name elements, or leave that pressure out.',
                )
            )
        for label in segment.labels:
            symbols = cells[label].get_chemical_symbols()
            if order is None:
                placed[label] = labels_of_sites(symbols, elements)
                continue
            sites = list(symbols)
            for site, atom in zip(wanted, segment.orders[label][order], strict=True):
                sites[atom] = site
            placed[label] = tuple(sites)
    return placed


def _place(cell: Atoms, standard: Atoms, *, where: str) -> IntArray | None:
    """Order of atoms as in the first crystal; None if it is another one."""
    try:
        return atom_order(cell, standard, where=where)
    except StructureError:
        return None
