"""Parser of a training."""

from __future__ import annotations

from typing import Any, ClassVar

from aiida.engine import ExitCode
from aiida.orm import Dict

from aiida_insbench.calculations.base import read_retrieved_json
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.jobs.train import CURVE_FILE
from aiida_insbench.parsers.base import InsbenchParser


class TrainParser(InsbenchParser):
    """Attach the potential and the training curve, the latter of a training that failed too."""

    OWN_ERRORS: ClassVar[dict[str, str]] = {
        'OutOfMemoryError': 'ERROR_OUT_OF_MEMORY',
        'DivergedError': 'ERROR_DIVERGED',
        'ZeroLossError': 'ERROR_ZERO_LOSS',
    }

    def attach_parts(self, names: set[str]) -> None:
        """Attach the curve."""
        if CURVE_FILE in names:
            self.out('training_curve', Dict(read_retrieved_json(self.retrieved, CURVE_FILE)))

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach parameters and potential."""
        self.attach_parameters(result, record)
        repository = self.retrieved.base.repository
        self.out(
            'potential',
            PotentialData(
                metadata_text=repository.get_object_content('trained.json'),
                weights=repository.get_object_content('trained.safetensors', mode='rb'),
            ),
        )
        return None
