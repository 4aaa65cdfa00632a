"""Levels of theory: what functional the labels of frames have, and whether two agree.

A level is a dictionary that comes with labels: ``functional``, or the parameters of pw.x. Its other
settings are read by `aiida_insbench.science.dft_settings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

#: As pw.x writes a functional in its output, parts joined by blanks or +, to its ``input_dft``.
#: Source: XClib/qe_dft_list.f90 of Quantum ESPRESSO 7, and what version 6.7 prints.
_PARTS = {
    'SLA PZ NOGX NOGC': 'LDA',
    'SLA PZ': 'LDA',
    'PZ': 'LDA',
    'SLA PW NOGX NOGC': 'LDA',
    'SLA PW PBX PBC': 'PBE',
    'SLA PW PBE PBE': 'PBE',
    'SLA PW PSX PSC': 'PBESOL',
    'SLA PW REVX PBC': 'REVPBE',
    'SLA PW HHNX PBC': 'RPBE',
    'SLA PW GGX GGC': 'PW91',
    'SLA LYP B88 BLYP': 'BLYP',
    'B88 LYP': 'BLYP',
    'PB0X PW PB0X PBC': 'PBE0',
    'SLA PW HSE PBC': 'HSE',
    'B3LP B3LP B3LP B3LP': 'B3LYP',
    'SLA PW REVX VDW1': 'VDW-DF',
    'SLA PW RW86 VDW2': 'VDW-DF2',
    'SLA PW CX0 VDW1': 'VDW-DF-CX',
    'SLA PW B86R VDW2': 'VDW-DF2-B86R',
    'SLA PW RW86 PBC VV10': 'RVV10',
}
#: libxc's numbers of exchange and correlation, as in ``XC-000I-000I-000I-000I-497L-498L``.
_LIBXC = {
    ('497L', '498L'): 'R2SCAN',
    ('493L', '494L'): 'RSCAN',
    ('263L', '267L'): 'SCAN',
}
#: Other spellings of people and programs, bare of punctuation.
_SPELLINGS = {
    'PZ': 'LDA',
    'VDWDF': 'VDW-DF',
    'VDWDF1': 'VDW-DF',
    'VDWDF2': 'VDW-DF2',
    'VDWDFCX': 'VDW-DF-CX',
    'R2SCAN': 'R2SCAN',
    'PBESOL': 'PBESOL',
    'RVV10': 'RVV10',
}
#: ``vdw_corr`` of pw.x in lower case.
_CORRECTIONS = {
    'grimme-d2': 'D2',
    'dft-d': 'D2',
    'grimme-d3': 'D3',
    'dft-d3': 'D3',
    'ts': 'TS',
    'ts-vdw': 'TS',
    'tkatchenko-scheffler': 'TS',
    'mbd': 'MBD',
    'mbd_vdw': 'MBD',
    'many-body dispersion': 'MBD',
    'xdm': 'XDM',
}
#: ``dftd3_version`` of pw.x (INPUT_PW); without it pw.x takes 3, zero damping.
_D3_VERSIONS = {2: 'D2', 3: 'D3', 4: 'D3(BJ)', 5: 'D3M', 6: 'D3M(BJ)'}
_SUFFIX = re.compile(r'[-+ ](D[234]M?(?:\((?:BJ|ZERO|0)\)|BJ)?|TS|MBD(?:@RSSCS)?|XDM)$')
_NON_LOCAL = re.compile(r'VDW-?DF|VV10')
NON_LOCAL = 'non-local'


def functional_of(level: Mapping[str, Any]) -> str | None:
    """Name the functional of a level of theory, dispersion correction included.

    Parameters
    ----------
    level : mapping
        ``functional``; or ``parameters`` of pw.x, whose ``SYSTEM`` may have ``input_dft``,
        ``vdw_corr`` and ``dftd3_version``.

    Returns
    -------
    str or None
        Such as ``PBE-D3(BJ)``, in capitals; ``PBE-D3`` has zero damping, as pw.x has unless told
        otherwise. None where the level does not say. Of merged levels: all, ``PBE / R2SCAN``.
    """
    if 'levels' in level:
        return _of_all(level, functional_of) or None
    exchange = exchange_correlation_of(level)
    if exchange is None:
        return None
    correction = dispersion_of(level)
    return f'{exchange}-{correction}' if correction not in ('', NON_LOCAL) else exchange


def exchange_correlation_of(level: Mapping[str, Any]) -> str | None:
    """Functional of a level without its dispersion correction; None where the level is silent."""
    if 'levels' in level:
        return _of_all(level, exchange_correlation_of) or None
    plain = _written(level)
    if not plain:
        return None
    parts = ' '.join(plain.replace('+', ' ').split())
    libxc = re.findall(r'\b(\d{3}L)\b', plain.replace('-', ' '))
    if len(libxc) == 2 and tuple(libxc) in _LIBXC:
        return _LIBXC[libxc[0], libxc[1]]
    if parts in _PARTS:
        return _PARTS[parts]
    # as pseudopotentials have it: the parts, then the name of the whole
    first, _, last = parts.rpartition(' ')
    if first in _PARTS and _PARTS[first] == _SPELLINGS.get(_bare(last), last):
        return _PARTS[first]
    alone = _SUFFIX.sub('', plain)
    return _SPELLINGS.get(_bare(alone), alone)


def dispersion_of(level: Mapping[str, Any]) -> str:
    """Dispersion correction of a level.

    Returns
    -------
    str
        ``D3(BJ)``, ``D3`` (zero damping), ``TS`` …; ``non-local`` of the vdW-DF and VV10 families,
        whose functional holds it; empty if there is none or the level is silent.
    """
    if 'levels' in level:
        return _of_all(level, dispersion_of)
    system = _system(level)
    given = str(system.get('vdw_corr') or 'none').strip().lower()
    if given == 'none':
        plain = _written(level)
        suffix = _SUFFIX.search(plain)
        if suffix:
            return _damping(suffix.group(1))
        found = exchange_correlation_of(level) or ''
        return NON_LOCAL if _NON_LOCAL.search(found) else ''
    name = _CORRECTIONS.get(given, given.upper())
    if name == 'D3':
        version = system.get('dftd3_version', 3)
        return _D3_VERSIONS.get(version, f'D3 (dftd3_version {version})')
    return name


def compare_levels(
    first: Mapping[str, Any], second: Mapping[str, Any], *, names: tuple[str, str]
) -> str | None:
    """Say how the functionals of two levels of theory differ.

    What a training has to know. `aiida_insbench.science.dft_settings.level_differences` compares
    everything, as a merge has to.

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


def _of_all(level: Mapping[str, Any], ask: Callable[[Mapping[str, Any]], str | None]) -> str:
    """Answers of merged levels, each once."""
    answers = dict.fromkeys(ask(one) for one in level['levels'].values())
    return ' / '.join(answer or 'none' for answer in answers) if any(answers) else ''


def _written(level: Mapping[str, Any]) -> str:
    """The functional as written: ``input_dft`` overrides what the pseudopotentials say."""
    name = level.get('functional') or _system(level).get('input_dft') or ''
    return ' '.join(str(name).upper().split())


def _system(level: Mapping[str, Any]) -> Mapping[str, Any]:
    return (level.get('parameters') or {}).get('SYSTEM') or {}


def _damping(suffix: str) -> str:
    if suffix.endswith('BJ') and not suffix.endswith('(BJ'):
        return f'{suffix[:-2]}(BJ)'
    return suffix.replace('(ZERO)', '').replace('(0)', '')


def _bare(name: str) -> str:
    return re.sub(r'[^A-Z0-9]', '', name.upper())
