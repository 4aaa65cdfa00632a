"""Processes of the daemon of the loaded profile: its supervisor, workers and broker."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

#: What AiiDA's supervisor is called on its command line.
SUPERVISORS = ('start-circus', 'circusd')
#: In the command line of the process that circus starts to watch the others.
STREAMER = 'from circus import stats'


def supervisor_runs() -> bool:
    """Whether the pid file means a supervisor that runs: a killed one leaves it."""
    from aiida.engine.daemon.client import get_daemon_client

    pid = get_daemon_client().get_daemon_pid()
    if pid is None:
        return False
    try:
        return any(word in SUPERVISORS for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def own_processes(kind: str) -> list[psutil.Process]:
    """Processes of the loaded profile's daemon: `kind` is ``worker`` or ``broker``.

    Told apart from those of other profiles by profile name and ``AIIDA_PATH``.
    """
    from aiida.manage import get_config, get_manager

    profile = get_manager().get_profile()
    name = profile.name if profile else ''
    own_path = Path(get_config().dirpath).resolve()
    found = []
    for process in psutil.process_iter(['cmdline']):
        words = process.info['cmdline'] or []
        if kind not in words or name not in words or not any('verdi' in w for w in words[:3]):
            continue
        if _aiida_path(process) == own_path:
            found.append(process)
    return found


def orphaned_streamers() -> list[psutil.Process]:
    """What watched workers for a supervisor that was killed, and would do so for ever."""
    from aiida.manage import get_config

    own_path = Path(get_config().dirpath).resolve()
    found = []
    for process in psutil.process_iter(['cmdline']):
        if not any(STREAMER in word for word in process.info['cmdline'] or []):
            continue
        with contextlib.suppress(psutil.Error):
            parent = process.parent()
            orphaned = parent is None or not set(SUPERVISORS) & set(parent.cmdline())
            if orphaned and _aiida_path(process) == own_path:
                found.append(process)
    return found


def _aiida_path(process: psutil.Process) -> Path | None:
    try:
        value = process.environ().get('AIIDA_PATH')
    except psutil.Error:
        return None
    if not value:
        return None
    path = Path(value)
    if path.name != '.aiida':
        path = path / '.aiida'
    return path.resolve()
