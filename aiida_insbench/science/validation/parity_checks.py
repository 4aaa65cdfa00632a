"""Checks of errors on frames that were held out, and on pressures that were.

A pressure is held out if no frame of it was learnt from: what the potential does there is
extrapolation in pressure, which is what a spectrum under pressure asks of it. Translations and
rotations of molecules are reported, not judged: their forces are small, and so are their errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiida_insbench.science.pressure import pressure_from_label, pressure_label
from aiida_insbench.science.validation.check import PARITY, Check, at_most
from aiida_insbench.science.validation.limits import ValidationLimits

_QUANTITIES = (
    ('energy', 'rmse_energy_mev_atom', 'meV/atom'),
    ('forces', 'rmse_forces_mev_a', 'meV/Å'),
    ('stress', 'rmse_stress_gpa', 'GPa'),
)


def parity_checks(
    errors: Mapping[str, Any], *, limits: ValidationLimits, held_out: Sequence[str] = ()
) -> list[Check]:
    """Judge the errors of one potential.

    Parameters
    ----------
    errors : mapping
        Of `aiida_insbench.science.parity.errors`.
    limits : ValidationLimits
        Limits.
    held_out : sequence of str
        Labels of pressures that were held out.

    Returns
    -------
    list of Check
        In all, by element (forces) and by pressure.
    """
    checks = _of(errors, 'all', 'all frames held out', limits)
    for element, found in errors['by_element'].items():
        value = found['rmse_forces_mev_a']
        what = f'Error of the forces on {element}'
        checks.append(at_most(PARITY, 'forces', element, value, limits.forces, 'meV/Å', what=what))
    for label, found in errors['by_pressure'].items():
        place = f'{pressure_from_label(label):g} GPa'
        if label in held_out:
            place += ' (a pressure no frame was learnt from)'
        checks += _of(found, label, place, limits)
    return checks


def pressures_held_out(labels: Iterable[str], learnt: Iterable[float]) -> list[str]:
    """Labels of pressures that are none of those learnt (GPa), in rising order."""
    return sorted(set(labels) - set(map(pressure_label, learnt)), key=pressure_from_label)


def _of(found: Mapping[str, Any], where: str, place: str, limits: ValidationLimits) -> list[Check]:
    return [
        at_most(
            PARITY,
            name,
            where,
            found[key],
            getattr(limits, name),
            unit,
            what=f'Error of the {name} at {place}' if where != 'all' else f'Error of the {name}',
        )
        for name, key, unit in _QUANTITIES
    ]
