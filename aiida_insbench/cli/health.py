"""Is the daemon alive, and does it listen? Faults by name, with their remedy.

A broker that was killed comes back on a new socket, but the workers never find it: processes stay
``Created`` although everything looks green, and what workers submit meanwhile is lost. A supervisor
that was killed leaves orphaned workers.
Where both were killed, the address of the dead broker stays on disk, and a worker that starts
faster than the new broker connects to it for ever; it is removed before anything starts.
A worker whose connection to the database was cut holds its processes, which stand still.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from aiida_insbench.cli.daemon_processes import (
    orphaned_streamers,
    own_processes,
    supervisor_runs,
)
from aiida_insbench.cli.database_link import cut_off
from aiida_insbench.cli.stuck import NAMED, lost_processes, revive_lost

START_TIMEOUT = 60
#: A worker looks for the broker for 10 s when it starts: one older than that knew another broker.
BROKER_TIMEOUT = 15
MEND = 'Remedy: `aiida-insbench doctor --mend`.'


@dataclass(frozen=True)
class DaemonHealth:
    """What was found.

    Attributes
    ----------
    running : bool
        The supervisor runs.
    workers : tuple of int
        Process ids of this profile's workers.
    subscribers : int or None
        Workers the broker knows; None where the broker does not tell.
    faults : tuple of str
        What is wrong, each with its remedy; empty when all is well.
    """

    running: bool
    workers: tuple[int, ...]
    subscribers: int | None
    faults: tuple[str, ...] = field(default=())


def check_daemon() -> DaemonHealth:
    """Look at the daemon of the loaded profile."""
    running = supervisor_runs()
    workers = tuple(process.pid for process in own_processes('worker'))
    subscribers = _subscribers() if running else None
    faults = []
    if not running and workers:
        faults.append(
            f'{len(workers)} daemon workers run without their supervisor (it was killed). {MEND}'
        )
    elif not running:
        faults.append('The daemon is stopped. Remedy: `verdi daemon start`.')
    elif not workers:
        faults.append('The daemon has no worker. Remedy: `verdi daemon restart`.')
    elif subscribers == 0:
        faults.append(
            'The daemon is deaf: its broker knows no worker (the broker was killed and came back). '
            f'{MEND}'
        )
    elif deaf := _deaf_workers():
        faults.append(
            f'{deaf} of {len(workers)} daemon workers are deaf: they are older than the broker '
            f'(which was killed and came back). {MEND}'
        )
    elif cut := cut_off(workers):
        faults.append(
            f'{cut} of {len(workers)} daemon workers have lost the database: their connection was '
            f'cut. {MEND}'
        )
    elif lost := lost_processes():
        named = ', '.join(str(pk) for pk in lost[:NAMED]) + (', …' if len(lost) > NAMED else '')
        faults.append(
            f'{len(lost)} processes were submitted but no worker has heard of them, as one was '
            f'killed just then: {named}. {MEND}'
        )
    return DaemonHealth(running, workers, subscribers, tuple(faults))


def mend_daemon(workers: int) -> DaemonHealth:
    """Stop what is left of this profile's daemon, and only of this profile's, and start it anew.

    In between, messages that the broker has lost are sent again.
    """
    database_lost = bool(cut_off(process.pid for process in own_processes('worker')))
    _verdi('daemon', 'stop', check=False)
    leftover = own_processes('worker') + own_processes('broker') + orphaned_streamers()
    for process in leftover:
        process.terminate()
    _, alive = psutil.wait_procs(leftover, timeout=10)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=10)
    revive_lost(all_active=database_lost)
    return _start(workers)


def ensure_daemon(workers: int) -> DaemonHealth:
    """Start the daemon, or mend it; return what was found at the end.

    Raises
    ------
    subprocess.CalledProcessError
        ``verdi daemon start`` failed.
    """
    health = check_daemon()
    if not health.faults:
        return health
    if not health.running and not health.workers:
        health = _start(workers)
    return mend_daemon(workers) if health.faults else health


def _start(workers: int) -> DaemonHealth:
    """Start the daemon, and forget connections to one that ran before."""
    from aiida.manage import get_manager

    _forget_dead_broker()
    _verdi('daemon', 'start', str(workers))
    get_manager().reset_broker()
    get_manager().reset_runner()
    return wait_until_listening()


def _forget_dead_broker() -> None:
    """Remove the address, process id and status a killed ZeroMQ broker has left behind.

    The process id may by now belong to another program, which AiiDA would take for the broker.
    """
    from aiida.brokers.zeromq.service import ZeromqBrokerService
    from aiida.manage import get_config, get_manager

    if own_processes('broker'):
        return
    paths = get_config().filepaths(get_manager().get_profile())
    layout = ZeromqBrokerService.FilepathLayout(paths['broker_service']['dir'])
    for left in (layout.sockets_file, layout.pid_file, layout.status_file):
        left.unlink(missing_ok=True)


def wait_until_listening() -> DaemonHealth:
    """Wait until the workers have subscribed, at most `START_TIMEOUT` seconds.

    A broker that has just started has not written yet who listens to it: that is no good news.
    """
    deadline = time.monotonic() + START_TIMEOUT
    health = check_daemon()
    while (health.faults or _is_silent(health)) and time.monotonic() < deadline:
        time.sleep(0.5)
        health = check_daemon()
    return health


def _is_silent(health: DaemonHealth) -> bool:
    """Whether a broker that tells who listens to it has not told yet."""
    return health.subscribers is None and _probe() is not None


def stop_daemon() -> None:
    """Stop the daemon of the loaded profile."""
    _verdi('daemon', 'stop', check=False)


def _deaf_workers() -> int:
    """Count the workers that had started, and found a broker, before the present one came."""
    brokers = own_processes('broker')
    if not brokers:
        return 0
    born = max(broker.create_time() for broker in brokers) - BROKER_TIMEOUT
    return sum(worker.create_time() < born for worker in own_processes('worker'))


def _probe() -> Callable[[], dict[str, Any]] | None:
    """What asks the broker for its status, where it can be asked."""
    from aiida.manage import get_manager

    probe: Callable[[], dict[str, Any]] | None = getattr(
        get_manager().get_broker(), 'probe_service_status', None
    )
    return probe


def _subscribers() -> int | None:
    probe = _probe()
    if probe is None:
        return None
    with _silent(logging.getLogger('aiida.broker.zeromq')):
        count = probe().get('task_subscribers')
    return None if count is None else int(count)


@contextlib.contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Keep warnings back for a while: a broker that has not written its status yet is no fault."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def run_verdi(*words: str) -> subprocess.CompletedProcess[str]:
    """Run ``verdi`` of this environment; the daemon looks for it on PATH."""
    environment = dict(os.environ)
    environment['PATH'] = f'{Path(sys.executable).parent}:{environment.get("PATH", "")}'
    program = str(Path(sys.executable).with_name('verdi'))
    return subprocess.run(  # noqa: S603 - our own words only
        [program, *words], check=False, capture_output=True, text=True, env=environment
    )


def _verdi(*words: str, check: bool = True) -> None:
    from aiida.manage import get_manager

    profile = get_manager().get_profile()
    done = run_verdi(*(['-p', profile.name] if profile is not None else []), *words)
    if check:
        done.check_returncode()
