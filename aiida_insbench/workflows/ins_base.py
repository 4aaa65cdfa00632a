"""Restart WorkChain of `insbench.ins`."""

from __future__ import annotations

from typing import Any

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode

from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class InsBaseWorkChain(JobBaseWorkChain):
    """Simulate INS spectra; again if the job was ended from outside."""

    _process_class = InsCalculation
    NAMESPACE = 'ins'

    @classmethod
    def define(cls, spec: Any) -> None:
        """Add the exit code for pressures without a spectrum."""
        super().define(spec)
        spec.exit_code(
            421, 'ERROR_PRESSURES_MISSING', message='Some pressures have no spectrum: {message}'
        )

    @process_handler(priority=400)
    def handle_pressures_missing(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """413: unstable pressures have no harmonic spectrum; attach the others."""
        if node.exit_status != InsCalculation.exit_codes.ERROR_PRESSURES_MISSING.status:
            return None
        self._attach_outputs(node)
        code = self.exit_codes.ERROR_PRESSURES_MISSING.format(message=node.exit_message)
        return ProcessHandlerReport(do_break=True, exit_code=code)
