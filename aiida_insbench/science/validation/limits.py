"""Limits that decide whether a potential passes its validation; each is an input.

The defaults ask for what a fine-tuned potential reaches and a spectrum needs. Those of molecular
dynamics are apart, in `aiida_insbench.science.dynamics.thresholds`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from aiida_insbench.science.errors import InputError, format_error


@dataclass(frozen=True)
class ValidationLimits:
    """What a potential must keep to.

    Attributes
    ----------
    energy : float
        Root-mean-square error of energies on frames held out, meV/atom.
    forces : float
        Of components of forces, of all atoms, of each element and at each pressure, meV/Å.
    stress : float
        Of components of the stress, GPa.
    volume : float
        Deviation from DFT's volume at any pressure, per cent.
    bulk_modulus : float
        Deviation from DFT's B0, per cent.
    spread_quantile : float
        Of a committee's spread of the forces on atoms of the training frames: what lies above it
        there is unusual.
    spread_factor : float
        Times that quantile an atom's spread in molecular dynamics must be to count as
        extrapolation.
    extrapolation : float
        Share of atoms in frames of molecular dynamics that may be extrapolation.
    shift : float
        Of a window of the density of states against the harmonic one, cm⁻¹: a warning beyond.
    distance : float
        By how far states are from their harmonic places in the mean, cm⁻¹: a warning beyond.
    """

    energy: float = 5.0
    forces: float = 50.0
    stress: float = 0.3
    volume: float = 1.5
    bulk_modulus: float = 10.0
    spread_quantile: float = 0.99
    spread_factor: float = 2.0
    extrapolation: float = 0.02
    shift: float = 15.0
    distance: float = 20.0

    def as_dict(self) -> dict[str, float]:
        """JSON-ready."""
        return asdict(self)


def read_limits(mapping: Mapping[str, Any]) -> ValidationLimits:
    """Check plain limits; those not given keep their defaults.

    Raises
    ------
    InputError
        If a name is unknown, a value no number in its range, or two contradict.
    """
    known = [one.name for one in fields(ValidationLimits)]
    unknown = sorted(str(name) for name in mapping if name not in known)
    if unknown:
        raise InputError(f'Unknown limits: {", ".join(unknown)}; known are {", ".join(known)}.')
    limits = ValidationLimits(**{name: _number(name, value) for name, value in mapping.items()})
    for name in ('spread_quantile', 'extrapolation'):
        if not getattr(limits, name) < 1:
            raise InputError(f'The limit `{name}` is {getattr(limits, name):g}; give a share < 1.')
    # where frames of dynamics are like those of training, 1 − quantile lie above it by definition
    if limits.spread_factor <= 1 and limits.extrapolation <= 1 - limits.spread_quantile:
        raise InputError(
            format_error(
                f'`extrapolation` ({limits.extrapolation:g}) is not above 1 − `spread_quantile` '
                f'({1 - limits.spread_quantile:g}).',
                reason='Even the training frames would count as extrapolation.',
                fix='Raise `extrapolation`, `spread_quantile` or `spread_factor` (above 1).',
            )
        )
    return limits


def _number(name: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise InputError(f'The limit `{name}` is {value!r}; give a number above 0.')
    return float(value)
