"""`CampaignWorkChain`: from a crystal and a list of pressures to spectra and judged potentials."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import Dict, List, StructureData, load_node

from aiida_insbench.calculations.datasets import merge_datasets
from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.workflows.analyse_base import AnalyseBaseWorkChain
from aiida_insbench.workflows.crystal_checks import validate_crystal
from aiida_insbench.workflows.dataset import DatasetWorkChain
from aiida_insbench.workflows.evaluate_base import EvaluateBaseWorkChain
from aiida_insbench.workflows.finetune import FinetuneWorkChain
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.job_base import flatten
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.protocols.campaign import CampaignProtocol
from aiida_insbench.workflows.reference import ReferenceWorkChain
from aiida_insbench.workflows.relax import RelaxWorkChain, same_dft
from aiida_insbench.workflows.sub_process import failure_of

_FROM_ROUND = ('structure', 'potential', 'relax', 'relaxed', 'pools', 'known')
_FROM_DATA = ('train.dataset', 'train.validation', 'train.start')


def _training_inputs(spec: Any, namespace: str) -> None:
    spec.expose_inputs(
        FinetuneWorkChain,
        namespace=namespace,
        exclude=tuple(f'training.{name}' for name in _FROM_DATA),
    )


class CampaignWorkChain(CampaignProtocol, WorkChain):
    """Relax, sample, label, train; sample along its modes, label, fine-tune; judge both."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input(
            'structure', valid_type=StructureData, validator=validate_crystal, help='The crystal.'
        )
        spec.input(
            'pressures',
            valid_type=List,
            validator=validate_pressures,
            help='Pressures in GPa at which potentials are judged; positive is compression.',
        )
        spec.expose_inputs(RelaxWorkChain, namespace='relax', exclude=('structure',))
        spec.expose_inputs(
            DatasetWorkChain,
            namespace='first_round',
            exclude=_FROM_ROUND,
        )
        _training_inputs(spec, 'base_training')
        spec.expose_inputs(
            DatasetWorkChain,
            namespace='second_round',
            exclude=_FROM_ROUND,
        )
        _training_inputs(spec, 'fine_tuning')
        spec.expose_inputs(
            ReferenceWorkChain,
            namespace='reference',
            exclude=('relax.structure', 'relaxed', 'supercell_matrix', 'displacements'),
            namespace_options={'required': False, 'populate_defaults': False},
        )
        spec.expose_inputs(
            PhononsWorkChain,
            namespace='phonons',
            exclude=('phonons.potential', 'phonons.structure', 'phonons.pressures'),
        )
        spec.expose_inputs(
            InsWorkChain, namespace='ins', exclude=('ins.force_constants', 'ins.motions')
        )
        spec.expose_inputs(
            EvaluateBaseWorkChain,
            namespace='evaluate',
            exclude=('evaluate.dataset', 'evaluate.potentials'),
        )
        spec.expose_inputs(
            AnalyseBaseWorkChain,
            namespace='analyse',
            exclude=('analyse.phonons', 'analyse.reference', 'analyse.reference_structures'),
        )
        spec.outline(
            cls.run_relaxation,
            cls.inspect_relaxation,
            cls.run_first_round,
            cls.inspect_first_round,
            cls.start_reference,  # runs beside everything that follows
            cls.run_base_training,
            cls.inspect_base_training,
            cls.run_second_round,
            cls.inspect_second_round,
            cls.start_base_phonons,  # runs beside the fine-tuning
            cls.run_fine_tuning,
            cls.inspect_fine_tuning,
            cls.run_phonons_and_evaluation,
            cls.inspect_phonons,
            cls.run_ins,
            cls.inspect_ins,
            cls.wait_for_reference,
            cls.run_analysis,
            cls.inspect_analysis,
        )
        cls._define_outputs(spec)
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )

    @classmethod
    def _define_outputs(cls, spec: Any) -> None:
        spec.output_namespace(
            'potentials', valid_type=PotentialData, dynamic=True, help='base and finetuned.'
        )
        spec.output_namespace(
            'training_curves', valid_type=Dict, dynamic=True, help='base and finetuned.'
        )
        spec.output_namespace(
            'modes', valid_type=Dict, dynamic=True, help='By potential, then pressure label.'
        )
        spec.output_namespace(
            'structure', valid_type=StructureData, dynamic=True, help='By potential, then label.'
        )
        spec.output_namespace(
            'spectrum', valid_type=SpectrumData, dynamic=True, help='By pressure label.'
        )
        spec.output('dataset', valid_type=DatasetData, help='All frames learnt from.')
        spec.output('validation', valid_type=DatasetData, help='All frames held out.')
        spec.output(
            'reference', valid_type=DatasetData, required=False, help='Frozen phonons by DFT.'
        )
        spec.output('evaluation', valid_type=Dict, help='Errors on the held-out frames.')
        spec.output('comparison', valid_type=Dict, help='Mode shifts of each potential and of DFT.')

    # DFT: the cell to start from

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
        return failure

    # Round one: around the relaxed cell

    def run_first_round(self) -> ToContext:
        """Strain and rattle around the target pressures; label."""
        return self._submit(
            'first_round',
            DatasetWorkChain,
            self._round_inputs('first_round'),
        )

    def inspect_first_round(self) -> ExitCode | None:
        """The base potential needs its frames."""
        return self._check('first_round', 'First round of data')

    def start_reference(self) -> None:
        """Start the DFT reference, without waiting for it."""
        if 'reference' not in self.inputs:
            return
        inputs = AttributeDict(self.exposed_inputs(ReferenceWorkChain, namespace='reference'))
        inputs.relax.structure = self.ctx.structure
        if same_dft(inputs.relax, self.inputs.relax):
            inputs.relaxed = dict(self.ctx.relaxation.outputs.structure)
        inputs.metadata.call_link_label = 'reference'
        self.ctx.reference_pk = self.submit(ReferenceWorkChain, **inputs).pk

    def run_base_training(self) -> ToContext:
        """Train from scratch."""
        inputs = AttributeDict(self.exposed_inputs(FinetuneWorkChain, namespace='base_training'))
        inputs.training.train.dataset = self.ctx.first_round.outputs.training
        inputs.training.train.validation = self.ctx.first_round.outputs.validation
        return self._submit('base_training', FinetuneWorkChain, inputs)

    def inspect_base_training(self) -> ExitCode | None:
        """Attach the base potential."""
        return self._check('base_training', 'Training') or self._attach_potential(
            'base', self.ctx.base_training
        )

    # Round two: along the modes of the first potential

    def run_second_round(self) -> ToContext:
        """Displace along the base potential's own modes, equal energy in each; label."""
        inputs = self._round_inputs('second_round')
        inputs.potential = self.ctx.potentials['base']
        inputs.known = self.ctx.first_round.outputs.training
        return self._submit('second_round', DatasetWorkChain, inputs)

    def inspect_second_round(self) -> ExitCode | None:
        """Join both rounds."""
        failure = self._check('second_round', 'Second round of data')
        if failure is None:
            rounds = {'r1': self.ctx.first_round.outputs, 'r2': self.ctx.second_round.outputs}
            for name, output in (('dataset', 'training'), ('validation', 'validation')):
                self.ctx[name] = merge_datasets(
                    **{key: outputs[output] for key, outputs in rounds.items()}
                )
                self.out(name, self.ctx[name])
        return failure

    def start_base_phonons(self) -> None:
        """Start the phonons of the base potential, without waiting for them."""
        self.ctx.base_phonons_pk = self.submit(PhononsWorkChain, **self._phonon_inputs('base')).pk

    def run_fine_tuning(self) -> ToContext:
        """Fine-tune the base potential on all frames."""
        inputs = AttributeDict(self.exposed_inputs(FinetuneWorkChain, namespace='fine_tuning'))
        inputs.training.train.dataset = self.ctx.dataset
        inputs.training.train.validation = self.ctx.validation
        inputs.training.train.start = self.ctx.potentials['base']
        return self._submit('fine_tuning', FinetuneWorkChain, inputs)

    def inspect_fine_tuning(self) -> ExitCode | None:
        """Attach the fine-tuned potential."""
        return self._check('fine_tuning', 'Fine-tuning') or self._attach_potential(
            'finetuned', self.ctx.fine_tuning
        )

    # Judgement: modes, spectra, errors

    def run_phonons_and_evaluation(self) -> ToContext:
        """Phonons of the fine-tuned potential, errors of both, the base's phonons collected."""
        evaluate = AttributeDict(self.exposed_inputs(EvaluateBaseWorkChain, namespace='evaluate'))
        evaluate.evaluate.dataset = self.ctx.validation
        evaluate.evaluate.potentials = dict(self.ctx.potentials)
        evaluate.metadata.call_link_label = 'evaluation'
        return ToContext(
            finetuned_phonons=self.submit(PhononsWorkChain, **self._phonon_inputs('finetuned')),
            evaluation=self.submit(EvaluateBaseWorkChain, **evaluate),
            base_phonons=load_node(self.ctx.base_phonons_pk),
        )

    def inspect_phonons(self) -> ExitCode | None:
        """Attach modes and errors; a base potential without phonons is a finding, not a stop."""
        failure = self._check('evaluation', 'Evaluation') or self._check(
            'finetuned_phonons', 'Phonons of the fine-tuned potential'
        )
        if failure is not None:
            return failure
        self.out('evaluation', self.ctx.evaluation.outputs.output_parameters)
        self.ctx.force_constants, self.ctx.strained = {}, {}
        for name in ('base', 'finetuned'):
            outputs = self.ctx[f'{name}_phonons'].outputs
            if 'force_constants' not in outputs:
                self.report(f'no pressure of potential `{name}` could be reached')
                continue
            self.ctx.force_constants[name] = dict(outputs.force_constants)
            if 'strained' in outputs:
                self.ctx.strained[name] = dict(outputs.strained)
            for namespace in ('modes', 'structure'):
                for label, node in flatten(outputs[namespace]):
                    self.out(f'{namespace}.{name}.{label}', node)
        return None

    def run_ins(self) -> ToContext:
        """Spectra of the fine-tuned potential at every pressure."""
        inputs = AttributeDict(self.exposed_inputs(InsWorkChain, namespace='ins'))
        inputs.ins.force_constants = self.ctx.force_constants['finetuned']
        return self._submit('spectra', InsWorkChain, inputs)

    def inspect_ins(self) -> ExitCode | None:
        """Attach spectra; an unstable pressure without one is a finding, not a stop."""
        if 'spectrum' not in self.ctx.spectra.outputs:
            return self._check('spectra', 'INS simulation')
        for label, node in flatten(self.ctx.spectra.outputs.spectrum):
            self.out(f'spectrum.{label}', node)
        if not self.ctx.spectra.is_finished_ok:
            self.report(f'pressures without a spectrum: {self.ctx.spectra.exit_message}')
        return None

    def wait_for_reference(self) -> ToContext | None:
        """The reference has run beside; now it is needed."""
        if 'reference' not in self.inputs:
            return None
        return ToContext(reference=load_node(self.ctx.reference_pk))

    def run_analysis(self) -> ExitCode | ToContext:
        """Follow the modes of each potential, and of DFT, across pressure."""
        inputs = AttributeDict(self.exposed_inputs(AnalyseBaseWorkChain, namespace='analyse'))
        inputs.analyse.phonons = self.ctx.force_constants
        if self.ctx.strained:
            inputs.analyse.strained = self.ctx.strained
        if 'reference' in self.inputs:
            failure = self._check('reference', 'DFT reference')
            if failure is not None:
                return failure
            inputs.analyse.reference = self.ctx.reference.outputs.dataset
            inputs.analyse.reference_structures = dict(self.ctx.reference.outputs.structure)
            self.out('reference', self.ctx.reference.outputs.dataset)
        return self._submit('analysis', AnalyseBaseWorkChain, inputs)

    def inspect_analysis(self) -> ExitCode | None:
        """Attach the table of shifts."""
        failure = self._check('analysis', 'Analysis')
        if failure is None:
            self.out('comparison', self.ctx.analysis.outputs.output_parameters)
        return failure

    # What the steps share

    def _round_inputs(self, namespace: str) -> AttributeDict:
        inputs = AttributeDict(self.exposed_inputs(DatasetWorkChain, namespace=namespace))
        inputs.structure = self.ctx.structure
        return inputs

    def _phonon_inputs(self, name: str) -> AttributeDict:
        inputs = AttributeDict(self.exposed_inputs(PhononsWorkChain, namespace='phonons'))
        inputs.phonons.potential = self.ctx.potentials[name]
        inputs.phonons.structure = self.ctx.structure
        inputs.phonons.pressures = self.inputs.pressures
        inputs.metadata.call_link_label = f'{name}_phonons'
        return inputs

    def _attach_potential(self, name: str, node: Any) -> None:
        label, potential = next(iter(sorted(node.outputs.potentials.items())))
        self.ctx.setdefault('potentials', {})[name] = potential
        self.out(f'potentials.{name}', potential)
        self.out(f'training_curves.{name}', node.outputs.training_curves[label])

    def _submit(self, key: str, process: type, inputs: AttributeDict) -> ToContext:
        inputs.setdefault('metadata', AttributeDict())['call_link_label'] = key
        return ToContext(**{key: self.submit(process, **inputs)})

    def _check(self, key: str, stage: str) -> ExitCode | None:
        return failure_of(self, stage, self.ctx[key])
