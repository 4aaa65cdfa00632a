"""``aiida-insbench setup computer``."""

from __future__ import annotations

from pathlib import Path

import click
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.setup_words import say_removed


@click.command('computer')
@click.argument('name')
@click.option('--slurm', is_flag=True, help='Jobs go to Slurm; else they start here, by slots.')
@click.option('--work', help='Absolute folder where jobs run; may hold {username}.')
@click.option('--hostname', default='localhost', show_default=True, help='As in `ssh HOSTNAME`.')
@click.option(
    '--transport',
    type=click.Choice(['local', 'ssh']),
    help='By default local for localhost, else ssh.',
)
@click.option('--partition', default='', help='Of Slurm, for jobs that name no other.')
@click.option('--account', default='', help='Of Slurm, likewise.')
@click.option('--qos', default='', help='Of Slurm, likewise.')
@click.option(
    '--mpirun',
    default='mpirun -np {tot_num_mpiprocs}',
    show_default=True,
    help='Starts MPI programs; or srun -n {tot_num_mpiprocs}.',
)
@click.option(
    '--poll', type=click.FloatRange(0.1), default=10, show_default=True, help='Of the queue, s.'
)
@click.option('--prepend-text', default='', help='Commands before each job.')
@click.option('--slots', type=click.IntRange(min=1), help='Jobs at once without --slurm.')
@click.option('--dry-run', is_flag=True, help='Say what would be done; change nothing.')
@click.option('--undo', is_flag=True, help='Remove the computer, if no node belongs to it.')
@decorators.with_dbenv()
def cmd_setup_computer(name, slurm, work, slots, dry_run, undo, **others) -> None:  # type: ignore[no-untyped-def]
    r"""Make the computer NAME: a cluster with Slurm, or this machine by slots.

    \b
    Example: aiida-insbench setup computer cluster --slurm --hostname login.site.org
             --work /scratch/{username}/insbench --partition cpu --account neutrons
    """
    if undo:
        _undo(name, dry_run=dry_run)
    elif not work:
        raise click.UsageError("Missing option '--work'.")
    elif slurm:
        _slurm(name, work, dry_run=dry_run, **others)
    else:
        _this_machine(name, work, slots, dry_run=dry_run, **others)


def _undo(name, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.computers import undo_computer

    removed = f'the computer {name}' if undo_computer(name, dry_run=dry_run) else ''
    say_removed(removed, nothing=f'There is no computer {name}.', dry_run=dry_run)


def _slurm(name, work, *, hostname, transport, dry_run, **settings) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.computers import (
        SlurmComputer,
        check_plan,
        differences,
        load_computer,
        make_computer,
        try_out,
    )
    from aiida_insbench.science.errors import InputError, format_error

    transport = transport or ('local' if hostname == 'localhost' else 'ssh')
    plan = SlurmComputer(name, hostname, transport, work, **settings)
    check_plan(plan)
    there = load_computer(name)
    if there is not None:
        unlike = differences(there, plan)
        if unlike:
            raise InputError(
                format_error(
                    f'There is a computer {name} already, with {"; ".join(unlike)}.',
                    fix='Take another name; --undo removes one that no node belongs to.',
                )
            )
        echo.echo_report(f'The computer {name} is there.')
        return
    what = f'Slurm on {hostname}, by {transport}, work in {work}'
    if dry_run:
        echo.echo_report(f'Would make the computer {name}: {what}. Its jobs begin with')
        echo.echo(plan.shebang())
        return
    computer = make_computer(plan)
    echo.echo_success(f'{name}: {what}')
    echo.echo_report(try_out(computer))


def _this_machine(name, work, slots, *, dry_run, **settings) -> None:  # type: ignore[no-untyped-def]
    """Without Slurm there is nothing to choose but folder and slots."""
    from aiida_insbench.cli.computers import load_computer
    from aiida_insbench.cli.site import prepare_computer
    from aiida_insbench.science.errors import InputError

    context = click.get_current_context()
    given = [
        option
        for option in settings
        if context.get_parameter_source(option) is not click.core.ParameterSource.DEFAULT
    ]
    if given:
        raise InputError(f'--{given[0].replace("_", "-")} goes with --slurm alone.')
    folder = Path(work).resolve()
    there = load_computer(name)
    if there is not None:
        if there.get_workdir() != str(folder / 'jobs') or there.scheduler_type != 'core.direct':
            raise InputError(
                f'There is a computer {name} already, {there.scheduler_type} with work in '
                f'{there.get_workdir()}. Take another name.'
            )
        echo.echo_report(f'The computer {name} is there.')
    elif dry_run:
        echo.echo_report(f'Would make the computer {name}: this machine, work in {folder}.')
    else:
        computer = prepare_computer(folder, label=name, slots=slots)
        echo.echo_success(f'{name}: {computer.description}, work in {folder}')
