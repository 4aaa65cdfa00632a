"""`DatasetWorkChain`: one round of data, from a crystal to labelled and divided frames."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, if_
from aiida.orm import Int, Str

from aiida_insbench.calculations.datasets import merge_datasets, split_dataset
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.dataset_split import split_frames
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.workflows.dataset_inputs import potentials_of_selection
from aiida_insbench.workflows.dataset_ports import define_inputs, define_outputs
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.protocols.dataset import DatasetProtocol
from aiida_insbench.workflows.relax import RelaxWorkChain
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain
from aiida_insbench.workflows.sampling_inputs import (
    GAS_METHODS,
    about_relaxed,
    sampling_inputs,
    takes,
)
from aiida_insbench.workflows.select_base import SelectBaseWorkChain
from aiida_insbench.workflows.sub_process import failure_of


class DatasetWorkChain(DatasetProtocol, WorkChain):
    """Relax, sample by one or several methods, select, label, split."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        define_inputs(spec)
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
        define_outputs(spec)
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )
        spec.exit_code(
            412, 'ERROR_SPLIT_IMPOSSIBLE', message='The {what} frames cannot be split: {reason}'
        )

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
        inputs.select.potentials = potentials_of_selection(self.inputs, inputs.select)
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
        if takes(name, 'potentials'):
            chosen['potentials'] = dict(self.inputs.committee)
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
