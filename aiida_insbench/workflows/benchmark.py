"""`BenchmarkWorkChain`: potentials × pressures × targets, scored, ranked and told in words.

Targets are measured spectra and, where there is a DFT reference, its spectra at each pressure. What
a potential cannot do (relax, stay stable, hold in molecular dynamics) is the worst score with its
reason, never a missing row and never the end of this process.
"""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, if_
from aiida.orm import Dict, List

from aiida_insbench.calculations.scores import rank_scores
from aiida_insbench.science.benchmark.table import DFT
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.workflows.analyse_base import AnalyseBaseWorkChain
from aiida_insbench.workflows.benchmark_committees import (
    in_analysis,
    known_vibrations,
    member_key,
    members_of,
)
from aiida_insbench.workflows.benchmark_failures import (
    failures_of_dynamics,
    failures_of_modes,
    failures_of_phonons,
    failures_of_spectra,
    modes_behind,
)
from aiida_insbench.workflows.benchmark_ports import (
    define_inputs,
    define_outputs,
    validate_benchmark,
)
from aiida_insbench.workflows.benchmark_scores import ScoringSteps
from aiida_insbench.workflows.benchmark_targets import (
    DFT_GROUP,
    BenchmarkTarget,
    Group,
    groups_of,
    ins_inputs,
    target_rows,
)
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.protocols.benchmark import BenchmarkProtocol
from aiida_insbench.workflows.reference import ReferenceWorkChain
from aiida_insbench.workflows.sub_process import failure_of

#: After the label of phonons at the ends of the errors of measured pressures.
_ENDS = '__ends'


class BenchmarkWorkChain(ScoringSteps, BenchmarkProtocol, WorkChain):
    """Phonons and spectra of every potential, one score a cell, one ranking."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        define_inputs(spec)
        spec.inputs.validator = validate_benchmark
        spec.outline(
            cls.run_phonons,
            cls.inspect_phonons,
            cls.run_spectra,
            cls.inspect_spectra,
            if_(cls.should_compare_modes)(
                cls.run_analysis,
                cls.inspect_analysis,
            ),
            cls.score_cells,
            cls.score_differences,
            cls.score_shifts,
            cls.rank,
        )
        define_outputs(spec)
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )
        spec.exit_code(412, 'ERROR_NOTHING_TO_RANK', message='No potential was scored: {message}')

    # Vibrations

    def run_phonons(self) -> ToContext:
        """Of every potential, and of DFT if that is to be computed, side by side."""
        running = {}
        for name, potential in self.inputs.potentials.items():
            if name not in self.inputs.get('force_constants', {}):
                running |= self._submit_phonons(name, potential)
        for name, member, potential in members_of(self.inputs):
            if known_vibrations(self.inputs, name, member) is None:
                running |= self._submit_phonons(member_key(name, member), potential)
        if 'dft' in self.inputs:
            dft = AttributeDict(self.exposed_inputs(ReferenceWorkChain, namespace='dft'))
            dft.metadata.call_link_label = 'dft'
            running['dft'] = self.submit(ReferenceWorkChain, **dft)
        return ToContext(**running)

    def _submit_phonons(self, key: str, potential: Any) -> dict[str, Any]:
        """At the pressures; by themselves, so that those stay cached, at the ends of errors."""
        lists = {f'phonons_{key}': self.inputs.pressures}
        if 'error_pressures' in self.inputs:
            lists[f'phonons_{key}{_ENDS}'] = self.inputs.error_pressures
        running = {}
        for label, pressures in lists.items():
            inputs = AttributeDict(self.exposed_inputs(PhononsWorkChain, namespace='phonons'))
            inputs.phonons.potential = potential
            inputs.phonons.structure = self.inputs.structure
            inputs.phonons.pressures = pressures
            inputs.metadata.call_link_label = label
            running[label] = self.submit(PhononsWorkChain, **inputs)
        return running

    def inspect_phonons(self) -> ExitCode | None:
        """Collect force constants; pressures a potential does not reach count against it."""
        self.ctx.force_constants, self.ctx.failures = {}, {}
        given = dict(self.inputs.get('reference', {}))
        reference = {'force_constants': given, 'modes': modes_behind(given)}
        if 'dft' in self.ctx:
            failure = failure_of(self, 'DFT reference', self.ctx.dft)
            if failure is not None:
                return failure
            for name in reference:
                reference[name] = dict(self.ctx.dft.outputs[name])
        self.ctx.reference = reference['force_constants']
        for label, node in self.ctx.reference.items():
            self.out(f'force_constants.{DFT}.{label}', node)
        for name in self.inputs.potentials:
            self._collect(name, reference['modes'])
        self.ctx.committees = {}
        for name, member, _ in members_of(self.inputs):
            self._collect_member(name, member)
        return None

    def _collect(self, name: str, reference_modes: dict[str, Any]) -> None:
        found, modes, message = self._vibrations(name)
        pressures = self.inputs.pressures.get_list()
        failures = failures_of_phonons(pressures, found, message)
        failures.update(failures_of_modes(modes, reference_modes))
        if name in self.inputs.get('verdicts', {}):
            failures.update(failures_of_dynamics(pressures, self.inputs.verdicts[name].get_dict()))
        self.ctx.force_constants[name] = found
        self.ctx.failures[name] = failures
        for label, constants in found.items():
            self.out(f'force_constants.{name}.{label}', constants)

    def _collect_member(self, name: str, member: str) -> None:
        """What a member lacks is told and leaves it out of a spread; it is nobody's failure."""
        found = known_vibrations(self.inputs, name, member)
        if found is None:
            key = member_key(name, member)
            node, found = self.ctx[f'phonons_{key}'], self._computed(key, 'force_constants')
            if not node.is_finished_ok:
                self.report(f'Member {member} of {name}: {node.exit_message}')
        self.ctx.committees.setdefault(name, {})[member] = found

    def _vibrations(self, name: str) -> tuple[dict[str, Any], dict[str, Any], str | None]:
        """Force constants and modes by pressure label; why a pressure is not among them."""
        if name in self.inputs.get('force_constants', {}):
            given = dict(self.inputs.force_constants[name])
            return given, modes_behind(given), 'it is not among the force constants given.'
        message = self.ctx[f'phonons_{name}'].exit_message
        return self._computed(name, 'force_constants'), self._computed(name, 'modes'), message

    def _computed(self, key: str, output: str) -> dict[str, Any]:
        """One output by pressure label, ends of errors among them."""
        found: dict[str, Any] = {}
        for label in (f'phonons_{key}', f'phonons_{key}{_ENDS}'):
            outputs = self.ctx[label].outputs if label in self.ctx else {}
            found |= dict(outputs[output]) if output in outputs else {}
        return found

    # Spectra

    def run_spectra(self) -> ToContext:
        """Of every potential and of DFT, for each kind of target."""
        running = {}
        for group in self._groups():
            simulated = {**self._competitors(group)}
            for name, by_member in self.ctx.committees.items():
                simulated |= {
                    member_key(name, one): self._of_group(group, by_member[one])
                    for one in by_member
                }
            for name, constants in simulated.items():
                if constants:
                    key = f'spectra_{group.name}_{name}'
                    running[key] = self._submit_spectra(key, group, constants)
        return ToContext(**running)

    def _submit_spectra(self, key: str, group: Group, constants: dict[str, Any]) -> Any:
        inputs = AttributeDict(self.exposed_inputs(InsWorkChain, namespace='ins'))
        inputs.update(ins_inputs(inputs, group, constants))
        if group.resolution:
            settings = {**inputs.broadening.get_dict(), 'resolution': list(group.resolution)}
            inputs.broadening = Dict(settings)
        inputs.metadata = {'call_link_label': key}
        return self.submit(InsWorkChain, **inputs)

    def inspect_spectra(self) -> None:
        """Collect spectra; a pressure without one counts against the potential."""
        self.ctx.spectra, self.ctx.committee_spectra = {}, {}
        for group in self._groups():
            self.ctx.spectra[group.name] = {}
            self.ctx.committee_spectra[group.name] = {
                name: {one: self._spectra_of(group, member_key(name, one)) for one in by_member}
                for name, by_member in self.ctx.committees.items()
            }
            for name, constants in self._competitors(group).items():
                node = self.ctx[f'spectra_{group.name}_{name}']
                spectra = self._spectra_of(group, name)
                self.ctx.spectra[group.name][name] = spectra
                for label, spectrum in spectra.items():
                    self.out(f'spectrum.{name}.{group.name}.{label}', spectrum)
                for label, reason in failures_of_spectra(constants, spectra, node).items():
                    if name == DFT:
                        self.report(f'DFT, {label}: {reason}')
                    else:
                        self.ctx.failures[name].setdefault(label, reason)

    def _spectra_of(self, group: Group, name: str) -> dict[str, Any]:
        key = f'spectra_{group.name}_{name}'
        outputs = self.ctx[key].outputs if key in self.ctx else {}
        return dict(outputs.spectrum) if 'spectrum' in outputs else {}

    def _groups(self) -> list[Group]:
        return groups_of(self.inputs.get('measured', {}), reference=self.ctx.reference)

    def _targets(self) -> list[BenchmarkTarget]:
        return target_rows(
            self.inputs.get('measured', {}),
            self._groups(),
            self.ctx.spectra,
            blind=self.inputs.rules.get_dict().get('blind', []),
        )

    def _competitors(self, group: Group) -> dict[str, Any]:
        """Force constants by name; DFT competes where its mesh allows it."""
        found = {
            name: self._of_group(group, one)
            for name, one in self.ctx.force_constants.items()
            if one
        }
        if self.ctx.reference and (group.name == DFT_GROUP or group.reference_competes):
            found[DFT] = self.ctx.reference
        return found

    def _of_group(self, group: Group, constants: dict[str, Any]) -> dict[str, Any]:
        """DFT's own spectra are at its pressures: nothing is compared at the ends of errors."""
        return self._at_pressures(constants) if group.name == DFT_GROUP else constants

    def _at_pressures(self, constants: dict[str, Any]) -> dict[str, Any]:
        ends = self.inputs.error_pressures.get_list() if 'error_pressures' in self.inputs else []
        labels = {pressure_label(end) for end in ends}
        return {label: node for label, node in constants.items() if label not in labels}

    # Modes against DFT

    def should_compare_modes(self) -> bool:
        """Whether there are modes to compare."""
        return any(self.ctx.force_constants.values())

    def run_analysis(self) -> ToContext:
        """Follow modes across pressure, beside those of DFT where there are any."""
        inputs = AttributeDict(self.exposed_inputs(AnalyseBaseWorkChain, namespace='analyse'))
        inputs.analyse.phonons = {
            name: self._at_pressures(one) for name, one in self.ctx.force_constants.items() if one
        }
        of_members = {
            name: {member: self._at_pressures(one) for member, one in by_member.items()}
            for name, by_member in self.ctx.committees.items()
        }
        members, committees = in_analysis(of_members, inputs.analyse.phonons)
        if members:
            inputs.analyse.phonons |= members
            settings = inputs.analyse.settings.get_dict()
            inputs.analyse.settings = Dict({**settings, 'committees': committees})
        if self.ctx.reference:
            inputs.analyse.reference_phonons = self.ctx.reference
        inputs.metadata.call_link_label = 'analysis'
        return ToContext(analysis=self.submit(AnalyseBaseWorkChain, **inputs))

    def inspect_analysis(self) -> None:
        """Attach the comparison; without it scores stand all the same."""
        if self.ctx.analysis.is_finished_ok:
            self.ctx.comparison = self.ctx.analysis.outputs.output_parameters
            self.out('comparison', self.ctx.comparison)
        else:
            self.report(f'Modes could not be compared: {self.ctx.analysis.exit_message}')

    # Scores

    def rank(self) -> ExitCode | None:
        """All potentials on all targets."""
        targets = self._targets()
        if not targets:
            return self.exit_codes.ERROR_NOTHING_TO_RANK.format(message=self._why_no_target())
        optional = {'comparison': self.ctx.comparison} if 'comparison' in self.ctx else {}
        results, node = rank_scores.run_get_node(
            rules=self.inputs.rules,
            cells=List([target.row for target in targets]),
            failures=Dict(self.ctx.cell_failures),
            **optional,
            **self.ctx.scores,
            **self.ctx.shift_scores,
        )
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_NOTHING_TO_RANK.format(message=node.exit_message)
        self.out('ranking', results)
        for name, sentences in results.get_dict()['verdicts'].items():
            self.report(f'{name}: {sentences[0]}')
        return None

    def _why_no_target(self) -> str:
        """Measured spectra are always there; those of DFT have to be simulated first."""
        node = self.ctx[f'spectra_{DFT_GROUP}_{DFT}']
        return f'the spectra of DFT could not be simulated (node {node.pk}): {node.exit_message}'
