"""Restart WorkChain of `insbench.evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import CalcJobNode, Dict

from aiida_insbench.calculations.evaluate import EvaluateCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class EvaluateBaseWorkChain(JobBaseWorkChain):
    """Evaluate potentials; after an early end only the frames that are missing."""

    _process_class = EvaluateCalculation
    NAMESPACE = 'evaluate'

    @process_handler(priority=600)
    def handle_keep_chunks(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """After any failure: hand the finished chunks to the next run."""
        if not node.is_finished_ok and 'chunks' in node.outputs:
            self.ctx.inputs['finished'] = node.outputs.chunks
        return None


def committee_settings(evaluate: Mapping[str, Any], *, committee: bool) -> Dict:
    """Settings given among the inputs of `insbench.evaluate`, and whether to ask a committee."""
    given = evaluate['settings'].get_dict() if 'settings' in evaluate else {}
    return Dict({**given, 'committee': committee})
