"""Workers whose connection to the database was cut.

AiiDA does not recover from it: the worker's session either refuses every query until a rollback
that never comes, or is replaced by another to which the objects of its running processes do not
belong. The worker lives, is heard by the broker and holds its processes, which stand still; only
its log tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

#: The daemon's log is looked through from its end for as many bytes.
LOOKED_AT = 5_000_000
#: A cut as psycopg tells it, and what SQLAlchemy says of queries and objects after it.
_COMPLAINT = re.compile(
    rb'\[(\d+)\] \|.*(?:OperationalError: \(psycopg|PendingRollbackError|DetachedInstanceError)'
)


def cut_off(workers: Iterable[int]) -> int:
    """Count the workers of the loaded profile that have lost its database, by their process ids."""
    return len(set(workers) & _complained())


def _complained() -> set[int]:
    """Process ids of workers, of before too, that have told of a cut."""
    from aiida.engine.daemon.client import get_daemon_client

    path = Path(get_daemon_client().daemon_log_file)
    if not path.is_file():
        return set()
    with path.open('rb') as handle:
        handle.seek(max(0, path.stat().st_size - LOOKED_AT))
        return {int(pid) for pid in _COMPLAINT.findall(handle.read())}
