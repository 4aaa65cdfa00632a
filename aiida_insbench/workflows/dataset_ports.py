"""Ports of `DatasetWorkChain`: what a round of data takes and what it gives; pressures in GPa."""

from __future__ import annotations

from typing import Any

from aiida.orm import Dict, Float, Int, List, StructureData

from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.workflows.dataset_inputs import validate_dataset_inputs
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.relax import RelaxWorkChain
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain
from aiida_insbench.workflows.sampling_inputs import OF_METHODS
from aiida_insbench.workflows.select_base import SelectBaseWorkChain

_OPTIONAL = {'required': False, 'populate_defaults': False}


def define_inputs(spec: Any) -> None:
    """Declare the crystal, where frames come from, and the inputs of every stage."""
    spec.input('structure', valid_type=StructureData, help='The crystal.')
    spec.input(
        'pressures',
        valid_type=List,
        validator=validate_pressures,
        help='Target pressures in GPa; positive is compression.',
    )
    spec.input_namespace(
        'methods',
        valid_type=Dict,
        dynamic=True,
        required=False,
        help='By the prefix of its frames: `method`, `settings`, `cells`, `relaxed`, '
        '`seed_offset`.',
    )
    spec.input_namespace(
        'pools',
        valid_type=DatasetData,
        dynamic=True,
        required=False,
        help='Frames drawn elsewhere, for example from a trajectory, by name.',
    )
    spec.input('seed', valid_type=Int, help='From which the seed of each method is derived.')
    spec.input(
        'potential',
        valid_type=PotentialData,
        required=False,
        help='For methods that follow modes, and for selection.',
    )
    spec.input_namespace(
        'committee',
        valid_type=PotentialData,
        dynamic=True,
        required=False,
        help='Two or more potentials, for methods that follow what they dispute, and for '
        'selection by a committee.',
    )
    spec.expose_inputs(
        RelaxWorkChain,
        namespace='relax',
        exclude=('structure', 'pressures'),
        namespace_options={
            **_OPTIONAL,
            'help': 'DFT relaxation at each pressure: X-ray hydrogens stand too close.',
        },
    )
    spec.input_namespace(
        'relaxed',
        valid_type=StructureData,
        dynamic=True,
        required=False,
        help='Crystals relaxed already, by pressure label.',
    )
    spec.expose_inputs(
        SampleBaseWorkChain,
        namespace='sample',
        exclude=OF_METHODS,
        namespace_options={**_OPTIONAL, 'help': 'What `methods` share: the code of the job.'},
    )
    spec.expose_inputs(
        SelectBaseWorkChain,
        namespace='select',
        exclude=('select.pools', 'select.known', 'select.potentials'),
        namespace_options={**_OPTIONAL, 'help': 'Which frames to label; without it all.'},
    )
    spec.input(
        'known',
        valid_type=DatasetData,
        required=False,
        help='Frames labelled before, from which those selected are to differ.',
    )
    spec.expose_inputs(LabelWorkChain, namespace='label', exclude=('pool',))
    spec.input(
        'validation_frames',
        valid_type=(Int, Float),
        help='Frames held out of training to watch it: how many, or a share below 1.',
    )
    spec.input('split_seed', valid_type=Int, help='Seed of the split.')
    spec.input(
        'split',
        valid_type=Dict,
        required=False,
        help='`test`, `held_out_pressures`, `stratify` of the split.',
    )
    spec.inputs.validator = validate_dataset_inputs


def define_outputs(spec: Any) -> None:
    """Declare frames, labels and the parts they are divided into."""
    spec.output_namespace(
        'structure',
        valid_type=StructureData,
        dynamic=True,
        required=False,
        help='Relaxed by DFT, by pressure label.',
    )
    spec.output('pool', valid_type=DatasetData, help='Frames to label.')
    spec.output(
        'selection', valid_type=Dict, required=False, help='What was chosen and what was not.'
    )
    spec.output('preflight', valid_type=Dict, required=False, help='Estimate of the labels.')
    for name, text in (
        ('dataset', 'All labelled frames.'),
        ('training', 'Frames to learn from.'),
        ('validation', 'Frames to watch a training by.'),
        ('test', 'Frames no training sees.'),
    ):
        spec.output(name, valid_type=DatasetData, required=False, help=text)
