"""Builder of spectra from a protocol, for `InsWorkChain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import job_metadata
from aiida_insbench.workflows.protocols.requests import request_resources


class InsProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of spectra."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        job_code: AbstractCode,
        force_constants: Mapping[str, ForceConstantsData],
        *,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        threads: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        job_code : AbstractCode
            The program ``insbench-job``.
        force_constants : mapping from str to ForceConstantsData
            By pressure label, such as ``p_1500`` for 1.5 GPa.
        protocol : {'fast', 'balanced', 'stringent'}
            How large an error of the spectrum is allowed: 2, 1 or 0.5 % of its area.
        overrides : dict, optional
            Laid over the protocol: ``ins`` (instrument, temperature, energy_range, …) and
            ``broadening`` (resolution, groups).
        threads : int
            Threads of the job.

        Returns
        -------
        ProcessBuilder
            Ready to submit.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()  # type: ignore[attr-defined]
        builder.ins = {
            'code': job_code,
            'force_constants': dict(force_constants),
            'parameters': Dict(inputs['ins']),
            'metadata': job_metadata(threads),
        }
        builder.broadening = Dict(inputs['broadening'])
        request_resources(builder, inputs['options'])
        return builder
