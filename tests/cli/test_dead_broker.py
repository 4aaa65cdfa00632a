"""What a killed ZeroMQ broker leaves behind is removed before a daemon starts."""

from pathlib import Path

import pytest
from aiida.manage import get_config, get_manager

from aiida_insbench.cli import health

LEFT = ('broker.sockets', 'broker.pid', 'broker.status')


@pytest.fixture
def service(aiida_profile) -> Path:
    """The folder of the profile's broker, as SIGKILL leaves it."""
    paths = get_config().filepaths(get_manager().get_profile())
    folder = Path(paths['broker_service']['dir'])
    folder.mkdir(parents=True, exist_ok=True)
    for name in LEFT:
        (folder / name).write_text('aiida-zeromq-broker 1')
    yield folder
    for name in LEFT:
        (folder / name).unlink(missing_ok=True)


def test_files_of_a_dead_broker_go(service: Path) -> None:
    (service / 'broker.log').write_text('kept')
    health._forget_dead_broker()
    assert [path.name for path in service.iterdir()] == ['broker.log']


def test_files_of_a_living_broker_stay(service: Path, monkeypatch) -> None:
    monkeypatch.setattr(health, 'own_processes', lambda kind: ['one'])
    health._forget_dead_broker()
    assert {path.name for path in service.iterdir()} >= set(LEFT)
