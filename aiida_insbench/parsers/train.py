"""Parser of a training."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode
from aiida.orm import Dict

from aiida_insbench.calculations.base import read_retrieved_json
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.parsers.base import InsbenchParser


class TrainParser(InsbenchParser):
    """Attach the potential and the training curve."""

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach parameters, curve and potential."""
        self.attach_parameters(result, record)
        repository = self.retrieved.base.repository
        self.out('training_curve', Dict(read_retrieved_json(self.retrieved, 'training_curve.json')))
        self.out(
            'potential',
            PotentialData(
                metadata_text=repository.get_object_content('trained.json'),
                weights=repository.get_object_content('trained.safetensors', mode='rb'),
            ),
        )
        return None
