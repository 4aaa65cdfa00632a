"""Inputs of a campaign's stages, from one set of protocol inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from aiida.orm import AbstractCode, Dict, Int, List, StructureData

from aiida_insbench.workflows.protocols.dft import (
    label_inputs,
    relax_inputs,
    supercell_inputs,
    unit_cell_mesh,
)
from aiida_insbench.workflows.protocols.options import (
    committee_selection,
    job_inputs,
    pw_options,
    train_inputs,
)
from aiida_insbench.workflows.protocols.reference import gamma_settings
from aiida_insbench.workflows.protocols.rounds import rattle_of, shared_cells
from aiida_insbench.workflows.protocols.validate import judging_inputs


class CampaignParts:
    """Inputs of the sub processes, from one set of protocol inputs."""

    def __init__(
        self,
        *,
        inputs: dict[str, Any],
        structure: StructureData,
        pw: dict[str, Any],
        job_code: AbstractCode,
        seed: int,
    ) -> None:
        self.inputs = inputs
        self.structure = structure
        self.pw = pw
        self.job_code = job_code
        self.job = job_inputs(job_code)
        self.seed = seed
        self.mesh = unit_cell_mesh(inputs, structure.get_ase().cell.array)

    def relax(self, pressures: Sequence[float], *, ranks: int = 1) -> dict[str, Any]:
        """Inputs of `insbench.relax`."""
        pw = {**self.pw, 'pw': {**self.pw['pw']}}
        if ranks > 1:
            pw['pw']['metadata'] = {'options': pw_options(ranks)}
            pw['pw']['parallelization'] = Dict({'npool': ranks})
        return relax_inputs(self.inputs, pressures, mesh=self.mesh, pw=pw)

    def label(self) -> dict[str, Any]:
        """Inputs of `insbench.label`."""
        return label_inputs(self.inputs, mesh=self.mesh, pw=self.pw)

    @property
    def members(self) -> list[int]:
        """Seeds of the committee."""
        return list(range(self.seed, self.seed + int(self.inputs['committee'])))

    def round(self, name: str, pressures: Sequence[float]) -> dict[str, Any]:
        """Inputs of a round of data; its number is added to names and seeds."""
        chosen = self.inputs[name]
        settings = dict(chosen['settings'])
        if 'rattle' in settings:
            settings['rattle'] = rattle_of(settings['rattle'], self.structure)
        margin = chosen.get('pressure_margin')
        if margin:
            pressures = _with_margin(pressures, float(margin))
        frames, several = int(chosen['frames']), len(self.members) > 1
        drawn = math.ceil(frames * float(chosen.get('pool_per_frame', 1))) if several else frames
        method = {
            'method': chosen['method'],
            'cells': shared_cells(chosen['cells'], drawn),
            'settings': settings,
        }
        inputs = {
            'pressures': List(list(pressures)),
            'methods': {chosen['prefix']: Dict(method)},
            'seed': Int(1000 * self.seed),
            'sample': {'sample': self.job},
            'label': self.label(),
            'validation_frames': Int(chosen['validation_frames']),
            'split_seed': Int(1000 * self.seed + 100),
        }
        if drawn > frames:
            inputs['select'] = {'select': committee_selection(self.job, frames, self.seed)}
        return inputs

    def dynamics(self) -> tuple[dict[str, Any], Int]:
        """Molecular dynamics between rounds, and how many frames are taken of each run."""
        settings = {**self.inputs['later_rounds']['dynamics'], 'seed': self.seed}
        frames = Int(settings.pop('frames'))
        return {'md': {**self.job, **supercell_inputs(settings, self.structure)}}, frames

    def training(self, name: str, threads: int, *, start: Any = None) -> dict[str, Any]:
        """Inputs of `insbench.finetune`, from scratch or from a potential."""
        settings = {**self.inputs['training'], **self.inputs[name]}
        if name == 'fine_tuning' or start is not None:
            settings.pop('model')  # that of the start potential is kept
            settings['e0s'] = self.inputs['fine_tuning']['e0s']
        train = train_inputs(self.job_code, settings, threads)
        return {'training': {'train': train}, 'seeds': List(self.members)}

    def validation(self) -> dict[str, Any]:
        """Molecular dynamics and checks of the last round's leader."""
        return judging_inputs(self.job_code, self.inputs, self.structure, seed=self.seed)

    def reference(self, pressures: Sequence[float]) -> dict[str, Any]:
        """The reference gives way to what the campaign waits for."""
        pw = {**self.pw, 'pw': {**self.pw['pw']}}
        pw['pw']['metadata'] = {'options': pw_options(1, background=True)}
        return {
            'relax': {**self.relax(pressures), 'pw_base': pw},
            'sample': {
                'sample': {**self.job, 'settings': gamma_settings(self.inputs['reference'])}
            },
            'label': label_inputs(self.inputs, mesh=self.mesh, pw=pw),
            'fit': {'fit': self.job},
        }

    def phonons(self) -> dict[str, Any]:
        """Inputs of `insbench.phonons`."""
        return {'phonons': {**self.job, **supercell_inputs(self.inputs['phonons'], self.structure)}}


def _with_margin(pressures: Sequence[float], margin: float) -> list[float]:
    top = round(max(pressures) * margin, 3)
    return [*pressures, top] if top > max(pressures) + 1e-3 else list(pressures)
