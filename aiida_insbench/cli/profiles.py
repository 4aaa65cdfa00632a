"""Make AiiDA profiles with or without servers, and undo exactly what was made."""

from __future__ import annotations

import json
import re
import secrets
import shutil
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

    if name not in get_config(create=True).profile_names:
        return False
    if not record_file(name).exists():
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
    from aiida.plugins import BrokerFactory

    try:
        found = detect_rabbitmq_config()
    except ConnectionError:
        return (
            'core.zeromq',
            BrokerFactory('core.zeromq').get_default_config(),
            'ZeroMQ, as no RabbitMQ answers (AIIDA_BROKER_HOST and AIIDA_BROKER_PORT say where)',
        )
    return 'core.rabbitmq', found, f'RabbitMQ at {found["broker_host"]}:{found["broker_port"]}'


def make_profile(name: str, superuser: server.Superuser | None) -> str:
    """Make a profile, on PostgreSQL if there is a superuser, else on SQLite with ZeroMQ.

    Returns
    -------
    str
        What carries its messages.

    Raises
    ------
    InputError
        The server cannot be used, a name is taken, or AiiDA could not make the profile; nothing
        is left behind.
    """
    from aiida.manage import get_config
    from aiida.manage.configuration import create_profile
    from aiida.plugins import BrokerFactory

    config = get_config(create=True)
    broker = ('core.zeromq', BrokerFactory('core.zeromq').get_default_config(), 'ZeroMQ')
    storage: tuple[str, dict[str, Any]] = ('core.sqlite_dos', {})
    connection = None
    if superuser is not None:
        broker = find_broker()
        connection = server.connect(superuser)
        password = secrets.token_hex(16)
        server.create(connection, database_name(name), password)
        storage = ('core.psql_dos', _storage(name, superuser, password, Path(config.dirpath)))
    try:
        profile = create_profile(
            config,
            name=name,
            email='aiida@localhost',
            storage_backend=storage[0],
            storage_config=storage[1],
            broker_backend=broker[0],
            broker_config=broker[1],
        )
    except Exception as exc:
        if connection is not None:
            server.drop(connection, database_name(name))
        raise InputError(f'AiiDA could not make the profile {name}: {exc}') from exc
    config.set_option('runner.poll.interval', 10, scope=name)
    if broker[0] == 'core.rabbitmq':
        config.set_option('warnings.rabbitmq_version', False, scope=name)
    config.set_default_profile(name)  # only if there is none
    config.store()
    record = record_file(name)
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps({'uuid': profile.uuid, 'postgres': superuser is not None}))
    return broker[2]


def undo_profile(name: str, superuser: server.Superuser) -> None:
    """Remove a profile that was made here, with its data, database and role.

    Raises
    ------
    InputError
        The server refuses; the profile is then still there.
    """
    from aiida.manage import get_config

    from aiida_insbench.cli.health import run_verdi

    config = get_config()
    record = json.loads(record_file(name).read_text())
    storage = config.get_profile(name).storage_config
    if record['postgres']:
        at = server.Superuser(
            storage['database_hostname'],
            storage['database_port'],
            superuser.username,
            superuser.password,
        )
        connection = server.connect(at)
        folder = Path(storage['repository_uri'].removeprefix('file://'))
    else:
        folder = Path(storage['filepath'])
    run_verdi('-p', name, 'daemon', 'stop')
    if record['postgres']:
        server.drop(connection, database_name(name))
    shutil.rmtree(folder, ignore_errors=True)
    # AiiDA's own deletion would write the password of the database to the log.
    default = config.default_profile_name == name
    config.remove_profile(name)
    if default and config.profile_names:
        config.set_default_profile(config.profile_names[0], overwrite=True)
    config.store()
    record_file(name).unlink()


def database_name(name: str) -> str:
    """Name of the role and the database of a profile."""
    return f'aiida-{name}'


def _storage(name: str, superuser: server.Superuser, password: str, folder: Path) -> dict[str, Any]:
    return {
        'database_hostname': superuser.hostname,
        'database_port': superuser.port,
        'database_name': database_name(name),
        'database_username': database_name(name),
        'database_password': password,
        'repository_uri': (folder / 'repository' / name).as_uri(),
    }
