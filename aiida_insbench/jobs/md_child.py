"""A child process of the stage ``md`` as its parent has it: started, spoken to, ended.

What is said is described in `aiida_insbench.jobs.md_worker`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from aiida_insbench.jobs.program import python_path

#: A run's sums depend on the number of threads: one, whoever does it.
ONE_THREAD = {
    'OMP_NUM_THREADS': '1',
    'MKL_NUM_THREADS': '1',
    'OPENBLAS_NUM_THREADS': '1',
    'VECLIB_MAXIMUM_THREADS': '1',
}
PROGRAM = ('-m', 'aiida_insbench.jobs.md_worker')
_PATIENCE = 5.0  # s between asking a child to end and ending it
_AT_ONCE = 65536  # bytes


class Child:
    """A process that does one run at a time.

    Parameters
    ----------
    job : dict
        Content of the job file.
    folder : Path
        Of the job.

    Attributes
    ----------
    label : str
        Of the run it does.
    """

    def __init__(self, job: dict[str, Any], folder: Path) -> None:
        self.label = ''
        self._rest = b''
        # in the job's process group, so that whoever ends that finds it
        self._process = subprocess.Popen(  # noqa: S603 - our own words only
            [sys.executable, '-P', *PROGRAM, str(os.getpid())],
            env={**os.environ, **ONE_THREAD, 'PYTHONPATH': python_path()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._say({'job': job, 'folder': str(folder.resolve())})

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Where it is heard, for `selectors`."""
        return self._ears.fileno()

    def do(self, label: str) -> None:
        """Have it do a run."""
        self.label = label
        self._say({'run': label})

    def hear(self) -> list[dict[str, Any]] | None:
        """What it has said since; None if it has ended. Waits for either."""
        found = os.read(self.fileno(), _AT_ONCE)
        if not found:
            return None
        *lines, self._rest = (self._rest + found).split(b'\n')
        return [json.loads(line) for line in lines]

    def tell_to_end(self) -> None:
        """Ask it to end now, which it does even in the middle of a step."""
        with contextlib.suppress(OSError):
            self._mouth.close()
        if self._process.poll() is None:
            self._process.terminate()

    def wait(self) -> int:
        """Wait until it has ended, not for long; return its exit code, negative for a signal."""
        try:
            code = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        with contextlib.suppress(OSError):
            self._mouth.close()
        self._ears.close()
        return code

    def _say(self, message: dict[str, Any]) -> None:
        # one that has ended is noticed when it is heard no more
        with contextlib.suppress(OSError):
            self._mouth.write(json.dumps(message).encode() + b'\n')
            self._mouth.flush()

    @property
    def _mouth(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _ears(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout


def end_all(children: Iterable[Child]) -> None:
    """End children: all are told before any is waited for."""
    told = list(children)
    for child in told:
        child.tell_to_end()
    for child in told:
        child.wait()


def say_how(code: int) -> str:
    """How a process ended, in words: ``was ended by signal 9 (SIGKILL)``."""
    if code >= 0:
        return f'ended with code {code}'
    try:
        name = f' ({signal.Signals(-code).name})'
    except ValueError:
        name = ''
    return f'was ended by signal {-code}{name}'
