"""`SelectCalculation`: from pools of frames to the few that are worth a label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import Dict, Int, Str

from aiida_insbench.calculations.base import InsbenchCalculation, write_potential, write_text
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.jobs.select import FRAMES_FILE
from aiida_insbench.jobs.select_settings import read_select_settings
from aiida_insbench.science.errors import JobFileError


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs or not all(inputs.get(name) for name in ('method', 'count', 'seed', 'pools')):
        return None
    try:
        read_select_settings(job_of(inputs))
    except JobFileError as exc:
        return str(exc)
    levels = [pool.dft_level if pool.labelled else None for pool in inputs['pools'].values()]
    if any(level != levels[0] for level in levels):
        return (
            '`pools` mix frames with and without labels, or labels of different levels of theory: '
            'the frames chosen could not stand in one dataset.'
        )
    return None


def job_of(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Body of the job file of these inputs, without the files."""
    return {
        'method': inputs['method'].value,
        'descriptors': inputs['descriptors'].value,
        'count': inputs['count'].value,
        'seed': inputs['seed'].value,
        'potentials': {name: f'potential_{name}' for name in inputs.get('potentials') or {}},
        'settings': inputs['settings'].get_dict() if inputs.get('settings') else {},
    }


class SelectCalculation(InsbenchCalculation):
    """Choose frames that differ most from each other and from those known, or are disputed."""

    STAGE = 'select'

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input(
            'method',
            valid_type=Str,
            default=lambda: Str('farthest-point'),
            help='farthest-point or committee.',
        )
        spec.input_namespace(
            'pools', valid_type=DatasetData, dynamic=True, help='Frames to choose from, by name.'
        )
        spec.input(
            'known',
            valid_type=DatasetData,
            required=False,
            help='Frames that are in the training set: those chosen differ from these too.',
        )
        spec.input('count', valid_type=Int, help='How many frames to choose.')
        spec.input('seed', valid_type=Int, help='Of the first frame if nothing is known; ≥ 0.')
        spec.input(
            'descriptors',
            valid_type=Str,
            default=lambda: Str('mace'),
            help='mace (of the first potential by name) or soap (needs none).',
        )
        spec.input_namespace(
            'potentials',
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help='One for farthest points on MACE descriptors, two or more for a committee.',
        )
        spec.input(
            'settings',
            valid_type=Dict,
            required=False,
            help='`stratify`, `minimum_contact`, `weights` and others; see the docs.',
        )
        spec.inputs.validator = _validate_inputs
        spec.output('pool', valid_type=DatasetData, required=False, help='The frames chosen.')

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write pools, known frames and potentials, and the body of the job file."""
        pools = {}
        for name, node in self.inputs.pools.items():
            pools[name] = f'pool_{name}.extxyz'
            write_text(folder, pools[name], node.get_text())
        if 'known' in self.inputs:
            write_text(folder, 'known.extxyz', self.inputs.known.get_text())
        for name, node in (self.inputs.get('potentials') or {}).items():
            write_potential(folder, node, f'potential_{name}')
        known = 'known.extxyz' if 'known' in self.inputs else None
        return {**job_of(self.inputs), 'pools': pools, 'known': known}

    def files_to_retrieve(self) -> list[Any]:
        """The frames."""
        return [FRAMES_FILE]
