"""Steps by which a round of a campaign gets its frames: dynamics, drawing, labels."""

from __future__ import annotations

import re
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext
from aiida.orm import Int, Str

from aiida_insbench.calculations.datasets import merge_datasets
from aiida_insbench.calculations.trajectories import frames_of_trajectories
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.campaign.names import leader_of
from aiida_insbench.workflows.committee import outputs_by_member
from aiida_insbench.workflows.dataset import DatasetWorkChain
from aiida_insbench.workflows.md_base import MDBaseWorkChain

PARTS = ('dataset', 'validation')
_OF_ROUND = {'dataset': 'training', 'validation': 'validation'}


class DataSteps:
    """Mixin of `CampaignWorkChain`; its context is that of `RoundSteps`."""

    inputs: Any
    ctx: Any
    report: Any
    exposed_inputs: Any
    _leader: Any
    _submit: Any
    _break_off: Any

    def should_run_dynamics(self) -> bool:
        """Whether frames of molecular dynamics are wanted, and there is a crystal to start from."""
        return 'dynamics' in self.inputs and bool(self.ctx.judged) and bool(self._crystals())

    def run_dynamics(self) -> ToContext:
        """Run the leader at every pressure."""
        inputs = AttributeDict(self.exposed_inputs(MDBaseWorkChain, namespace='dynamics'))
        inputs.md.potential = self._leader()
        inputs.md.structures = self._crystals()
        return self._submit(f'round_{self.ctx.number}_dynamics', MDBaseWorkChain, inputs)

    def inspect_dynamics(self) -> None:
        """Take frames of what was run; a potential that breaks shows where it is wrong."""
        node = self.ctx[f'round_{self.ctx.number}_dynamics']
        runs = dict(node.outputs.trajectories) if 'trajectories' in node.outputs else {}
        self.ctx.pools = {}
        if not runs:
            self.report(f'no frames of molecular dynamics: {node.exit_message}')
            return
        self.ctx.pools['md'] = frames_of_trajectories(
            self.inputs.dynamics_frames,
            self.inputs.dynamics.md.supercell_matrix,
            Str(f'md{self._step()}'),
            **runs,
        )

    def _crystals(self) -> dict[str, Any]:
        """Relaxed by the leader of the round before, by pressure label."""
        node = self.ctx[self.ctx.judged[-1]]
        return outputs_by_member(node, 'structure').get(leader_of(node.inputs.potentials), {})

    def should_label(self) -> bool:
        """Whether frames are drawn: always, save in the first round of a continued campaign."""
        return self.ctx.number > 1 or 'dataset' not in self.ctx

    def run_data(self) -> ToContext:
        """Draw, select and label the frames of this round."""
        first = 'dataset' not in self.ctx
        namespace = 'first_round' if first else 'later_rounds'
        inputs = AttributeDict(self.exposed_inputs(DatasetWorkChain, namespace=namespace))
        inputs.structure = self.ctx.structure
        self._name_frames(inputs)
        if not first:
            inputs.known = self.ctx.dataset
            inputs.potential = self._leader()
            if len(self.ctx.committee) > 1:
                inputs.committee = dict(self.ctx.committee)
            if self.ctx.get('pools'):
                inputs.pools = dict(self.ctx.pools)
        return self._submit(f'round_{self.ctx.number}_data', DatasetWorkChain, inputs)

    def inspect_data(self) -> ExitCode | None:
        """Join the frames to those before."""
        node = self.ctx[f'round_{self.ctx.number}_data']
        if not node.is_finished_ok:
            return self._break_off(f'Data of round {self.ctx.number}', node)
        outputs = node.outputs
        self.ctx.new_frames = outputs.dataset
        for name in PARTS:
            part = outputs[_OF_ROUND[name]]
            if name in self.ctx:
                part = merge_datasets(before=self.ctx[name], new=part)
            self.ctx[name] = part
        return None

    def _name_frames(self, inputs: Any) -> None:
        """Prefixes and seeds of this round: no two rounds share a name or a random number."""
        step = self._step()
        inputs.methods = {
            f'{re.sub(r"[0-9]+$", "", prefix)}{step}': node
            for prefix, node in inputs.get('methods', {}).items()
        }
        for name in ('seed', 'split_seed'):
            inputs[name] = Int(inputs[name].value + step)

    def _step(self) -> int:
        """Number of this round among all that named frames, those of earlier campaigns included."""
        return int(self.ctx.first_prefix) + int(self.ctx.number) - 1


def next_number(*datasets: DatasetData | None) -> int:
    """Number of the first round whose frames have names that none of some datasets uses."""
    found = [
        int(match.group(1))
        for one in datasets
        if one is not None
        for frame in one.get_frames()
        if (match := re.match(r'[A-Za-z-]*?(\d+)_', str(frame.info['frame_id'])))
    ]
    return 1 + max(found, default=0)
