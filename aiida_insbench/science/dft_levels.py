"""Levels of theory: what functional the labels of frames have, and whether two agree.

A level is a dictionary that comes with labels: ``functional``, or the parameters of pw.x.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: As pw.x and others write a functional, to the name it is known by.
_KNOWN = {
    'SLA PZ NOGX NOGC': 'LDA',
    'SLA+PZ+NOGX+NOGC': 'LDA',
    'PZ': 'LDA',
    'SLA PW NOGX NOGC': 'LDA',
    'SLA PW PBX PBC': 'PBE',
    'SLA+PW+PBX+PBC': 'PBE',
    'SLA PW PBE PBE': 'PBE',
    'SLA PW PSX PSC': 'PBESOL',
    'SLA+PW+PSX+PSC': 'PBESOL',
}
_DISPERSION = {
    'grimme-d2': 'D2',
    'dft-d': 'D2',
    'grimme-d3': 'D3',
    'dft-d3': 'D3',
    'ts': 'TS',
    'mbd': 'MBD',
    'mbd_vdw': 'MBD',
    'xdm': 'XDM',
}


def functional_of(level: Mapping[str, Any]) -> str | None:
    """Name the functional of a level of theory.

    Parameters
    ----------
    level : mapping
        ``functional``; or ``parameters`` of pw.x, whose ``SYSTEM`` may have ``input_dft`` and
        ``vdw_corr``.

    Returns
    -------
    str or None
        Such as ``PBE-D3``, in capitals; None where the level does not say.
    """
    system = (level.get('parameters') or {}).get('SYSTEM') or {}
    name = level.get('functional') or system.get('input_dft')
    if not name:
        return None
    plain = ' '.join(str(name).upper().split())
    plain = _KNOWN.get(plain, plain)
    dispersion = _DISPERSION.get(str(system.get('vdw_corr', '')).lower())
    return f'{plain}-{dispersion}' if dispersion and dispersion not in plain else plain


def compare_levels(
    first: Mapping[str, Any], second: Mapping[str, Any], *, names: tuple[str, str]
) -> str | None:
    """Say how two levels of theory differ.

    Parameters
    ----------
    first, second : mapping
        As `functional_of` takes them.
    names : tuple of str
        How the message calls them.

    Returns
    -------
    str or None
        A sentence if the functionals differ or one is unknown; None if they agree.
    """
    here, there = functional_of(first), functional_of(second)
    if here is None or there is None:
        unknown = [name for name, value in zip(names, (here, there), strict=True) if value is None]
        return f'The functional of {" and of ".join(unknown)} is not on record; not compared.'
    if _bare(here) == _bare(there):
        return None
    return (
        f'{names[0]} has the functional {here}, {names[1]} {there}: energies and forces differ '
        'between them. Choose isolated-atom energies by `e0s` (estimated or isolated_atoms), and '
        'expect to need more frames.'
    )


def _bare(name: str) -> str:
    return re.sub(r'[^A-Z0-9]', '', name.upper())
