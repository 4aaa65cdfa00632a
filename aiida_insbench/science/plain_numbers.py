"""Numbers as JSON can hold them."""

from __future__ import annotations

import math


def finite_or_none(value: float) -> float | None:
    """The value, or None for what is infinite or no number: JSON has neither."""
    return float(value) if math.isfinite(value) else None
