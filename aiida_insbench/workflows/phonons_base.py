"""Restart WorkChain of `insbench.phonons`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode

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
        for name, output in (
            ('finished', 'structure'),
            ('finished_force_constants', 'force_constants'),
        ):
            known = dict(self.ctx.inputs.get(name, {}))
            known.update(getattr(node.outputs, output) if output in node.outputs else {})
            if known:
                self.ctx.inputs[name] = known
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
