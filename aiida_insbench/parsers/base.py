"""What all parsers share: the job's result or its error, as outputs or exit code."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode
from aiida.orm import Dict
from aiida.parsers import Parser

from aiida_insbench.calculations.base import read_retrieved_json
from aiida_insbench.jobs.program import (
    ERROR_FILE,
    EXIT_BAD_INPUT,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    RESULT_FILE,
)

_EXIT_CODES = {
    EXIT_BAD_INPUT: 'ERROR_BAD_INPUT',
    EXIT_FAILED: 'ERROR_COMPUTATION_FAILED',
    EXIT_INTERRUPTED: 'ERROR_INTERRUPTED',
}


class InsbenchParser(Parser):
    """Attach finished parts first, so that nothing computed is lost, then judge the end."""

    def parse(self, **_kwargs: Any) -> ExitCode | None:
        """Attach outputs and return how the job ended."""
        names = set(self.retrieved.base.repository.list_object_names())
        self.attach_parts(names)
        if RESULT_FILE in names:
            record = read_retrieved_json(self.retrieved, RESULT_FILE)
            result = record.pop('result')
            return self.attach_result(result, record)
        if ERROR_FILE in names:
            error = read_retrieved_json(self.retrieved, ERROR_FILE)
            name = _EXIT_CODES.get(error['code'], 'ERROR_JOB_FAULT')
            return self.exit_codes[name].format(message=error['message'])
        return self.exit_codes.ERROR_NO_RESULT

    def attach_parts(self, names: set[str]) -> None:
        """Attach what was finished even if the job did not reach its end."""

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach the result of a job that reached its end."""
        self.attach_parameters(result, record)
        return None

    def attach_parameters(self, result: dict[str, Any], record: dict[str, Any]) -> None:
        """Attach the result and its record (versions, seconds) as `output_parameters`."""
        self.out('output_parameters', Dict({**result, 'job': record}))

    def judge_pressures(self, result: dict[str, Any]) -> ExitCode | None:
        """Name the pressures a stage could not finish, with its reasons."""
        if result['missing']:
            reasons = ' '.join(f'{key}: {text}' for key, text in result['reasons'].items())
            return self.exit_codes.ERROR_PRESSURES_MISSING.format(
                pressures=', '.join(result['missing']), reasons=reasons
            )
        return None
