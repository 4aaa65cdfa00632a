"""Builder of a campaign from a protocol, for `CampaignWorkChain`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, Int, List, Str, StructureData

from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.workflows.protocols.benchmark import RULES, frozen_rules
from aiida_insbench.workflows.protocols.dft import (
    check_pseudos,
    label_inputs,
    pw_inputs,
    relax_inputs,
    supercell_inputs,
    unit_cell_mesh,
)
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import job_metadata, pw_options, train_inputs
from aiida_insbench.workflows.protocols.reference import gamma_settings
from aiida_insbench.workflows.protocols.rounds import rattle_of, shared_cells


class CampaignProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of a campaign."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        pw_code: AbstractCode,
        job_code: AbstractCode,
        structure: StructureData,
        pressures: Sequence[float],
        *,
        pseudos: Mapping[str, Any],
        cutoffs: tuple[float, float],
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        measured: Mapping[str, SpectrumData] | None = None,
        start: PotentialData | None = None,
        known: Mapping[str, Any] | None = None,
        reference_pressures: Sequence[float] | None = None,
        rules: str = RULES,
        blind: Sequence[str] = (),
        seed: int = 1,
        training_threads: int = 1,
        relaxation_ranks: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        pw_code, job_code : AbstractCode
            pw.x, and ``insbench-job``.
        structure : StructureData
            The crystal.
        pressures : sequence of float
            In GPa; positive is compression.
        pseudos : mapping
            Element to pseudopotential node.
        cutoffs : tuple of two floats
            Plane-wave cutoffs of wave functions and charge density, Ry.
        protocol : {'fast', 'balanced', 'stringent'}
            How much effort.
        overrides : dict, optional
            Laid over the protocol; same keys as the YAML file.
        measured : mapping from str to SpectrumData, optional
            Measured spectra that potentials are scored against.
        start : PotentialData, optional
            From which the first training of every member starts.
        known : mapping, optional
            Of an earlier campaign: ``dataset``, ``validation``, ``committee``, ``structure``; see
            `continued_inputs`.
        reference_pressures : sequence of float, optional
            Pressures (GPa) of the DFT reference; by default the first and the last. Empty: none.
        rules : str
            Name of frozen rules of scores.
        blind : sequence of str
            Measured spectra to be ranked apart.
        seed : int
            From which the seeds of sampling, splitting and training are derived.
        training_threads : int
            Threads of each training.
        relaxation_ranks : int
            MPI ranks of the first relaxation, on which everything waits.

        Returns
        -------
        ProcessBuilder
            Ready to submit.

        Raises
        ------
        InputError
            If an element has no pseudopotential, or a pressure is not one.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        pressures = check_pressures(pressures)
        check_pseudos(structure.get_symbols_set(), pseudos)
        parts = _Parts(
            inputs=inputs,
            structure=structure,
            pw=pw_inputs(pw_code, inputs, pseudos, cutoffs, atoms=structure.get_ase()),
            job_code=job_code,
            seed=seed,
        )
        builder = cls.get_builder()  # type: ignore[attr-defined]
        builder.structure = structure
        builder.pressures = List(list(pressures))
        builder.relax = parts.relax([pressures[0]], ranks=relaxation_ranks)
        builder.stopping = Dict(inputs['stopping'])
        builder.first_round = parts.round('first_round', pressures)
        builder.base_training = parts.training('base_training', training_threads, start=start)
        builder.later_rounds = parts.round('later_rounds', pressures)
        builder.fine_tuning = parts.training('fine_tuning', training_threads)
        if start is not None:
            builder.start = start
        if known:
            builder.known = dict(known)
        if measured:
            builder.measured = dict(measured)
        builder.rules = Dict({**frozen_rules(rules), 'blind': list(blind)})
        if reference_pressures is None:
            reference_pressures = sorted({pressures[0], pressures[-1]})
        if len(reference_pressures):
            builder.reference = parts.reference(check_pressures(reference_pressures))
        builder.phonons = parts.phonons()
        builder.ins = {
            'ins': {**parts.job(), 'parameters': Dict(inputs['ins'])},
            'broadening': Dict(inputs['broadening']),
        }
        builder.evaluate = {'evaluate': parts.job()}
        builder.analyse = {'analyse': {**parts.job(), 'settings': Dict(inputs['analyse'])}}
        if inputs['validate']:
            builder.validation = parts.validation()
        return builder

    @classmethod
    def continued_inputs(cls, node: Any) -> dict[str, Any]:
        """What a finished campaign hands on to another: ``known`` of the builder.

        Parameters
        ----------
        node : WorkChainNode
            Of a campaign with at least one round.

        Raises
        ------
        InputError
            If it has no round.
        """
        outputs = node.outputs
        if 'committees' not in outputs or 'dataset' not in outputs:
            raise InputError(
                format_error(
                    f'Campaign {node.pk} has no finished round that could be continued.',
                    fix='Submit it anew; with caching on, what it has computed is taken over.',
                )
            )
        last = max(outputs.committees, key=lambda name: int(name.rpartition('_')[2]))
        return {
            'dataset': outputs.dataset,
            'validation': outputs.validation,
            'committee': dict(outputs.committees[last]),
            **({'structure': outputs.relaxed} if 'relaxed' in outputs else {}),
        }


class _Parts:
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
        self.seed = seed
        self.mesh = unit_cell_mesh(inputs, structure.get_ase().cell.array)

    def job(self) -> dict[str, Any]:
        return {'code': self.job_code, 'metadata': job_metadata(1)}

    def relax(self, pressures: Sequence[float], *, ranks: int = 1) -> dict[str, Any]:
        pw = {**self.pw, 'pw': {**self.pw['pw']}}
        if ranks > 1:
            pw['pw']['metadata'] = {'options': pw_options(ranks)}
            pw['pw']['parallelization'] = Dict({'npool': ranks})
        return relax_inputs(self.inputs, pressures, mesh=self.mesh, pw=pw)

    def label(self) -> dict[str, Any]:
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
            'method': _method(chosen['method'], several=several),
            'cells': shared_cells(chosen['cells'], drawn),
            'settings': settings,
        }
        inputs = {
            'pressures': List(list(pressures)),
            'methods': {chosen['prefix']: Dict(method)},
            'seed': Int(1000 * self.seed),
            'sample': {'sample': self.job()},
            'label': self.label(),
            'validation_frames': Int(chosen['validation_frames']),
            'split_seed': Int(1000 * self.seed + 100),
        }
        if drawn > frames:
            inputs['select'] = {'select': self.selection(frames)}
        return inputs

    def selection(self, frames: int) -> dict[str, Any]:
        """Of a larger pool, the frames on which the committee disagrees, weighed as neutrons do."""
        return {
            **self.job(),
            'count': Int(frames),
            'seed': Int(1000 * self.seed + 200),
            'method': Str('committee'),
            'descriptors': Str('mace'),
            'settings': Dict({'weights': 'neutron'}),
        }

    def training(self, name: str, threads: int, *, start: Any = None) -> dict[str, Any]:
        settings = {**self.inputs['training'], **self.inputs[name]}
        if name == 'fine_tuning' or start is not None:
            settings.pop('model')  # that of the start potential is kept
            settings['e0s'] = self.inputs['fine_tuning']['e0s']
        train = train_inputs(self.job_code, settings, threads)
        return {'training': {'train': train}, 'seeds': List(self.members)}

    def validation(self) -> dict[str, Any]:
        """Molecular dynamics and checks of the last round's leader."""
        chosen = self.inputs['validation']
        md = {'processes': 1, **self.inputs['md'], 'seed': self.seed}
        inputs = {
            'spread_frames': Int(chosen['spread_frames']),
            'md': {'md': {**self.job(), **supercell_inputs(md, self.structure)}},
            'evaluate': {'evaluate': self.job()},
            'judge': {'validate': {**self.job(), 'limits': Dict(chosen['limits'])}},
        }
        if chosen['spectra']:
            inputs['ins'] = {
                'ins': {**self.job(), 'parameters': Dict(self.inputs['ins'])},
                'broadening': Dict(self.inputs['broadening']),
            }
        return inputs

    def reference(self, pressures: Sequence[float]) -> dict[str, Any]:
        """The reference gives way to what the campaign waits for."""
        pw = {**self.pw, 'pw': {**self.pw['pw']}}
        pw['pw']['metadata'] = {'options': pw_options(1, background=True)}
        return {
            'relax': {**self.relax(pressures), 'pw_base': pw},
            'sample': {
                'sample': {**self.job(), 'settings': gamma_settings(self.inputs['reference'])}
            },
            'label': label_inputs(self.inputs, mesh=self.mesh, pw=pw),
            'fit': {'fit': self.job()},
        }

    def phonons(self) -> dict[str, Any]:
        return {
            'phonons': {**self.job(), **supercell_inputs(self.inputs['phonons'], self.structure)}
        }


def _method(name: str, *, several: bool) -> str:
    if name != 'auto':
        return name
    return 'disputed-modes' if several else 'equal-energy'


def _with_margin(pressures: Sequence[float], margin: float) -> list[float]:
    top = round(max(pressures) * margin, 3)
    return [*pressures, top] if top > max(pressures) + 1e-3 else list(pressures)
