"""Data of the moving picture of modes: crystal, bonds and displacements of one potential.

Lengths in Å. Displacements are whole numbers, thousandths of the largest in their mode, so that the
page stays small: `MAX_ATOMS` and `MAX_NUMBERS` bound it. What is left out is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from numpy.typing import NDArray

from aiida_insbench.science.followed_vibrations import FollowedVibrations
from aiida_insbench.science.molecules import TOLERANCE, find_molecules
from aiida_insbench.science.shifts import mode_table

#: Crystals with more atoms in the primitive cell are not drawn.
MAX_ATOMS = 200
#: Most components of displacements in a page, some five bytes each.
MAX_NUMBERS = 100_000
#: Images beyond the cell are left out where more atoms than this would be drawn.
MAX_DRAWN = 600
#: An atom this close to a face of the cell, in its axes, is drawn on the opposite one too.
_ON_FACE = 0.02
#: Elements whose bonds are drawn; between two others a short distance is no bond.
_NON_METALS = frozenset(
    chemical_symbols[number]
    for first, last in ((1, 2), (5, 10), (14, 18), (32, 36), (51, 54))
    for number in range(first, last + 1)
)


def too_large(n_atoms: int) -> str | None:
    """Why a crystal of so many atoms in its primitive cell is not drawn, or None."""
    if n_atoms <= MAX_ATOMS:
        return None
    return f'The cell has {n_atoms} atoms; up to {MAX_ATOMS} are drawn here.'


def mode_view(found: FollowedVibrations, *, potential: str, key: str) -> dict[str, Any]:
    """Everything the picture needs, JSON-ready.

    Parameters
    ----------
    found : FollowedVibrations
        Modes of one potential at all its pressures; the first and the last are drawn.
    potential : str
        Name of the potential for the reader.
    key : str
        Its name on the command line.

    Returns
    -------
    dict
        ``reason``, None; ``symbols``, ``elements`` (colour and radius of
        a ball), ``drawn`` (atom and cell of every ball), ``bonds`` (pairs of balls),
        ``pressures`` (label, GPa, cell, positions), ``modes`` (rows with ``vectors``, one a
        pressure), ``default`` (the one that falls most), ``left_out``.
    """
    labels = list(dict.fromkeys([next(iter(found.cells)), list(found.cells)[-1]]))
    first = found.cells[labels[0]]
    rows = mode_table(found.series)
    order = sorted(range(len(rows)), key=lambda index: _fall(rows[index], labels))
    kept = sorted(order[: max(1, MAX_NUMBERS // (3 * len(first) * len(labels)))])
    drawn = _drawn(first)
    return {
        'potential': potential,
        'key': key,
        'reason': None,
        'symbols': first.get_chemical_symbols(),
        'elements': {symbol: _look(symbol) for symbol in sorted(set(first.symbols))},
        'drawn': [[int(value) for value in ball] for ball in drawn],
        'bonds': _bonds(first, drawn),
        'pressures': [_state(found, label) for label in labels],
        'modes': [_mode(found, rows[index], labels) for index in kept],
        'default': kept.index(order[0]),
        'left_out': len(rows) - len(kept),
    }


def _fall(row: dict[str, Any], labels: Sequence[str]) -> tuple[float, float]:
    """Sorts the mode that goes red most first; with one pressure, the lowest."""
    start, end = (row['frequencies'][labels[place]] for place in (0, -1))
    return end - start, start


def _look(symbol: str) -> dict[str, Any]:
    number = atomic_numbers[symbol]
    red, green, blue = (round(255 * float(value)) for value in jmol_colors[number])
    return {
        'color': f'#{red:02x}{green:02x}{blue:02x}',
        'radius': round(0.18 + 0.25 * float(covalent_radii[number]), 2),
    }


def _state(found: FollowedVibrations, label: str) -> dict[str, Any]:
    cell = found.cells[label]
    return {
        'label': label,
        'gpa': found.series.pressures[label],
        'cell': np.round(cell.cell.array, 4).tolist(),
        'positions': np.round(cell.positions, 4).tolist(),
    }


def _mode(found: FollowedVibrations, row: dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    return {
        'number': row['index'] + 1,
        'name': row['irrep'] or f'mode {row["index"] + 1}',
        'degeneracy': row['degeneracy'],
        'frequencies': [round(row['frequencies'][label], 1) for label in labels],
        'direction': row['direction'],
        'vectors': [_thousandths(found, row['index'], label) for label in labels],
    }


def _thousandths(found: FollowedVibrations, group: int, label: str) -> list[int]:
    """Displacements of a group's first member, the largest of an atom being 1000."""
    moves = found.vibration(group, label).displacements.real
    largest = float(np.linalg.norm(moves, axis=1).max())
    return [round(value) for value in (1000 / largest * moves).ravel().tolist()]


def _drawn(cell: Atoms) -> list[tuple[int, int, int, int]]:
    """Balls as (atom, cell): whole molecules, and single atoms, those on a face on both faces."""
    pieces = _pieces(cell)
    inverse = np.linalg.inv(cell.cell.array)
    own, images = [], []
    for atoms, shifts, centre in pieces:
        start = np.floor(centre @ inverse + _ON_FACE).astype(int)
        rest = centre @ inverse - start
        for image in product((0, 1), repeat=3) if len(atoms) == 1 else [(0, 0, 0)]:
            if any(step and value > _ON_FACE for step, value in zip(image, rest, strict=True)):
                continue
            balls = [
                (int(atom), *(int(v) for v in shift - start + np.array(image)))
                for atom, shift in zip(atoms, shifts, strict=True)
            ]
            (images if any(image) else own).extend(balls)
    return own + images if len(own) + len(images) <= MAX_DRAWN else own


def _pieces(cell: Atoms) -> list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Molecules, or single atoms in a framework: atoms, the cells they are in, centre."""
    found = find_molecules(cell)
    if found is None:
        zero = np.zeros((1, 3), dtype=int)
        return [(np.array([index]), zero, place) for index, place in enumerate(cell.positions)]
    inverse = np.linalg.inv(cell.cell.array)
    return [
        (
            one.atoms,
            np.rint((one.positions - cell.positions[one.atoms]) @ inverse).astype(int),
            one.positions.mean(axis=0),
        )
        for one in found
    ]


def _bonds(cell: Atoms, drawn: Sequence[tuple[int, int, int, int]]) -> list[list[int]]:
    """Pairs of balls closer than `TOLERANCE` times the sum of their covalent radii."""
    index = np.array([ball[0] for ball in drawn])
    places = cell.positions[index] + np.array([ball[1:] for ball in drawn]) @ cell.cell.array
    radii = covalent_radii[cell.numbers][index]
    open_to = np.array([symbol in _NON_METALS for symbol in cell.get_chemical_symbols()])[index]
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    bonded = distances < TOLERANCE * (radii[:, None] + radii[None])
    bonded &= open_to[:, None] | open_to[None]
    return np.argwhere(np.triu(bonded, 1)).tolist()  # type: ignore[no-any-return]
