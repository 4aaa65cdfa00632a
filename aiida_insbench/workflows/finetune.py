"""`FinetuneWorkChain`: a committee of potentials, one training per seed, and what it is worth."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, if_
from aiida.orm import Dict, Int, List

from aiida_insbench.calculations.train import validate_labelled
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.workflows.evaluate_base import EvaluateBaseWorkChain, committee_settings
from aiida_insbench.workflows.protocols.finetune import FinetuneProtocol
from aiida_insbench.workflows.train_base import TrainBaseWorkChain


def _validate_seeds(value: List | None, _port: object = None) -> str | None:
    if value is None:
        return None
    seeds = value.get_list()
    if not seeds or len(set(seeds)) != len(seeds) or not all(isinstance(s, int) for s in seeds):
        return f'`seeds` is {seeds}; give different integers, one for each potential.'
    return None


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs:
        return None
    wrong = _wrong_starts(inputs)
    if wrong or 'held_out' not in inputs:
        return wrong
    if 'evaluate' not in inputs:
        return '`held_out` is given, but no `evaluate`: nothing would look at these frames.'
    train = inputs['training']['train']
    held_out = _identities(inputs['held_out'])
    for name in ('dataset', 'validation'):
        shared = sorted(held_out & _identities(train[name])) if name in train else []
        if shared:
            return f'`held_out` and `{name}` share frames: {", ".join(shared[:5])}.'
    return None


def _wrong_starts(inputs: dict[str, Any]) -> str | None:
    starts, seeds = set(inputs.get('starts') or {}), inputs.get('seeds')
    if not starts or seeds is None:
        return None
    if 'start' in inputs.get('training', {}).get('train', {}):
        return '`starts` and `training.train.start` are two ways to begin; give one.'
    members = {f'seed_{seed}' for seed in seeds.get_list()}
    if starts != members:
        return (
            f'`starts` has {", ".join(sorted(starts))}, but `seeds` make '
            f'{", ".join(sorted(members))}: give one start for each.'
        )
    return None


def _identities(dataset: DatasetData) -> set[str]:
    return {frame.info['frame_id'] for frame in dataset.get_frames()}


class FinetuneWorkChain(FinetuneProtocol, WorkChain):
    """Train one potential per seed, from `train.start` or from scratch; judge the committee.

    With `evaluate`, errors of every member are tabled on training, validation and, if they are
    given, `held_out` frames.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(TrainBaseWorkChain, namespace='training', exclude=('train.seed',))
        spec.input('seeds', valid_type=List, validator=_validate_seeds, help='One per potential.')
        spec.input_namespace(
            'starts',
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help='Start of each member, by seed (seed_1 …), instead of one `train.start` for all.',
        )
        spec.expose_inputs(
            EvaluateBaseWorkChain,
            namespace='evaluate',
            exclude=('evaluate.dataset', 'evaluate.potentials'),
            namespace_options={
                'required': False,
                'populate_defaults': False,
                'help': 'How the committee is judged; without it there are no `errors`.',
            },
        )
        spec.input(
            'held_out',
            valid_type=DatasetData,
            required=False,
            validator=validate_labelled,
            help='Frames no training sees, for example those of a pressure kept apart.',
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.run_trainings,
            cls.inspect_trainings,
            if_(cls.should_run_evaluations)(
                cls.run_evaluations,
                cls.inspect_evaluations,
            ),
        )
        spec.output_namespace(
            'potentials', valid_type=PotentialData, dynamic=True, help='By seed: seed_1 …'
        )
        spec.output_namespace(
            'training_curves', valid_type=Dict, dynamic=True, help='By seed: seed_1 …'
        )
        spec.output_namespace(
            'errors',
            valid_type=Dict,
            dynamic=True,
            help='Tables of errors: training, validation, held_out.',
        )
        spec.exit_code(
            411, 'ERROR_TRAINING_FAILED', message='{failed} of {total} trainings failed: {first}'
        )
        spec.exit_code(
            412,
            'ERROR_EVALUATION_FAILED',
            message='The potentials are attached, but the evaluation of the {name} frames failed: '
            '[{status}] {message}',
        )

    def run_trainings(self) -> ToContext:
        """Submit one training per seed."""
        running = {}
        for seed in self.inputs.seeds.get_list():
            inputs = AttributeDict(self.exposed_inputs(TrainBaseWorkChain, namespace='training'))
            inputs.train.seed = Int(seed)
            if f'seed_{seed}' in self.inputs.get('starts', {}):
                inputs.train.start = self.inputs.starts[f'seed_{seed}']
            inputs.metadata.call_link_label = f'seed_{seed}'
            running[f'seed_{seed}'] = self.submit(TrainBaseWorkChain, **inputs)
        self.ctx.names = list(running)
        return ToContext(**running)

    def inspect_trainings(self) -> ExitCode | None:
        """Attach every member with its curve; all are needed."""
        for name in self.ctx.names:
            if self.ctx[name].is_finished_ok:
                self.out(f'potentials.{name}', self.ctx[name].outputs.potential)
                self.out(f'training_curves.{name}', self.ctx[name].outputs.training_curve)
        failed = [name for name in self.ctx.names if not self.ctx[name].is_finished_ok]
        if failed:
            node = self.ctx[failed[0]]
            return self.exit_codes.ERROR_TRAINING_FAILED.format(
                failed=len(failed),
                total=len(self.ctx.names),
                first=f'{failed[0]} <{node.pk}> [{node.exit_status}] {node.exit_message}',
            )
        return None

    def should_run_evaluations(self) -> bool:
        """Whether the committee is to be judged."""
        return 'evaluate' in self.inputs

    def run_evaluations(self) -> ToContext:
        """Submit one evaluation of the whole committee for each set of frames."""
        train = self.inputs.training.train
        frames = {'training': train.dataset, 'validation': train.validation}
        if 'held_out' in self.inputs:
            frames['held_out'] = self.inputs.held_out
        potentials = {name: self.ctx[name].outputs.potential for name in self.ctx.names}
        running = {}
        for name, dataset in frames.items():
            inputs = AttributeDict(self.exposed_inputs(EvaluateBaseWorkChain, namespace='evaluate'))
            inputs.evaluate.dataset = dataset
            inputs.evaluate.potentials = potentials
            inputs.evaluate.settings = committee_settings(
                inputs.evaluate, committee=len(potentials) > 1
            )
            inputs.metadata.call_link_label = f'errors_{name}'
            running[f'errors_{name}'] = self.submit(EvaluateBaseWorkChain, **inputs)
        self.ctx.judged = list(frames)
        return ToContext(**running)

    def inspect_evaluations(self) -> ExitCode | None:
        """Attach the tables."""
        failure = None
        for name in self.ctx.judged:
            node = self.ctx[f'errors_{name}']
            if node.is_finished_ok:
                self.out(f'errors.{name}', node.outputs.output_parameters)
            else:
                failure = failure or self.exit_codes.ERROR_EVALUATION_FAILED.format(
                    name=name, status=node.exit_status, message=node.exit_message
                )
        return failure
