"""`DatasetWorkChain`: one round of data, from sampling to labelled training and validation sets."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import Int

from aiida_insbench.calculations.datasets import split_dataset
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain


class DatasetWorkChain(WorkChain):
    """Sample, label, split."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(SampleBaseWorkChain, namespace='sample')
        spec.expose_inputs(LabelWorkChain, namespace='label', exclude=('pool',))
        spec.input('validation_frames', valid_type=Int, help='Frames held out of training.')
        spec.input('split_seed', valid_type=Int, help='Seed of the split.')
        spec.outline(
            cls.run_sampling,
            cls.inspect_sampling,
            cls.run_labels,
            cls.inspect_labels,
            cls.results,
        )
        spec.output('pool', valid_type=DatasetData, help='Frames as sampled.')
        spec.output('dataset', valid_type=DatasetData, help='All labelled frames.')
        spec.output('training', valid_type=DatasetData, help='Frames to learn from.')
        spec.output('validation', valid_type=DatasetData, help='Frames held out.')
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )

    def run_sampling(self) -> ToContext:
        """Draw the frames."""
        inputs = self.exposed_inputs(SampleBaseWorkChain, namespace='sample')
        return ToContext(sampling=self.submit(SampleBaseWorkChain, **inputs))

    def inspect_sampling(self) -> ExitCode | None:
        """The pool is needed."""
        if not self.ctx.sampling.is_finished_ok:
            return self._failed('Sampling', self.ctx.sampling)
        self.out('pool', self.ctx.sampling.outputs.pool)
        return None

    def run_labels(self) -> ToContext:
        """Label the frames by pw.x."""
        inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace='label'))
        inputs.pool = self.ctx.sampling.outputs.pool
        return ToContext(labelling=self.submit(LabelWorkChain, **inputs))

    def inspect_labels(self) -> ExitCode | None:
        """The labels are needed."""
        if not self.ctx.labelling.is_finished_ok:
            return self._failed('Labelling', self.ctx.labelling)
        return None

    def results(self) -> None:
        """Split and attach."""
        dataset = self.ctx.labelling.outputs.dataset
        self.out('dataset', dataset)
        parts = split_dataset(dataset, self.inputs.validation_frames, self.inputs.split_seed)
        for name, part in parts.items():
            self.out(name, part)

    def _failed(self, stage: str, node: Any) -> ExitCode:
        return self.exit_codes.ERROR_SUB_PROCESS_FAILED.format(
            stage=f'{stage} <{node.pk}>', status=node.exit_status, message=node.exit_message
        )
