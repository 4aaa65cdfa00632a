"""Builder of phonons under pressure from a protocol, for `PhononsWorkChain`."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, ArrayData, List, StructureData

from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.pressure import check_pressures, pressure_label
from aiida_insbench.workflows.protocols.dft import supercell_inputs
from aiida_insbench.workflows.protocols.estimates import phonons_of, sizes_of
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import job_metadata
from aiida_insbench.workflows.protocols.requests import request_resources

#: Outputs of an earlier run that `previous` takes over.
_TAKEN_OVER = ('structure', 'force_constants', 'modes')


class PhononsProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` and `get_builder_restart` of phonons under pressure."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        job_code: AbstractCode,
        potential: PotentialData,
        structure: StructureData | None,
        pressures: Sequence[float],
        *,
        protocol: str | None = None,
        overrides: dict[str, Any] | pathlib.Path | None = None,
        structures: Mapping[float, StructureData] | None = None,
        nac_parameters: ArrayData | None = None,
        previous: Any = None,
        threads: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        job_code : AbstractCode
            The program ``insbench-job``.
        potential : PotentialData
            Of the crystal's elements.
        structure : StructureData or None
            The crystal to start from; None takes that of `previous`.
        pressures : sequence of float
            In GPa, any number in any order; positive is compression.
        protocol : {'fast', 'balanced', 'stringent'}
            Supercell, thresholds, meshes.
        overrides : dict, optional
            Laid over the protocol: ``phonons`` (minimum_image_distance in Å or supercell_matrix,
            and the job's settings); ``options`` of jobs, see ``docs/topics/resources.md``.
        structures : mapping from float to StructureData, optional
            Crystals to start from at some pressures (GPa): another phase, or measured cells.
        nac_parameters : ArrayData, optional
            ``born_charges`` and ``dielectric`` of the crystal.
        previous : ProcessNode, optional
            An earlier `PhononsWorkChain`, to be extended: its supercell holds, and its settings
            unless `overrides` are given.
        threads : int
            Threads of the job.

        Returns
        -------
        ProcessBuilder
            Ready to submit.

        Raises
        ------
        InputError
            If there is no crystal, or the earlier process has no finished pressure.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        earlier = _outputs_of(previous)
        if structure is None:
            if previous is None:
                raise InputError('Give a `structure`, or `previous` to take it from.')
            structure = previous.inputs.phonons.structure
        builder = cls.get_builder()  # type: ignore[attr-defined]
        builder.phonons = {
            'code': job_code,
            'potential': potential,
            'structure': structure,
            'pressures': List(list(check_pressures(pressures))),
            **supercell_inputs(inputs['phonons'], structure),
            'structures': {
                pressure_label(value): node for value, node in (structures or {}).items()
            },
            'metadata': job_metadata(threads),
        }
        if nac_parameters is not None:
            builder.phonons.nac_parameters = nac_parameters
        if previous is not None:
            builder.previous = earlier
            builder.phonons.supercell_matrix = previous.inputs.phonons.supercell_matrix
            if not _beside_options(overrides):
                builder.phonons.settings = previous.inputs.phonons.settings
        estimate = phonons_of(
            builder.phonons,
            models=sizes_of([potential]),
            structure=structure,
            pressures=len(pressures),
        )
        request_resources(builder, inputs['options'], {'phonons': estimate})
        return builder

    @classmethod
    def get_builder_restart(cls, node: Any) -> ProcessBuilder:
        """Builder with the inputs of an earlier run that takes its finished pressures over."""
        builder = super().get_builder_restart(node)
        if 'force_constants' in node.outputs:
            builder.previous = _outputs_of(node)
        return builder


def _beside_options(overrides: Any) -> bool:
    """Whether anything is laid over the protocol that the result depends on."""
    if isinstance(overrides, Mapping):
        return bool(set(overrides) - {'options'})
    return bool(overrides)


def _outputs_of(previous: Any) -> dict[str, Any]:
    if previous is None:
        return {}
    outputs = previous.outputs
    if any(name not in outputs for name in _TAKEN_OVER):
        raise InputError(
            format_error(
                f'Process {previous.pk} has no finished pressure to take over.',
                fix='Name a finished or partly finished `insbench.phonons` work chain.',
            )
        )
    return {name: dict(getattr(outputs, name)) for name in _TAKEN_OVER}
