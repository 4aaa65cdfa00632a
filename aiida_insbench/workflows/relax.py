"""`RelaxWorkChain`: variable-cell DFT relaxation along a list of pressures."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import Dict, Float, List, StructureData
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain

from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.workflows.frames import relax_parameters, unit_cell_kpoints
from aiida_insbench.workflows.label import PW_EXCLUDED, validate_mesh


class RelaxWorkChain(WorkChain):
    """Cell and positions by pw.x at each pressure, every pressure from the given structure."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input('structure', valid_type=StructureData, help='The crystal to start from.')
        spec.input(
            'pressures',
            valid_type=List,
            validator=validate_pressures,
            help='Pressures in GPa; positive is compression.',
        )
        spec.input(
            'kpoints_mesh',
            valid_type=List,
            validator=validate_mesh,
            help='k mesh of the unit cell.',
        )
        spec.input(
            'settings',
            valid_type=Dict,
            default=lambda: Dict({}),
            help='pw.x namelists laid over `pw_base.pw.parameters`, for example convergence.',
        )
        spec.expose_inputs(PwBaseWorkChain, namespace='pw_base', exclude=PW_EXCLUDED)
        spec.outline(
            cls.setup,
            cls.run_relaxations,
            cls.inspect_relaxations,
            cls.results,
        )
        spec.output_namespace(
            'structure', valid_type=StructureData, dynamic=True, help='Relaxed, by pressure label.'
        )
        spec.output_namespace(
            'parameters', valid_type=Dict, dynamic=True, help='pw.x results, by pressure label.'
        )
        spec.exit_code(
            411,
            'ERROR_RELAXATION_FAILED',
            message='{failed} of {total} relaxations failed; first: {first}',
        )

    def setup(self) -> None:
        """Label the pressures."""
        self.ctx.labels = pressure_labels(self.inputs.pressures.get_list())

    def run_relaxations(self) -> ToContext:
        """Submit one relaxation per pressure."""
        running = {}
        kpoints = unit_cell_kpoints(self.inputs.kpoints_mesh)
        for label, pressure in self.ctx.labels.items():
            inputs = AttributeDict(self.exposed_inputs(PwBaseWorkChain, namespace='pw_base'))
            inputs.pw.structure = self.inputs.structure
            inputs.pw.parameters = relax_parameters(
                inputs.pw.parameters, self.inputs.settings, Float(pressure)
            )
            inputs.kpoints = kpoints
            inputs.metadata.call_link_label = label
            running[label] = self.submit(PwBaseWorkChain, **inputs)
        return ToContext(**running)

    def inspect_relaxations(self) -> ExitCode | None:
        """Every pressure is needed."""
        nodes = [self.ctx[label] for label in self.ctx.labels]
        failed = [node for node in nodes if not node.is_finished_ok]
        if failed:
            first = failed[0]
            return self.exit_codes.ERROR_RELAXATION_FAILED.format(
                failed=len(failed),
                total=len(nodes),
                first=f'{first.process_label}<{first.pk}> [{first.exit_status}] '
                f'{first.exit_message}',
            )
        return None

    def results(self) -> None:
        """Attach relaxed structures."""
        for label in self.ctx.labels:
            self.out(f'structure.{label}', self.ctx[label].outputs.output_structure)
            self.out(f'parameters.{label}', self.ctx[label].outputs.output_parameters)
