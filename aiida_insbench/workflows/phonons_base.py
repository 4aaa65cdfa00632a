"""Restart WorkChain of `insbench.phonons`."""

from __future__ import annotations

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode

from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.workflows.job_base import PressuresBaseWorkChain


class PhononsBaseWorkChain(PressuresBaseWorkChain):
    """Phonons at every pressure; after an early end only the missing pressures are computed."""

    _process_class = PhononsCalculation
    NAMESPACE = 'phonons'
    OF_ALL_RUNS = True

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
