"""Make AiiDA profiles with or without servers; `profiles_undo` undoes exactly what was made."""

from __future__ import annotations

import json
import platform
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida_insbench.cli import postgres as server
from aiida_insbench.science.errors import InputError, format_error

_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_-]{0,49}')


def check_name(name: str) -> None:
    """Refuse a name that is none for a profile, a database and a folder.

    Raises
    ------
    InputError
        It has other characters than letters, digits, - and _, or is too long.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f'`--name` is {name!r}; give a letter, then up to 49 letters, digits, - or _.'
        )


def record_file(name: str) -> Path:
    """Where it is written that this package made a profile."""
    from aiida.manage import get_config

    return Path(get_config(create=True).dirpath) / 'insbench' / f'{name}.json'


def exists(name: str) -> bool:
    """Whether this package made the profile before.

    Raises
    ------
    InputError
        A profile of the name is there that was made otherwise.
    """
    from aiida.manage import get_config

    config = get_config(create=True)
    if name not in config.profile_names:
        return False
    profile, record = config.get_profile(name), read_record(name)
    database = (profile.storage_config or {}).get('database_name')
    # A kill may have come before the uuid was written down.
    unfinished = record and 'uuid' not in record and database == database_name(name)
    if not unfinished and record.get('uuid') != profile.uuid:
        raise InputError(
            format_error(
                f'There is a profile {name} already, not made by this command.',
                fix='Take another --name.',
            )
        )
    return True


def find_broker() -> tuple[str, dict[str, Any], str]:
    """RabbitMQ where it answers (``AIIDA_BROKER_HOST`` and others say where), else ZeroMQ.

    Returns
    -------
    tuple
        Entry point, configuration, and what to tell the user.
    """
    from aiida.brokers.rabbitmq.defaults import detect_rabbitmq_config

    try:
        found = detect_rabbitmq_config()
    except ConnectionError:
        return (
            *_zeromq(),
            'ZeroMQ, as no RabbitMQ answers (AIIDA_BROKER_HOST and AIIDA_BROKER_PORT say where)',
        )
    return 'core.rabbitmq', found, f'RabbitMQ at {found["broker_host"]}:{found["broker_port"]}'


@dataclass(frozen=True)
class Made:
    """What carries the messages of a profile, and whether it got an earlier one's database."""

    messages: str
    taken_again: bool


def make_profile(name: str, superuser: server.Superuser | None) -> Made:
    """Make a profile, on PostgreSQL if there is a superuser, else on SQLite with ZeroMQ.

    Role and database that a profile of the name left behind here are taken again, with all that is
    in them.

    Raises
    ------
    InputError
        The server cannot be used, a name is taken, or AiiDA could not make the profile; nothing
        is left behind that was not there before.
    """
    from aiida.manage import get_config

    config = get_config(create=True)
    check_leftovers(name, superuser)
    earlier = read_record(name)
    if superuser is None:
        return _make_on_sqlite(config, name)
    broker, broker_config, messages = find_broker()
    connection = server.connect(superuser)
    password = secrets.token_hex(16)
    database = database_name(name)
    repository = Path(config.dirpath) / 'repository' / name
    before = repository.exists()
    taken_again = server.create(connection, database, password, mark=mark_of(name))
    record = {'postgres': {'hostname': superuser.hostname, 'port': superuser.port}}
    _note(name, record)
    storage = _storage(name, superuser, password, repository)
    try:
        _create(config, name, ('core.psql_dos', storage), (broker, broker_config))
    except InputError as exc:
        if not before:
            shutil.rmtree(repository, ignore_errors=True)
        if not taken_again:
            server.drop(connection, database)
            record_file(name).unlink()
            raise
        _note(name, earlier or record)
        raise InputError(
            format_error(
                str(exc),
                reason=f'Role and database {database} are left of an earlier profile {name}.',
                fix='If you do not need their data, --undo removes them.',
            )
        ) from exc
    return Made(messages, taken_again=taken_again)


def _make_on_sqlite(config: Any, name: str) -> Made:
    _note(name, {'postgres': None})
    try:
        _create(config, name, ('core.sqlite_dos', {}), _zeromq())
    except InputError:
        record_file(name).unlink()
        raise
    return Made('ZeroMQ', taken_again=False)


def _create(
    config: Any, name: str, storage: tuple[str, dict[str, Any]], broker: tuple[str, dict[str, Any]]
) -> None:
    """Let AiiDA make the profile and set its options; no trace in the configuration if it fails."""
    try:
        profile = config.create_profile(
            name=name,
            storage_backend=storage[0],
            storage_config=storage[1],
            broker_backend=broker[0],
            broker_config=broker[1],
        )
        _set_user(profile)
    except Exception as exc:
        if name in config.profile_names:
            config.remove_profile(name)
            config.store()
        raise InputError(f'AiiDA could not make the profile {name}: {exc}') from exc
    config.set_option('runner.poll.interval', 10, scope=name)
    if broker[0] == 'core.rabbitmq':
        config.set_option('warnings.rabbitmq_version', False, scope=name)
    config.set_default_profile(name)  # only if there is none
    config.store()
    folder = folder_of(profile.storage_config)
    _note(name, {**read_record(name), 'uuid': profile.uuid, 'folder': folder})


def _set_user(profile: Any) -> None:
    """Make the default user; a database that is taken again has it."""
    from aiida.manage import get_manager
    from aiida.manage.configuration import profile_context
    from aiida.orm import User

    with profile_context(profile, allow_switch=True):
        user = User.collection.query().first(flat=True) or User(email='aiida@localhost').store()
        get_manager().set_default_user_email(profile, user.email)


def _zeromq() -> tuple[str, dict[str, Any]]:
    from aiida.plugins import BrokerFactory

    return 'core.zeromq', BrokerFactory('core.zeromq').get_default_config()


def _note(name: str, record: dict[str, Any]) -> None:
    """Write down what is made, before it is made: what a kill leaves is found again."""
    path = record_file(name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record))


def read_record(name: str) -> dict[str, Any]:
    """What was written down of a profile; empty if nothing."""
    path = record_file(name)
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def check_leftovers(name: str, superuser: server.Superuser | None) -> None:
    """Refuse to make a profile whose predecessor's database would be lost sight of.

    Raises
    ------
    InputError
        A profile of the name is gone, its database is elsewhere; or another profile has it.
    """
    from aiida.manage import get_config

    kept = read_record(name).get('postgres')
    if kept and (
        superuser is None
        or (kept['hostname'], kept['port']) != (superuser.hostname, superuser.port)
    ):
        raise InputError(
            format_error(
                f'A profile {name} that is gone had its data on PostgreSQL at '
                f'{kept["hostname"]}:{kept["port"]}.',
                fix=f'`aiida-insbench setup profile --name {name} --undo` removes what is left of '
                'it; --postgres there takes it again; or take another --name.',
            )
        )
    if superuser is None:
        return
    for profile in get_config(create=True).profiles:
        storage = profile.storage_config or {}
        if (
            storage.get('database_name') == database_name(name)
            and storage.get('database_port') == superuser.port
        ):
            raise InputError(
                f'The profile {profile.name} uses a database {database_name(name)} already. '
                'Take another --name.'
            )


def mark_of(name: str) -> str:
    """Comment on the role of a profile, by which it is known again."""
    from aiida.manage import get_config

    folder = get_config(create=True).dirpath
    return f'aiida-insbench setup profile: {name} of {folder} on {platform.node()}'


def database_name(name: str) -> str:
    """Name of the role and the database of a profile."""
    return f'aiida-{name}'


def folder_of(storage: dict[str, Any]) -> str:
    """Folder in which a profile keeps its files."""
    return str(storage.get('filepath') or storage['repository_uri'].removeprefix('file://'))


def _storage(
    name: str, superuser: server.Superuser, password: str, repository: Path
) -> dict[str, Any]:
    return {
        'database_hostname': superuser.hostname,
        'database_port': superuser.port,
        'database_name': database_name(name),
        'database_username': database_name(name),
        'database_password': password,
        'repository_uri': repository.as_uri(),
    }
