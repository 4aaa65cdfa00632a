"""``aiida-insbench setup profile``."""

from __future__ import annotations

import click


@click.command('profile')
@click.option('--name', default='insbench', show_default=True, help='Name of the profile.')
@click.option('--postgres', is_flag=True, help='Keep the data in PostgreSQL instead of SQLite.')
@click.option('--postgres-hostname', default='localhost', show_default=True, help='Its machine.')
@click.option(
    '--postgres-port',
    type=click.IntRange(1, 65535),
    default=5432,
    show_default=True,
    envvar='INSBENCH_POSTGRES_PORT',
    help='Its port; also INSBENCH_POSTGRES_PORT.',
)
@click.option(
    '--postgres-username', default='postgres', show_default=True, help='A superuser of it.'
)
@click.option(
    '--postgres-password',
    envvar='INSBENCH_POSTGRES_PASSWORD',
    help="The superuser's password; better in INSBENCH_POSTGRES_PASSWORD, which is not seen.",
)
@click.option('--dry-run', is_flag=True, help='Say what would be done; change nothing.')
@click.option('--undo', is_flag=True, help='Remove the profile with all its data.')
@click.option('--yes', is_flag=True, help='Do not ask before removing.')
def cmd_setup_profile(name, postgres, dry_run, undo, yes, **access) -> None:  # type: ignore[no-untyped-def]
    r"""Make an AiiDA profile: SQLite and ZeroMQ, or PostgreSQL and RabbitMQ where it answers.

    \b
    Example: aiida-insbench setup profile --name group --postgres
    """
    from aiida_insbench.cli.postgres import Superuser
    from aiida_insbench.cli.profiles import check_name, exists
    from aiida_insbench.science.errors import InputError

    superuser = Superuser(**{key.removeprefix('postgres_'): access[key] for key in access})
    chosen = superuser if postgres else None
    try:
        check_name(name)
        there = exists(name)
        if undo and there:
            _undo_profile(name, superuser, dry_run=dry_run, yes=yes)
        elif undo:
            _undo_leftovers(name, superuser, chosen, dry_run=dry_run, yes=yes)
        elif there:
            click.echo(f'The profile {name} is there.')
        else:
            _make_profile(name, chosen, dry_run=dry_run)
    except InputError as exc:
        raise click.ClickException(str(exc)) from exc


def _make_profile(name, superuser, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.profiles import database_name, make_profile

    data = 'SQLite'
    if superuser is not None:
        data = f'PostgreSQL at {superuser.place}, role and database {database_name(name)}'
    if dry_run:
        messages, again = _what_would_be(name, superuser)
        click.echo(f'Would make the profile {name}: data in {data}{again}; messages by {messages}.')
        return
    made = make_profile(name, superuser)
    again = _AGAIN if made.taken_again else ''
    click.echo(f'Made the profile {name}: data in {data}{again}; messages by {made.messages}.')
    if made.messages.startswith('RabbitMQ'):
        click.echo(
            'RabbitMQ needs `consumer_timeout = 36000000000` in its configuration: else it hands '
            'out again what takes longer than 30 minutes.'
        )


_AGAIN = ' (left by a profile of the name that is gone; what is in them is there again)'


def _what_would_be(name, superuser) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """What would carry the messages, and whether a database would be taken again."""
    from aiida_insbench.cli import postgres as server
    from aiida_insbench.cli.profiles import check_leftovers, database_name, find_broker, mark_of
    from aiida_insbench.science.errors import InputError

    check_leftovers(name, superuser)
    if superuser is None:
        return 'ZeroMQ', ''
    connection, database = server.connect(superuser), database_name(name)
    taken = server.name_taken(connection, database, mark=mark_of(name))
    if taken:
        raise InputError(taken)
    ours = server.is_ours(connection, database, mark=mark_of(name))
    return find_broker()[2], _AGAIN if ours else ''


def _undo_profile(name, superuser, *, dry_run, yes) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.profiles_undo import undo_profile

    if dry_run:
        click.echo(f'Would remove the profile {name} with all its data, database and role.')
    elif yes or click.confirm(f'Remove the profile {name} with ALL its data?'):
        _say_removed(f'the profile {name}', undo_profile(name, superuser))


def _undo_leftovers(name, superuser, chosen, *, dry_run, yes) -> None:  # type: ignore[no-untyped-def]
    """Remove what a profile that was deleted otherwise has left behind."""
    from aiida_insbench.cli.profiles import read_record, record_file
    from aiida_insbench.cli.profiles_undo import find_leftovers, undo_leftovers

    superuser = superuser if read_record(name) else chosen
    found = find_leftovers(name, superuser)
    if not found:
        if not dry_run:
            record_file(name).unlink(missing_ok=True)
        click.echo(f'There is no profile {name}.')
        return
    what = f'{", ".join(found)} that a profile {name} left behind'
    if dry_run:
        click.echo(f'Would remove {what}.')
    elif yes or click.confirm(f'Remove {what}, with ALL data?'):
        _say_removed(what, undo_leftovers(name, superuser))


def _say_removed(what, left) -> None:  # type: ignore[no-untyped-def]
    for text in left:
        click.echo(text, err=True)
    click.echo(f'Removed {what}.')
