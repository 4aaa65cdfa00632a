"""`ReferenceWorkChain`: Γ modes by DFT itself, from frozen phonons of the unit cell.

The Γ-only form of the DFT reference: relaxation at each pressure, symmetry-reduced displacements
of the unit cell, labelled like any other frames. Force constants of supercells are not made.
"""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import List, Str, StructureData

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.relax import RelaxWorkChain
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain


class ReferenceWorkChain(WorkChain):
    """Relax by DFT, displace the unit cell, label."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(RelaxWorkChain, namespace='relax')
        spec.input_namespace(
            'relaxed',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='Crystals relaxed already, by pressure label; these are not relaxed again.',
        )
        spec.expose_inputs(
            SampleBaseWorkChain,
            namespace='sample',
            exclude=('sample.structures', 'sample.method', 'sample.prefix'),
        )
        spec.expose_inputs(LabelWorkChain, namespace='label', exclude=('pool',))
        spec.outline(
            cls.run_relaxations,
            cls.inspect_relaxations,
            cls.run_displacements,
            cls.inspect_displacements,
            cls.run_labels,
            cls.inspect_labels,
        )
        spec.output_namespace(
            'structure', valid_type=StructureData, dynamic=True, help='DFT-relaxed, by pressure.'
        )
        spec.output('dataset', valid_type=DatasetData, help='Labelled frozen-phonon frames.')
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )

    def run_relaxations(self) -> ToContext | None:
        """Relax cell and positions at each pressure at which it is not done yet."""
        inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace='relax'))
        wanted = pressure_labels(inputs.pressures.get_list())
        given = self.inputs.get('relaxed', {})
        self.ctx.structures = {label: given[label] for label in wanted if label in given}
        lacking = [pressure for label, pressure in wanted.items() if label not in given]
        if not lacking:
            return None
        inputs.pressures = List(lacking)
        return ToContext(relaxation=self.submit(RelaxWorkChain, **inputs))

    def inspect_relaxations(self) -> ExitCode | None:
        """Attach the structures."""
        if 'relaxation' in self.ctx:
            if not self.ctx.relaxation.is_finished_ok:
                return self._failed('DFT relaxation', self.ctx.relaxation)
            self.ctx.structures.update(self.ctx.relaxation.outputs.structure)
        for label, structure in sorted(self.ctx.structures.items()):
            self.out(f'structure.{label}', structure)
        return None

    def run_displacements(self) -> ToContext:
        """Displace the unit cell at each pressure."""
        inputs = AttributeDict(self.exposed_inputs(SampleBaseWorkChain, namespace='sample'))
        inputs.sample.method = Str('frozen-phonon')
        inputs.sample.prefix = Str('fp')
        inputs.sample.structures = self.ctx.structures
        return ToContext(sampling=self.submit(SampleBaseWorkChain, **inputs))

    def inspect_displacements(self) -> ExitCode | None:
        """The pool is needed."""
        if not self.ctx.sampling.is_finished_ok:
            return self._failed('Displacing the unit cell', self.ctx.sampling)
        return None

    def run_labels(self) -> ToContext:
        """Forces of each displaced cell by pw.x."""
        inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace='label'))
        inputs.pool = self.ctx.sampling.outputs.pool
        return ToContext(labelling=self.submit(LabelWorkChain, **inputs))

    def inspect_labels(self) -> ExitCode | None:
        """Attach the labelled frames."""
        if not self.ctx.labelling.is_finished_ok:
            return self._failed('Labelling', self.ctx.labelling)
        self.out('dataset', self.ctx.labelling.outputs.dataset)
        return None

    def _failed(self, stage: str, node: Any) -> ExitCode:
        return self.exit_codes.ERROR_SUB_PROCESS_FAILED.format(
            stage=f'{stage} <{node.pk}>', status=node.exit_status, message=node.exit_message
        )
