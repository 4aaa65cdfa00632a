"""`LabelLaneWorkChain`: one frame after another through pw.x; several lanes run side by side.

A WorkChain that waits for many children waits for all of them. A lane waits for one, and submits
the next as soon as that has ended: work goes on while there is any, and no more jobs wait for a
core than there are lanes (each that waits is polled, and costs).
"""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict, LinkType
from aiida.engine import ToContext, WorkChain, while_
from aiida.orm import Dict, KpointsData, List, ProcessNode, StructureData
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain

#: Key of the parameters that frames share unless they have their own.
COMMON = 'common'
#: Of `PwBaseWorkChain`, what each frame brings itself.
PW_EXCLUDED = ('pw.structure', 'kpoints', 'kpoints_distance', 'kpoints_force_parity')


class LabelLaneWorkChain(WorkChain):
    """Label some frames one by one. A frame that fails is left behind, with its reason."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input('frames', valid_type=List, help='`frame_id`s, in the order of labelling.')
        spec.input(
            'plan',
            valid_type=Dict,
            help='By `frame_id`: `kpoints` and `parameters`, the keys of what it takes.',
        )
        spec.input_namespace('structures', valid_type=StructureData, dynamic=True)
        spec.input_namespace('kpoints', valid_type=KpointsData, dynamic=True)
        spec.input_namespace(
            'parameters',
            valid_type=Dict,
            dynamic=True,
            required=False,
            help='Parameters of pw.x by key; without one those of `pw_base`.',
        )
        spec.expose_inputs(PwBaseWorkChain, namespace='pw_base', exclude=PW_EXCLUDED)
        spec.outline(
            cls.setup,
            while_(cls.should_run_frame)(
                cls.run_frame,
            ),
        )

    def setup(self) -> None:
        """Begin with the first frame."""
        self.ctx.number = 0

    def should_run_frame(self) -> bool:
        """Whether frames are left."""
        return bool(self.ctx.number < len(self.inputs.frames))

    def run_frame(self) -> ToContext | None:
        """Submit the next frame, or wait for it where it has been submitted before a kill."""
        identity = self.inputs.frames[self.ctx.number]
        self.ctx.number += 1
        try:
            return ToContext(frame=submitted_before(self.node, identity) or self._submit(identity))
        except ValueError as exc:  # by which AiiDA refuses inputs
            self.report(f'frame {identity} is refused: {exc}')
            return None

    def _submit(self, identity: str) -> ProcessNode:
        plan = self.inputs.plan[identity]
        inputs = AttributeDict(self.exposed_inputs(PwBaseWorkChain, namespace='pw_base'))
        structure = self.inputs.structures[identity]
        inputs.pw.structure = structure
        inputs.pw.pseudos = {kind.name: inputs.pw.pseudos[kind.symbol] for kind in structure.kinds}
        if plan['parameters'] != COMMON:
            inputs.pw.parameters = self.inputs.parameters[plan['parameters']]
        inputs.kpoints = self.inputs.kpoints[plan['kpoints']]
        inputs.metadata.call_link_label = identity
        return self.submit(PwBaseWorkChain, **inputs)


def submitted_before(caller: ProcessNode, label: str) -> ProcessNode | None:
    """Process that `caller` has called under this label and that goes on, or has ended.

    A worker killed between submitting and saving its own state does the step again; without this
    the same run would be done twice.
    """
    called = caller.base.links.get_outgoing(link_type=LinkType.CALL_WORK).all()
    for link in reversed(called):
        if link.link_label == label and (link.node.is_terminated or link.node.checkpoint):
            node: ProcessNode = link.node
            return node
    return None
