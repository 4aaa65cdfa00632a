"""Wrong units of labels found and named, from what `aiida_insbench.science.label_consistency` saw.

Energies in eV, forces in eV/Å, stress in eV/Å³.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ase import Atoms

from aiida_insbench.science.errors import DatasetError, format_error
from aiida_insbench.science.label_consistency import (
    Factor,
    WorkFactors,
    rms_force,
    rms_stress,
    work_factors,
)
from aiida_insbench.science.label_units import ENERGY_UNITS, FORCE_UNITS, STRESS_UNITS

#: Natural logarithm of a factor that still agrees with 1: pairs of wildly shaken frames are off by
#: 20 to 35 per cent, the least of wrong units by a factor of 1.9.
_AGREEMENT = 0.45
#: And within this of the factor of a unit it is taken for it.
_TOLERANCE = 0.3
#: With fewer pairs a contradiction that no unit explains is a warning.
_FEW_PAIRS = 20
#: Explanations as close as this to the best one are named too.
_AMBIGUOUS = 0.05
FORCE_RANGE = (0.01, 50.0)
MOST_STRESS = 1.0


@dataclass(frozen=True)
class LabelUnits:
    """Units that labels are said to have, by name; the sign is ``tension`` or ``compression``."""

    energy: str
    forces: str
    stress: str
    sign: str


@dataclass(frozen=True)
class _Guess:
    """Units that would explain the factors, as options to give instead."""

    changes: tuple[str, ...]
    distance: float
    gradients: bool


def check_units(
    frames: Sequence[Atoms], *, said: LabelUnits, name: str
) -> tuple[dict[str, Any], list[str]]:
    """Refuse labels whose energies, forces and stresses contradict each other.

    Parameters
    ----------
    frames : sequence of Atoms
        Labels converted to eV, eV/Å, eV/Å³ from the units they are said to have.
    said : LabelUnits
        Those units.
    name : str
        File, for the message.

    Returns
    -------
    dict
        ``forces`` and ``stress``: factors, None where not determined; ``uncertainty`` of their
        logarithms; ``pairs``; ``rms_force``; ``rms_stress``.
    list of str
        What could not be checked.

    Raises
    ------
    DatasetError
        Naming the file and the option to give.
    """
    found = work_factors(frames)
    warnings = _refuse_factors(found, said, frames, name)
    force, stress = rms_force(frames), rms_stress(frames)
    _refuse_magnitudes(found, force, stress, frames, name)
    warnings += [
        f'units of {what} against the energies: not determined by the frames, only by magnitude'
        for what, factor in (('forces', found.forces), ('stress', found.stress))
        if factor is None
    ]
    report = {
        'forces': None if found.forces is None else found.forces.value,
        'stress': None if found.stress is None else found.stress.value,
        'uncertainty': {
            what: factor.width
            for what, factor in (('forces', found.forces), ('stress', found.stress))
            if factor is not None
        },
        'pairs': found.pairs,
        'rms_force': force,
        'rms_stress': stress,
    }
    return report, warnings


def _refuse_factors(
    found: WorkFactors, said: LabelUnits, frames: Sequence[Atoms], name: str
) -> list[str]:
    """Raise if factors contradict the units; of few pairs, what no unit explains is a warning."""
    if all(_agrees(factor) for factor in (found.forces, found.stress)):
        return []
    measured = [
        f'the work of the {what} times {factor.value:.3g}'
        for what, factor in (('forces', found.forces), ('stress', found.stress))
        if factor is not None and not _agrees(factor)
    ]
    seen = (
        f'between {found.pairs} near pairs of its {len(frames)} frames (0 to {len(frames) - 1}), '
        f'differences of energy are {" and ".join(measured)}; both should be 1.'
    )
    guesses = _guesses(found, said)
    if not guesses and found.pairs < _FEW_PAIRS:
        return [f'{name}: {seen} No known unit explains that; the frames are few.']
    raise DatasetError(
        format_error(f'{name}: the labels are not in the units given: {seen}', fix=_remedy(guesses))
    )


def _remedy(guesses: list[_Guess]) -> str:
    if not guesses:
        return (
            'No known unit explains that: energies, forces and stress do not belong together '
            '(another functional, a missing dispersion term, mixed settings?). If they do, '
            '--no-unit-check.'
        )
    if guesses[0].gradients:
        return 'These are gradients, not forces: change their sign in the file.'
    options = ' or '.join(' '.join(guess.changes) for guess in guesses[:3])
    return f'Import with {options}.'


def _guesses(found: WorkFactors, said: LabelUnits) -> list[_Guess]:
    """Fewest changes of units that bring both factors to 1, the closest first."""
    fitting = [guess for guess in _all_guesses(found, said) if guess.distance < _TOLERANCE]
    if not fitting:
        return []
    fewest = min(len(guess.changes) for guess in fitting)
    best = sorted((g for g in fitting if len(g.changes) == fewest), key=lambda g: g.distance)
    return [guess for guess in best if guess.distance < best[0].distance + _AMBIGUOUS]


def _all_guesses(found: WorkFactors, said: LabelUnits) -> Iterator[_Guess]:
    """Every combination of units; what the pairs did not determine is left as it was said."""
    flipped = found.stress is not None and found.stress.value < 0
    turned = 'compression' if said.sign == 'tension' else 'tension'
    sign = turned if flipped else said.sign
    all_forces = FORCE_UNITS if found.forces is not None else (said.forces,)
    all_stress = STRESS_UNITS if found.stress is not None else (said.stress,)
    for energy, forces, stress in product(ENERGY_UNITS, all_forces, all_stress):
        changes = (
            ('energy-unit', energy, said.energy),
            ('forces-unit', forces, said.forces),
            ('stress-unit', stress, said.stress),
            ('stress-sign', sign, said.sign),
        )
        ratio = ENERGY_UNITS[energy] / ENERGY_UNITS[said.energy]
        by_forces = FORCE_UNITS[forces] / FORCE_UNITS[said.forces]
        by_stress = STRESS_UNITS[stress] / STRESS_UNITS[said.stress]
        yield _Guess(
            changes=tuple(f'--{option} {new}' for option, new, old in changes if new != old),
            distance=max(
                _distance(found.forces, ratio / by_forces),
                _distance(found.stress, ratio / by_stress),
            ),
            gradients=found.forces is not None and found.forces.value < 0,
        )


def _distance(factor: Factor | None, change: float) -> float:
    """How far a factor is from 1 once the units are changed, as a logarithm, beyond its error."""
    if factor is None:
        return 0.0
    return max(abs(math.log(abs(factor.value) * change)) - factor.width, 0.0)


def _agrees(factor: Factor | None) -> bool:
    return factor is None or (factor.value > 0 and _distance(factor, 1.0) < _AGREEMENT)


def _refuse_magnitudes(
    found: WorkFactors, force: float, stress: float, frames: Sequence[Atoms], name: str
) -> None:
    low, high = FORCE_RANGE
    several = any(len(frame) > 1 for frame in frames)
    if found.forces is None and several and not low <= force <= high:
        hint = '--forces-unit Ha/bohr' if force < low else '--forces-unit kcal/mol/Å or meV/Å'
        raise DatasetError(
            format_error(
                f'{name}: the forces of its {len(frames)} frames are {force:.3g} eV/Å in the mean; '
                f'{low:g} to {high:g} would be usual.',
                fix=f'Say their unit, such as {hint}; or, if they are right (relaxed structures), '
                '--no-unit-check.',
            )
        )
    if found.stress is None and stress > MOST_STRESS:
        raise DatasetError(
            format_error(
                f'{name}: the stress of its {len(frames)} frames is {stress:.3g} eV/Å³ '
                f'({160.2 * stress:.0f} GPa) in the mean.',
                fix='Say its unit, such as --stress-unit GPa or kbar; or, if it is right, '
                '--no-unit-check.',
            )
        )
