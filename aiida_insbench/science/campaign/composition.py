"""Whether a crystal holds the atoms that its compound has: none missing, none by halves.

X-ray structures often lack hydrogens, which neutrons see above all, or share sites between atoms.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.data import chemical_symbols

from aiida_insbench.science.errors import InputError

_TERM = re.compile(r'([A-Z][a-z]?)(\d*\.?\d*)')


def parse_formula(text: str) -> dict[str, float]:
    """Atoms of a chemical formula such as ``C6H14`` or ``'C6 H14'``.

    Raises
    ------
    InputError
        If it is none.
    """
    packed = re.sub(r'\s', '', text)
    found: dict[str, float] = {}
    place = 0
    for match in _TERM.finditer(packed):
        symbol, count = match.groups()
        if match.start() != place or symbol not in (*chemical_symbols[1:], 'D'):
            break
        place = match.end()
        symbol = 'H' if symbol == 'D' else symbol
        found[symbol] = found.get(symbol, 0.0) + float(count or 1)
    if not found or place != len(packed) or not all(0 < n < math.inf for n in found.values()):
        raise InputError(f'{text!r} is no chemical formula; write it as C6H14.')
    return found


def composition_faults(
    atoms: Atoms, formula: Mapping[str, float], *, units: int | None = None, of: str
) -> list[str]:
    """What of a crystal contradicts the formula of its compound.

    Parameters
    ----------
    atoms : Atoms
        The crystal's cell.
    formula : mapping of str to float
        Atoms of one formula unit.
    units : int, optional
        Formula units in the cell; any whole number without it.
    of : str
        Where the formula comes from, for the message.

    Returns
    -------
    list of str
        Empty if all fits.
    """
    symbols = atoms.get_chemical_symbols()
    counts = {symbol: symbols.count(symbol) for symbol in {*symbols, *formula}}
    found = []
    strangers = sorted(symbol for symbol in counts if symbol not in formula)
    if strangers:
        found.append(f'The crystal holds {", ".join(strangers)}, which {of} does not.')
    ratios = {symbol: counts[symbol] / number for symbol, number in formula.items()}
    heavy = {symbol: ratio for symbol, ratio in ratios.items() if symbol != 'H'} or ratios
    expected = units if units is not None else max(heavy.values())
    lacking = [
        f'{number * expected:g} {symbol} expected, {counts[symbol]} there'
        for symbol, number in formula.items()
        if not math.isclose(counts[symbol], number * expected, rel_tol=1e-6)
    ]
    if lacking:
        hydrogens = counts.get('H', 0) < formula.get('H', 0) * expected
        fix = ' Hydrogens are missing: add and relax them first.' if hydrogens else ''
        found.append(f'The cell does not hold {expected:g} × {of}: {"; ".join(lacking)}.{fix}')
    elif abs(expected - round(expected)) > 1e-6:
        found.append(f'The cell holds {expected:.3g} × {of}, which is no whole number.')
    return found


def occupancy_faults(atoms: Atoms, *, name: str = 'structure') -> list[str]:
    """Sites that a file (ASE's ``info['occupancy']``) says are not wholly occupied."""
    sites: Mapping[Any, Mapping[str, float]] = atoms.info.get('occupancy') or {}
    shared = [
        f'{site}: {", ".join(f"{symbol} {share}" for symbol, share in parts.items())}'
        for site, parts in sites.items()
        if len(parts) > 1 or not all(_is_whole(share) for share in parts.values())
    ]
    if not shared:
        return []
    listed = '; '.join(shared[:5]) + (' …' if len(shared) > 5 else '')
    return [
        f'`{name}` has sites that are occupied in part ({listed}). Give an ordered model of the '
        'crystal, with every site occupied by one atom.'
    ]


def _is_whole(share: Any) -> bool:
    """Whether a share is 1; a CIF may hold a word instead, such as ``?``."""
    return isinstance(share, int | float) and math.isclose(share, 1.0, abs_tol=1e-3)


def claimed_composition(path: Path) -> tuple[dict[str, float], int] | None:
    """Formula and number of formula units that a CIF states of itself; None if it does not."""
    from ase.io.cif import parse_cif

    if path.suffix.lower() not in ('.cif', '.mcif'):
        return None
    block = next(iter(parse_cif(str(path))), None)
    if block is None:
        return None
    formula, units = block.get('_chemical_formula_sum'), block.get('_cell_formula_units_z')
    if not formula or not units:
        return None
    try:
        return parse_formula(str(formula)), int(units)
    except (InputError, ValueError):
        return None
