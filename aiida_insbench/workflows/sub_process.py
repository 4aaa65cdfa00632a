"""Whether a sub process ended well, and what a WorkChain says of one that failed."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, Process, WorkChain
from aiida.orm import CalcJobNode, ProcessNode

#: A required output is missing.
MISSING_OUTPUT = Process.spec().exit_codes.ERROR_MISSING_OUTPUT.status


def ended_well(node: Any) -> bool:
    """Whether a restart work chain has all that matters of a job that ended well.

    A worker that is killed right after it has uploaded a job forgets the job's ``remote_folder``
    (AiiDA 2.9). The job ends well all the same, and only its work chain misses that output.
    """
    if node.is_finished_ok:
        return True
    if node.exit_status != MISSING_OUTPUT or 'remote_folder' in node.outputs:
        return False
    jobs = [one for one in node.called if isinstance(one, CalcJobNode)]
    return bool(jobs) and max(jobs, key=lambda one: one.pk).is_finished_ok


def failure_of(chain: WorkChain, stage: str, node: ProcessNode) -> ExitCode | None:
    """``ERROR_SUB_PROCESS_FAILED`` of `chain` with stage and reason; None if `node` ended well."""
    if node.is_finished_ok:
        return None
    failure: ExitCode = chain.exit_codes.ERROR_SUB_PROCESS_FAILED.format(
        stage=f'{stage} <{node.pk}>', status=node.exit_status, message=node.exit_message
    )
    return failure
