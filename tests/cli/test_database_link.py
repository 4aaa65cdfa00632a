"""Which workers have lost PostgreSQL is seen from their connections and from what they told."""

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from aiida.engine.daemon.client import get_daemon_client
from aiida.manage import get_manager

from aiida_insbench.cli import database_link
from aiida_insbench.cli.database_link import cut_off

OWN = psutil.Process()
TOLD = (
    f'2026-11-27 06:07:28 [{os.getpid()}] | sqlalchemy.exc.OperationalError: '
    '(psycopg.errors.AdminShutdown) terminating connection due to administrator command\n'
)


@pytest.fixture
def log(aiida_profile):
    """The daemon's log."""
    path = Path(get_daemon_client().daemon_log_file)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = path.read_bytes() if path.exists() else None
    path.write_text(TOLD)
    yield path
    path.unlink()
    if kept is not None:
        path.write_bytes(kept)


@pytest.fixture
def server(monkeypatch):
    """A server of this machine that the profile takes for its PostgreSQL."""
    with socket.create_server(('127.0.0.1', 0)) as made:
        config = {'database_hostname': '127.0.0.1', 'database_port': made.getsockname()[1]}
        monkeypatch.setattr(database_link, '_complained', lambda: {OWN.pid})
        profile = SimpleNamespace(storage_backend='core.psql_dos', storage_config=config)
        monkeypatch.setattr(get_manager(), 'get_profile', lambda: profile)
        yield made, config


def test_connection_and_its_loss(server):
    listening, _ = server
    assert cut_off([OWN]) == 1
    with socket.create_connection(listening.getsockname()):
        assert cut_off([OWN]) == 0
        there, _ = listening.accept()
        there.close()  # half closed: the server is gone, the worker has not looked yet
        assert cut_off([OWN]) == 1


def test_worker_without_a_complaint_had_nothing_to_ask(server, monkeypatch):
    monkeypatch.setattr(database_link, '_complained', set)
    assert cut_off([OWN]) == 0


def test_socket_in_the_file_system_cannot_be_told(server):
    _, config = server
    config['database_hostname'] = '/var/run/postgresql'
    assert cut_off([OWN]) == 0


def test_sqlite_has_no_connection_to_lose(aiida_profile):
    assert cut_off([OWN]) == 0


def test_complaints_are_read_from_the_end_of_the_log(log, monkeypatch):
    assert database_link._complained() == {os.getpid()}
    log.write_text(TOLD + 'something else\n' * 10)
    monkeypatch.setattr(database_link, 'LOOKED_AT', 50)
    assert database_link._complained() == set()
    log.unlink()
    assert database_link._complained() == set()
    log.touch()
