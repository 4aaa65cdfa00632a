"""Runs of the stage ``md`` side by side in child processes, on one thread each.

No run waits for another: a child that has done one gets the next, in order of pressure. A run
whose process is killed goes on from its checkpoint in another process, `RESTARTS` times at most.
If memory was the reason, one process less works from then on. A run that fails does not keep
the others from their end; the job fails after that.

All numbers are those of runs one after the other on one thread. Talk with the children is described
in `aiida_insbench.jobs.md_worker`; only this process writes ``progress.jsonl``.
"""

from __future__ import annotations

import os
import selectors
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.md_child import Child, end_all, say_how
from aiida_insbench.jobs.memory import out_of_memory_kills, speaks_of_memory
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science import errors
from aiida_insbench.science.errors import (
    ComputationError,
    InputError,
    InsbenchError,
    OutOfMemoryError,
    format_error,
)

#: How often a run goes on after its process was killed.
RESTARTS = 3


class ChildFaultError(RuntimeError):
    """A child met an exception that nobody foresaw; its traceback is on standard error."""


def threads_of_job() -> int:
    """Threads the job was given: ``OMP_NUM_THREADS``, or else the cores it may run on."""
    first = os.environ.get('OMP_NUM_THREADS', '').partition(',')[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else usable_cores()


def usable_cores() -> int:
    """Cores this process may run on; all of the machine where the system cannot tell."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class SideBySide:
    """Children and what is left for them to do.

    Parameters
    ----------
    labels : list of str
        Runs to do, in the order in which they begin.
    job : dict
        Content of the job file.
    folder : Path
        Of the job.
    processes : int
        How many at once.
    progress : Progress
        Log.
    """

    def __init__(
        self,
        labels: list[str],
        *,
        job: dict[str, Any],
        folder: Path,
        processes: int,
        progress: Progress,
    ) -> None:
        self._labels, self._waiting = labels, deque(labels)
        self._job, self._folder, self._progress = job, folder, progress
        self._most = max(1, min(processes, len(labels)))
        self._deaths: Counter[str] = Counter()
        self._failures: dict[str, Exception] = {}
        self._kills = out_of_memory_kills()
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()

    def go(self) -> None:
        """Do all runs; on any exception, an interruption included, end the children first.

        Raises
        ------
        InputError, ComputationError, ChildFaultError
            If runs failed, when the others are done: of the first one's kind, naming all.
        """
        try:
            self._employ()
            while self._children:
                for key, _ in self._selector.select():
                    self._attend(key.data)
                self._employ()
        finally:
            end_all(self._children)
            self._selector.close()
        if self._failures:
            raise joined(
                {one: self._failures[one] for one in self._labels if one in self._failures}
            )

    def _employ(self) -> None:
        """Start children while there is work for them."""
        while self._waiting and len(self._children) < self._most:
            child = Child(self._job, self._folder)
            self._children.append(child)
            self._selector.register(child, selectors.EVENT_READ, child)
            child.do(self._waiting.popleft())

    def _attend(self, child: Child) -> None:
        """Listen to one child and act on it."""
        said = child.hear()
        if said is None:
            self._mourn(child)
            return
        for message in said:
            if 'progress' in message:
                self._progress.report(**message['progress'])
            elif 'done' in message:
                self._go_on(child)
            else:
                self._fail(child, message['failed'])

    def _go_on(self, child: Child) -> None:
        if self._waiting and len(self._children) <= self._most:
            child.do(self._waiting.popleft())
        else:
            self._dismiss(child)

    def _dismiss(self, child: Child) -> int:
        self._selector.unregister(child)
        child.tell_to_end()
        code = child.wait()
        self._children.remove(child)  # last: an interruption before this ends it again
        return code

    def _mourn(self, child: Child) -> None:
        """A child ended without a word."""
        how = say_how(self._dismiss(child))
        kills = out_of_memory_kills()
        memory, self._kills = kills > self._kills, kills
        self._resume(child.label, f'its process {how}', memory=memory)

    def _fail(self, child: Child, failure: Mapping[str, str]) -> None:
        """A run ended with an exception: without memory it is tried again, else it has failed."""
        self._dismiss(child)
        words = f'{failure["type"]}: {failure["message"]}'
        if speaks_of_memory(words):
            self._resume(child.label, f'its process ended with {words}', memory=True)
            return
        self._failures[child.label] = to_exception(child.label, failure)
        self._progress.report(f'{child.label} failed: {words}')

    def _resume(self, label: str, reason: str, *, memory: bool) -> None:
        """Have another process go on with a run, if that has not been tried often enough."""
        self._deaths[label] += 1
        if memory:
            self._most = max(1, self._most - 1)
            reason = f'{reason}, for lack of memory'
        if self._deaths[label] > RESTARTS:
            self._failures[label] = given_up(label, reason, memory=memory)
            self._progress.report(f'{label} failed: {reason}')
            return
        self._waiting.appendleft(label)
        self._progress.report(
            f'{label}: {reason}; another one goes on from its checkpoint '
            f'({self._deaths[label]} of {RESTARTS} times)'
        )


def given_up(label: str, reason: str, *, memory: bool) -> ComputationError:
    """The error of a run whose process died once too often."""
    kind = OutOfMemoryError if memory else ComputationError
    return kind(
        format_error(
            f'{label}: {reason}, after it had gone on from its checkpoint {RESTARTS} times.',
            fix='Set fewer `processes`, take a smaller supercell or ask for more memory.'
            if memory
            else 'Look for the reason on standard error and in the log of the machine.',
        )
    )


def to_exception(label: str, failure: Mapping[str, str]) -> Exception:
    """The exception a child told of, with the run's label, so that the job ends with its code."""
    kind = getattr(errors, failure['type'], None)
    if isinstance(kind, type) and issubclass(kind, InsbenchError):
        return kind(f'{label}: {failure["message"]}')
    others = {'input': InputError, 'computation': ComputationError}
    return others.get(failure['kind'], ChildFaultError)(
        f'{label}: {failure["type"]}: {failure["message"]}'
    )


def joined(failures: Mapping[str, Exception]) -> Exception:
    """One exception for all runs that failed, of the kind of the first."""
    first, *others = failures.values()
    if not others:
        return first
    return type(first)(
        f'{first} So did {len(others)} more: '
        + ' '.join(f'{type(one).__name__}: {one}' for one in others)
    )
