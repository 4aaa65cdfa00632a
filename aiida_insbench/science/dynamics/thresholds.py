"""Limits of the checks of molecular dynamics: what still counts as a vibrating crystal.

The defaults let every crystal pass that vibrates about its sites up to about half its melting
temperature, light atoms and librating molecules included; each is an input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from aiida_insbench.science.errors import InputError, format_error


@dataclass(frozen=True)
class Thresholds:
    """What a sound run keeps to.

    Attributes
    ----------
    max_drift : float
        Slope of the conserved energy of ``nve``, meV per atom and ps.
    temperature_tolerance : float
        What the mean temperature may be off, relative, beside its statistical error.
    temperature_explosion : float
        Multiple of the temperature above which one frame counts as exploded.
    energy_explosion : float
        Change of the potential energy since the start, in multiples of the 3/2 k_B T per atom of a
        harmonic crystal.
    min_distance_fraction : float
        Of the sum of covalent radii: atoms closer than this collapsed.
    bond_fraction : float
        Of the sum of covalent radii: atoms closer than this are bonded.
    bond_stretch : float
        Multiple of its length in the reference from which a bond counts as stretched; broken once
        it stays so for `bond_lifetime`.
    bond_break : float
        The same, from which it is broken at once.
    bond_lifetime : float
        How long a bond must be stretched, or a new one last, in ps.
    volume_ratio : tuple of float
        Least and greatest volume over that of the reference.
    max_strain : float
        Greatest change of length in any direction of the cell, relative: tells a sheared cell of
        unchanged volume.
    site_fraction : float
        Of the distance to the nearest neighbour: an atom, ion or molecule farther than this from
        its site for `site_lifetime` has left it, one farther than the whole distance at once.
    site_lifetime : float
        In ps.
    diffusion_fraction : float
        Of the distance to the nearest neighbour: root-mean-square displacement above which a kind
        of atoms or molecules that moves on and on is diffusing. Crystals melt at 0.1 to 0.15
        (Lindemann, *Phys. Z.* **11**, 609 (1910)), atoms in a liquid pass any limit.
    """

    max_drift: float = 0.1
    temperature_tolerance: float = 0.05
    temperature_explosion: float = 3.0
    energy_explosion: float = 10.0
    min_distance_fraction: float = 0.6
    bond_fraction: float = 1.25
    bond_stretch: float = 1.3
    bond_break: float = 1.6
    bond_lifetime: float = 0.1
    volume_ratio: tuple[float, float] = (0.8, 1.25)
    max_strain: float = 0.15
    site_fraction: float = 0.5
    site_lifetime: float = 0.2
    diffusion_fraction: float = 0.25


def read_thresholds(mapping: Mapping[str, Any]) -> Thresholds:
    """Check plain thresholds; those not given keep their defaults.

    Parameters
    ----------
    mapping : mapping
        By the names of `Thresholds`; `volume_ratio` is a list of two.

    Returns
    -------
    Thresholds

    Raises
    ------
    InputError
        If a name is unknown, a value no finite number in its range, or two contradict.
    """
    known = {one.name for one in fields(Thresholds)}
    unknown = sorted(str(name) for name in mapping if name not in known)
    if unknown:
        raise InputError(
            f'Unknown thresholds: {", ".join(unknown)}; known are {", ".join(sorted(known))}.'
        )
    values = {
        name: _pair(name, value) if name == 'volume_ratio' else _number(name, value)
        for name, value in mapping.items()
    }
    thresholds = Thresholds(**values)  # type: ignore[arg-type]
    _check_ranges(thresholds)
    _check_order(thresholds)
    return thresholds


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f'The threshold `{name}` is {value!r}; give a finite number.')
    return float(value)


def _pair(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InputError(f'The threshold `{name}` is {value!r}; give two numbers: [low, high].')
    return _number(name, value[0]), _number(name, value[1])


#: Open lower bounds; closed ones of times and of the drift are below.
_ABOVE = {
    'max_drift': 0.0,
    'temperature_tolerance': 0.0,
    'temperature_explosion': 1.0,
    'energy_explosion': 1.0,
    'min_distance_fraction': 0.0,
    'bond_stretch': 1.0,
    'max_strain': 0.0,
    'site_fraction': 0.0,
    'diffusion_fraction': 0.0,
}
_BELOW = {'temperature_tolerance': 1.0, 'max_strain': 1.0, 'site_fraction': 1.0}
_NOT_NEGATIVE = ('bond_lifetime', 'site_lifetime')


def _check_ranges(thresholds: Thresholds) -> None:
    for name, bound in _ABOVE.items():
        value = getattr(thresholds, name)
        if not value > bound:
            raise InputError(f'The threshold `{name}` is {value:g}; it must be above {bound:g}.')
    for name, bound in _BELOW.items():
        value = getattr(thresholds, name)
        if not value < bound:
            raise InputError(f'The threshold `{name}` is {value:g}; it must be below {bound:g}.')
    for name in _NOT_NEGATIVE:
        value = getattr(thresholds, name)
        if value < 0:
            raise InputError(f'The threshold `{name}` is {value:g} ps; it cannot be negative.')


def _check_order(thresholds: Thresholds) -> None:
    low, high = thresholds.volume_ratio
    if not 0 < low < 1 < high:
        raise InputError(
            format_error(
                f'`volume_ratio` is [{low:g}, {high:g}].',
                reason='The reference itself, at 1, would be refused or nothing would.',
                fix='Give a low bound between 0 and 1 and a high one above 1.',
            )
        )
    for lower, higher, why in (
        ('min_distance_fraction', 'bond_fraction', 'Every bond would be a collapse.'),
        ('bond_stretch', 'bond_break', 'A bond would be broken before it is stretched.'),
    ):
        small, great = getattr(thresholds, lower), getattr(thresholds, higher)
        if not small < great:
            raise InputError(
                format_error(
                    f'`{lower}` ({small:g}) is not below `{higher}` ({great:g}).', reason=why
                )
            )
