"""`EvaluateCalculation`: energies, forces and stresses of potentials on frames."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData, Dict, FolderData

from aiida_insbench.calculations.base import (
    InsbenchCalculation,
    write_folder_data,
    write_potential,
    write_text,
)
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.jobs.evaluate import CHUNK_FOLDER, PREDICTIONS_FILE


class EvaluateCalculation(InsbenchCalculation):
    """What one or more potentials predict for frames; errors where the frames carry labels."""

    STAGE = 'evaluate'
    CACHE_VERSION = 2

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input('dataset', valid_type=DatasetData, help='Frames, labelled or not.')
        spec.input_namespace(
            'potentials', valid_type=PotentialData, dynamic=True, help='Potentials by name.'
        )
        spec.input(
            'settings',
            valid_type=Dict,
            required=False,
            help='`device`, `chunk`, `committee`, `descriptors`; see the docs.',
        )
        spec.input(
            'finished',
            valid_type=FolderData,
            required=False,
            help='Chunks of frames that an earlier run has done.',
        )
        spec.output(
            'predictions',
            valid_type=ArrayData,
            required=False,
            help='Arrays such as `base__forces`: of each potential, of the labels (`reference`) '
            'and of a committee (`committee_mean`, `committee_spread`); see the docs.',
        )
        spec.output(
            'chunks',
            valid_type=FolderData,
            required=False,
            help='Of a run that failed: what it had done, to be given on as `finished`.',
        )

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write frames, potentials and finished chunks."""
        write_text(folder, 'dataset.extxyz', self.inputs.dataset.get_text())
        if 'finished' in self.inputs:
            write_folder_data(folder, self.inputs.finished, CHUNK_FOLDER)
        return {
            'dataset': 'dataset.extxyz',
            'potentials': {
                name: write_potential(folder, node, f'potential_{name}')
                for name, node in self.inputs.potentials.items()
            },
            'settings': self.inputs.settings.get_dict() if 'settings' in self.inputs else {},
        }

    def files_to_retrieve(self) -> list[Any]:
        """Predictions, or the chunks of a run that did not reach its end."""
        return [PREDICTIONS_FILE, (f'{CHUNK_FOLDER}/chunk_??????.npz', '.', 2)]
