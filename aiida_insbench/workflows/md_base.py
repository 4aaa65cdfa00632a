"""Restart WorkChain of `insbench.md`."""

from __future__ import annotations

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode

from aiida_insbench.calculations.md import MDCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class MDBaseWorkChain(JobBaseWorkChain):
    """Molecular dynamics; after an early end it goes on where it was, finished runs are kept."""

    _process_class = MDCalculation
    NAMESPACE = 'md'
    OF_ALL_RUNS = True

    @process_handler(priority=600)
    def handle_keep_finished(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """After any failure: hand finished runs and those under way to the next job."""
        if node.is_finished_ok:
            return None
        known = dict(self.ctx.inputs.get('finished', {}))
        known.update(node.outputs.runs if 'runs' in node.outputs else {})
        if known:
            self.ctx.inputs['finished'] = known
        if 'unfinished' in node.outputs:
            self.ctx.inputs['unfinished'] = node.outputs.unfinished
        return None
