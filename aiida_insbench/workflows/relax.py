"""`RelaxWorkChain`: variable-cell DFT relaxation along a list of pressures."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, while_
from aiida.orm import Bool, Dict, Float, Int, List, StructureData, TrajectoryData
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain

from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.workflows.frames import (
    position_parameters,
    relax_parameters,
    unit_cell_kpoints,
)
from aiida_insbench.workflows.label import validate_mesh
from aiida_insbench.workflows.label_lane import PW_EXCLUDED
from aiida_insbench.workflows.sub_process import ended_well

#: PwBaseWorkChain: converged, but the last SCF, with plane waves for the new cell, is not.
BASIS_CHANGED = 501


def same_dft(first: Any, second: Any) -> bool:
    """Whether two sets of `RelaxWorkChain` inputs relax by the same DFT, to the same thresholds."""

    def content(inputs: Any) -> list[Any]:
        pw = inputs['pw_base']['pw']
        return [
            inputs['kpoints_mesh'].get_list(),
            inputs['settings'].get_dict(),
            inputs['volume_convergence'].value,
            inputs['fixed_cell'].value,
            pw['parameters'].get_dict(),
            {element: pseudo.uuid for element, pseudo in pw['pseudos'].items()},
        ]

    return content(first) == content(second)


def validate_fixed_cell(inputs: Any, _: Any) -> str | None:
    """In one cell there is one pressure."""
    if not {'fixed_cell', 'pressures'} <= set(inputs) or not inputs['fixed_cell'].value:
        return None
    if len(pressures := inputs['pressures'].get_list()) > 1:
        return f'`fixed_cell` keeps one cell, but there are {len(pressures)} pressures; give one.'
    return None


class RelaxWorkChain(WorkChain):
    """Cell and positions by pw.x at each pressure, every pressure from the given structure.

    With `fixed_cell`, positions alone: for a measured cell or a molecule in a box.

    pw.x keeps the plane waves of the cell it started from. Where the final SCF, with those of the
    new cell, breaks the thresholds (`BASIS_CHANGED`), it starts again from the new cell, until the
    volume stays.
    """

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
            'fixed_cell',
            valid_type=Bool,
            default=lambda: Bool(False),
            help='Relax positions alone, in the cell given; the one pressure names the result.',
        )
        spec.input(
            'settings',
            valid_type=Dict,
            default=lambda: Dict({}),
            help='pw.x namelists laid over `pw_base.pw.parameters`, for example convergence.',
        )
        spec.input(
            'volume_convergence',
            valid_type=Float,
            default=lambda: Float(0.002),
            help='Relative change of volume in one run below which no further run is started.',
        )
        spec.input(
            'max_runs', valid_type=Int, default=lambda: Int(5), help='Runs per pressure at most.'
        )
        spec.expose_inputs(PwBaseWorkChain, namespace='pw_base', exclude=PW_EXCLUDED)
        spec.inputs.validator = validate_fixed_cell
        spec.outline(
            cls.setup,
            while_(cls.should_run_relaxations)(
                cls.run_relaxations,
                cls.inspect_relaxations,
            ),
            cls.results,
        )
        spec.output_namespace(
            'structure', valid_type=StructureData, dynamic=True, help='Relaxed, by pressure label.'
        )
        spec.output_namespace(
            'parameters', valid_type=Dict, dynamic=True, help='pw.x results, by pressure label.'
        )
        spec.output_namespace(
            'trajectory',
            valid_type=TrajectoryData,
            dynamic=True,
            required=False,
            help='Energies, forces and stresses on the way, of the last run, by pressure label.',
        )
        spec.exit_code(
            411,
            'ERROR_RELAXATION_FAILED',
            message='The relaxation at {pressure} failed in run {runs}: {reason}',
        )

    def setup(self) -> None:
        """Label the pressures; all start from the given structure."""
        self.ctx.pressures = pressure_labels(self.inputs.pressures.get_list())
        self.ctx.kpoints = unit_cell_kpoints(self.inputs.kpoints_mesh)
        self.ctx.open = dict.fromkeys(self.ctx.pressures, self.inputs.structure)
        self.ctx.runs = 0

    def should_run_relaxations(self) -> bool:
        """Whether a pressure is still open."""
        return bool(self.ctx.open)

    def run_relaxations(self) -> ToContext:
        """Submit one relaxation per open pressure."""
        self.ctx.runs += 1
        running = {}
        for label, structure in self.ctx.open.items():
            inputs = AttributeDict(self.exposed_inputs(PwBaseWorkChain, namespace='pw_base'))
            inputs.pw.structure = structure
            inputs.pw.parameters = self._parameters(inputs.pw.parameters, label)
            inputs.kpoints = self.ctx.kpoints
            inputs.metadata.call_link_label = f'{label}_run_{self.ctx.runs}'
            running[label] = self.submit(PwBaseWorkChain, **inputs)
        return ToContext(**running)

    def inspect_relaxations(self) -> ExitCode | None:
        """Close the pressures whose cell stays; go on with the others from where they are."""
        still_open = {}
        for label, before in self.ctx.open.items():
            node = self.ctx[label]
            if not ended_well(node) and node.exit_status != BASIS_CHANGED:
                return self._failed(label, node)
            after = node.outputs.output_structure
            change = abs(after.get_cell_volume() / before.get_cell_volume() - 1)
            if not ended_well(node) and change > self.inputs.volume_convergence.value:
                still_open[label] = after
        self.ctx.open = still_open
        if still_open and self.ctx.runs >= self.inputs.max_runs.value:
            label = next(iter(still_open))
            return self._failed(label, self.ctx[label])
        return None

    def results(self) -> None:
        """Attach relaxed structures."""
        for label in self.ctx.pressures:
            outputs = self.ctx[label].outputs
            self.out(f'structure.{label}', outputs.output_structure)
            self.out(f'parameters.{label}', outputs.output_parameters)
            if 'output_trajectory' in outputs:
                self.out(f'trajectory.{label}', outputs.output_trajectory)

    def _parameters(self, given: Dict, label: str) -> Dict:
        if self.inputs.fixed_cell:
            return position_parameters(given, self.inputs.settings)
        return relax_parameters(given, self.inputs.settings, Float(self.ctx.pressures[label]))

    def _failed(self, label: str, node: Any) -> ExitCode:
        return self.exit_codes.ERROR_RELAXATION_FAILED.format(
            pressure=f'{self.ctx.pressures[label]} GPa',
            runs=self.ctx.runs,
            reason=f'{node.process_label}<{node.pk}> [{node.exit_status}] {node.exit_message}',
        )
