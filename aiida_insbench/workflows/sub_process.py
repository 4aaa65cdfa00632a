"""What a WorkChain says of a sub process that failed."""

from __future__ import annotations

from aiida.engine import ExitCode, WorkChain
from aiida.orm import ProcessNode


def failure_of(chain: WorkChain, stage: str, node: ProcessNode) -> ExitCode | None:
    """``ERROR_SUB_PROCESS_FAILED`` of `chain` with stage and reason; None if `node` ended well."""
    if node.is_finished_ok:
        return None
    failure: ExitCode = chain.exit_codes.ERROR_SUB_PROCESS_FAILED.format(
        stage=f'{stage} <{node.pk}>', status=node.exit_status, message=node.exit_message
    )
    return failure
