"""Child process of the stage ``md``: does the runs its parent names, one at a time, on one thread.

``python -m aiida_insbench.jobs.md_worker PARENT``, PARENT being the parent's process id. Both talk
in JSON, one object a line.

- It hears, on standard input, first ``job`` (the job file's content) and ``folder``, then ``run``
  (a label), and after each one done another. The end of the input is the end of the process.
- It says, on standard output, ``progress`` (arguments of `Progress.report`), ``done`` (a label)
  or ``failed`` (``kind``, ``type``, ``message``) and ends then. Whatever else is printed goes to
  standard error.

It keeps no state that a kill could hurt: what it writes is written as in `md_files`.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.parent import end_with
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import ComputationError, InputError

Say = Callable[[dict[str, Any]], None]


def main(parent: int) -> None:
    """Do runs until the parent ends or has no more of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    say = take_standard_output()
    end_with(parent)
    orders = hear_orders()
    given = orders.get()
    worker: Worker | None = None
    while True:
        label = orders.get()['run']
        try:
            worker = worker or Worker(given['job'], Path(given['folder']), say)
            worker.do(label)
        except Exception as exc:  # noqa: BLE001 - the parent tells whatever it is to the user
            say({'failed': describe(exc)})
            return
        say({'done': label})


class Worker:
    """Task and engine of a job, made once.

    Parameters
    ----------
    job : dict
        Content of the job file.
    folder : Path
        Of the job.
    say : callable
        Tells the parent.
    """

    def __init__(self, job: dict[str, Any], folder: Path, say: Say) -> None:
        # heavy: the parent is heard before
        from aiida_insbench.jobs.md_single import make_engine
        from aiida_insbench.jobs.md_task import read_task
        from aiida_insbench.science.potential_files import read_potential

        self._folder, self._progress = folder, ToldProgress(say)
        self._task = read_task(job)
        self._plans = {plan.label: plan for plan in self._task.plans}
        self._engine = make_engine(read_potential(folder / job['potential']), self._task.settings)
        if 'torch' in sys.modules:
            # some packages set it themselves when they load
            sys.modules['torch'].set_num_threads(1)

    def do(self, label: str) -> None:
        """Do one run."""
        from aiida_insbench.jobs.md_single import do_run

        do_run(
            self._plans[label],
            self._task,
            engine=self._engine,
            folder=self._folder,
            progress=self._progress,
        )


class ToldProgress(Progress):
    """Progress told to the parent: who alone writes the log mixes no lines.

    Parameters
    ----------
    say : callable
        Tells the parent.
    """

    def __init__(self, say: Say) -> None:
        self._say = say

    def report(self, message: str, *, step: int = 0, total: int = 0, **values: float) -> None:
        """Tell one line."""
        line = {'message': message, 'step': step, 'total': total, **values}
        self._say({'progress': line})


def describe(exc: Exception) -> dict[str, str]:
    """An exception as JSON; the traceback of a fault goes to standard error."""
    if isinstance(exc, InputError):
        kind = 'input'
    elif isinstance(exc, ComputationError):
        kind = 'computation'
    else:
        kind = 'fault'
        traceback.print_exc()
        sys.stderr.flush()
    return {'kind': kind, 'type': type(exc).__name__, 'message': str(exc)}


def take_standard_output() -> Say:
    """Keep standard output for the parent; what others print goes to standard error."""
    channel = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + '\n')
        channel.flush()

    return say


def hear_orders() -> queue.SimpleQueue[dict[str, Any]]:
    """Read standard input in a thread, which ends the process at the end of it.

    That end comes when the parent closes it, and also when the parent is killed, everywhere.
    """
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def hear() -> None:
        try:
            for line in sys.stdin.buffer:
                orders.put(json.loads(line))
        finally:  # half a line from a parent killed while it spoke, too
            os._exit(0)

    threading.Thread(target=hear, daemon=True).start()
    return orders


if __name__ == '__main__':
    main(int(sys.argv[1]))
    # not by the interpreter's own way, which waits for the thread that reads
    os._exit(1)
