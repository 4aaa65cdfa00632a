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


def create(postgres: Any, name: str, password: str, *, mark: str) -> bool:
    """Make a role and a database of the same name that it owns; both or none.

    A role that bears `mark`, and its database with all that is in it, are taken again.

    Parameters
    ----------
    postgres : Postgres
        Of `connect`.
    name : str
        Of role and database.
    password : str
        That the role gets.
    mark : str
        Comment that tells whose role it is.

    Returns
    -------
    bool
        Whether there was such a role.

    Raises
    ------
    InputError
        One of the name is there that does not bear the mark, or the server lacks the locale.
    """
    import psycopg

    taken = name_taken(postgres, name, mark=mark)
    if taken:
        raise InputError(taken)
    there = is_ours(postgres, name, mark=mark)
    try:
        if there:
            postgres.execute(f'ALTER ROLE "{name}" PASSWORD \'{password}\'')
        else:
            _create_role(postgres, name, password, mark)
        if not postgres.db_exists(name):
            postgres.create_db(name, name)
    except psycopg.Error as exc:
        if not there and is_ours(postgres, name, mark=mark):
            postgres.drop_dbuser(name)
        raise InputError(
            format_error(
                f'Role and database {name} could not be made: {str(exc).strip()}.',
                fix='If the locale is meant: on the server, as root, make en_US.UTF-8 '
                '(apt-get install locales, locale-gen en_US.UTF-8) and restart PostgreSQL.',
            )
        ) from exc
    return there


def _create_role(postgres: Any, name: str, password: str, mark: str) -> None:
    """Make a role in one transaction: there is never one that does not say whose it is."""
    quoted = mark.replace("'", "''")
    postgres.execute(
        f'CREATE USER "{name}" PASSWORD \'{password}\'; '
        f'COMMENT ON ROLE "{name}" IS \'{quoted}\'; GRANT "{name}" TO current_user'
    )


def name_taken(postgres: Any, name: str, *, mark: str) -> str:
    """What is wrong with a name for role and database; empty if nothing, or if they are ours."""
    for what, exists, owner in (
        ('role', postgres.dbuser_exists, name),
        ('database', postgres.db_exists, _owner_of_database(postgres, name)),
    ):
        if exists(name) and not (owner == name and is_ours(postgres, name, mark=mark)):
            comment = _comment_on_role(postgres, name)
            return format_error(
                f'The server has a {what} {name} already, which this command did not make here.',
                reason=f'It is noted there: {comment}.' if comment else '',
                fix='Take another --name for the profile.',
            )
    return ''


def is_ours(postgres: Any, name: str, *, mark: str) -> bool:
    """Whether there is a role of the name that bears the mark."""
    return _comment_on_role(postgres, name) == mark


def drop(postgres: Any, name: str) -> None:
    """Drop database and role, if they are there; connections to them are cut."""
    if postgres.db_exists(name):
        postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    if postgres.dbuser_exists(name):
        postgres.drop_dbuser(name)


def _comment_on_role(postgres: Any, name: str) -> str:
    query = f"SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = '{name}'"  # noqa: S608 - passed check_name
    return _only_value(postgres.execute(query))


def _owner_of_database(postgres: Any, name: str) -> str:
    query = f"SELECT datdba::regrole::text FROM pg_database WHERE datname = '{name}'"  # noqa: S608 - passed check_name
    return _only_value(postgres.execute(query)).strip('"')


def _only_value(rows: Any) -> str:
    """Of an answer of pgsu: rows by psycopg, lines by psql."""
    if not rows:
        return ''
    value = rows[0] if isinstance(rows[0], str) else rows[0][0]
    return (value or '').strip()


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
