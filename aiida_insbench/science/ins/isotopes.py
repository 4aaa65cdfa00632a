r"""Isotopes of sites: their masses and what the neutron sees of them.

A site is named by a label that says what is on it: a chemical symbol for natural abundance (``H``),
an isotope (``2H``), or a mixture (``H(2:0.98;1:0.02)``, mass numbers and their shares). Of a
mixture

.. math:: b = \sum_a c_a b_a, \quad \sigma_\mathrm{coh} = 4\pi |b|^2, \quad
          \sigma_\mathrm{inc} = \sum_a c_a \sigma_a - \sigma_\mathrm{coh}, \quad
          m = \sum_a c_a m_a

with σ_a the whole cross-section of isotope a. The mean mass is the virtual-crystal approximation:
right for a pure isotope, and for a mixture where the isotopes hardly differ or one prevails.

Masses in atomic mass units, lengths in fm, cross-sections in barn.

Sources: Sears, *Neutron News* 3(3), 26 (1992): formulas, and values of the natural elements as
transcribed in Euphonic (``BlueBook``, lengths ``Sears1992``); values of isotopes as in
`periodictable`.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiida_insbench.science.errors import InputError, StructureError, format_error

_ISOTOPE = re.compile(r'(\d+)([A-Z][a-z]?)')
_MIXTURE = re.compile(r'([A-Z][a-z]?)\(([\d.:;eE+-]+)\)')
_ALIASES = {'D': '2H', 'T': '3H'}
_BARN_PER_FM2 = 0.01
_TABLES = (
    ('Sears1992', 'coherent_scattering_length'),
    ('BlueBook', 'coherent_cross_section'),
    ('BlueBook', 'incoherent_cross_section'),
)


@dataclass(frozen=True)
class Scatterer:
    """What the neutron sees of a site.

    Parameters
    ----------
    label : str
        See the module's description.
    symbol : str
        Chemical symbol.
    mass : float or None
        Atomic mass units; None for natural abundance, where the crystal's own mass holds.
    length : float
        Coherent scattering length in fm, its real part.
    coherent, incoherent : float
        Bound cross-sections in barn.
    """

    label: str
    symbol: str
    mass: float | None
    length: float
    coherent: float
    incoherent: float

    @property
    def total(self) -> float:
        """σ_coherent + σ_incoherent in barn."""
        return self.coherent + self.incoherent


def labels_of_sites(
    symbols: Sequence[str], isotopes: Mapping[str, str | Mapping[str, float]] | None
) -> tuple[str, ...]:
    """Labels of all sites of a crystal.

    Parameters
    ----------
    symbols : sequence of str
        Chemical symbols of the atoms.
    isotopes : mapping, optional
        Chemical symbols, or numbers of atoms from 0 (which come before symbols), to an isotope
        (``2H``, ``D``) or to shares of isotopes (``{'2H': 0.98, '1H': 0.02}``).

    Returns
    -------
    tuple of str
        One label an atom.

    Raises
    ------
    InputError
        If a key names no atom, an isotope is unknown or of another element, or shares do not add
        up to 1.
    """
    labels = list(symbols)
    given = dict(isotopes or {})
    unknown = [key for key in given if key not in symbols and not _is_atom(key, len(labels))]
    if unknown:
        raise InputError(
            format_error(
                f'`isotopes` names {", ".join(map(repr, unknown))}.',
                fix=f'Give symbols of {", ".join(dict.fromkeys(symbols))} or numbers of atoms, '
                f'"0" to "{len(labels) - 1}".',
            )
        )
    for key in sorted(given, key=lambda name: name.isdigit()):  # single atoms last: they prevail
        for atom, symbol in enumerate(symbols):
            if key == symbol or (key.isdigit() and int(key) == atom):
                labels[atom] = _label(symbol, given[key])
    return tuple(labels)


@functools.cache
def scatterer(label: str) -> Scatterer:
    """What the neutron sees of a site of this label.

    Raises
    ------
    InputError
        If it is no label.
    StructureError
        If the tables lack the element or isotope.
    """
    if match := _ISOTOPE.fullmatch(label):
        return _mixed(label, match[2], {int(match[1]): 1.0})
    if match := _MIXTURE.fullmatch(label):
        shares = dict(part.split(':') for part in match[2].split(';'))
        return _mixed(label, match[1], {int(n): float(share) for n, share in shares.items()})
    return _natural(label)


def masses_of_labels(labels: Sequence[str], masses: Sequence[float]) -> list[float]:
    """Masses of sites in atomic mass units: of their isotopes, or as given where a label is none.

    Raises
    ------
    InputError
        As `scatterer`.
    StructureError
        As `scatterer`.
    """
    exchanged = [scatterer(label).mass for label in labels]
    return [
        float(given) if mass is None else mass
        for mass, given in zip(exchanged, masses, strict=True)
    ]


def _label(symbol: str, given: str | Mapping[str, float]) -> str:
    shares = {given: 1.0} if isinstance(given, str) else dict(given)
    numbers: dict[int, float] = {}
    for name, share in shares.items():
        match = _ISOTOPE.fullmatch(_ALIASES.get(name, name))
        if match is None or match[2] != symbol:
            raise InputError(f'{name!r} is no isotope of {symbol}; write "2H", say.')
        number = int(match[1])
        _isotope(symbol, number)
        if not (math.isfinite(share) and share > 0):
            raise InputError(f'The share of {name} must be > 0, not {share}.')
        numbers[number] = numbers.get(number, 0.0) + float(share)
    total = sum(numbers.values())
    if abs(total - 1) > 1e-6:
        raise InputError(f'Shares of the isotopes of {symbol} must add up to 1, not {total:g}.')
    if len(numbers) == 1:
        return f'{next(iter(numbers))}{symbol}'
    parts = ';'.join(f'{number}:{share:g}' for number, share in sorted(numbers.items()))
    return f'{symbol}({parts})'


def _natural(symbol: str) -> Scatterer:
    from euphonic.util import get_reference_data

    values = []
    for collection, name in _TABLES:
        table = get_reference_data(collection=collection, physical_property=name)
        if symbol not in table:
            raise StructureError(
                format_error(
                    f'No neutron {name.replace("_", " ")} is tabulated for {symbol}.',
                    fix='Without it there is no spectrum.',
                )
            )
        unit = 'fm' if name.endswith('length') else 'barn'
        values.append(float(complex(table[symbol].to(unit).magnitude).real))
    length, coherent, incoherent = values
    return Scatterer(symbol, symbol, None, length, coherent, incoherent)


def _mixed(label: str, symbol: str, shares: Mapping[int, float]) -> Scatterer:
    isotopes = {number: _isotope(symbol, number) for number in shares}
    if len(isotopes) == 1:
        (single,) = isotopes.values()
        seen = single.neutron
        return Scatterer(
            label,
            symbol,
            float(single.mass),
            float(seen.b_c),
            float(seen.coherent),
            float(seen.incoherent),
        )
    length = sum(share * float(isotopes[n].neutron.b_c) for n, share in shares.items())
    total = sum(share * float(isotopes[n].neutron.total) for n, share in shares.items())
    mass = sum(share * float(isotopes[n].mass) for n, share in shares.items())
    coherent = 4 * math.pi * length**2 * _BARN_PER_FM2
    return Scatterer(label, symbol, mass, length, coherent, max(0.0, total - coherent))


def _isotope(symbol: str, number: int) -> Any:
    """The isotope of `periodictable`, if neutron data are known for it."""
    import periodictable

    try:
        element = periodictable.elements.symbol(symbol)
        found = element[number]
    except (KeyError, ValueError) as exc:
        raise InputError(f'There is no isotope {number}{symbol}.') from exc
    if not found.neutron.has_sld():
        known = [f'{one.isotope}{symbol}' for one in element if one.neutron.has_sld()]
        raise InputError(
            format_error(
                f'No neutron data are tabulated for {number}{symbol}.',
                fix=f'Known: {", ".join(known) or "none"}.',
            )
        )
    return found


def _is_atom(key: str, n_atoms: int) -> bool:
    return key.isdigit() and int(key) < n_atoms
