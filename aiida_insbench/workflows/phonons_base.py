"""Restart WorkChain of `insbench.phonons`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode, StructureData

from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.workflows.job_base import PressuresBaseWorkChain, flatten


class PhononsBaseWorkChain(PressuresBaseWorkChain):
    """Phonons at every pressure; after an early end only the missing pressures are computed."""

    _process_class = PhononsCalculation
    NAMESPACE = 'phonons'

    MISSING = 'Some pressures cannot be reached: {message}'

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

    def _attach_outputs(self, node: CalcJobNode) -> Mapping[str, Any]:
        """Attach what all runs finished, the latest run winning."""
        merged: dict[str, Any] = {}
        for child in self.ctx.children:
            merged.update(flatten(self.get_outputs(child)))
        for label, output in merged.items():
            self.out(label, output)
        return self.get_outputs(node)
