"""One check of a validation: what was found, what is allowed, and in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from aiida_insbench.science.plain_numbers import finite_or_none

#: Parts of a validation, in the order in which they are reported.
PARITY, STATE, DYNAMICS, EXTRAPOLATION = (
    'parity',
    'equation_of_state',
    'dynamics',
    'extrapolation',
)
PARTS = (PARITY, STATE, DYNAMICS, EXTRAPOLATION)


@dataclass(frozen=True)
class Check:
    """A number against its limit.

    Attributes
    ----------
    part : str
        One of `PARTS`.
    name : str
        What: ``forces``, ``volume``, ``bond`` …
    where : str
        Of what: ``all``, an element, a pressure label, a run.
    value, limit : float or None
        None where it is no finite number.
    unit : str
        Of both; ``1`` for shares and ratios.
    passed : bool
        Whether it is kept.
    reason : str
        In words, with the numbers.
    """

    part: str
    name: str
    where: str
    value: float | None
    limit: float | None
    unit: str
    passed: bool
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        found = asdict(self)
        for key in ('value', 'limit'):
            if found[key] is not None:
                found[key] = finite_or_none(found[key])
        return found


def at_most(
    part: str, name: str, where: str, value: float, limit: float, unit: str, *, what: str
) -> Check:
    """A number that must not be above its limit; what is no number fails."""
    passed = bool(value <= limit)
    shown = '' if unit == '1' else f' {unit}'
    side = 'within' if passed else 'above'
    return Check(
        part,
        name,
        where,
        value,
        limit,
        unit,
        passed,
        f'{what}: {value:.3g}{shown}, {side} the limit of {limit:g}{shown}.',
    )


def state_of(checks: Iterable[Check]) -> str:
    """``passed``, ``failed``, or ``not checked`` if there is none."""
    found = [one.passed for one in checks]
    if not found:
        return 'not checked'
    return 'passed' if all(found) else 'failed'
