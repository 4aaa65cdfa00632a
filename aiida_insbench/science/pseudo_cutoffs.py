"""Cutoffs that tables of pseudopotentials recommend, from the files that come with them; Ry.

Two forms are read:

* beside each pseudopotential a file ``Si.toml``: ``Ecut`` of the wave functions in hartree and
  ``supersampling``, by which the grid of the density is finer than their sphere; so the cutoff of
  the density is ``supersampling``² times theirs. Tables ``cutoffs_low``, ``cutoffs_normal`` and
  ``cutoffs_high`` may hold one set each (PseudoDojo).
* one file ``.json`` for all: by element ``cutoff_wfc`` and ``cutoff_rho`` in Ry, ``md5`` of the
  pseudopotential (SSSP).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from ase.data import atomic_numbers

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.safe_json import load_json

NORMAL = 'normal'
#: By stringency, then element: cutoffs of wave functions and density, Ry.
Cutoffs = dict[str, dict[str, tuple[float, float]]]
_RYDBERG = 2.0  # per hartree
_SET = 'cutoffs_'
_HIGHEST = 1e5  # Ry; no cutoff is near it


def cutoffs_of_toml(text: str, *, name: str) -> dict[str, tuple[float, float]]:
    """Cutoffs (Ry) of one pseudopotential, by stringency.

    Parameters
    ----------
    text : str
        Of the file.
    name : str
        Of the file, for messages.

    Raises
    ------
    InputError
        If it is no TOML, or has no ``Ecut`` and ``supersampling`` that are positive.
    """
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InputError(f'{name} is no TOML: {exc}.') from exc
    sets = {
        key.removeprefix(_SET): entry
        for key, entry in found.items()
        if key.startswith(_SET) and isinstance(entry, Mapping)
    }
    if NORMAL not in sets:
        sets[NORMAL] = found
    return {stringency: _of_set(entry, name) for stringency, entry in sorted(sets.items())}


def _of_set(entry: Mapping[str, Any], name: str) -> tuple[float, float]:
    wave_functions = _RYDBERG * _positive(entry, 'Ecut', name)
    density = _positive(entry, 'supersampling', name) ** 2 * wave_functions
    return round(wave_functions, 6), round(density, 6)


def cutoffs_of_json(
    text: str, *, name: str, md5: Mapping[str, str]
) -> dict[str, tuple[float, float]]:
    """Cutoffs (Ry) by element, of those that have a pseudopotential.

    Parameters
    ----------
    text, name : str
        Of the file.
    md5 : mapping of str to str
        MD5 of the pseudopotential of each element.

    Raises
    ------
    InputError
        If the file is not of this form, or an MD5 differs from that of the file.
    """
    found = load_json(text, name=name)
    if not isinstance(found, dict) or not set(found) & set(atomic_numbers):
        raise InputError(
            format_error(
                f'{name} has no cutoffs by element.',
                fix='It should look like {"Si": {"cutoff_wfc": 30, "cutoff_rho": 240}} (Ry).',
            )
        )
    cutoffs = {}
    for element in sorted(set(found) & set(md5)):
        entry = found[element]
        if not isinstance(entry, dict):
            raise InputError(f'{name}: {element} is {entry!r}; it must have `cutoff_wfc`.')
        stated = entry.get('md5')
        if stated and stated != md5[element]:
            raise InputError(
                format_error(
                    f'{name} was made for another pseudopotential of {element}: its MD5 is '
                    f'{stated}, that of the file {md5[element]}.',
                    fix='Take both from the same version of the library.',
                )
            )
        where = f'{name}, {element}'
        cutoffs[element] = tuple(_positive(entry, f'cutoff_{k}', where) for k in ('wfc', 'rho'))
    return cutoffs  # type: ignore[return-value] # two each


def _positive(entry: Mapping[str, Any], key: str, where: str) -> float:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _HIGHEST:
        raise InputError(
            f'{where}: `{key}` is {value!r}; it must be a number above 0 and below {_HIGHEST:g}.'
        )
    return float(value)
