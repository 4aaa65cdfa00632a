"""Builder of a campaign from a protocol, for `CampaignWorkChain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, Int, List, StructureData

from aiida_insbench.science.pressure import check_pressures
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
        reference_pressures: Sequence[float] | None = None,
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
        reference_pressures : sequence of float, optional
            Pressures (GPa) of the DFT reference; by default the first and the last. Empty: none.
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
        builder.first_round = parts.round('first_round', pressures, offset=0)
        builder.base_training = parts.training('base_training', training_threads)
        builder.second_round = parts.round('second_round', pressures, offset=1)
        builder.fine_tuning = parts.training('fine_tuning', training_threads)
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
        return builder


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

    def round(self, name: str, pressures: Sequence[float], *, offset: int) -> dict[str, Any]:
        chosen = self.inputs[name]
        settings = dict(chosen['settings'])
        if 'rattle' in settings:
            settings['rattle'] = rattle_of(settings['rattle'], self.structure)
        margin = chosen.get('pressure_margin')
        if margin:
            pressures = _with_margin(pressures, float(margin))
        method = {
            'method': chosen['method'],
            'cells': shared_cells(chosen['cells'], int(chosen['frames'])),
            'settings': settings,
        }
        return {
            'pressures': List(list(pressures)),
            'methods': {chosen['prefix']: Dict(method)},
            'seed': Int(1000 * self.seed + offset),
            'sample': {'sample': self.job()},
            'label': self.label(),
            'validation_frames': Int(chosen['validation_frames']),
            'split_seed': Int(1000 * self.seed + 100 + offset),
        }

    def training(self, name: str, threads: int) -> dict[str, Any]:
        settings = {**self.inputs['training'], **self.inputs[name]}
        train = train_inputs(self.job_code, settings, threads)
        return {'training': {'train': train}, 'seeds': List([self.seed])}

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


def _with_margin(pressures: Sequence[float], margin: float) -> list[float]:
    top = round(max(pressures) * margin, 3)
    return [*pressures, top] if top > max(pressures) + 1e-3 else list(pressures)
