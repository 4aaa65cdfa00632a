"""`EvaluateCalculation`: energies, forces and stresses of potentials on labelled frames."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec

from aiida_insbench.calculations.base import InsbenchCalculation, write_potential, write_text
from aiida_insbench.calculations.train import validate_labelled
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData


class EvaluateCalculation(InsbenchCalculation):
    """Errors of one or more potentials against the labels of a dataset, in one job."""

    STAGE = 'evaluate'

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input(
            'dataset', valid_type=DatasetData, validator=validate_labelled, help='Labelled frames.'
        )
        spec.input_namespace(
            'potentials', valid_type=PotentialData, dynamic=True, help='Potentials by name.'
        )

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write frames and potentials."""
        write_text(folder, 'dataset.extxyz', self.inputs.dataset.get_text())
        return {
            'dataset': 'dataset.extxyz',
            'potentials': {
                name: write_potential(folder, node, f'potential_{name}')
                for name, node in self.inputs.potentials.items()
            },
        }
