"""Parser of phonons under pressure."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import Dict, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.base import read_retrieved_json, retrieved_bytes
from aiida_insbench.parsers.base import InsbenchParser
from aiida_insbench.science.structures import atoms_from_dict


class PhononsParser(InsbenchParser):
    """Attach every finished pressure, then say which are missing."""

    def attach_parts(self, names: set[str]) -> None:
        """Attach structure, force constants and modes of each finished pressure."""
        for name in sorted(names):
            label, _, suffix = name.partition('.')
            if name[1:2] == '_' and suffix == 'json' and f'{label}.npz' in names:
                self._attach_pressure(label)

    def _attach_pressure(self, label: str) -> None:
        record = read_retrieved_json(self.retrieved, f'{label}.json')
        structure = StructureData(ase=atoms_from_dict(record.pop('structure')))
        with np.load(retrieved_bytes(self.retrieved, f'{label}.npz'), allow_pickle=False) as data:
            force_constants = ForceConstantsData(
                structure=structure,
                supercell_matrix=data['supercell_matrix'].tolist(),
                primitive_matrix=data['primitive_matrix'].tolist(),
                symprec=float(record['symprec']),
            )
            force_constants.set_force_constants(data['force_constants'])
        self.attach_structure(label, structure)
        self.out(f'force_constants.{label}', force_constants)
        self.out(f'modes.{label}', Dict(record))

    def attach_structure(self, label: str, structure: StructureData) -> None:
        """Attach the crystal; subclasses whose crystals are inputs leave that out."""
        self.out(f'structure.{label}', structure)

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach parameters; name missing pressures."""
        self.attach_parameters(result, record)
        return self.judge_pressures(result)
