"""Units in which others write labels, as factors to eV, eV/Å and eV/Å³ (ASE's constants)."""

from __future__ import annotations

from collections.abc import Mapping

from ase import units

from aiida_insbench.science.errors import DatasetError

_KCAL = units.kcal / units.mol
_KJ = units.kJ / units.mol

#: Energy, in eV.
ENERGY_UNITS = {
    'eV': 1.0,
    'meV': 1e-3,
    'Ha': units.Hartree,
    'Ry': units.Rydberg,
    'kcal/mol': _KCAL,
    'kJ/mol': _KJ,
}
#: Force, in eV/Å.
FORCE_UNITS = {
    'eV/Å': 1.0,
    'meV/Å': 1e-3,
    'Ha/bohr': units.Hartree / units.Bohr,
    'Ry/bohr': units.Rydberg / units.Bohr,
    'Ha/Å': units.Hartree,
    'kcal/mol/Å': _KCAL,
    'kJ/mol/Å': _KJ,
}
#: Stress, in eV/Å³.
STRESS_UNITS = {
    'eV/Å^3': 1.0,
    'GPa': units.GPa,
    'kbar': 0.1 * units.GPa,
    'Ha/bohr^3': units.Hartree / units.Bohr**3,
    'Ry/bohr^3': units.Rydberg / units.Bohr**3,
}
#: What a positive stress is: ``tension`` in ASE, MACE and here; ``compression`` in the output of
#: Quantum ESPRESSO and VASP. A virial, −volume × stress, is positive under compression.
STRESS_SIGNS = {'tension': 1.0, 'compression': -1.0}
_SPELLINGS = {
    'hartree': 'Ha',
    'rydberg': 'Ry',
    'ha': 'Ha',
    'ry': 'Ry',
    'ev': 'eV',
    'mev': 'meV',
    'gpa': 'GPa',
}


def unit_factor(unit: str, known: Mapping[str, float], *, what: str) -> float:
    """Factor of a unit.

    Parameters
    ----------
    unit : str
        ``A``, ``Ang`` and ``Angstrom`` are taken for Å, ``³`` and ``**3`` for ``^3``.
    known : mapping
        One of `ENERGY_UNITS`, `FORCE_UNITS`, `STRESS_UNITS`.
    what : str
        For the message.

    Raises
    ------
    DatasetError
        If the unit is not known.
    """
    return known[unit_name(unit, known, what=what)]


def unit_name(unit: str, known: Mapping[str, float], *, what: str) -> str:
    """Name of a unit as it stands in the tables; raises as `unit_factor`."""
    plain = unit.strip().replace('³', '^3').replace('**3', '^3').replace(' ', '')
    parts = plain.split('/')
    head = _SPELLINGS.get(parts[0].lower(), parts[0])
    tail = [_length(part) for part in parts[1:]]
    name = '/'.join([head, *tail])
    if name not in known:
        raise DatasetError(f'{what} in {unit!r}? Known units are {", ".join(known)}.')
    return name


def _length(part: str) -> str:
    base, _, power = part.partition('^')
    lower = base.lower()
    if lower in ('a', 'å', 'ang', 'angstrom'):
        base = 'Å'
    elif lower in ('bohr', 'a0', 'au'):
        base = 'bohr'
    return f'{base}^{power}' if power else base
