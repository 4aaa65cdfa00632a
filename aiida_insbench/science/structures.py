"""Crystal structures as plain JSON, without loss, and checks that come before any computation."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import ArrayLike, NDArray

from aiida_insbench.science.errors import StructureError, format_error

StructureDict = dict[str, Any]

#: Atoms closer than this share of the sum of their covalent radii lie on top of each other.
MINIMUM_CONTACT = 0.5
#: Copies of a cell within reach of a bond; a cube of 1 Å has 3375 of them about caesium.
_MOST_IMAGES = 20_000


def atoms_to_dict(atoms: Atoms) -> StructureDict:
    """Write a structure as JSON-ready lists: symbols, cell (Å), positions (Å), pbc."""
    return {
        'symbols': list(atoms.get_chemical_symbols()),
        'cell': atoms.cell.array.tolist(),
        'positions': atoms.positions.tolist(),
        'pbc': [bool(flag) for flag in atoms.pbc],
    }


def rounded(atoms: Atoms, *, digits: int = 12) -> Atoms:
    """The same crystal in numbers that survive being stored.

    A database that keeps 14 digits of a number gives back another crystal than the one put in; a
    run that goes on from there would differ in the last digits from one that was never stopped.

    Parameters
    ----------
    atoms : Atoms
        Left as it is.
    digits : int
        Significant digits of cell and positions.
    """
    made = atoms.copy()
    made.cell = np.array([[float(f'{x:.{digits}g}') for x in row] for row in atoms.cell.array])
    made.positions = [[float(f'{x:.{digits}g}') for x in row] for row in atoms.positions]
    return made


def atoms_from_dict(data: StructureDict) -> Atoms:
    """Read what `atoms_to_dict` wrote.

    Raises
    ------
    StructureError
        If a key is missing, a symbol unknown, or the numbers are not finite.
    """
    try:
        symbols = [str(symbol) for symbol in data['symbols']]
        cell = np.asarray(data['cell'], dtype=float)
        positions = np.asarray(data['positions'], dtype=float)
    except (KeyError, TypeError, ValueError) as exc:
        raise StructureError(
            format_error(
                f'The structure cannot be read: {exc!r}.',
                fix='It needs symbols, cell (3×3, Å) and positions (n×3, Å).',
            )
        ) from exc
    unknown = sorted(set(symbols) - set(chemical_symbols[1:]))
    if unknown:
        raise StructureError(f'Unknown chemical symbols in the structure: {", ".join(unknown)}.')
    if cell.shape != (3, 3) or positions.shape != (len(symbols), 3):
        raise StructureError(
            f'Shapes do not fit: {len(symbols)} symbols, cell {cell.shape}, '
            f'positions {positions.shape}.'
        )
    if not (np.isfinite(cell).all() and np.isfinite(positions).all()):
        raise StructureError('The structure holds numbers that are not finite.')
    return Atoms(symbols, cell=cell, positions=positions, pbc=data.get('pbc', True))


def check_crystal(atoms: Atoms, *, name: str = 'structure') -> None:
    """Refuse what cannot be a crystal under pressure.

    Parameters
    ----------
    atoms : Atoms
        The crystal.
    name : str
        How the message names it.

    Raises
    ------
    StructureError
        If it is empty, holds an unknown element, is not periodic in three dimensions, has no
        volume, or two atoms are closer than `MINIMUM_CONTACT` of the sum of their covalent radii.
    """
    if len(atoms) == 0:
        raise StructureError(f'`{name}` has no atoms.')
    if (atoms.numbers == 0).any():
        raise StructureError(f'`{name}` holds an unknown element (X); name the element.')
    if not all(atoms.pbc):
        raise StructureError(
            format_error(
                f'`{name}` is not periodic in three dimensions (pbc {atoms.pbc.tolist()}).',
                reason='Pressure has no meaning for it.',
                fix='Give a crystal.',
            )
        )
    reach = 3.0 * float(covalent_radii[atoms.numbers].max())
    check_cell(atoms.cell.array, name=name, reach=reach)
    close = closest_contact(atoms)
    if close is not None and close[3] < MINIMUM_CONTACT:
        first, second, distance, share = close
        symbols = atoms.get_chemical_symbols()
        raise StructureError(
            format_error(
                f'`{name}`: atoms {first} ({symbols[first]}) and {second} ({symbols[second]}) are '
                f'{distance:.3f} Å apart, {share:.2f} of the sum of their covalent radii.',
                fix='Remove the duplicate or correct the coordinates.',
            )
        )


def check_cell(cell: ArrayLike, *, name: str, reach: float = 5.0) -> None:
    """Refuse cells without volume, and those so flat or skewed that counting neighbours never ends.

    Parameters
    ----------
    cell : array_like, shape (3, 3)
        Axes in rows, Å.
    name : str
        How the message names what has it.
    reach : float
        Up to which distance neighbours will be counted, Å.

    Raises
    ------
    StructureError
        If it is such a cell.
    """
    axes = np.asarray(cell, dtype=float)
    if not abs(np.linalg.det(axes)) >= 1e-3:
        raise StructureError(f'`{name}` has a cell without volume.')
    heights = cell_heights(axes)
    if not np.prod(2.0 * np.ceil(reach / heights) + 1.0) <= _MOST_IMAGES:
        raise StructureError(
            format_error(
                f'`{name}` has a cell of {heights.min():.2g} Å between two faces.',
                reason='It is too flat, or so skewed that its neighbours cannot be counted.',
                fix='Give the reduced cell, and lengths in Å.',
            )
        )


def cell_heights(cell: ArrayLike) -> NDArray[np.float64]:
    """Distances between opposite faces of a cell, Å, shape (3,).

    Parameters
    ----------
    cell : array_like, shape (3, 3)
        Axes in rows, Å.
    """
    inverse = np.linalg.inv(np.asarray(cell, dtype=float))
    return np.asarray(1.0 / np.linalg.norm(inverse, axis=0))


def closest_contact(atoms: Atoms, *, reach: float = 1.5) -> tuple[int, int, float, float] | None:
    """Pair of atoms closest to each other relative to their covalent radii.

    Parameters
    ----------
    atoms : Atoms
        Any structure.
    reach : float
        Pairs farther apart than this, in sums of covalent radii, are not looked at.

    Returns
    -------
    tuple (int, int, float, float) or None
        Indices, distance in Å and distance over the sum of covalent radii.
    """
    radii = covalent_radii[atoms.numbers]
    first, second, distance = neighbor_list('ijd', atoms, (reach * radii).tolist())
    if len(distance) == 0:
        return None
    share = distance / (radii[first] + radii[second])
    pick = int(np.argmin(share))
    return int(first[pick]), int(second[pick]), float(distance[pick]), float(share[pick])
