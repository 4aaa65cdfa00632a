"""Parser of fitted force constants: they come as those of phonons under pressure do."""

from __future__ import annotations

from aiida.orm import StructureData

from aiida_insbench.parsers.phonons import PhononsParser


class FitParser(PhononsParser):
    """Attach force constants and modes of every finished pressure, then name the others."""

    def attach_structure(self, label: str, structure: StructureData) -> None:
        """Leave out the crystal: it is what was given."""
