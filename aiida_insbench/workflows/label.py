"""`LabelWorkChain`: every frame of a pool through pw.x, to a labelled dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict, LinkType
from aiida.engine import ExitCode, ToContext, WorkChain, if_
from aiida.orm import Bool, Dict, Float, Int, List, ProcessNode
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.label_plan import share_out
from aiida_insbench.science.preflight import check_contacts, format_preflight
from aiida_insbench.workflows.frames import (
    by_identity,
    collect_labels,
    estimate_labelling,
    lay_over,
    plans_of,
    unpack_pool,
)
from aiida_insbench.workflows.label_lane import COMMON, PW_EXCLUDED, LabelLaneWorkChain
from aiida_insbench.workflows.protocols.dft import missing_pseudos
from aiida_insbench.workflows.protocols.label import LabelProtocol
from aiida_insbench.workflows.sub_process import ended_well


def validate_mesh(value: List | None, _port: object = None) -> str | None:
    """Port validator: three positive integers."""
    if value is None:
        return None
    mesh = value.get_list()
    if len(mesh) != 3 or not all(isinstance(n, int) and n > 0 for n in mesh):
        return f'`kpoints_mesh` is {mesh}; it must be three positive integers, for example [4,4,4].'
    return None


def validate_lanes(value: Int | None, _port: object = None) -> str | None:
    """Port validator: at least one."""
    if value is not None and value.value < 1:
        return f'`max_concurrent` is {value.value}; at least one frame must be labelled at a time.'
    return None


def _validate_fraction(value: Float | None, _port: object = None) -> str | None:
    if value is not None and not 0 < value.value <= 1:
        return f'`minimum_success_fraction` is {value.value}; it must lie in (0, 1].'
    return None


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs or 'pool' not in inputs or 'pw_base' not in inputs:
        return None
    pw = inputs['pw_base']['pw']
    problem = missing_pseudos(inputs['pool'].elements, pw['pseudos'])
    if problem:
        return problem
    if 'ecutwfc' not in pw['parameters'].get_dict().get('SYSTEM', {}):
        return '`pw_base.pw.parameters` has no `SYSTEM.ecutwfc`: one cutoff must hold for all.'
    try:
        check_contacts(inputs['pool'].get_frames())
    except InputError as exc:
        return str(exc)
    return None


class LabelWorkChain(LabelProtocol, WorkChain):
    """Energies, forces and stresses by pw.x for each frame, in lanes that refill.

    Frames that fail stay on record with their reason; the WorkChain fails only below
    `minimum_success_fraction`. Labels that the pool has are not used: it may be a labelled dataset,
    to be labelled at another level of theory.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input('pool', valid_type=DatasetData, help='Frames to label.')
        spec.input(
            'kpoints_mesh',
            valid_type=List,
            validator=validate_mesh,
            help='Γ-centred k mesh of the unit cell; supercells get the k points it folds onto.',
        )
        spec.input(
            'max_concurrent',
            valid_type=Int,
            default=lambda: Int(8),
            validator=validate_lanes,
            help='Frames in work at once. More than run at once: AiiDA prepares some meanwhile.',
        )
        spec.input(
            'minimum_success_fraction',
            valid_type=Float,
            default=lambda: Float(0.9),
            validator=_validate_fraction,
            help='Share of frames that must be labelled.',
        )
        spec.input(
            'convergence',
            valid_type=Dict,
            required=False,
            help='Of `insbench.converge`: what the cutoffs leave of spurious pressure is recorded.',
        )
        spec.input(
            'dry_run',
            valid_type=Bool,
            default=lambda: Bool(False),
            help='Estimate what it takes, and end.',
        )
        spec.expose_inputs(PwBaseWorkChain, namespace='pw_base', exclude=PW_EXCLUDED)
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.run_preflight,
            if_(cls.should_run_labels)(
                cls.setup,
                cls.run_lanes,
                cls.inspect_lanes,
                cls.results,
            ),
        )
        spec.output('preflight', valid_type=Dict, help='Core-hours, memory, disk, and warnings.')
        spec.output('dataset', valid_type=DatasetData, required=False, help='Labelled frames.')
        spec.exit_code(
            411,
            'ERROR_TOO_FEW_LABELLED',
            message='{labelled} of {total} frames labelled, {needed} needed; first: {first}',
        )

    def run_preflight(self) -> None:
        """Say what labelling will take, before any of it is spent."""
        pw = self.inputs.pw_base.pw
        resources = pw.metadata.options.get('resources', {})
        ranks = resources.get('num_mpiprocs_per_machine', 1) * resources.get('num_machines', 1)
        settings = {'lanes': self.inputs.max_concurrent.value, 'ranks': int(ranks)}
        nodes: dict[str, Any] = {'pseudos': dict(pw.pseudos)}
        if 'convergence' in self.inputs:
            nodes['convergence'] = self.inputs.convergence
        found = estimate_labelling(
            self.inputs.pool, self.inputs.kpoints_mesh, pw.parameters, Dict(settings), **nodes
        )
        self.out('preflight', found)
        self.ctx.seconds = found['seconds_by_frame']
        for line in format_preflight(found.get_dict()):
            self.report(line)

    def should_run_labels(self) -> bool:
        """Whether more than an estimate is wanted."""
        return not self.inputs.dry_run.value

    def setup(self) -> None:
        """Turn the pool into structures, k points and parameters."""
        nodes = unpack_pool(self.inputs.pool, self.inputs.kpoints_mesh)
        self.ctx.structures, self.ctx.kpoints = nodes['structures'], nodes['kpoints']
        plans = plans_of(self.inputs.pool.get_frames(), self.inputs.kpoints_mesh.get_list())
        common = self.inputs.pw_base.pw.parameters
        self.ctx.parameters = {}
        for plan in plans.values():
            if plan.system and plan.parameters_key not in self.ctx.parameters:
                self.ctx.parameters[plan.parameters_key] = lay_over(common, Dict(plan.system))
        self.ctx.plan = {
            identity: {'kpoints': plan.kpoints_key, 'parameters': plan.parameters_key}
            for identity, plan in plans.items()
        }

    def run_lanes(self) -> ToContext:
        """Share the frames out and start the lanes."""
        shares = share_out(self.ctx.seconds, self.inputs.max_concurrent.value)
        running = {}
        for number, share in enumerate(shares):
            inputs = self._lane_inputs(share)
            inputs.metadata.call_link_label = f'lane_{number:03d}'
            running[f'lane_{number:03d}'] = self.submit(LabelLaneWorkChain, **inputs)
        self.ctx.lanes = list(running)
        self.report(f'{len(self.ctx.plan)} frames to pw.x in {len(running)} lanes')
        return ToContext(**running)

    def inspect_lanes(self) -> ExitCode | None:
        """Count what succeeded; keep the reasons of what did not."""
        nodes = runs_by_frame(self.ctx[name] for name in self.ctx.lanes)
        self.ctx.labelled = {
            identity: nodes[identity]
            for identity in self.ctx.plan
            if identity in nodes and ended_well(nodes[identity])
        }
        self.ctx.failures = {
            identity: reason_of(nodes.get(identity))
            for identity in self.ctx.plan
            if identity not in self.ctx.labelled
        }
        total, labelled = len(self.ctx.plan), len(self.ctx.labelled)
        needed = self.inputs.minimum_success_fraction.value * total
        self.report(summary(labelled, self.ctx.failures))
        if labelled == 0 or labelled < needed:
            return self.exit_codes.ERROR_TOO_FEW_LABELLED.format(
                labelled=labelled,
                total=total,
                needed=round(needed, 1),
                first=next(iter(self.ctx.failures.values())),
            )
        return None

    def results(self) -> None:
        """Assemble the dataset from the outputs of each run."""
        pw = self.inputs.pw_base.pw
        namespaces: dict[str, Any] = {
            'trajectories': by_identity(self.ctx.labelled, 'output_trajectory'),
            'results': by_identity(self.ctx.labelled, 'output_parameters'),
            'structures': {key: self.ctx.structures[key] for key in self.ctx.labelled},
            'pseudos': dict(pw.pseudos),
        }
        if self.ctx.failures:
            namespaces['failures'] = Dict(self.ctx.failures)
        if 'convergence' in self.inputs:
            namespaces['convergence'] = self.inputs.convergence
        made = collect_labels(
            self.inputs.pool, pw.parameters, self.inputs.kpoints_mesh, **namespaces
        )
        self.out('dataset', made)

    def _lane_inputs(self, share: list[str]) -> AttributeDict:
        plan = {identity: self.ctx.plan[identity] for identity in share}
        inputs = AttributeDict(
            {'pw_base': self.exposed_inputs(PwBaseWorkChain, namespace='pw_base'), 'metadata': {}}
        )
        inputs.frames, inputs.plan = List(share), Dict(plan)
        inputs.structures = {identity: self.ctx.structures[identity] for identity in share}
        for name in ('kpoints', 'parameters'):
            keys = {entry[name] for entry in plan.values()} - {COMMON}
            inputs[name] = {key: self.ctx[name][key] for key in sorted(keys)}
        return inputs


def runs_by_frame(lanes: Any) -> dict[str, ProcessNode]:
    """The last run of each frame that lanes have started, by ``frame_id``."""
    return {
        link.link_label: link.node
        for lane in lanes
        for link in lane.base.links.get_outgoing(link_type=LinkType.CALL_WORK).all()
    }


def reason_of(node: ProcessNode | None) -> str:
    """Why a frame has no label."""
    if node is None:
        return 'never started; the report of its lane says why'
    return f'{node.process_label}<{node.pk}> [{node.exit_status}] {node.exit_message}'


def summary(labelled: int, failures: Mapping[str, str]) -> str:
    """Such as ``38 of 40 frames labelled, 2 failed: r1_004 (…), r1_017 (…)``."""
    text = f'{labelled} of {labelled + len(failures)} frames labelled'
    if not failures:
        return text
    named = [f'{identity} ({reason})' for identity, reason in list(failures.items())[:3]]
    more = f' and {len(failures) - 3} more' if len(failures) > 3 else ''
    return f'{text}, {len(failures)} failed: {", ".join(named)}{more}'
