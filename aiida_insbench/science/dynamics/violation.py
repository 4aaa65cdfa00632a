"""One finding of the checks of molecular dynamics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiida_insbench.science.plain_numbers import finite_or_none


@dataclass(frozen=True)
class Violation:
    """What a run did that no sound one does.

    Attributes
    ----------
    check : str
        Name of the check.
    time : float
        In ps: when it began.
    frame : int
        Index of the frame where it began.
    atoms : tuple of int
        Atoms concerned; empty if all are.
    value : float
        What was found; of ``finite`` how many numbers are none. May be infinite.
    limit : float
        What is allowed.
    unit : str
        Of both; ``1`` for ratios.
    reason : str
        For people.
    """

    check: str
    time: float
    frame: int
    atoms: tuple[int, ...]
    value: float
    limit: float
    unit: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; a value that is no finite number is None."""
        found = asdict(self)
        found['atoms'] = list(self.atoms)
        found['value'] = finite_or_none(self.value)
        return found

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Violation:
        """Read what `to_dict` wrote."""
        value = math.nan if found['value'] is None else found['value']
        return cls(**{**found, 'atoms': tuple(found['atoms']), 'value': value})
