"""`FinetuneWorkChain`: a committee of potentials, one training per seed."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import Dict, Int, List

from aiida_insbench.data.potential import PotentialData
from aiida_insbench.workflows.train_base import TrainBaseWorkChain


def _validate_seeds(value: List | None, _port: object = None) -> str | None:
    if value is None:
        return None
    seeds = value.get_list()
    if not seeds or len(set(seeds)) != len(seeds) or not all(isinstance(s, int) for s in seeds):
        return f'`seeds` is {seeds}; give different integers, one for each potential.'
    return None


class FinetuneWorkChain(WorkChain):
    """Train one potential per seed, from `train.start` or from scratch."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(TrainBaseWorkChain, namespace='training', exclude=('train.seed',))
        spec.input('seeds', valid_type=List, validator=_validate_seeds, help='One per potential.')
        spec.outline(
            cls.run_trainings,
            cls.inspect_trainings,
            cls.results,
        )
        spec.output_namespace(
            'potentials', valid_type=PotentialData, dynamic=True, help='By seed: seed_1 …'
        )
        spec.output_namespace(
            'training_curves', valid_type=Dict, dynamic=True, help='By seed: seed_1 …'
        )
        spec.exit_code(
            411, 'ERROR_TRAINING_FAILED', message='{failed} of {total} trainings failed: {first}'
        )

    def run_trainings(self) -> ToContext:
        """Submit one training per seed."""
        running = {}
        for seed in self.inputs.seeds.get_list():
            inputs = AttributeDict(self.exposed_inputs(TrainBaseWorkChain, namespace='training'))
            inputs.train.seed = Int(seed)
            inputs.metadata.call_link_label = f'seed_{seed}'
            running[f'seed_{seed}'] = self.submit(TrainBaseWorkChain, **inputs)
        self.ctx.names = list(running)
        return ToContext(**running)

    def inspect_trainings(self) -> ExitCode | None:
        """Every member of the committee is needed."""
        failed = [name for name in self.ctx.names if not self.ctx[name].is_finished_ok]
        if failed:
            node = self.ctx[failed[0]]
            return self.exit_codes.ERROR_TRAINING_FAILED.format(
                failed=len(failed),
                total=len(self.ctx.names),
                first=f'{failed[0]} <{node.pk}> [{node.exit_status}] {node.exit_message}',
            )
        return None

    def results(self) -> None:
        """Attach potentials and curves by seed."""
        for name in self.ctx.names:
            self.out(f'potentials.{name}', self.ctx[name].outputs.potential)
            self.out(f'training_curves.{name}', self.ctx[name].outputs.training_curve)
