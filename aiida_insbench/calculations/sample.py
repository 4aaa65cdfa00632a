"""`SampleCalculation`: many frames from a few structures, all from one seed."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import Dict, Int, List, Str, StructureData

from aiida_insbench.calculations.base import InsbenchCalculation, write_potential
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.errors import PressureError
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.science.structures import atoms_to_dict

METHODS = ('strain-rattle', 'equal-energy', 'frozen-phonon')


def validate_pressures(value: List | None, _port: object = None) -> str | None:
    """Port validator: a list of finite pressures in GPa that do not share a label."""
    if value is None:
        return None
    try:
        check_pressures(value.get_list())
    except PressureError as exc:
        return str(exc)
    return None


def _validate_method(value: Str | None, _port: object = None) -> str | None:
    if value is not None and value.value not in METHODS:
        return f'`method` is {value.value!r}; it must be one of {", ".join(METHODS)}.'
    return None


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs or 'method' not in inputs:
        return None
    method = inputs['method'].value
    if method == 'frozen-phonon':
        return None if inputs.get('structures') else '`frozen-phonon` needs `structures`.'
    needed = ['structure', 'pressures', 'seed', 'cells']
    if method == 'equal-energy':
        needed.append('potential')
    missing = [name for name in needed if name not in inputs]
    if missing:
        return f'`{method}` needs the inputs {", ".join(missing)}.'
    return None


class SampleCalculation(InsbenchCalculation):
    """Draw frames around the states that pressure and vibration will take the crystal to."""

    STAGE = 'sample'

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input(
            'method',
            valid_type=Str,
            validator=_validate_method,
            help='strain-rattle, equal-energy or frozen-phonon.',
        )
        spec.input('prefix', valid_type=Str, help='First part of each frame_id.')
        spec.input('structure', valid_type=StructureData, required=False, help='The crystal.')
        spec.input_namespace(
            'structures',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='frozen-phonon: relaxed crystal by pressure label (p_1500).',
        )
        spec.input(
            'pressures',
            valid_type=List,
            required=False,
            validator=validate_pressures,
            help='Target pressures in GPa; positive is compression.',
        )
        spec.input('seed', valid_type=Int, required=False, help='Seed of all random draws.')
        spec.input(
            'cells',
            valid_type=List,
            required=False,
            help='Supercells: [{"supercell_matrix": 3x3 integers, "count": frames}, ...].',
        )
        spec.input(
            'potential',
            valid_type=PotentialData,
            required=False,
            help='equal-energy: whose relaxed cells and normal modes are used.',
        )
        spec.input('settings', valid_type=Dict, help='Amplitudes; see the docs of each method.')
        spec.inputs.validator = _validate_inputs
        spec.output('pool', valid_type=DatasetData, required=False, help='Unlabelled frames.')

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write the potential, if any, and the body of the job file."""
        job: dict[str, Any] = {
            'method': self.inputs.method.value,
            'prefix': self.inputs.prefix.value,
            'settings': self.inputs.settings.get_dict(),
            'seed': self.inputs.seed.value if 'seed' in self.inputs else -1,
        }
        if 'structure' in self.inputs:
            job['structure'] = atoms_to_dict(self.inputs.structure.get_ase())
        if 'structures' in self.inputs and self.inputs.structures:
            job['structures'] = {
                label: atoms_to_dict(node.get_ase())
                for label, node in self.inputs.structures.items()
            }
        if 'pressures' in self.inputs:
            job['pressures'] = list(check_pressures(self.inputs.pressures.get_list()))
        if 'cells' in self.inputs:
            job['cells'] = self.inputs.cells.get_list()
        if 'potential' in self.inputs:
            job['potential'] = write_potential(folder, self.inputs.potential, 'potential')
        return job

    def files_to_retrieve(self) -> list[Any]:
        """The frames."""
        return ['frames.extxyz']
