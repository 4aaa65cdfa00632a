"""Undo profiles that `profiles` made, and what is left of ones that were deleted otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from aiida_insbench.cli import postgres as server
from aiida_insbench.cli.profiles import (
    database_name,
    exists,
    find_broker,
    folder_of,
    mark_of,
    read_record,
    record_file,
)
from aiida_insbench.cli.rabbitmq import remove_queues
from aiida_insbench.science.errors import InputError


def undo_profile(name: str, superuser: server.Superuser) -> list[str]:
    """Remove a profile that was made here, with its data, database, role and queues.

    Returns
    -------
    list of str
        What could not be removed.

    Raises
    ------
    InputError
        The server refuses; the profile is then still there.
    """
    from aiida.manage import get_config

    from aiida_insbench.cli.health import run_verdi

    config = get_config()
    profile = config.get_profile(name)
    connection = _connection_of(read_record(name), superuser)
    run_verdi('-p', name, 'daemon', 'stop')
    left = []
    if profile.process_control_backend == 'core.rabbitmq':
        left = remove_queues(profile.process_control_config, profile.uuid)
    _remove_data(name, connection, folder_of(profile.storage_config))
    # AiiDA's own deletion would write the password of the database to the log.
    default = config.default_profile_name == name
    config.remove_profile(name)
    if default and config.profile_names:
        config.set_default_profile(config.profile_names[0], overwrite=True)
    config.store()
    record_file(name).unlink()
    return left


def find_leftovers(name: str, superuser: server.Superuser | None) -> list[str]:
    """What a profile that is gone has left behind: on its server, or on that of `superuser`.

    Raises
    ------
    InputError
        The server cannot be asked.
    """
    record = read_record(name)
    found = []
    if record.get('folder') and Path(record['folder']).exists():
        found.append(f'the folder {record["folder"]}')
    connection = _connection_of(record, superuser)
    if connection is not None and server.is_ours(
        connection, database_name(name), mark=mark_of(name)
    ):
        found.append(f'role and database {database_name(name)} on {_place(record, superuser)}')
    if record.get('postgres') and record.get('uuid'):
        found.append('its queue on RabbitMQ')
    return found


def undo_leftovers(name: str, superuser: server.Superuser | None) -> list[str]:
    """Remove what a profile that is gone has left behind.

    Returns
    -------
    list of str
        What could not be removed.
    """
    if exists(name):
        raise InputError(f'The profile {name} is there; nothing removed.')
    record = read_record(name)
    connection = _connection_of(record, superuser)
    left = []
    if record.get('postgres') and record.get('uuid'):
        broker, config, _ = find_broker()
        if broker == 'core.rabbitmq':
            left = remove_queues(config, record['uuid'])
        else:
            left = [
                'No RabbitMQ answers (AIIDA_BROKER_HOST and AIIDA_BROKER_PORT say where): a queue '
                f'aiida-{record["uuid"]} may be left on it.'
            ]
    if connection is not None and not server.is_ours(
        connection, database_name(name), mark=mark_of(name)
    ):
        connection = None
    _remove_data(name, connection, record.get('folder'))
    record_file(name).unlink(missing_ok=True)
    return left


def _connection_of(record: dict[str, Any], superuser: server.Superuser | None) -> Any:
    """Connection to the server that has the data, or to that of `superuser`; None without."""
    at = record.get('postgres')
    if at and superuser is not None:
        superuser = server.Superuser(
            at['hostname'], at['port'], superuser.username, superuser.password
        )
    elif at:
        superuser = server.Superuser(at['hostname'], at['port'])
    elif record:
        superuser = None
    return None if superuser is None else server.connect(superuser)


def _place(record: dict[str, Any], superuser: server.Superuser | None) -> str:
    at = record.get('postgres')
    if at:
        return f'{at["hostname"]}:{at["port"]}'
    return superuser.place if superuser is not None else ''


def _remove_data(name: str, connection: Any, folder: str | None) -> None:
    if connection is not None:
        server.drop(connection, database_name(name))
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
