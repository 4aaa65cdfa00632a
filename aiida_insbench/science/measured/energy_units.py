"""Units of energy transfer: as files name them, and which one a range of numbers can be in.

Windows of the instruments: TFXA 16 to 4000 cm⁻¹ (Zoppi et al., *TOSCA: A World Class Inelastic
Neutron Spectrometer*); VISION −2 to 1000 meV (the axis of its reduced data). Assumed, without a
source at hand: TOSCA −24 to 4000 cm⁻¹, Lagrange up to 500 meV, others of indirect geometry up to
1000 meV. Of direct geometry: below the incident energy. They are there to suspect a unit by, and
the user has the last word.
"""

from __future__ import annotations

import math
import re
from typing import Any

from scipy import constants

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.instruments import DIRECT, Instrument
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

MEV, WAVENUMBER, THZ = UNITS = ('meV', '1/cm', 'THz')

#: cm⁻¹ per unit.
TO_WAVENUMBER: dict[str, float] = {
    MEV: MEV_TO_WAVENUMBER,
    WAVENUMBER: 1.0,
    THZ: 1e12 / (constants.c * 100),
}
#: What Mantid and others call an axis of energy.
AXIS_UNITS = {
    'deltae': MEV,
    'energy': MEV,
    'deltae_inwavenumber': WAVENUMBER,
    'energy_inwavenumber': WAVENUMBER,
}
_PATTERNS = (
    (MEV, re.compile(r'(?<![A-Za-z])m(?:illi)?e(?:lectron)?[ -]?v(?:olts?)?(?![A-Za-z])', re.I)),
    (
        WAVENUMBER,
        re.compile(
            r'(?<![A-Za-z])(?:cm\s*\*{0,2}\^?\{?\(?\s*[-−⁻]\s*[1¹]\)?\}?|cm_?m?1(?![A-Za-z\d])'
            r'|1\s*/\s*cm|wave\s?numbers?|recip(?:rocal)? ?cm)',
            re.I,
        ),
    ),
    (THZ, re.compile(r'(?<![A-Za-z])(?:THz|terahertz)(?![A-Za-z])', re.I)),
)
_MEV = MEV_TO_WAVENUMBER
_WINDOWS = {
    'TFXA': (16.0, 4000.0),
    'TOSCA': (-24.0, 4000.0),
    'TOSCA-Abins': (-24.0, 4000.0),
    'VISION': (-2 * _MEV, 1000 * _MEV),
    'VISION-OCLIMAX': (-2 * _MEV, 1000 * _MEV),
    'Lagrange': (-4.5 * _MEV, 500 * _MEV),
}
_TOP = 1000 * _MEV  # of indirect geometry in general
_SLACK = 0.1  # share of the window by which a range may leave it
_FAR = 0.5  # share by which a stated unit must leave it to be wrong
_LOWEST_TOP = 20.0  # cm⁻¹; spectra that end below hold nothing but the elastic line
_CUT = 0.25  # share of the window below which a spectrum of a white beam looks cut
_LIKE = 0.1  # how near the window's end another unit must come to be suspected


def units_named(text: str) -> tuple[str, ...]:
    """All units of energy that a text names, in the order of `UNITS`."""
    return tuple(unit for unit, pattern in _PATTERNS if pattern.search(text))


def check_unit(unit: Any) -> str:
    """One of `UNITS` from the ways people write it (``cm-1``, ``cm^-1``, ``1/cm``, ``mev``).

    Raises
    ------
    InputError
        If it is none of them.
    """
    named = units_named(str(unit))
    if len(named) != 1:
        raise InputError(f'`unit` must be one of meV, cm-1 or THz, not {unit!r}.')
    return named[0]


def window_of(instrument: Instrument) -> tuple[float, float]:
    """Lowest and highest energy transfer that an instrument measures, in cm⁻¹."""
    if instrument.geometry == DIRECT:
        energy = min(bank.energy for bank in instrument.banks) * MEV_TO_WAVENUMBER
        return -math.inf, energy
    return _WINDOWS.get(instrument.name, (instrument.reach[0], _TOP))


def possible_units(low: float, high: float, *, instrument: Instrument) -> tuple[str, ...]:
    """Units in which a range lies in an instrument's window.

    Parameters
    ----------
    low, high : float
        In the unknown unit.
    instrument : Instrument
        A gain in energy side beyond its window is let pass by a tenth of the window.
    """
    first, last = window_of(instrument)
    slack = _SLACK * last
    return tuple(
        unit
        for unit, factor in TO_WAVENUMBER.items()
        if low * factor >= first - slack and _LOWEST_TOP <= high * factor <= last + slack
    )


def find_unit(low: float, high: float, *, instrument: Instrument | None, name: str) -> str:
    """Find the only unit in which a range can be.

    Raises
    ------
    InputError
        If there is none or more than one: says what each would mean and asks for the unit.
    """
    units = possible_units(low, high, instrument=instrument) if instrument else UNITS
    if len(units) == 1:
        return units[0]
    whom = f'on {instrument.name} ' if instrument else ''
    readings = ', '.join(
        f'as {unit} they would go from {low * factor:.4g} to {high * factor:.4g} cm⁻¹'
        for unit, factor in TO_WAVENUMBER.items()
    )
    verdict = 'none of these fits' if not units else f'{" and ".join(units)} are possible'
    raise InputError(
        format_error(
            f'{name} does not say the unit of its energies, {low:g} to {high:g}.',
            reason=f'Read {readings}; {whom}{verdict}.',
            fix='Say it: `unit=` meV, cm-1 or THz.',
        )
    )


def check_against_instrument(
    low: float, high: float, *, unit: str, instrument: Instrument, name: str
) -> None:
    """Refuse a stated unit that an instrument's window contradicts.

    That is a range far beyond the window, and, with a white beam, one that ends in the first
    quarter of the window while in another unit it would end where the window does: meV read as
    cm⁻¹.

    Raises
    ------
    InputError
        Naming the unit that would fit, and how to insist.
    """
    first, last = window_of(instrument)
    start, end = low * TO_WAVENUMBER[unit], high * TO_WAVENUMBER[unit]
    beyond = end > last * (1 + _FAR) or start < first - _FAR * last
    like = [
        other
        for other, factor in TO_WAVENUMBER.items()
        if other != unit and abs(high * factor / last - 1) <= _LIKE
    ]
    cut = instrument.geometry != DIRECT and end < _CUT * last and bool(like)
    if not (beyond or cut):
        return
    fits = [one for one in possible_units(low, high, instrument=instrument) if one != unit]
    window = f'up to {last:.0f} cm⁻¹' if math.isinf(first) else f'{first:.0f} to {last:.0f} cm⁻¹'
    hint = f' In {" or ".join(like or fits)} it would fit.' if like or fits else ''
    raise InputError(
        format_error(
            f'{name}: energies of {low:g} to {high:g} {unit} are {start:.4g} to {end:.4g} cm⁻¹, '
            f'but {instrument.name} measures {window}.{hint}',
            fix='Give the right `unit`; if the unit is right (a spectrum cut short, say), give '
            '`sure_of_unit=True`.',
        )
    )
