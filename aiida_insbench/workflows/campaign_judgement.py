"""Last steps of a campaign: errors, molecular dynamics, mode shifts, benchmark of all rounds."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext
from aiida.orm import load_node

from aiida_insbench.science.campaign.names import leader_of
from aiida_insbench.workflows.analyse_base import AnalyseBaseWorkChain
from aiida_insbench.workflows.benchmark import BenchmarkWorkChain
from aiida_insbench.workflows.committee import outputs_by_member
from aiida_insbench.workflows.evaluate_base import EvaluateBaseWorkChain
from aiida_insbench.workflows.sub_process import failure_of
from aiida_insbench.workflows.validate import ValidateWorkChain


class JudgementSteps:
    """Mixin of `CampaignWorkChain`; its context is that of `RoundSteps`."""

    inputs: Any
    ctx: Any
    out: Any
    report: Any
    submit: Any
    exposed_inputs: Any
    exposed_inputs_of_committee: Any

    def run_errors_and_validation(self) -> ToContext:
        """Errors of all leaders on held-out frames; the last one's molecular dynamics."""
        for name in ('dataset', 'validation'):
            self.out(name, self.ctx[name])
        evaluate = AttributeDict(self.exposed_inputs(EvaluateBaseWorkChain, namespace='evaluate'))
        evaluate.evaluate.dataset = self.ctx.validation
        evaluate.evaluate.potentials = dict(self.ctx.leaders)
        evaluate.metadata.call_link_label = 'evaluation'
        running = {'evaluation': self.submit(EvaluateBaseWorkChain, **evaluate)}
        if 'validation' in self.inputs and self._outputs_of(self._last, 'force_constants'):
            running['validated'] = self.submit(ValidateWorkChain, **self._validation_inputs())
        return ToContext(**running)

    def inspect_errors_and_validation(self) -> ExitCode | None:
        """Attach errors, verdict and spectra of the last round."""
        failure = failure_of(self, 'Evaluation', self.ctx.evaluation)  # type: ignore[arg-type]
        if failure is not None:
            return failure
        self.out('evaluation', self.ctx.evaluation.outputs.output_parameters)
        for label, node in self._outputs_of(self._last, 'spectrum').items():
            self.out(f'spectrum.{label}', node)
        if 'validated' in self.ctx:
            if self.ctx.validated.is_finished_ok:
                self.out('verdict', self.ctx.validated.outputs.verdict)
            else:
                self.report(f'No verdict of validation: {self.ctx.validated.exit_message}')
        return None

    def wait_for_reference(self) -> ToContext | None:
        """The reference has run beside; now it is needed."""
        if 'reference_pk' not in self.ctx:
            return None
        return ToContext(reference=load_node(self.ctx.reference_pk))

    def run_analysis_and_benchmark(self) -> ExitCode | ToContext:
        """Mode shifts of all rounds and of DFT; scores, if there is anything to score by."""
        if 'reference' in self.ctx:
            failure = failure_of(self, 'DFT reference', self.ctx.reference)  # type: ignore[arg-type]
            if failure is not None:
                return failure
            if 'dataset' in self.ctx.reference.outputs:
                self.out('reference', self.ctx.reference.outputs.dataset)
        if not self._by_round('force_constants'):
            return failure_of(self, 'Phonons of all rounds', self.ctx[self._last])  # type: ignore[arg-type, return-value]
        running = {'analysis': self.submit(AnalyseBaseWorkChain, **self._analysis_inputs())}
        targets = 'reference' in self.ctx or self.inputs.get('measured')
        if 'rules' in self.inputs and targets:
            running['benchmark'] = self.submit(BenchmarkWorkChain, **self._benchmark_inputs())
        return ToContext(**running)

    def inspect_analysis_and_benchmark(self) -> ExitCode | None:
        """Attach the table of shifts and the ranking."""
        failure = failure_of(self, 'Analysis', self.ctx.analysis)  # type: ignore[arg-type]
        if failure is not None:
            return failure
        self.out('comparison', self.ctx.analysis.outputs.output_parameters)
        if 'benchmark' in self.ctx:
            if 'ranking' not in self.ctx.benchmark.outputs:
                return failure_of(self, 'Benchmark', self.ctx.benchmark)  # type: ignore[arg-type]
            self.out('ranking', self.ctx.benchmark.outputs.ranking)
        return None

    # Inputs

    @property
    def _last(self) -> str:
        return str(self.ctx.judged[-1])

    def _validation_inputs(self) -> AttributeDict:
        inputs = AttributeDict(self.exposed_inputs(ValidateWorkChain, namespace='validation'))
        leader = self.ctx.leaders[self._last]
        inputs.potential = leader
        inputs.held_out, inputs.training = self.ctx.validation, self.ctx.dataset
        inputs.committee = {
            name: node for name, node in self.ctx.committee.items() if node.uuid != leader.uuid
        }
        for name, output in (('structures', 'structure'), ('force_constants', 'force_constants')):
            inputs[name] = self._outputs_of(self._last, output)
        inputs.metadata = {'call_link_label': 'validation'}
        return inputs

    def _analysis_inputs(self) -> AttributeDict:
        inputs = AttributeDict(self.exposed_inputs(AnalyseBaseWorkChain, namespace='analyse'))
        inputs.analyse.phonons = self._by_round('force_constants')
        strained = self._by_round('strained')
        if strained:
            inputs.analyse.strained = strained
        if 'reference' in self.ctx:
            outputs = self.ctx.reference.outputs
            if 'dataset' in outputs:  # Γ only: nothing but what was displaced
                inputs.analyse.reference = outputs.dataset
                inputs.analyse.reference_structures = dict(outputs.structure)
            else:
                inputs.analyse.reference_phonons = dict(outputs.force_constants)
        inputs.metadata = {'call_link_label': 'analysis'}
        return inputs

    def _benchmark_inputs(self) -> AttributeDict:
        inputs = AttributeDict(
            {
                'potentials': dict(self.ctx.leaders),
                'force_constants': self._by_round('force_constants'),
                'structure': self.ctx.structure,
                'pressures': self.inputs.pressures,
                'rules': self.inputs.rules,
                'phonons': self._phonons_of_benchmark(),
                'ins': self.inputs.ins,
                'analyse': self.inputs.analyse,
                'metadata': {'call_link_label': 'benchmark'},
            }
        )
        for name in ('measured', 'band_shifts'):
            if self.inputs.get(name):
                inputs[name] = dict(self.inputs[name])
        inputs.update(self._other_members())
        if 'reference' in self.ctx:
            inputs.reference = dict(self.ctx.reference.outputs.force_constants)
        if 'validated' in self.ctx and 'verdict' in self.ctx.validated.outputs:
            inputs.verdicts = {self._last: self.ctx.validated.outputs.verdict}
        return inputs

    def _other_members(self) -> dict[str, Any]:
        """Members beside the leader of each round, with what is known of their vibrations."""
        potentials, constants = {}, {}
        for name in self.ctx.judged:
            node = self.ctx[name]
            leader = leader_of(node.inputs.potentials)
            known = outputs_by_member(node, 'force_constants')
            others = [one for one in node.inputs.potentials if one != leader and one in known]
            if others and leader in known:
                potentials[name] = {one: node.inputs.potentials[one] for one in others}
                constants[name] = {one: known[one] for one in others}
        if not potentials:
            return {}
        return {'committees': potentials, 'committee_force_constants': constants}

    def _phonons_of_benchmark(self) -> Any:
        phonons = self.exposed_inputs_of_committee()['phonons']
        for name in ('structure', 'pressures'):
            phonons.phonons.pop(name)
        return phonons

    def _by_round(self, name: str) -> dict[str, dict[str, Any]]:
        found = {one: self._outputs_of(one, name) for one in self.ctx.judged}
        return {one: nodes for one, nodes in found.items() if nodes}

    def _outputs_of(self, round_name: str, name: str) -> dict[str, Any]:
        """Of a round's leader, by pressure label."""
        node = self.ctx[round_name]
        return outputs_by_member(node, name).get(leader_of(node.inputs.potentials), {})
