"""Builder of a committee from a protocol, for `FinetuneWorkChain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, List

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.workflows.protocols.estimates import (
    edges_of_frames,
    evaluation_of,
    trained_model,
    training_of,
)
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import job_inputs, train_inputs
from aiida_insbench.workflows.protocols.requests import request_resources


class FinetuneProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of a committee."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        job_code: AbstractCode,
        dataset: DatasetData,
        validation: DatasetData,
        *,
        start: PotentialData | None = None,
        replay: DatasetData | None = None,
        held_out: DatasetData | None = None,
        seeds: Sequence[int] = (1, 2, 3),
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        threads: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        job_code : AbstractCode
            The program ``insbench-job``.
        dataset, validation : DatasetData
            Frames to learn from, and frames by which MACE chooses its best epoch.
        start : PotentialData, optional
            Potential to fine-tune; without it training starts from random weights.
        replay : DatasetData, optional
            Frames of what `start` was trained on.
        held_out : DatasetData, optional
            Frames that no training sees, for example those of one pressure.
        seeds : sequence of int
            One potential for each.
        protocol : {'fast', 'balanced', 'stringent'}
            How much effort.
        overrides : dict, optional
            Laid over the protocol: ``training`` and, from scratch, ``base_training``, with `start`,
            ``fine_tuning``; keys as in ``docs/topics/training.md``.
        threads : int
            Threads of each training.

        Returns
        -------
        ProcessBuilder
            Ready to submit.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        own = inputs['base_training' if start is None else 'fine_tuning']
        settings = {**inputs['training'], **own}
        if start is not None:
            settings.pop('model')  # that of the start potential is kept
        if replay is not None:
            settings['loss'] = 'universal'
        builder = cls.get_builder()  # type: ignore[attr-defined]
        train = {**train_inputs(job_code, settings, threads), 'dataset': dataset}
        train['validation'] = validation
        if start is not None:
            train['start'] = start
        if replay is not None:
            train['replay'] = replay
        builder.training = {'train': train}
        builder.seeds = List(list(seeds))
        builder.evaluate = {'evaluate': job_inputs(job_code, threads)}
        if held_out is not None:
            builder.held_out = held_out
        model = trained_model(settings, start)
        edges = edges_of_frames([dataset, replay], model)
        asked = edges_of_frames([validation, held_out], model)
        estimates = {
            'train': training_of(settings, model=model, edges=edges + asked),
            'evaluate': evaluation_of(models=[model] * len(seeds), edges=edges + asked),
        }
        request_resources(builder, inputs['options'], estimates)
        return builder
