"""`ValidateWorkChain`: whether a potential deserves to be judged by its spectrum."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, if_
from aiida.orm import Dict, List

from aiida_insbench.calculations.trajectories import frames_of_trajectories
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.workflows.evaluate_base import EvaluateBaseWorkChain, committee_settings
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.job_base import flatten
from aiida_insbench.workflows.md_base import MDBaseWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.protocols.validate import ValidateProtocol
from aiida_insbench.workflows.relax import RelaxWorkChain
from aiida_insbench.workflows.sub_process import failure_of
from aiida_insbench.workflows.validate_base import ValidateBaseWorkChain
from aiida_insbench.workflows.validate_ports import (
    JUDGED,
    define_inputs,
    define_outputs,
    validate_sources,
)
from aiida_insbench.workflows.validate_spectra import (
    SPECTRA,
    motion_by_pressure,
    spectra_sources,
)

_OPTIONAL = {'required': False, 'populate_defaults': False}
_SIDE_BY_SIDE = {
    'dynamics': 'Molecular dynamics',
    'evaluation': 'Evaluation',
    'dft': 'DFT relaxation',
}
_OF_DYNAMICS = ('runs', 'trajectories', 'series', 'density_of_states', 'motions')
_DERIVED = (
    'pressures',
    'runs',
    'densities',
    'phonons',
    'supercell_matrix',
    'isotopes',
    'evaluation',
    'potential_name',
    'training',
    'structures',
    'dft_structures',
    'spreads',
)


class ValidateWorkChain(ValidateProtocol, WorkChain):
    """Errors, equation of state, molecular dynamics, a committee's spread; then a verdict.

    A potential that fails is a verdict, not a failure of this process.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        define_inputs(spec)
        spec.expose_inputs(
            PhononsWorkChain,
            namespace='phonons',
            exclude=('phonons.potential',),
            namespace_options={**_OPTIONAL, 'help': 'How the crystals are relaxed.'},
        )
        spec.expose_inputs(
            RelaxWorkChain,
            namespace='relax',
            namespace_options={**_OPTIONAL, 'help': 'DFT that gives volumes to compare with.'},
        )
        spec.expose_inputs(
            MDBaseWorkChain,
            namespace='md',
            exclude=('md.potential', 'md.structures', 'md.finished', 'md.unfinished'),
        )
        spec.expose_inputs(
            EvaluateBaseWorkChain,
            namespace='evaluate',
            exclude=('evaluate.dataset', 'evaluate.potentials', 'evaluate.finished'),
        )
        spec.expose_inputs(
            ValidateBaseWorkChain,
            namespace='judge',
            exclude=tuple(f'validate.{name}' for name in _DERIVED),
        )
        spec.expose_inputs(
            InsWorkChain,
            namespace='ins',
            exclude=('ins.force_constants', 'ins.motions'),
            namespace_options={
                **_OPTIONAL,
                'help': 'How spectra of the runs, and harmonic ones beside them, are made.',
            },
        )
        spec.inputs.validator = validate_sources
        spec.outline(
            if_(cls.should_run_phonons)(
                cls.run_phonons,
                cls.inspect_phonons,
            ).else_(cls.take_structures),
            cls.run_dynamics_and_comparisons,
            cls.inspect_dynamics_and_comparisons,
            if_(cls.should_run_spectra)(
                cls.run_spectra,
                cls.inspect_spectra,
            ),
            if_(cls.should_run_committee)(
                cls.run_committee,
                cls.inspect_committee,
            ),
            cls.run_judgement,
            cls.inspect_judgement,
        )
        define_outputs(spec)
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )

    # Crystals at every pressure

    def should_run_phonons(self) -> bool:
        """Whether crystals are to be relaxed."""
        return 'phonons' in self.inputs

    def run_phonons(self) -> ToContext:
        """Relax at every pressure; harmonic modes are for comparison."""
        inputs = AttributeDict(self.exposed_inputs(PhononsWorkChain, namespace='phonons'))
        inputs.phonons.potential = self.inputs.potential
        inputs.metadata.call_link_label = 'phonons'
        return ToContext(phonons=self.submit(PhononsWorkChain, **inputs))

    def inspect_phonons(self) -> ExitCode | None:
        """Take the pressures that could be reached; the others count against the potential."""
        outputs = self.ctx.phonons.outputs
        if 'structure' not in outputs:
            return failure_of(self, 'Phonons', self.ctx.phonons)
        self.ctx.pressures = list(pressure_labels(self.inputs.phonons.phonons.pressures.get_list()))
        self.ctx.structures = dict(outputs.structure)
        self.ctx.force_constants = dict(outputs.force_constants)
        for name in ('structure', 'force_constants'):
            for label, node in outputs[name].items():
                self.out(f'{name}.{label}', node)
        return None

    def take_structures(self) -> None:
        """Crystals are given."""
        self.ctx.structures = dict(self.inputs.structures)
        self.ctx.force_constants = dict(self.inputs.get('force_constants', {}))
        self.ctx.pressures = sorted(self.ctx.structures)

    # What can be computed side by side

    def run_dynamics_and_comparisons(self) -> ToContext:
        """Molecular dynamics; errors on frames held out; volumes of DFT."""
        md = AttributeDict(self.exposed_inputs(MDBaseWorkChain, namespace='md'))
        md.md.potential = self.inputs.potential
        md.md.structures = self.ctx.structures
        md.metadata.call_link_label = 'dynamics'
        running = {'dynamics': self.submit(MDBaseWorkChain, **md)}
        if 'held_out' in self.inputs:
            running['evaluation'] = self._evaluate('evaluation', self.inputs.held_out)
        if 'relax' in self.inputs:
            relax = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace='relax'))
            relax.metadata.call_link_label = 'dft'
            running['dft'] = self.submit(RelaxWorkChain, **relax)
        return ToContext(**running)

    def inspect_dynamics_and_comparisons(self) -> ExitCode | None:
        """Attach what there is; a run that broke is a result, a job that failed is not."""
        outputs = self.ctx.dynamics.outputs
        for name in _OF_DYNAMICS:
            for label, node in outputs[name].items() if name in outputs else ():
                self.out(f'{name}.{label}', node)
        for key, stage in _SIDE_BY_SIDE.items():
            failure = failure_of(self, stage, self.ctx[key]) if key in self.ctx else None
            if failure is not None:
                return failure
        if 'evaluation' in self.ctx:
            self.out('evaluation', self.ctx.evaluation.outputs.output_parameters)
        self.ctx.dft_structures = dict(self.inputs.get('dft_structures', {}))
        if 'dft' in self.ctx:
            self.ctx.dft_structures = dict(self.ctx.dft.outputs.structure)
            for label, node in self.ctx.dft_structures.items():
                self.out(f'dft_structure.{label}', node)
        return None

    # Spectra of anharmonic motion

    def should_run_spectra(self) -> bool:
        """Whether spectra are asked for and runs allow them."""
        self.ctx.motions = motion_by_pressure(self.ctx.dynamics.outputs)
        return 'ins' in self.inputs and bool(self.ctx.motions)

    def run_spectra(self) -> ToContext:
        """Of the runs, and of the harmonic modes of the same supercells."""
        running = {}
        for name, sources in spectra_sources(
            self.exposed_inputs(InsWorkChain, namespace='ins'),
            motions=self.ctx.motions,
            force_constants=self.ctx.force_constants,
            supercell_matrix=self.inputs.md.md.supercell_matrix,
            isotopes=self._isotopes(),
        ).items():
            inputs = AttributeDict(sources)
            inputs.metadata = {'call_link_label': f'{name}_spectrum'}
            running[f'{name}_spectrum'] = self.submit(InsWorkChain, **inputs)
        return ToContext(**running)

    def inspect_spectra(self) -> None:
        """Attach what there is; a spectrum that is missing does not fail a potential."""
        for name in SPECTRA:
            node = self.ctx.get(f'{name}_spectrum')
            if node is None:
                continue
            if not node.is_finished_ok:
                self.report(f'Some {name} spectra are missing: {node.exit_message}')
            for label, spectrum in (
                flatten(node.outputs.spectrum) if 'spectrum' in node.outputs else ()
            ):
                self.out(f'{name}_spectrum.{label}', spectrum)

    # A committee's spread

    def should_run_committee(self) -> bool:
        """Whether there is a committee."""
        return bool(self.inputs.get('committee'))

    def run_committee(self) -> ToContext:
        """Spread on frames of the runs and on those learnt from."""
        self.ctx.run_frames = frames_of_trajectories(
            self.inputs.spread_frames, **dict(self.ctx.dynamics.outputs.trajectories)
        )
        return ToContext(
            spread_runs=self._evaluate('spread_runs', self.ctx.run_frames, committee=True),
            spread_training=self._evaluate('spread_training', self.inputs.training, committee=True),
        )

    def inspect_committee(self) -> ExitCode | None:
        """Both are needed."""
        return failure_of(self, "Committee on the runs' frames", self.ctx.spread_runs) or (
            failure_of(self, 'Committee on frames learnt from', self.ctx.spread_training)
        )

    # The verdict

    def run_judgement(self) -> ToContext:
        """Put everything against its limit."""
        inputs = AttributeDict(self.exposed_inputs(ValidateBaseWorkChain, namespace='judge'))
        judge, dynamics = inputs.validate, self.ctx.dynamics
        judge.pressures = List(self.ctx.pressures)
        judge.runs = dict(dynamics.outputs.runs)
        judge.structures = self.ctx.structures
        judge.dft_structures = self.ctx.dft_structures
        judge.supercell_matrix = self.inputs.md.md.supercell_matrix
        judge.isotopes = Dict(self._isotopes())
        if 'density_of_states' in dynamics.outputs and self.ctx.force_constants:
            judge.densities = dict(dynamics.outputs.density_of_states)
            judge.phonons = self.ctx.force_constants
        if 'training' in self.inputs:
            judge.training = self.inputs.training
        if 'evaluation' in self.ctx:
            judge.evaluation = self.ctx.evaluation.outputs.output_parameters
        if 'spread_runs' in self.ctx:
            judge.spreads = {
                'run_frames': self.ctx.run_frames,
                'runs': self.ctx.spread_runs.outputs.predictions,
                'training': self.ctx.spread_training.outputs.predictions,
            }
        inputs.metadata.call_link_label = 'judgement'
        return ToContext(judgement=self.submit(ValidateBaseWorkChain, **inputs))

    def inspect_judgement(self) -> ExitCode | None:
        """Attach the verdict."""
        failure = failure_of(self, 'Judgement', self.ctx.judgement)
        if failure is None:
            outputs = self.ctx.judgement.outputs
            self.out('verdict', outputs.output_parameters)
            if 'harmonic_density' in outputs:
                self.out('harmonic_density', outputs.harmonic_density)
            self.report(outputs.output_parameters['summary'])
        return failure

    def _evaluate(self, name: str, dataset: DatasetData, *, committee: bool = False) -> Any:
        inputs = AttributeDict(self.exposed_inputs(EvaluateBaseWorkChain, namespace='evaluate'))
        inputs.evaluate.settings = committee_settings(inputs.evaluate, committee=committee)
        members = dict(self.inputs.committee) if committee else {}
        inputs.evaluate.dataset = dataset
        inputs.evaluate.potentials = {JUDGED: self.inputs.potential, **members}
        inputs.metadata.call_link_label = name
        return self.submit(EvaluateBaseWorkChain, **inputs)

    def _isotopes(self) -> dict[str, Any]:
        settings = self.inputs.md.md.get('settings')
        return dict(settings.get_dict().get('isotopes', {})) if settings is not None else {}
