"""``aiida-insbench setup``."""

from __future__ import annotations

from pathlib import Path

import click
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.setup_codes import cmd_setup_codes
from aiida_insbench.cli.setup_computer import cmd_setup_computer
from aiida_insbench.cli.setup_profile import cmd_setup_profile
from aiida_insbench.cli.setup_pseudos import cmd_setup_pseudos


@click.group('setup', invoke_without_command=True)
@click.option('--work', type=click.Path(file_okay=False, path_type=Path), help='Where jobs run.')
@click.option('--slots', type=click.IntRange(min=1), help='Jobs at once; default one per core.')
@click.option('--dry-run', is_flag=True, help='Say what would be done; change nothing.')
@click.option('--undo', is_flag=True, help='Remove that computer and its codes, if unused.')
@click.pass_context
def cmd_setup(ctx, work, slots, dry_run, undo) -> None:  # type: ignore[no-untyped-def]
    r"""Make what work needs: a profile, computers, codes, pseudopotentials.

    Without a command: the computer insbench-local, which is this machine, and on it the codes pw
    and insbench-job.

    \b
    Example: aiida-insbench setup --work ~/insbench-work
    """
    if ctx.invoked_subcommand is not None:
        given = [name for name, value in ctx.params.items() if value]
        if given:
            option = given[0].replace('_', '-')
            raise click.UsageError(f'Give --{option} after {ctx.invoked_subcommand}.')
        return
    if work is None and not undo:
        raise click.UsageError("Missing option '--work'.")
    _setup_this_machine(work, slots, dry_run=dry_run, undo=undo)


@decorators.with_dbenv()
def _setup_this_machine(work, slots, *, dry_run, undo) -> None:  # type: ignore[no-untyped-def]
    if undo:
        _undo(dry_run=dry_run)
    elif dry_run:
        _say(work)
    else:
        _make(work, slots)


def _make(work, slots) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.site import find_job_program, find_pw, prepare_codes, prepare_computer

    for find in (find_pw, find_job_program):  # before anything is made
        find()
    for code in prepare_codes(prepare_computer(work, slots=slots)):
        echo.echo_success(f'{code.full_label}: {code.filepath_executable}')


def _say(work) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.codes import stored_codes
    from aiida_insbench.cli.computers import load_computer
    from aiida_insbench.cli.site import COMPUTER, find_job_program, find_pw

    computer = load_computer(COMPUTER)
    there = stored_codes(computer) if computer else {}
    if computer:
        echo.echo_report(f'The computer {COMPUTER} is there, work in {computer.get_workdir()}.')
    else:
        echo.echo_report(f'Would make the computer {COMPUTER}, work in {work.resolve()}.')
    for label, find in (('pw', find_pw), ('insbench-job', find_job_program)):
        path = there[label].filepath_executable if label in there else find()
        state = 'is there' if label in there else 'would be made'
        echo.echo_report(f'The code {label}@{COMPUTER} {state}: {path}.')


def _undo(*, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.codes import undo_codes
    from aiida_insbench.cli.computers import load_computer, undo_computer
    from aiida_insbench.cli.site import COMPUTER, PLUGINS

    computer = load_computer(COMPUTER)
    if computer is None:
        echo.echo_report(f'There is no computer {COMPUTER}.')
        return
    codes = undo_codes(computer, tuple(PLUGINS), dry_run=dry_run)
    if not dry_run:
        undo_computer(COMPUTER, dry_run=False)
    word = 'Would remove' if dry_run else 'Removed'
    echo.echo_report(
        f'{word} the computer {COMPUTER} and its codes {", ".join(codes) or "(none)"}.'
    )


for _command in (cmd_setup_profile, cmd_setup_computer, cmd_setup_codes, cmd_setup_pseudos):
    cmd_setup.add_command(_command)
