"""How an extended XYZ file of others is to be read: keys, units, signs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.label_units import (
    ENERGY_UNITS,
    FORCE_UNITS,
    STRESS_SIGNS,
    STRESS_UNITS,
    unit_name,
)
from aiida_insbench.science.unit_check import LabelUnits

NAME = re.compile(r'^[a-zA-Z][a-zA-Z0-9_]*$')


@dataclass(frozen=True)
class ImportSettings:
    """How to read a file.

    Attributes
    ----------
    energy, forces, stress : str
        Keys in the file. ``energy``, ``forces`` and ``stress`` are those of ASE's calculators.
    virial : str
        Key of the virial, instead of `stress`: −volume × stress in ASE's sign, in the unit of
        energies. Empty: there is a stress.
    energy_unit, forces_unit, stress_unit : str
        See `aiida_insbench.science.label_units`.
    stress_sign : str
        ``tension``: positive where the crystal would contract (ASE, MACE). ``compression``:
        positive where it would expand (output of Quantum ESPRESSO, VASP).
    prefix : str
        Of the names of frames that have none: ``x`` gives ``x_000``.
    target_pressure : float or None
        GPa, of frames that do not say theirs.
    unit_check : bool
        Whether energies, forces and stress must agree with each other.
    """

    energy: str = 'REF_energy'
    forces: str = 'REF_forces'
    stress: str = 'REF_stress'
    virial: str = ''
    energy_unit: str = 'eV'
    forces_unit: str = 'eV/Å'
    stress_unit: str = 'eV/Å^3'
    stress_sign: str = 'tension'
    prefix: str = 'x'
    target_pressure: float | None = None
    unit_check: bool = True


def import_settings(given: Mapping[str, Any]) -> ImportSettings:
    """Check plain settings.

    Raises
    ------
    DatasetError
        If one is unknown or makes no sense.
    """
    known = {one.name for one in fields(ImportSettings)}
    unknown = sorted({*given} - known)
    if unknown:
        raise DatasetError(f'Unknown: {", ".join(unknown)}; known are {", ".join(sorted(known))}.')
    settings = ImportSettings(**given)
    if settings.stress_sign not in STRESS_SIGNS:
        raise DatasetError(
            f'The sign of the stress is {settings.stress_sign!r}; known are '
            f'{", ".join(STRESS_SIGNS)}.'
        )
    if not NAME.match(settings.prefix):
        raise DatasetError(
            f'`prefix` is {settings.prefix!r}; give letters, digits, _, a letter first.'
        )
    said_units(settings)
    return settings


def said_units(settings: ImportSettings) -> LabelUnits:
    """Units the labels are said to have; raises `DatasetError` for one that is not known."""
    return LabelUnits(
        energy=unit_name(settings.energy_unit, ENERGY_UNITS, what='Energies'),
        forces=unit_name(settings.forces_unit, FORCE_UNITS, what='Forces'),
        stress=unit_name(settings.stress_unit, STRESS_UNITS, what='Stress'),
        sign=settings.stress_sign,
    )
