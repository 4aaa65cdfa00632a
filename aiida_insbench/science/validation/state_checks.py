"""Checks of volumes under pressure and of the equation of state against DFT's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase import Atoms

from aiida_insbench.science.equation_of_state import FittedState
from aiida_insbench.science.equation_of_state_comparison import StateComparison, compare
from aiida_insbench.science.errors import ConvergenceError, InputError
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.validation.check import STATE, Check, at_most
from aiida_insbench.science.validation.limits import ValidationLimits


def volumes_per_atom(crystals: Mapping[str, Atoms]) -> list[tuple[float, float]]:
    """(Volume in Å³ per atom, pressure in GPa) of crystals by pressure label, rising pressure."""
    pressures = {label: pressure_from_label(label) for label in crystals}
    return [
        (crystals[label].get_volume() / len(crystals[label]), pressures[label])
        for label in sorted(crystals, key=pressures.__getitem__)
    ]


def state_checks(
    potential: Mapping[str, Atoms], dft: Mapping[str, Atoms], *, limits: ValidationLimits
) -> tuple[list[Check], dict[str, Any]]:
    """Compare relaxed crystals.

    Parameters
    ----------
    potential, dft : mapping from str to Atoms
        Relaxed crystals by pressure label; volumes are compared per atom.
    limits : ValidationLimits
        Limits.

    Returns
    -------
    tuple of (list of Check, dict)
        Checks, and a table: ``volumes`` (``pressure`` GPa, ``potential``, ``dft`` Å³/atom,
        ``percent``, ``fitted``: whether one is read off its fit), ``fits`` (``potential`` and
        ``dft``: ``v0`` Å³/atom, ``b0`` GPa, ``b0_prime``, ``errors``, ``order``) or None, and
        ``notes``.
    """
    points = [volumes_per_atom(crystals) for crystals in (potential, dft)]
    try:
        found = compare(*points)
    except (InputError, ConvergenceError) as exc:
        return _without_fit(points, str(exc), limits)
    rows = [
        {
            'pressure': one.pressure,
            'potential': one.potential,
            'dft': one.dft,
            'percent': one.percent,
            'fitted': bool(one.fitted),
        }
        for one in found.volumes
    ]
    checks = [_volume(row, limits) for row in rows]
    checks.append(
        at_most(
            STATE,
            'bulk_modulus',
            'all',
            abs(found.b0_percent),
            limits.bulk_modulus,
            '%',
            what=f'B0, {found.b0_percent:+.1f} % of DFT',
        )
    )
    return checks, {'volumes': rows, **_fits(found)}


def _without_fit(
    points: list[list[tuple[float, float]]], reason: str, limits: ValidationLimits
) -> tuple[list[Check], dict[str, Any]]:
    """Volumes at the pressures of both; a potential that has no equation of state fails."""
    theirs = {pressure: volume for volume, pressure in points[1]}
    rows = [
        {
            'pressure': pressure,
            'potential': volume,
            'dft': theirs[pressure],
            'percent': 100 * (volume / theirs[pressure] - 1),
            'fitted': False,
        }
        for volume, pressure in points[0]
        if pressure in theirs
    ]
    checks = [_volume(row, limits) for row in rows]
    return checks, {'volumes': rows, 'fits': None, 'notes': [f'No equation of state: {reason}']}


def _volume(row: Mapping[str, Any], limits: ValidationLimits) -> Check:
    return at_most(
        STATE,
        'volume',
        f'{row["pressure"]:g} GPa',
        abs(row['percent']),
        limits.volume,
        '%',
        what=f'Volume at {row["pressure"]:g} GPa, {row["percent"]:+.2f} % of DFT',
    )


def _fits(found: StateComparison) -> dict[str, Any]:
    return {
        'fits': {'potential': _fit(found.potential), 'dft': _fit(found.dft)},
        'notes': list(found.notes),
    }


def _fit(one: FittedState) -> dict[str, Any]:
    return {
        'v0': one.state.v0,
        'b0': one.state.b0,
        'b0_prime': one.state.b0_prime,
        'errors': one.errors,
        'order': one.order,
    }
