"""Which workers have lost PostgreSQL is read in the daemon's log, as a worker wrote it."""

from pathlib import Path

import pytest
from aiida.engine.daemon.client import get_daemon_client

from aiida_insbench.cli import database_link
from aiida_insbench.cli.database_link import cut_off

TOLD = """\
2026-11-27 06:13:21 [71] | sqlalchemy.exc.OperationalError: (psycopg.errors.AdminShutdown) terminating
2026-11-27 06:13:22 [72] |     raise exc.PendingRollbackError(
2026-11-27 06:14:22 [73] | sqlalchemy.orm.exc.DetachedInstanceError: Instance <DbAuthInfo> is not bound
2026-11-27 06:14:23 [74] | sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked
2026-11-27 06:14:24 [75] | PhononsCalculation<40> launched
"""  # noqa: E501


@pytest.fixture
def log(aiida_profile):
    """The daemon's log."""
    path = Path(get_daemon_client().daemon_log_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.read_bytes() if path.exists() else None
    path.write_text(TOLD)
    yield path
    path.unlink(missing_ok=True)
    if kept is not None:
        path.write_bytes(kept)


@pytest.mark.parametrize(('pid', 'lost'), [(71, 1), (72, 1), (73, 1), (74, 0), (75, 0), (7, 0)])
def test_what_a_worker_has_told(log, pid, lost):
    assert cut_off([pid]) == lost


def test_workers_of_before_do_not_count(log):
    assert cut_off([72, 80, 81]) == 1
    assert cut_off([80, 81]) == 0


def test_log_is_read_from_its_end(log, monkeypatch):
    log.write_text(TOLD + 'something else\n' * 10)
    monkeypatch.setattr(database_link, 'LOOKED_AT', 50)
    assert cut_off([71, 72, 73]) == 0


def test_no_log_yet(log):
    log.unlink()
    assert cut_off([71]) == 0
