"""`DatasetWorkChain`: one round of data, from a crystal to labelled and divided frames."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, if_
from aiida.orm import Dict, Float, Int, List, Str, StructureData

from aiida_insbench.calculations.datasets import merge_datasets, split_dataset
from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.dataset_split import split_frames
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.workflows.dataset_inputs import validate_dataset_inputs
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.protocols.dataset import DatasetProtocol
from aiida_insbench.workflows.relax import RelaxWorkChain
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain
from aiida_insbench.workflows.sampling_inputs import (
    GAS_METHODS,
    OF_METHODS,
    about_relaxed,
    sampling_inputs,
    takes,
)
from aiida_insbench.workflows.select_base import SelectBaseWorkChain
from aiida_insbench.workflows.sub_process import failure_of

_OPTIONAL = {'required': False, 'populate_defaults': False}


class DatasetWorkChain(DatasetProtocol, WorkChain):
    """Relax, sample by one or several methods, select, label, split."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input('structure', valid_type=StructureData, help='The crystal.')
        spec.input(
            'pressures',
            valid_type=List,
            validator=validate_pressures,
            help='Target pressures in GPa; positive is compression.',
        )
        spec.input_namespace(
            'methods',
            valid_type=Dict,
            dynamic=True,
            required=False,
            help='By the prefix of its frames: `method`, `settings`, `cells`, `relaxed`, '
            '`seed_offset`.',
        )
        spec.input_namespace(
            'pools',
            valid_type=DatasetData,
            dynamic=True,
            required=False,
            help='Frames drawn elsewhere, for example from a trajectory, by name.',
        )
        spec.input('seed', valid_type=Int, help='From which the seed of each method is derived.')
        spec.input(
            'potential',
            valid_type=PotentialData,
            required=False,
            help='For methods that follow modes, and for selection.',
        )
        spec.expose_inputs(
            RelaxWorkChain,
            namespace='relax',
            exclude=('structure', 'pressures'),
            namespace_options={
                **_OPTIONAL,
                'help': 'DFT relaxation at each pressure: X-ray hydrogens stand too close.',
            },
        )
        spec.input_namespace(
            'relaxed',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='Crystals relaxed already, by pressure label.',
        )
        spec.expose_inputs(
            SampleBaseWorkChain,
            namespace='sample',
            exclude=OF_METHODS,
            namespace_options={**_OPTIONAL, 'help': 'What `methods` share: the code of the job.'},
        )
        spec.expose_inputs(
            SelectBaseWorkChain,
            namespace='select',
            exclude=('select.pools', 'select.known', 'select.potentials'),
            namespace_options={**_OPTIONAL, 'help': 'Which frames to label; without it all.'},
        )
        spec.input(
            'known',
            valid_type=DatasetData,
            required=False,
            help='Frames labelled before, from which those selected are to differ.',
        )
        spec.expose_inputs(LabelWorkChain, namespace='label', exclude=('pool',))
        spec.input(
            'validation_frames',
            valid_type=(Int, Float),
            help='Frames held out of training to watch it: how many, or a share below 1.',
        )
        spec.input('split_seed', valid_type=Int, help='Seed of the split.')
        spec.input(
            'split',
            valid_type=Dict,
            required=False,
            help='`test`, `held_out_pressures`, `stratify` of the split.',
        )
        spec.inputs.validator = validate_dataset_inputs
        spec.outline(
            if_(cls.should_relax)(
                cls.run_relaxations,
                cls.inspect_relaxations,
            ),
            cls.run_sampling,
            cls.inspect_sampling,
            if_(cls.should_select)(
                cls.run_selection,
                cls.inspect_selection,
            ),
            cls.run_labels,
            cls.inspect_labels,
            if_(cls.has_labels)(
                cls.results,
            ),
        )
        cls._define_outputs(spec)
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )
        spec.exit_code(
            412, 'ERROR_SPLIT_IMPOSSIBLE', message='The {what} frames cannot be split: {reason}'
        )

    @classmethod
    def _define_outputs(cls, spec: Any) -> None:
        spec.output_namespace(
            'structure',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='Relaxed by DFT, by pressure label.',
        )
        spec.output('pool', valid_type=DatasetData, help='Frames to label.')
        spec.output(
            'selection', valid_type=Dict, required=False, help='What was chosen and what was not.'
        )
        spec.output('preflight', valid_type=Dict, required=False, help='Estimate of the labels.')
        for name, text in (
            ('dataset', 'All labelled frames.'),
            ('training', 'Frames to learn from.'),
            ('validation', 'Frames to watch a training by.'),
            ('test', 'Frames no training sees.'),
        ):
            spec.output(name, valid_type=DatasetData, required=False, help=text)

    # The crystal at each pressure

    def should_relax(self) -> bool:
        """Whether to relax the crystal: only if frames are drawn about what comes of it."""
        if 'relax' not in self.inputs or self.inputs.get('relaxed'):
            return False
        methods = [given.get_dict() for given in (self.inputs.get('methods') or {}).values()]
        wanted = any(about_relaxed(given) for given in methods)
        if not wanted:
            self.report('no method draws frames about relaxed crystals: nothing is relaxed')
        return wanted

    def run_relaxations(self) -> ToContext:
        """Relax cell and positions by DFT at each pressure."""
        inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace='relax'))
        inputs.structure, inputs.pressures = self.inputs.structure, self.inputs.pressures
        inputs.metadata.call_link_label = 'relaxation'
        return ToContext(relaxation=self.submit(RelaxWorkChain, **inputs))

    def inspect_relaxations(self) -> ExitCode | None:
        """Frames are drawn about the relaxed crystals."""
        failure = failure_of(self, 'Relaxation', self.ctx.relaxation)
        if failure is not None:
            return failure
        self.ctx.relaxed = dict(self.ctx.relaxation.outputs.structure)
        for label, node in self.ctx.relaxed.items():
            self.out(f'structure.{label}', node)
        return None

    # Frames

    def run_sampling(self) -> ToContext:
        """Draw the frames of each method."""
        running = {}
        for number, prefix in enumerate(self._prefixes()):
            inputs = AttributeDict(self.exposed_inputs(SampleBaseWorkChain, namespace='sample'))
            inputs.sample.update(self._sample_inputs(prefix, number))
            inputs.metadata.call_link_label = f'sample_{prefix}'
            running[f'sample_{prefix}'] = self.submit(SampleBaseWorkChain, **inputs)
        return ToContext(**running)

    def inspect_sampling(self) -> ExitCode | None:
        """Collect the pools; all are needed."""
        self.ctx.pools = dict(self.inputs.get('pools') or {})
        for prefix in self._prefixes():
            node = self.ctx[f'sample_{prefix}']
            failure = failure_of(self, f'Sampling of `{prefix}`', node)
            if failure is not None:
                return failure
            self.ctx.pools[prefix] = node.outputs.pool
        return None

    def should_select(self) -> bool:
        """Whether fewer frames are to be labelled than were drawn."""
        return 'select' in self.inputs and not all(map(self._is_gas, self.ctx.pools))

    def run_selection(self) -> ToContext:
        """Choose among the frames of crystals; molecules and atoms are few, and all needed."""
        inputs = AttributeDict(self.exposed_inputs(SelectBaseWorkChain, namespace='select'))
        inputs.select.pools = {
            prefix: pool for prefix, pool in self.ctx.pools.items() if not self._is_gas(prefix)
        }
        if 'known' in self.inputs:
            inputs.select.known = self.inputs.known
        if inputs.select.descriptors.value == 'mace' and 'potential' in self.inputs:
            inputs.select.potentials = {'potential': self.inputs.potential}
        inputs.metadata.call_link_label = 'selection'
        return ToContext(selection=self.submit(SelectBaseWorkChain, **inputs))

    def inspect_selection(self) -> ExitCode | None:
        """The chosen frames take the place of the pools they come from."""
        failure = failure_of(self, 'Selection', self.ctx.selection)
        if failure is not None:
            return failure
        outputs = self.ctx.selection.outputs
        self.out('selection', outputs.output_parameters)
        gas = {prefix: pool for prefix, pool in self.ctx.pools.items() if self._is_gas(prefix)}
        self.ctx.pools = {'selected': outputs.pool, **gas}
        return None

    # Labels

    def run_labels(self) -> ToContext | ExitCode:
        """Label the frames by pw.x, if they can be split afterwards."""
        pools = dict(self.ctx.pools)
        pool = merge_datasets(**pools) if len(pools) > 1 else next(iter(pools.values()))
        self.out('pool', pool)
        failure = self._check_split('drawn', pool)
        if failure is not None:
            return failure
        inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace='label'))
        inputs.pool = pool
        inputs.metadata.call_link_label = 'labelling'
        return ToContext(labelling=self.submit(LabelWorkChain, **inputs))

    def inspect_labels(self) -> ExitCode | None:
        """The labels are needed, unless only an estimate was asked for."""
        if 'preflight' in self.ctx.labelling.outputs:
            self.out('preflight', self.ctx.labelling.outputs.preflight)
        return failure_of(self, 'Labelling', self.ctx.labelling)

    def has_labels(self) -> bool:
        """Whether it was more than a dry run."""
        return 'dataset' in self.ctx.labelling.outputs

    def results(self) -> ExitCode | None:
        """Split and attach."""
        dataset = self.ctx.labelling.outputs.dataset
        self.out('dataset', dataset)
        failure = self._check_split('labelled', dataset)
        if failure is not None:
            return failure
        given = [self.inputs.split] if 'split' in self.inputs else []
        parts = split_dataset(
            dataset, self.inputs.validation_frames, self.inputs.split_seed, *given
        )
        for name, part in parts.items():
            self.out(name, part)
        return None

    # What the steps share

    def _prefixes(self) -> list[str]:
        return sorted(self.inputs.get('methods') or {})

    def _is_gas(self, prefix: str) -> bool:
        return prefix in self._prefixes() and self.inputs.methods[prefix]['method'] in GAS_METHODS

    def _sample_inputs(self, prefix: str, number: int) -> dict[str, Any]:
        given = self.inputs.methods[prefix]
        chosen: dict[str, Any] = dict(
            sampling_inputs(given, Str(prefix), self.inputs.seed, Int(number))
        )
        relaxed = dict(self.inputs.get('relaxed') or {}) or self.ctx.get('relaxed', {})
        name = given['method']
        if not (relaxed and about_relaxed(given.get_dict())):
            chosen['structure'] = self.inputs.structure
            if takes(name, 'pressures'):
                chosen['pressures'] = self.inputs.pressures
        elif takes(name, 'structures'):
            chosen['structures'] = relaxed
        else:  # molecules are cut out where they are pressed least
            chosen['structure'] = relaxed[min(relaxed, key=lambda p: abs(pressure_from_label(p)))]
        if takes(name, 'potential'):
            chosen['potential'] = self.inputs.potential
        return chosen

    def _check_split(self, what: str, dataset: DatasetData) -> ExitCode | None:
        given = self.inputs.split.get_dict() if 'split' in self.inputs else {}
        try:
            split_frames(
                dataset.get_frames(),
                seed=self.inputs.split_seed.value,
                validation=self.inputs.validation_frames.value,
                **given,
            )
        except InputError as exc:
            return self.exit_codes.ERROR_SPLIT_IMPOSSIBLE.format(what=what, reason=exc)
        return None
