"""Restart WorkChain of `insbench.phonons`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode, StructureData

from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain, flatten


class PhononsBaseWorkChain(JobBaseWorkChain):
    """Phonons at every pressure; after an early end only the missing pressures are computed."""

    _process_class = PhononsCalculation
    NAMESPACE = 'phonons'

    @classmethod
    def define(cls, spec: Any) -> None:
        """Add the exit code for pressures that cannot be reached."""
        super().define(spec)
        spec.exit_code(
            421, 'ERROR_PRESSURES_MISSING', message='Some pressures cannot be reached: {message}'
        )

    @process_handler(priority=600)
    def handle_keep_finished(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """After any failure: hand the finished pressures to the next run."""
        if node.is_finished_ok:
            return None
        finished: dict[str, StructureData] = dict(self.ctx.inputs.get('finished', {}))
        finished.update(node.outputs.structure if 'structure' in node.outputs else {})
        if finished:
            self.ctx.inputs['finished'] = finished
        return None

    def attach_finished(self, node: CalcJobNode) -> None:
        """Pressures that earlier runs finished are not lost with the last one."""
        self._attach_outputs(node)

    @process_handler(priority=400)
    def handle_pressures_missing(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """413: the job itself says that it cannot do them, so do not try again."""
        if node.exit_status != PhononsCalculation.exit_codes.ERROR_PRESSURES_MISSING.status:
            return None
        self._attach_outputs(node)
        code = self.exit_codes.ERROR_PRESSURES_MISSING.format(message=node.exit_message)
        return ProcessHandlerReport(do_break=True, exit_code=code)

    def _attach_outputs(self, node: CalcJobNode) -> Mapping[str, Any]:
        """Attach what all runs finished, the latest run winning."""
        merged: dict[str, Any] = {}
        for child in self.ctx.children:
            merged.update(flatten(self.get_outputs(child)))
        for label, output in merged.items():
            self.out(label, output)
        return self.get_outputs(node)
