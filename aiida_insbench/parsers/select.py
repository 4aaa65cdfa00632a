"""Parser of selected frames."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.jobs.select import FRAMES_FILE
from aiida_insbench.parsers.base import InsbenchParser
from aiida_insbench.science.frames import read_frames


class SelectParser(InsbenchParser):
    """Attach the frames chosen, with the level of theory of the pools if these are labelled."""

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach parameters and pool."""
        self.attach_parameters(result, record)
        text = self.retrieved.base.repository.get_object_content(FRAMES_FILE)
        first = next(iter(self.node.inputs.pools.values()))
        self.out(
            'pool', DatasetData(read_frames(text, name=FRAMES_FILE), dft_level=first.dft_level)
        )
        return None
