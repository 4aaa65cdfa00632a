"""Runs of the self-test: a Python of its own for each, what ended it, and what to do about it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.program import (
    ERROR_FILE,
    EXIT_DISK_FULL,
    RESULT_FILE,
    SCHEMA_VERSION,
    python_path,
    write_json,
)
from aiida_insbench.science.errors import ComputationError, format_error

#: Seconds a run may take; the first import from a network disk has been seen to take a minute.
LONGEST = 600.0
_LOG = 'run.log'
_LINES = 6
_REPORT = 'Install anew from requirements-job.txt; if it stays, report it with these lines.'


def run_job(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Run a stage as a job does, in `folder`, and return its result.

    Parameters
    ----------
    folder : Path
        Holds the files that the job names.
    job : dict
        Job file without ``schema``.

    Raises
    ------
    ComputationError
        If it did not end with 0: its last lines, without a traceback, and the remedy.
    """
    write_json(folder / 'job.json', {'schema': SCHEMA_VERSION, **job})
    code = run_module(folder, 'aiida_insbench.jobs', job['stage'], 'job.json')
    if code != 0:
        raise ComputationError(
            f'ended with {ending(code)}. {_last_words(folder)}\n{remedy_of(code)}'
        )
    result: dict[str, Any] = json.loads((folder / RESULT_FILE).read_text(encoding='utf-8'))
    return dict(result['result'])


def run_module(folder: Path, *words: str) -> int:
    """Run a module of this package in a Python of its own; return its exit code.

    Raises
    ------
    ComputationError
        If it is not done after `LONGEST` seconds.
    """
    with (folder / _LOG).open('wb') as log:
        try:
            done = subprocess.run(  # noqa: S603 - modules of this package
                [sys.executable, '-P', '-m', *words],
                cwd=folder,
                env={**os.environ, 'PYTHONPATH': python_path()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=LONGEST,
            )
        except subprocess.TimeoutExpired as exc:
            raise ComputationError(
                format_error(
                    f'not done after {LONGEST:.0f} s.',
                    reason='On an idle core it takes seconds.',
                    fix='Look whether the node is overloaded or its disk hangs.',
                )
            ) from exc
    return done.returncode


def remedy_of(code: int) -> str:
    """What to do about a run that ended with this exit code, or by the signal -code."""
    if code == -signal.SIGILL:
        return (
            'The processor lacks instructions that a package was built for: install builds for it, '
            'or use other nodes.'
        )
    if code == -signal.SIGKILL:
        return 'It was killed, often for want of memory: ask the scheduler for 4 GB.'
    if code == EXIT_DISK_FULL:
        return 'Set TMPDIR to a folder with room.'
    return _REPORT


def log_of(folder: Path) -> str:
    """Last lines of a run's output, without a traceback."""
    text = (folder / _LOG).read_text(encoding='utf-8', errors='replace')
    return without_traceback(text)


def without_traceback(text: str) -> str:
    """The last lines of a text, tracebacks shortened to what was raised.

    Lines of a traceback's body are indented; its last line, which says what was raised, is not.
    """
    lines = [
        line.rstrip()
        for line in text.splitlines()
        if line.strip() and not line.startswith((' ', 'Traceback (most recent call last)'))
    ]
    return '\n'.join(lines[-_LINES:])


def check(what: str, found: float, expected: float, tolerance: float) -> None:
    """Raise `ComputationError` if a number is further than `tolerance` from what is right."""
    if not abs(found - expected) <= tolerance:
        raise ComputationError(
            format_error(
                f'{what}: {found:.6g}, where {expected:.6g} ± {tolerance:.1g} is right.',
                reason='A library computes something else than it should.',
                fix='Install the versions of requirements-job.txt in a new environment.',
            )
        )


def _last_words(folder: Path) -> str:
    """The message that the run left, else the end of its output."""
    try:
        error = json.loads((folder / ERROR_FILE).read_text(encoding='utf-8'))
        return without_traceback(f'{error["type"]}: {error["message"]}')
    except (OSError, json.JSONDecodeError, KeyError):
        return log_of(folder)


def ending(code: int) -> str:
    """How a run ended, in words: an exit code, or the signal -code."""
    if code >= 0:
        return f'exit code {code}'
    try:
        return f'signal {-code} ({signal.Signals(-code).name})'
    except ValueError:
        return f'signal {-code}'
