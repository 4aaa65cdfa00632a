"""What all parsers share: the job's result or its error, as outputs or exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from aiida.engine import ExitCode
from aiida.orm import Dict
from aiida.parsers import Parser

from aiida_insbench.calculations.base import UnreadableFileError, read_retrieved_json
from aiida_insbench.jobs.program import (
    ERROR_FILE,
    EXIT_BAD_INPUT,
    EXIT_DISK_FULL,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    RESULT_FILE,
)
from aiida_insbench.science.errors import InsbenchError

_EXIT_CODES = {
    EXIT_BAD_INPUT: 'ERROR_BAD_INPUT',
    EXIT_FAILED: 'ERROR_COMPUTATION_FAILED',
    EXIT_INTERRUPTED: 'ERROR_INTERRUPTED',
    EXIT_DISK_FULL: 'ERROR_DISK_FULL',
}


#: What a scheduler says about a job's end: out of memory, out of walltime.
_SCHEDULER = (110, 120)


class InsbenchParser(Parser):
    """Attach finished parts first, so that nothing computed is lost, then judge the end."""

    #: Exceptions of a stage that have an exit code of their own.
    OWN_ERRORS: ClassVar[dict[str, str]] = {}

    def parse(self, **_kwargs: Any) -> ExitCode | None:
        """Attach outputs and return how the job ended."""
        names = set(self.retrieved.base.repository.list_object_names())
        self._unreadable: list[str] = []
        code = None
        with self.reading():
            self.attach_parts(names)
        with self.reading():
            code = self._attach_end(names)
        if self._unreadable:
            return self.exit_codes.ERROR_RESULT_UNREADABLE.format(files=' '.join(self._unreadable))
        return code

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Note a file that is cut off, broken or missing, and go on with what comes after."""
        try:
            yield
        except (UnreadableFileError, InsbenchError, FileNotFoundError) as exc:
            self._unreadable.append(str(exc))

    def _attach_end(self, names: set[str]) -> ExitCode | None:
        if RESULT_FILE in names:
            record = read_retrieved_json(self.retrieved, RESULT_FILE)
            result = record.pop('result')
            return self.attach_result(result, record)
        error = read_retrieved_json(self.retrieved, ERROR_FILE) if ERROR_FILE in names else None
        interrupted = error is None or error['code'] == EXIT_INTERRUPTED
        if interrupted and self.node.exit_status in _SCHEDULER:
            # the scheduler knows why the job ended without a result
            return ExitCode(self.node.exit_status, self.node.exit_message)
        if error is None:
            return self.exit_codes.ERROR_NO_RESULT
        name = self.OWN_ERRORS.get(error['type']) or _EXIT_CODES.get(
            error['code'], 'ERROR_JOB_FAULT'
        )
        return self.exit_codes[name].format(message=error['message'])

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
