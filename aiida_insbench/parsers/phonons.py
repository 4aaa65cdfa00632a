"""Parser of phonons under pressure."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode
from aiida.orm import Dict, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.base import read_retrieved_json, retrieved_arrays
from aiida_insbench.jobs.strained_state import PREFIX
from aiida_insbench.parsers.base import InsbenchParser
from aiida_insbench.science.structures import atoms_from_dict


class PhononsParser(InsbenchParser):
    """Attach every finished pressure, then say which are missing."""

    def attach_parts(self, names: set[str]) -> None:
        """Attach structure, force constants and modes of each finished pressure."""
        for name in sorted(names):
            label, _, suffix = name.partition('.')
            if suffix != 'json' or f'{label}.npz' not in names:
                continue
            with self.reading():
                if label.startswith(PREFIX):
                    self._attach_strained(label)
                elif label[1:2] == '_':
                    self._attach_pressure(label)

    def _attach_pressure(self, label: str) -> None:
        record = read_retrieved_json(self.retrieved, f'{label}.json')
        structure = StructureData(ase=atoms_from_dict(record.pop('structure')))
        force_constants = self._force_constants(label, structure, record)
        self.attach_structure(label, structure)
        self.out(f'force_constants.{label}', force_constants)
        self.out(f'modes.{label}', Dict(record))

    def _attach_strained(self, name: str) -> None:
        """Attach the force constants of the strained state."""
        record = read_retrieved_json(self.retrieved, f'{name}.json')
        structure = StructureData(ase=atoms_from_dict(record['structure']))
        node = self._force_constants(name, structure, record)
        node.base.extras.set('strained_from', record['from'])
        self.out(f'strained.{record["to"]}', node)

    def _force_constants(
        self, name: str, structure: StructureData, record: dict[str, Any]
    ) -> ForceConstantsData:
        arrays = retrieved_arrays(self.retrieved, f'{name}.npz')
        node = ForceConstantsData(
            structure=structure,
            supercell_matrix=arrays['supercell_matrix'].tolist(),
            primitive_matrix=arrays['primitive_matrix'].tolist(),
            symprec=float(record['symprec']),
        )
        node.set_force_constants(arrays['force_constants'])
        charges = self.node.inputs.nac_parameters if 'nac_parameters' in self.node.inputs else None
        # a crystal that followed a mode to a larger cell has other atoms than the charges
        if charges is not None and len(charges.get_array('born_charges')) == len(structure.sites):
            node.set_dielectric(charges.get_array('dielectric'))
            node.set_born_charges(charges.get_array('born_charges'))
        return node

    def attach_structure(self, label: str, structure: StructureData) -> None:
        """Attach the crystal; subclasses whose crystals are inputs leave that out."""
        self.out(f'structure.{label}', structure)

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach parameters; name missing pressures."""
        self.attach_parameters(result, record)
        return self.judge_pressures(result)
