"""`PhononsWorkChain`: one potential to modes at every pressure."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ToContext, WorkChain

from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.workflows.job_base import flatten
from aiida_insbench.workflows.phonons_base import PhononsBaseWorkChain


class PhononsWorkChain(WorkChain):
    """Relax and displace at each pressure; keep what is finished even if a pressure fails."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(PhononsBaseWorkChain)
        spec.expose_outputs(PhononsCalculation)
        spec.outline(
            cls.run_phonons,
            cls.inspect_phonons,
        )
        spec.exit_code(411, 'ERROR_PHONONS_FAILED', message='Phonons failed: {message}')

    def run_phonons(self) -> ToContext:
        """One job, all pressures."""
        inputs = self.exposed_inputs(PhononsBaseWorkChain)
        return ToContext(phonons=self.submit(PhononsBaseWorkChain, **inputs))

    def inspect_phonons(self) -> ExitCode | None:
        """Attach what there is, then say how it ended."""
        node = self.ctx.phonons
        for label, output in flatten(self.exposed_outputs(node, PhononsCalculation)):
            self.out(label, output)
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_PHONONS_FAILED.format(message=node.exit_message)
        return None
