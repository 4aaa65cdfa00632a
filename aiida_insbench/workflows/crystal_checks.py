"""Port validators of crystals."""

from __future__ import annotations

from aiida.orm import StructureData

from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.structures import check_crystal


def validate_crystal(value: StructureData | None, _port: object = None) -> str | None:
    """Port validator: a periodic crystal without atoms on top of each other."""
    if value is None:
        return None
    try:
        check_crystal(value.get_ase())
    except (StructureError, ValueError) as exc:
        return str(exc)
    return None
