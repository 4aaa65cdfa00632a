"""Builder of a campaign from a protocol, for `CampaignWorkChain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, List, StructureData

from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.campaign.names import in_order
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.workflows.protocols.benchmark import RULES, frozen_rules
from aiida_insbench.workflows.protocols.campaign_estimates import campaign_estimates
from aiida_insbench.workflows.protocols.campaign_parts import CampaignParts
from aiida_insbench.workflows.protocols.dft import check_pseudos, pw_inputs
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import spectra_inputs
from aiida_insbench.workflows.protocols.requests import request_resources


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
        band_shifts: Mapping[str, Dict] | None = None,
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
        band_shifts : mapping from str to Dict, optional
            Measured shifts of bands with pressure.
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
        parts = CampaignParts(
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
        if inputs['later_rounds'].get('dynamics') and len(parts.members) > 1:
            builder.dynamics, builder.dynamics_frames = parts.dynamics()
        builder.fine_tuning = parts.training('fine_tuning', training_threads)
        if start is not None:
            builder.start = start
        if known:
            builder.known = dict(known)
        if measured:
            builder.measured = dict(measured)
        if band_shifts:
            builder.band_shifts = dict(band_shifts)
        builder.rules = Dict({**frozen_rules(rules), 'blind': list(blind)})
        if reference_pressures is None:
            reference_pressures = sorted({pressures[0], pressures[-1]})
        if len(reference_pressures):
            builder.reference = parts.reference(check_pressures(reference_pressures))
        builder.phonons = parts.phonons()
        builder.ins = spectra_inputs(parts.job, inputs)
        builder.evaluate = {'evaluate': parts.job}
        builder.analyse = {'analyse': {**parts.job, 'settings': Dict(inputs['analyse'])}}
        if inputs['validate']:
            builder.validation = parts.validation()
        request_resources(builder, inputs['options'], campaign_estimates(builder, inputs))
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
        last = in_order(outputs.committees)[-1]
        return {
            'dataset': outputs.dataset,
            'validation': outputs.validation,
            'committee': dict(outputs.committees[last]),
            **({'structure': outputs.relaxed} if 'relaxed' in outputs else {}),
        }
