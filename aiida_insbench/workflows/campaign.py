"""`CampaignWorkChain`: rounds of data and training until spectra no longer depend on the training.

A committee of potentials is trained on few labelled frames and asked for INS spectra under
pressure. While its members do not agree on them, frames are added and all are trained on. Then
the potentials of all rounds are judged: errors, mode shifts, molecular dynamics, benchmark.
"""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, if_, while_

from aiida_insbench.workflows.campaign_judgement import JudgementSteps
from aiida_insbench.workflows.campaign_ports import define_inputs, define_outputs
from aiida_insbench.workflows.campaign_rounds import RoundSteps
from aiida_insbench.workflows.protocols.campaign import CampaignProtocol
from aiida_insbench.workflows.reference import ReferenceWorkChain
from aiida_insbench.workflows.relax import RelaxWorkChain, same_dft


class CampaignWorkChain(CampaignProtocol, RoundSteps, JudgementSteps, WorkChain):
    """Relax; sample, label, train, ask the committee, again while it disagrees; judge."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        define_inputs(spec)
        spec.outline(
            cls.begin,
            if_(cls.should_relax)(
                cls.run_relaxation,
                cls.inspect_relaxation,
            ),
            while_(cls.should_run_round)(
                if_(cls.should_run_dynamics)(
                    cls.run_dynamics,
                    cls.inspect_dynamics,
                ),
                if_(cls.should_label)(
                    cls.run_data,
                    cls.inspect_data,
                ),
                cls.start_reference,  # runs beside everything that follows
                if_(cls.should_train)(
                    cls.run_training,
                    cls.inspect_training,
                ),
                if_(cls.is_round_sound)(
                    cls.run_committee,
                    cls.inspect_committee,
                    cls.assess,
                ),
            ),
            cls.run_errors_and_validation,
            cls.inspect_errors_and_validation,
            cls.wait_for_reference,
            cls.run_analysis_and_benchmark,
            cls.inspect_analysis_and_benchmark,
            cls.results,
        )
        define_outputs(spec)
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )
        spec.exit_code(
            412,
            'ERROR_ROUND_FAILED',
            message='A round failed; what came before it is judged and attached. {reason}',
        )
        spec.exit_code(
            413, 'ERROR_ROUND_NOT_ASSESSED', message='The round could not be assessed: {message}'
        )

    # DFT: the cell to start from, and the reference

    def should_relax(self) -> bool:
        """Whether the crystal is not relaxed yet."""
        return 'structure' not in self.ctx

    def run_relaxation(self) -> ToContext:
        """Relax the crystal by DFT: X-ray cells stand under pressure."""
        inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace='relax'))
        inputs.structure = self.inputs.structure
        return self._submit('relaxation', RelaxWorkChain, inputs)

    def inspect_relaxation(self) -> ExitCode | None:
        """Sampling starts from the relaxed cell."""
        failure = self._check('relaxation', 'DFT relaxation')
        if failure is None:
            structures = self.ctx.relaxation.outputs.structure
            self.ctx.structure = next(iter(dict(sorted(structures.items())).values()))
            self.out('relaxed', self.ctx.structure)
        return failure

    def start_reference(self) -> None:
        """Start the DFT reference once, without waiting for it."""
        if 'reference' not in self.inputs or 'reference_pk' in self.ctx:
            return
        inputs = AttributeDict(self.exposed_inputs(ReferenceWorkChain, namespace='reference'))
        inputs.relax.structure = self.ctx.structure
        if 'relaxation' in self.ctx and same_dft(inputs.relax, self.inputs.relax):
            inputs.relaxed = dict(self.ctx.relaxation.outputs.structure)
        inputs.metadata.call_link_label = 'reference'
        self.ctx.reference_pk = self.submit(ReferenceWorkChain, **inputs).pk

    def results(self) -> ExitCode | None:
        """Say which round failed, if one did."""
        if self.ctx.broken:
            return self.exit_codes.ERROR_ROUND_FAILED.format(reason=self.ctx.broken)
        return None
