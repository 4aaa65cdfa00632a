"""Workers whose connection to PostgreSQL was cut.

A worker notices the cut in the middle of a transaction and from then on refuses every query until
it is rolled back, which AiiDA never does: it lives, is heard by the broker, holds its processes and
does nothing. From outside: it has told of the cut, and has no connection to the database.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

import psutil

POSTGRES_PORT = 5432
#: The daemon's log is looked through from its end for as many bytes.
LOOKED_AT = 5_000_000
#: What SQLAlchemy calls a cut, and every query after it.
_COMPLAINT = re.compile(rb'\[(\d+)\] \|.*(?:OperationalError|PendingRollbackError)')


def cut_off(workers: Iterable[psutil.Process]) -> int:
    """Count the workers of the loaded profile that have lost its database.

    A worker without a connection may just have had nothing to ask, and one that has complained may
    have another connection by now: only both together count. Connections by a socket in the file
    system cannot be seen; there, as with SQLite, none is counted.
    """
    port = _port()
    if port is None:
        return 0
    without = {worker.pid for worker in workers if not _is_connected(worker, port)}
    return len(without & _complained()) if without else 0


def _port() -> int | None:
    """TCP port of the profile's PostgreSQL; None where there is none."""
    from aiida.manage import get_manager

    profile = get_manager().get_profile()
    if profile is None or profile.storage_backend != 'core.psql_dos':
        return None
    host = profile.storage_config.get('database_hostname') or ''
    if not host or host.startswith('/'):
        return None
    return int(profile.storage_config.get('database_port') or POSTGRES_PORT)


def _is_connected(worker: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(
            one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
            for one in worker.net_connections(kind='tcp')
        )
    return True


def _complained() -> set[int]:
    """Process ids of workers that have told of a cut."""
    from aiida.engine.daemon.client import get_daemon_client

    path = Path(get_daemon_client().daemon_log_file)
    if not path.is_file():
        return set()
    with path.open('rb') as handle:
        handle.seek(max(0, path.stat().st_size - LOOKED_AT))
        return {int(pid) for pid in _COMPLAINT.findall(handle.read())}
