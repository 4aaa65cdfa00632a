"""`LabelWorkChain`: every frame of a pool through pw.x, to a labelled dataset."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import Dict, Float, List
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.workflows.frames import (
    by_identity,
    collect_labels,
    mesh_key,
    mesh_of_frame,
    unpack_pool,
)

PW_EXCLUDED = ('pw.structure', 'kpoints', 'kpoints_distance', 'kpoints_force_parity')


def validate_mesh(value: List | None, _port: object = None) -> str | None:
    """Port validator: three positive integers."""
    if value is None:
        return None
    mesh = value.get_list()
    if len(mesh) != 3 or not all(isinstance(n, int) and n > 0 for n in mesh):
        return f'`kpoints_mesh` is {mesh}; it must be three positive integers, for example [4,4,4].'
    return None


def _validate_fraction(value: Float | None, _port: object = None) -> str | None:
    if value is not None and not 0 < value.value <= 1:
        return f'`minimum_success_fraction` is {value.value}; it must lie in (0, 1].'
    return None


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs or 'pool' not in inputs or 'pw_base' not in inputs:
        return None
    lacking = sorted(set(inputs['pool'].elements) - set(inputs['pw_base']['pw']['pseudos']))
    if lacking:
        return f'No pseudopotential for {", ".join(lacking)}; add it to `pw_base.pw.pseudos`.'
    return None


class LabelWorkChain(WorkChain):
    """Energies, forces and stresses by pw.x for each frame; how many run at once the computer says.

    Frames that fail stay on record with their reason; the WorkChain fails only below
    `minimum_success_fraction`.
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
            help='Γ-centred k mesh of the unit cell; supercells get a commensurate one.',
        )
        spec.input(
            'minimum_success_fraction',
            valid_type=Float,
            default=lambda: Float(0.9),
            validator=_validate_fraction,
            help='Share of frames that must be labelled.',
        )
        spec.expose_inputs(PwBaseWorkChain, namespace='pw_base', exclude=PW_EXCLUDED)
        spec.inputs.validator = _validate_inputs
        spec.outline(
            cls.setup,
            cls.run_labels,
            cls.inspect_labels,
            cls.results,
        )
        spec.output('dataset', valid_type=DatasetData, help='Labelled frames.')
        spec.exit_code(
            411,
            'ERROR_TOO_FEW_LABELLED',
            message='{labelled} of {total} frames labelled, {needed} needed; first: {first}',
        )

    def setup(self) -> None:
        """Turn the pool into structures and k-points."""
        nodes = unpack_pool(self.inputs.pool, self.inputs.kpoints_mesh)
        self.ctx.structures = nodes['structures']
        self.ctx.kpoints = nodes['kpoints']
        unit_mesh = self.inputs.kpoints_mesh.get_list()
        self.ctx.meshes = {
            frame.info['frame_id']: mesh_key(mesh_of_frame(frame, unit_mesh))
            for frame in self.inputs.pool.get_frames()
        }
        self.ctx.identities = list(self.ctx.meshes)

    def run_labels(self) -> ToContext:
        """Submit all frames; the computer's slots decide how many run at once."""
        running = {}
        for identity in self.ctx.identities:
            inputs = AttributeDict(self.exposed_inputs(PwBaseWorkChain, namespace='pw_base'))
            inputs.pw.structure = self.ctx.structures[identity]
            inputs.kpoints = self.ctx.kpoints[self.ctx.meshes[identity]]
            inputs.metadata.call_link_label = identity
            running[identity] = self.submit(PwBaseWorkChain, **inputs)
        self.report(f'{len(running)} frames submitted to pw.x')
        return ToContext(**running)

    def inspect_labels(self) -> ExitCode | None:
        """Count what succeeded; keep the reasons of what did not."""
        nodes = {identity: self.ctx[identity] for identity in self.ctx.identities}
        self.ctx.labelled = {key: node for key, node in nodes.items() if node.is_finished_ok}
        self.ctx.failures = {
            key: f'{node.process_label}<{node.pk}> [{node.exit_status}] {node.exit_message}'
            for key, node in nodes.items()
            if not node.is_finished_ok
        }
        total, labelled = len(nodes), len(self.ctx.labelled)
        needed = self.inputs.minimum_success_fraction.value * total
        self.report(f'{labelled} of {total} frames labelled, {total - labelled} failed')
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
        self.out('dataset', collect_labels(self.inputs.pool, pw.parameters, **namespaces))
