"""``aiida-insbench setup``."""

from __future__ import annotations

from pathlib import Path

import click
from aiida.cmdline.utils import decorators, echo


@click.group('setup', invoke_without_command=True)
@click.option('--work', type=click.Path(file_okay=False, path_type=Path), help='Where jobs run.')
@click.option('--slots', type=click.IntRange(min=1), help='Jobs at once; default one per core.')
@click.pass_context
def cmd_setup(ctx, work, slots) -> None:  # type: ignore[no-untyped-def]
    r"""Make the computer insbench-local and the codes pw and insbench-job on it; or a profile.

    \b
    Example: aiida-insbench setup --work ~/insbench-work
    """
    if ctx.invoked_subcommand is not None:
        return
    if work is None:
        raise click.UsageError("Missing option '--work'.")
    _setup_computer_and_codes(work, slots)


@decorators.with_dbenv()
def _setup_computer_and_codes(work, slots) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.site import prepare_codes, prepare_computer
    from aiida_insbench.science.errors import InputError

    try:
        computer = prepare_computer(work, slots=slots)
        codes = prepare_codes(computer)
    except InputError as exc:
        echo.echo_critical(str(exc))
    for code in codes:
        echo.echo_success(f'{code.full_label}: {code.filepath_executable}')


@cmd_setup.command('profile')
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
    try:
        check_name(name)
        there = exists(name)
        if undo:
            _undo_profile(name, superuser, there=there, dry_run=dry_run, yes=yes)
        elif there:
            click.echo(f'The profile {name} is there.')
        else:
            _make_profile(name, superuser if postgres else None, dry_run=dry_run)
    except InputError as exc:
        raise click.ClickException(str(exc)) from exc


def _make_profile(name, superuser, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli import postgres as server
    from aiida_insbench.cli.profiles import database_name, find_broker, make_profile
    from aiida_insbench.science.errors import InputError

    data = 'SQLite'
    if superuser is not None:
        data = f'PostgreSQL at {superuser.place}, role and database {database_name(name)}'
    if dry_run:
        messages = 'ZeroMQ'
        if superuser is not None:
            taken = server.name_taken(server.connect(superuser), database_name(name))
            if taken:
                raise InputError(taken)
            messages = find_broker()[2]
        click.echo(f'Would make the profile {name}: data in {data}; messages by {messages}.')
        return
    messages = make_profile(name, superuser)
    click.echo(f'Made the profile {name}: data in {data}; messages by {messages}.')
    if messages.startswith('RabbitMQ'):
        click.echo(
            'RabbitMQ needs `consumer_timeout = 36000000000` in its configuration: else it hands '
            'out again what takes longer than 30 minutes.'
        )


def _undo_profile(name, superuser, *, there, dry_run, yes) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.profiles import undo_profile

    if not there:
        click.echo(f'There is no profile {name}.')
    elif dry_run:
        click.echo(f'Would remove the profile {name} with all its data, database and role.')
    elif yes or click.confirm(f'Remove the profile {name} with ALL its data?'):
        undo_profile(name, superuser)
        click.echo(f'Removed the profile {name}.')
