"""`ReferenceWorkChain`: phonons under pressure by DFT itself, beside those of potentials.

DFT relaxation at each pressure, forces of displaced cells, force constants and modes. With a
supercell modes are known at every q point. Without one the unit cell is displaced, symmetry-reduced
and labelled like any other frames, and modes are known at Γ only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, if_
from aiida.orm import Dict, List, Str, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.workflows.displaced_cells import forces_of_frames, frozen_phonon_frames_at
from aiida_insbench.workflows.displacements import DisplacementsWorkChain, validate_supercell
from aiida_insbench.workflows.fit_base import FitBaseWorkChain
from aiida_insbench.workflows.job_base import flatten
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.protocols.reference import ReferenceProtocol
from aiida_insbench.workflows.relax import RelaxWorkChain
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain
from aiida_insbench.workflows.sub_process import failure_of

_OPTIONAL = {'required': False, 'populate_defaults': False}


def has_supercells(inputs: Mapping[str, Any]) -> bool:
    """Whether a supercell larger than the unit cell is asked for."""
    if 'supercell_matrix' not in inputs:
        return False
    return not np.array_equal(inputs['supercell_matrix'].get_list(), np.eye(3))


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs:
        return None
    larger = has_supercells(inputs)
    needed = ('displacements',) if larger else ('sample', 'label')
    lacking = [f'`{name}`' for name in needed if not inputs.get(name)]
    if lacking:
        what = 'A supercell' if larger else 'The unit cell (no `supercell_matrix`)'
        return f'{what} needs the inputs {" and ".join(lacking)}.'
    return None


class ReferenceWorkChain(ReferenceProtocol, WorkChain):
    """Relax by DFT, displace, compute forces, fit force constants."""

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
        spec.input(
            'supercell_matrix',
            valid_type=List,
            required=False,
            validator=validate_supercell,
            help='3×3 integers, rows are the axes. Without it: the unit cell, and Γ only.',
        )
        spec.expose_inputs(
            DisplacementsWorkChain,
            namespace='displacements',
            exclude=('structure', 'supercell_matrix'),
            namespace_options={**_OPTIONAL, 'help': 'Forces of supercells.'},
        )
        spec.expose_inputs(
            SampleBaseWorkChain,
            namespace='sample',
            exclude=('sample.structures', 'sample.method', 'sample.prefix'),
            namespace_options={**_OPTIONAL, 'help': 'Displacements of the unit cell.'},
        )
        spec.expose_inputs(
            LabelWorkChain,
            namespace='label',
            exclude=('pool',),
            namespace_options={**_OPTIONAL, 'help': 'Forces of the unit cell.'},
        )
        spec.expose_inputs(
            FitBaseWorkChain, namespace='fit', exclude=('fit.phonopy_data', 'fit.relaxations')
        )
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.run_relaxations,
            cls.inspect_relaxations,
            if_(cls.should_run_supercells)(
                cls.run_supercells,
                cls.inspect_supercells,
            ).else_(
                cls.run_displacements,
                cls.inspect_displacements,
                cls.run_labels,
                cls.inspect_labels,
            ),
            cls.run_fit,
            cls.inspect_fit,
        )
        spec.output_namespace(
            'structure', valid_type=StructureData, dynamic=True, help='DFT-relaxed, by pressure.'
        )
        spec.output_namespace(
            'force_constants',
            valid_type=ForceConstantsData,
            dynamic=True,
            help='Force constants by pressure label.',
        )
        spec.output_namespace(
            'modes',
            valid_type=Dict,
            dynamic=True,
            help='Γ and mesh frequencies (cm⁻¹, below zero imaginary), verdict, by pressure label.',
        )
        spec.output(
            'dataset',
            valid_type=DatasetData,
            required=False,
            help='Labelled frozen-phonon frames of the unit cell.',
        )
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )
        spec.exit_code(421, 'ERROR_PRESSURES_MISSING', message='No modes at {pressures}. {reasons}')

    def run_relaxations(self) -> ToContext | None:
        """Relax cell and positions at each pressure at which it is not done yet."""
        inputs = AttributeDict(self.exposed_inputs(RelaxWorkChain, namespace='relax'))
        wanted = pressure_labels(inputs.pressures.get_list())
        given = self.inputs.get('relaxed', {})
        self.ctx.structures = {label: given[label] for label in wanted if label in given}
        self.ctx.relaxations, self.ctx.phonopy_data, self.ctx.reasons = {}, {}, {}
        lacking = [pressure for label, pressure in wanted.items() if label not in given]
        if not lacking:
            return None
        inputs.pressures = List(lacking)
        return ToContext(relaxation=self.submit(RelaxWorkChain, **inputs))

    def inspect_relaxations(self) -> ExitCode | None:
        """Attach the structures."""
        if 'relaxation' in self.ctx:
            failure = failure_of(self, 'DFT relaxation', self.ctx.relaxation)
            if failure is not None:
                return failure
            outputs = self.ctx.relaxation.outputs
            self.ctx.structures.update(outputs.structure)
            if 'trajectory' in outputs:
                self.ctx.relaxations = dict(outputs.trajectory)
        for label, structure in sorted(self.ctx.structures.items()):
            self.out(f'structure.{label}', structure)
        return None

    # Supercells: modes at every q point

    def should_run_supercells(self) -> bool:
        """Whether a supercell larger than the unit cell is asked for."""
        return has_supercells(self.inputs)

    def run_supercells(self) -> ToContext:
        """Forces of displaced supercells at each pressure."""
        running = {}
        for label, structure in sorted(self.ctx.structures.items()):
            inputs = AttributeDict(
                self.exposed_inputs(DisplacementsWorkChain, namespace='displacements')
            )
            inputs.structure = structure
            inputs.supercell_matrix = self.inputs.supercell_matrix
            inputs.metadata.call_link_label = label
            running[label] = self.submit(DisplacementsWorkChain, **inputs)
        return ToContext(**running)

    def inspect_supercells(self) -> None:
        """Collect the forces; a pressure without them is left out and named in the end."""
        for label in sorted(self.ctx.structures):
            node = self.ctx[label]
            if node.is_finished_ok:
                self.ctx.phonopy_data[label] = node.outputs.phonopy_data
            else:
                self.ctx.reasons[label] = (
                    f'{node.process_label}<{node.pk}> [{node.exit_status}] {node.exit_message}'
                )

    # The unit cell: modes at Γ

    def run_displacements(self) -> ToContext:
        """Displace the unit cell at each pressure."""
        inputs = AttributeDict(self.exposed_inputs(SampleBaseWorkChain, namespace='sample'))
        inputs.sample.method = Str('frozen-phonon')
        inputs.sample.prefix = Str('fp')
        inputs.sample.structures = self.ctx.structures
        return ToContext(sampling=self.submit(SampleBaseWorkChain, **inputs))

    def inspect_displacements(self) -> ExitCode | None:
        """The pool is needed."""
        return failure_of(self, 'Displacing the unit cell', self.ctx.sampling)

    def run_labels(self) -> ToContext:
        """Forces of each displaced cell by pw.x."""
        inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace='label'))
        inputs.pool = self.ctx.sampling.outputs.pool
        return ToContext(labelling=self.submit(LabelWorkChain, **inputs))

    def inspect_labels(self) -> ExitCode | None:
        """Attach the labelled frames and collect their forces."""
        failure = failure_of(self, 'Labelling', self.ctx.labelling)
        if failure is not None:
            return failure
        dataset = self.ctx.labelling.outputs.dataset
        self.out('dataset', dataset)
        for label, structure in sorted(self.ctx.structures.items()):
            if frozen_phonon_frames_at(dataset, label):
                self.ctx.phonopy_data[label] = forces_of_frames(
                    dataset, structure, Str(label), self.inputs.sample.sample.settings
                )
            else:
                self.ctx.reasons[label] = 'No displaced cell was labelled.'
        return None

    # Both

    def run_fit(self) -> ToContext | ExitCode:
        """Force constants and modes at all pressures that have forces, in one job."""
        if not self.ctx.phonopy_data:
            return self._missing()
        inputs = AttributeDict(self.exposed_inputs(FitBaseWorkChain, namespace='fit'))
        inputs.fit.phonopy_data = self.ctx.phonopy_data
        inputs.fit.relaxations = {
            label: node
            for label, node in self.ctx.relaxations.items()
            if label in self.ctx.phonopy_data
        }
        return ToContext(fit=self.submit(FitBaseWorkChain, **inputs))

    def inspect_fit(self) -> ExitCode | None:
        """Attach what there is, then say what is missing."""
        node = self.ctx.fit
        found = {
            name: dict(node.outputs[name])
            for name in ('force_constants', 'modes')
            if name in node.outputs
        }
        for label, output in flatten(found):
            self.out(label, output)
        done = found.get('modes', {})
        if not node.is_finished_ok and not done:
            return failure_of(self, 'Fitting force constants', node)
        for label in self.ctx.phonopy_data:
            if label not in done:
                self.ctx.reasons[label] = str(node.exit_message)
        return self._missing() if self.ctx.reasons else None

    def _missing(self) -> ExitCode:
        reasons = dict(sorted(self.ctx.reasons.items()))
        return self.exit_codes.ERROR_PRESSURES_MISSING.format(
            pressures=', '.join(reasons),
            reasons=' '.join(f'{label}: {text}' for label, text in reasons.items()),
        )
