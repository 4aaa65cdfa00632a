"""Labels of a frame of others, by the keys and units of an `ImportSettings`."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from aiida_insbench.science.errors import DatasetError, format_error
from aiida_insbench.science.import_settings import ImportSettings
from aiida_insbench.science.label_units import (
    ENERGY_UNITS,
    FORCE_UNITS,
    STRESS_SIGNS,
    STRESS_UNITS,
    unit_factor,
)

FloatArray = NDArray[np.float64]


def energy_of(atoms: Atoms, settings: ImportSettings, *, where: str) -> float:
    """Energy of a frame, eV; raises `DatasetError` if there is none."""
    found = _label(atoms, settings.energy, 'energy', where=where)
    energy = _finite(found, where=where, key=settings.energy)
    if energy.size != 1:
        raise DatasetError(f'{where}: `{settings.energy}` is {energy.size} numbers, not one.')
    factor = unit_factor(settings.energy_unit, ENERGY_UNITS, what='Energies')
    return float(energy.ravel()[0]) * factor


def forces_of(atoms: Atoms, settings: ImportSettings, *, where: str) -> FloatArray:
    """Forces on the atoms of a frame, eV/Å, shape (n_atoms, 3).

    Raises
    ------
    DatasetError
        Naming `where` and the key, if they are missing, not finite or of a wrong shape.
    """
    found = _label(atoms, settings.forces, 'forces', where=where)
    forces = _finite(found, where=where, key=settings.forces)
    if forces.shape != (len(atoms), 3):
        raise DatasetError(
            f'{where}: `{settings.forces}` has the shape {forces.shape}; three numbers for each of '
            f'{len(atoms)} atoms are needed.'
        )
    return forces * unit_factor(settings.forces_unit, FORCE_UNITS, what='Forces')


def stress_of(atoms: Atoms, settings: ImportSettings, *, where: str) -> FloatArray:
    """Stress in eV/Å³, tension positive, Voigt order; of a virial W it is −W/V.

    Raises
    ------
    DatasetError
        As `forces_of`, or if the tensor is not symmetric.
    """
    if settings.virial:
        virial = _finite(
            _label(atoms, settings.virial, 'virial', where=where), where=where, key=settings.virial
        )
        factor = unit_factor(settings.energy_unit, ENERGY_UNITS, what='Energies')
        tensor = _voigt(virial, where=where, key=settings.virial)
        return np.asarray(-factor / atoms.get_volume() * tensor)
    stress = _finite(
        _label(atoms, settings.stress, 'stress', where=where), where=where, key=settings.stress
    )
    factor = unit_factor(settings.stress_unit, STRESS_UNITS, what='Stress')
    sign = STRESS_SIGNS[settings.stress_sign]
    return _voigt(stress, where=where, key=settings.stress) * factor * sign


def _label(atoms: Atoms, key: str, what: str, *, where: str) -> Any:
    """A label from ``info``, ``arrays`` or what ASE put into a calculator."""
    results = atoms.calc.results if atoms.calc is not None else {}
    for place in (atoms.info, atoms.arrays, results):
        if key in place:
            return place[key]
    there = sorted({*entries_of(atoms), *results})
    option = {'stress': '--stress or --virial'}.get(what, f'--{what}')
    raise DatasetError(
        format_error(
            f'{where} has no `{key}`: no {what}.',
            reason=f'It has {", ".join(there) or "no labels at all"}.',
            fix=f'Name its key by {option}, or label the frames with {what}.',
        )
    )


def _finite(value: Any, *, where: str, key: str) -> FloatArray:
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as exc:
        raise DatasetError(f'{where}: `{key}` is no number: {value!r}.') from exc
    if not np.isfinite(numbers).all():
        raise DatasetError(
            format_error(
                f'{where}: `{key}` is not finite (NaN or infinite).',
                fix='The run did not end well: remove the frame or label it again.',
            )
        )
    return numbers


def _voigt(value: FloatArray, *, where: str, key: str) -> FloatArray:
    if value.shape == (6,):
        return value
    if value.size != 9:
        raise DatasetError(f'{where}: `{key}` has {value.size} numbers; 6 or 9 are a tensor.')
    full: FloatArray = value.reshape(3, 3)
    if not np.allclose(full, full.T, rtol=1e-3, atol=1e-3 * max(float(np.abs(full).max()), 1e-9)):
        raise DatasetError(f'{where}: `{key}` is not symmetric.')
    return np.asarray(full_3x3_to_voigt_6_stress(full), dtype=float)


def entries_of(atoms: Atoms) -> set[str]:
    """Keys of a frame beyond elements and positions."""
    return {*atoms.info} | ({*atoms.arrays} - {'numbers', 'positions'})
