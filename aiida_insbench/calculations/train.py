"""`TrainCalculation`: train or fine-tune a MACE potential on labelled frames."""

from __future__ import annotations

from typing import Any

from aiida.common.datastructures import CalcInfo
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import Dict, Int, RemoteData

from aiida_insbench.calculations.base import InsbenchCalculation, write_potential, write_text
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.jobs.mace_arguments import CHECKPOINTS


def validate_labelled(value: DatasetData | None, _port: object = None) -> str | None:
    """Port validator: frames must carry energy, forces and stress."""
    if value is not None and not value.labelled:
        return 'The dataset is a pool without labels; label it first (insbench.label).'
    return None


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs or 'dataset' not in inputs:
        return None
    if 'start' in inputs and inputs['start'].flavour != 'mace':
        return (
            f'The start potential is of the flavour {inputs["start"].flavour!r}; only MACE '
            'potentials can be trained here.'
        )
    if 'start' not in inputs:
        return (
            'There is a `replay` but no `start` potential to keep.' if 'replay' in inputs else None
        )
    for name in ('dataset', 'replay'):
        found = set(inputs[name].elements) if name in inputs else set()
        lacking = sorted(found - set(inputs['start'].elements))
        if lacking:
            return f'The start potential knows no {", ".join(lacking)}, which `{name}` holds.'
    return None


class TrainCalculation(InsbenchCalculation):
    """Run MACE's own training as a child process; bring back JSON and safetensors, no pickle."""

    STAGE = 'train'
    CACHE_VERSION = 3

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input(
            'dataset', valid_type=DatasetData, validator=validate_labelled, help='Training frames.'
        )
        spec.input(
            'validation',
            valid_type=DatasetData,
            validator=validate_labelled,
            help='Held-out frames; MACE keeps the weights that serve them best.',
        )
        spec.input(
            'start',
            valid_type=PotentialData,
            required=False,
            help='Potential to fine-tune; without it training starts from random weights.',
        )
        spec.input(
            'replay',
            valid_type=DatasetData,
            required=False,
            validator=validate_labelled,
            help='Frames of what `start` was trained on, so that it is not forgotten.',
        )
        spec.input(
            'parent_folder',
            valid_type=RemoteData,
            required=False,
            help='Folder of an ended training whose checkpoint to go on from; given by '
            '`insbench.train.base` where `settings.resume` is `checkpoint`.',
        )
        spec.input('seed', valid_type=Int, help='Seed of weights and batches.')
        spec.input('settings', valid_type=Dict, help='Model, loss, schedule; see the docs.')
        spec.inputs.validator = _validate_inputs
        spec.output('potential', valid_type=PotentialData, required=False, help='The result.')
        spec.output(
            'training_curve', valid_type=Dict, required=False, help='Errors epoch by epoch.'
        )
        spec.exit_code(414, 'ERROR_OUT_OF_MEMORY', message='{message}', invalidates_cache=True)
        spec.exit_code(415, 'ERROR_DIVERGED', message='{message}')
        spec.exit_code(416, 'ERROR_ZERO_LOSS', message='{message}')

    def prepare_for_submission(self, folder: Folder) -> CalcInfo:
        """Add the checkpoint to go on from."""
        calc_info = super().prepare_for_submission(folder)
        if 'parent_folder' in self.inputs:
            parent = self.inputs.parent_folder
            source = f'{parent.get_remote_path()}/{CHECKPOINTS}'
            calc_info.remote_copy_list = [(parent.computer.uuid, source, CHECKPOINTS)]
        return calc_info

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write frames and start potential."""
        write_text(folder, 'dataset.extxyz', self.inputs.dataset.get_text())
        write_text(folder, 'validation.extxyz', self.inputs.validation.get_text())
        start = None
        if 'start' in self.inputs:
            start = write_potential(folder, self.inputs.start, 'start')
        replay, levels = None, {'dft_level': self.inputs.dataset.dft_level}
        if 'replay' in self.inputs:
            replay = 'replay.extxyz'
            write_text(folder, replay, self.inputs.replay.get_text())
            levels['replay_dft_level'] = self.inputs.replay.dft_level
        return {
            'dataset': 'dataset.extxyz',
            'validation': 'validation.extxyz',
            'replay': replay,
            'start': start,
            'resumed': 'parent_folder' in self.inputs,
            'settings': {**self.inputs.settings.get_dict(), 'seed': self.inputs.seed.value},
            'provenance': levels,
        }

    def files_to_retrieve(self) -> list[Any]:
        """The potential and its training curve."""
        return ['trained.json', 'trained.safetensors', 'training_curve.json']
