"""One finding of the checks of molecular dynamics."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


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
        What was found; may be infinite or not a number.
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
        """JSON-ready; a value or limit that is no finite number is None."""
        found = asdict(self)
        found['atoms'] = list(self.atoms)
        for name in ('value', 'limit'):
            found[name] = found[name] if math.isfinite(found[name]) else None
        return found
