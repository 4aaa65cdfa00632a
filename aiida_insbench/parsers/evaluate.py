"""Parser of an evaluation: its errors are in `output_parameters`."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import ExitCode
from aiida.orm import ArrayData

from aiida_insbench.calculations.base import retrieved_bytes, retrieved_folder
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
        predictions = ArrayData()
        with np.load(retrieved_bytes(self.retrieved, PREDICTIONS_FILE), allow_pickle=False) as file:
            for name in file.files:
                predictions.set_array(name, file[name])
        self.out('predictions', predictions)
        return None
