"""Start programs that go on running, remember them by pid files, and end only those."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TAIL = 30


class ServiceError(Exception):
    """A service could not be started; the message says why, with the tail of its log."""


def identity(pid: int) -> str | None:
    """What tells this process from a later one of the same id: when it started; None if gone."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] == 'Z' else fields[19]


def running(pid_file: Path) -> int | None:
    """Process id in a pid file, if that very process still runs."""
    try:
        pid, started = pid_file.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if identity(int(pid)) == started else None


def start(
    name: str,
    command: Sequence[str],
    *,
    folder: Path,
    ready: Callable[[], bool],
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 90,
) -> bool:
    """Start a program in a session of its own and wait until it answers.

    Returns
    -------
    bool
        Whether it was started; False if it ran already.

    Raises
    ------
    ServiceError
        It ended, or did not answer in time; what was started is ended.
    """
    pid_file, log = folder / f'{name}.pid', folder / f'{name}.log'
    if running(pid_file):
        wait_until(name, ready, pid_file, log, seconds)
        return False
    become = ['setpriv', f'--reuid={user}', f'--regid={user}', '--init-groups'] if user else []
    with log.open('ab') as output:
        process = subprocess.Popen(
            [*become, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment or os.environ),
            cwd=folder,
            start_new_session=True,
        )
    pid_file.write_text(f'{process.pid} {identity(process.pid)}\n')
    try:
        wait_until(name, ready, pid_file, log, seconds, process)
    except ServiceError:
        stop(pid_file)
        raise
    return True


def wait_until(
    name: str,
    ready: Callable[[], bool],
    pid_file: Path,
    log: Path,
    seconds: float,
    process: subprocess.Popen | None = None,
) -> None:
    """Wait until a service answers, or say that it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise ServiceError(f'{name} ended with {process.returncode}.\n{tail(log)}')
        if running(pid_file) is None:
            raise ServiceError(f'{name} ended.\n{tail(log)}')
        if ready():
            return
        time.sleep(0.2)
    raise ServiceError(f'{name} did not answer within {seconds:g} s.\n{tail(log)}')


def tail(log: Path) -> str:
    """Last lines of a log."""
    lines = log.read_text(errors='replace').splitlines()[-TAIL:] if log.exists() else []
    return '\n'.join([f'The end of {log}:', *(f'    {line}' for line in lines)])


def stop(pid_file: Path, *, seconds: float = 30, how: int = signal.SIGTERM) -> bool:
    """End the process of a pid file, politely and then by force, with what is left in its session.

    Returns
    -------
    bool
        Whether it ran.
    """
    pid = running(pid_file)
    if pid is not None:
        os.kill(pid, how)
        deadline = time.monotonic() + seconds
        while running(pid_file) and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.1)
        deadline = time.monotonic() + 5
        while (left := session(pid)) and time.monotonic() < deadline:
            for member in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)
    return pid is not None


def session(leader: int) -> list[int]:
    """Process ids of the session that `leader` opened; those that have ended do not count."""
    members = []
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(entry.name)) == leader and identity(int(entry.name)):
                    members.append(int(entry.name))
    return members
