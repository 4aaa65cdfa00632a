"""Parser of an evaluation: its errors are in `output_parameters`."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode

from aiida_insbench.calculations.base import array_data, retrieved_arrays, retrieved_folder
from aiida_insbench.jobs.evaluate import CHUNK_FOLDER, PREDICTIONS_FILE
from aiida_insbench.parsers.base import InsbenchParser


class EvaluateParser(InsbenchParser):
    """Attach tables and predictions; of a run that failed, the chunks it had done."""

    def attach_parts(self, names: set[str]) -> None:
        """Attach finished chunks."""
        if CHUNK_FOLDER not in names:
            return
        chunks = retrieved_folder(self.retrieved, CHUNK_FOLDER)
        if chunks.base.repository.list_object_names():
            self.out('chunks', chunks)

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach tables and arrays."""
        self.attach_parameters(result, record)
        self.out('predictions', array_data(retrieved_arrays(self.retrieved, PREDICTIONS_FILE)))
        return None
