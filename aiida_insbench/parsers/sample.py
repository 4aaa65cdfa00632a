"""Parser of sampled frames."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.parsers.base import InsbenchParser
from aiida_insbench.science.frames import read_frames


class SampleParser(InsbenchParser):
    """Attach the frames as an unlabelled dataset."""

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach parameters and pool."""
        self.attach_parameters(result, record)
        text = self.retrieved.base.repository.get_object_content('frames.extxyz')
        self.out('pool', DatasetData(read_frames(text, name='frames.extxyz')))
        return None
