"""`PhononsCalculation`: relaxation and phonons of one potential at every pressure, in one job."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import Dict, List, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.base import InsbenchCalculation, write_potential
from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.science.structures import atoms_to_dict


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs or 'potential' not in inputs or 'structure' not in inputs:
        return None
    lacking = sorted(inputs['structure'].get_symbols_set() - set(inputs['potential'].elements))
    if lacking:
        return f'The potential knows no {", ".join(lacking)}, which the structure holds.'
    return None


class PhononsCalculation(InsbenchCalculation):
    """Load the potential once; relax and displace at each pressure, starting from the last."""

    STAGE = 'phonons'
    CACHE_VERSION = 2  # 2: thermal functions

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input('potential', valid_type=PotentialData, help='The potential.')
        spec.input('structure', valid_type=StructureData, help='The crystal to start from.')
        spec.input(
            'pressures',
            valid_type=List,
            validator=validate_pressures,
            help='Static pressures in GPa; positive is compression.',
        )
        spec.input('supercell_matrix', valid_type=List, help='3×3 integers, rows are the axes.')
        spec.input('settings', valid_type=Dict, help='Relaxation, displacement, mesh.')
        spec.input_namespace(
            'finished',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='Relaxed structures by pressure label of pressures that need not be done again.',
        )
        spec.inputs.validator = _validate_inputs
        spec.output_namespace(
            'structure', valid_type=StructureData, dynamic=True, help='Relaxed, by pressure label.'
        )
        spec.output_namespace(
            'force_constants',
            valid_type=ForceConstantsData,
            dynamic=True,
            help='Force constants by pressure label.',
        )
        spec.output_namespace(
            'modes',
            valid_type=Dict,
            dynamic=True,
            help='Γ and mesh frequencies (cm⁻¹, below zero imaginary), verdict, by pressure label.',
        )
        spec.exit_code(
            413, 'ERROR_PRESSURES_MISSING', message='Not finished: {pressures}. {reasons}'
        )

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write the potential and the body of the job file."""
        finished = self.inputs.finished if 'finished' in self.inputs else {}
        return {
            'potential': write_potential(folder, self.inputs.potential, 'potential'),
            'structure': atoms_to_dict(self.inputs.structure.get_ase()),
            'pressures': list(check_pressures(self.inputs.pressures.get_list())),
            'supercell_matrix': self.inputs.supercell_matrix.get_list(),
            'settings': self.inputs.settings.get_dict(),
            'finished': {label: atoms_to_dict(node.get_ase()) for label, node in finished.items()},
        }

    def files_to_retrieve(self) -> list[Any]:
        """One JSON and one NPZ file per finished pressure."""
        return [('[pm]_*.json', '.', 0), ('[pm]_*.npz', '.', 0)]
