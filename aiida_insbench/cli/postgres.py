"""Role and database for a profile on a PostgreSQL server, made and dropped through pgsu."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiida_insbench.science.errors import InputError, format_error

CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Superuser:
    """Whoever may make roles and databases, and where; the password never shows."""

    hostname: str = 'localhost'
    port: int = 5432
    username: str = 'postgres'
    password: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return f'{self.hostname}:{self.port}'


def connect(superuser: Superuser) -> Any:
    """Connect as superuser.

    Returns
    -------
    aiida.manage.external.postgres.Postgres
        Connected.

    Raises
    ------
    InputError
        No server answers, it refuses the user, or the user may not make roles and databases.
    """
    import psycopg
    from aiida.manage.external.postgres import Postgres

    information = {
        'host': superuser.hostname,
        'port': superuser.port,
        'user': superuser.username,
        'password': superuser.password,
        'connect_timeout': CONNECT_SECONDS,
    }
    postgres = Postgres(dbinfo=information, determine_setup=False)
    # pgsu goes on to other servers and users where this one fails, and does not say why.
    try:
        psycopg.connect(**postgres.dsn).close()
    except psycopg.OperationalError as exc:
        local = superuser.hostname in ('localhost', '127.0.0.1')
        if superuser.password is None and local and _become_postgres(postgres):
            return postgres
        raise InputError(_why_not(superuser, str(exc))) from exc
    postgres.determine_setup()
    allowed = postgres.execute(
        'SELECT rolsuper OR (rolcreatedb AND rolcreaterole) FROM pg_roles '
        'WHERE rolname = current_user'
    )
    if not allowed[0][0]:
        raise InputError(
            format_error(
                f'{superuser.username} may not make roles and databases on {superuser.place}.',
                fix='Give a superuser: --postgres-username.',
            )
        )
    return postgres


def create(postgres: Any, name: str, password: str) -> None:
    """Make a role and a database of the same name that it owns; both or none.

    Raises
    ------
    InputError
        One of the name is there already, or the server lacks the locale.
    """
    import psycopg

    taken = name_taken(postgres, name)
    if taken:
        raise InputError(taken)
    postgres.create_dbuser(name, password)
    try:
        postgres.create_db(name, name)
    except psycopg.Error as exc:
        postgres.drop_dbuser(name)
        raise InputError(
            format_error(
                f'The database {name} could not be made: {str(exc).strip()}.',
                fix='If the locale is meant: on the server, as root, make en_US.UTF-8 '
                '(apt-get install locales, locale-gen en_US.UTF-8) and restart PostgreSQL.',
            )
        ) from exc


def name_taken(postgres: Any, name: str) -> str:
    """What is wrong with a name for role and database; empty if nothing."""
    for what, exists in (('role', postgres.dbuser_exists), ('database', postgres.db_exists)):
        if exists(name):
            return format_error(
                f'The server has a {what} {name} already, which this command did not make.',
                fix='Take another --name for the profile.',
            )
    return ''


def drop(postgres: Any, name: str) -> None:
    """Drop database and role, if they are there; connections to them are cut."""
    if postgres.db_exists(name):
        postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    if postgres.dbuser_exists(name):
        postgres.drop_dbuser(name)


def _become_postgres(postgres: Any) -> bool:
    """Use the machine's own server as Unix user postgres, by sudo, if that works."""
    import logging

    logging.getLogger('pgsu').setLevel(logging.ERROR)
    return bool(postgres.determine_setup())


def _why_not(superuser: Superuser, text: str) -> str:
    """Turn libpq's reason into what to do."""
    who = f'{superuser.username} on {superuser.place}'
    if 'password' in text or 'authentication' in text:
        return format_error(
            f'PostgreSQL refuses {who}: the password is wrong or missing.',
            fix='Give that of a superuser: --postgres-password, or set '
            'INSBENCH_POSTGRES_PASSWORD, which other users cannot see.',
        )
    if 'does not exist' in text or 'pg_hba' in text:
        return format_error(f'PostgreSQL refuses {who}.', fix='See --postgres-username.')
    return format_error(
        f'No PostgreSQL answers at {superuser.place}.',
        fix='Start it, or give --postgres-hostname and --postgres-port.',
    )
