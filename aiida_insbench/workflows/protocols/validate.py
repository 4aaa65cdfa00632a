"""Builder of a validation from a protocol, for `ValidateWorkChain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, Int, List, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import check_pressures, pressure_label
from aiida_insbench.workflows.protocols.dft import supercell_inputs
from aiida_insbench.workflows.protocols.estimates import (
    edges_of_frames,
    evaluation_of,
    md_of,
    phonons_of,
    sizes_of,
    spread_edges,
)
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import job_inputs, spectra_inputs
from aiida_insbench.workflows.protocols.requests import request_resources


class ValidateProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of a validation."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        job_code: AbstractCode,
        potential: PotentialData,
        pressures: Sequence[float],
        *,
        structure: StructureData | None = None,
        structures: Mapping[str, StructureData] | None = None,
        force_constants: Mapping[str, ForceConstantsData] | None = None,
        dft_structures: Mapping[str, StructureData] | None = None,
        held_out: DatasetData | None = None,
        training: DatasetData | None = None,
        committee: Mapping[str, PotentialData] | None = None,
        relax: Mapping[str, Any] | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        seed: int = 1,
        threads: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        job_code : AbstractCode
            The program ``insbench-job``.
        potential : PotentialData
            What is judged.
        pressures : sequence of float
            In GPa; positive is compression.
        structure : StructureData, optional
            Crystal from which the potential relaxes at each pressure.
        structures, force_constants : mappings from str, optional
            Instead: crystals that it has relaxed, by pressure label, and their force constants
            (outputs of `insbench.phonons`).
        dft_structures : mapping from str to StructureData, optional
            Crystals relaxed by DFT, by pressure label (outputs of `insbench.relax`).
        held_out, training : DatasetData, optional
            Labelled frames: not learnt from, and learnt from.
        committee : mapping from str to PotentialData, optional
            Further potentials, trained alike with other seeds.
        relax : mapping, optional
            Inputs of `insbench.relax`, instead of `dft_structures`.
        protocol : {'fast', 'balanced', 'stringent'}
            2, 20 or 50 ps in each ensemble; limits.
        overrides : dict, optional
            Laid over the protocol: ``md`` (minimum_image_distance in Å or supercell_matrix, and the
            job's settings), ``validation`` (limits, spread_frames; spectra: whether to draw
            those of the runs), ``phonons``, ``ins``, ``broadening``.
        seed : int
            Of velocities and thermostats.
        threads : int
            Runs of molecular dynamics side by side.

        Returns
        -------
        ProcessBuilder
            Ready to submit.

        Raises
        ------
        InputError
            If there is no crystal at a pressure.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        pressures = check_pressures(pressures)
        labels = [pressure_label(value) for value in pressures]
        builder = cls.get_builder()  # type: ignore[attr-defined]
        builder.potential = potential
        if structures:
            missing = [label for label in labels if label not in structures]
            if missing:
                raise InputError(f'`structures` has no crystal at {", ".join(missing)}.')
            builder.structures = {label: structures[label] for label in labels}
            builder.force_constants = {
                label: node for label, node in (force_constants or {}).items() if label in labels
            }
            structure = structure or structures[labels[0]]
        elif structure is not None:
            builder.phonons = {
                'phonons': {
                    **job_inputs(job_code),
                    'structure': structure,
                    'pressures': List(list(pressures)),
                    **supercell_inputs(inputs['phonons'], structure),
                }
            }
        else:
            raise InputError('Give a `structure`, or `structures` by pressure label.')
        optional = {'held_out': held_out, 'training': training, 'relax': relax}
        for name, value in optional.items():
            if value is not None:
                builder[name] = value
        builder.committee = dict(committee or {})
        builder.dft_structures = dict(dft_structures or {})
        judging = judging_inputs(job_code, inputs, structure, seed=seed, threads=threads)
        for name, value in judging.items():
            builder[name] = value
        models = sizes_of([potential, *(committee or {}).values()])
        md = builder.md.md
        edges = edges_of_frames([held_out, training], models[0])
        edges += spread_edges(md, structure, models[0], len(pressures), builder.spread_frames.value)
        estimates = {
            'md': md_of(md, model=models[0], structure=structure, crystals=len(pressures)),
            'evaluate': evaluation_of(models=models, edges=edges),
        }
        if not structures:
            estimates['phonons'] = phonons_of(
                builder.phonons.phonons,
                models=models[:1],
                structure=structure,
                pressures=len(pressures),
            )
        request_resources(builder, inputs['options'], estimates)
        return builder


def judging_inputs(
    job_code: AbstractCode,
    inputs: Mapping[str, Any],
    structure: StructureData,
    *,
    seed: int,
    threads: int = 1,
) -> dict[str, Any]:
    """Inputs of `insbench.validate` that depend on the protocol alone: runs, checks, limits."""
    chosen = inputs['validation']
    job = job_inputs(job_code)
    md = supercell_inputs({'processes': threads, **inputs['md'], 'seed': seed}, structure)
    made = {
        'spread_frames': Int(chosen['spread_frames']),
        'md': {'md': {**job_inputs(job_code, threads), **md}},
        'evaluate': {'evaluate': job},
        'judge': {'validate': {**job, 'limits': Dict(chosen['limits'])}},
    }
    if chosen['spectra']:
        made['ins'] = spectra_inputs(job, inputs)
    return made
