"""``aiida-insbench setup codes``."""

from __future__ import annotations

import click
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.setup_words import say_removed

_LABELS = ('pw', 'insbench-job')


@click.command('codes')
@click.option(
    '--computer', default='insbench-local', show_default=True, help='Of AiiDA, by its label.'
)
@click.option('--pw', metavar='PATH', help='Of pw.x there, if it is not on PATH.')
@click.option('--insbench-job', metavar='PATH', help='Of insbench-job there, likewise.')
@click.option('--only', type=click.Choice(_LABELS), help='One of the two.')
@click.option('--prepend-text', default='', help='Commands before each run, as module load qe.')
@click.option('--dry-run', is_flag=True, help='Find the programs; change nothing.')
@click.option('--undo', is_flag=True, help='Remove the codes, if they did not run.')
@decorators.with_dbenv()
def cmd_setup_codes(computer, pw, insbench_job, only, prepend_text, dry_run, undo) -> None:  # type: ignore[no-untyped-def]
    r"""Find pw.x and insbench-job on a computer and make the codes pw and insbench-job of them.

    \b
    Example: aiida-insbench setup codes --computer cluster --prepend-text 'module load qe'
    """
    labels = [only] if only else list(_LABELS)
    place = _computer(computer)
    if undo:
        _undo(place, labels, dry_run=dry_run)
    else:
        given = {'pw': pw, 'insbench-job': insbench_job}
        _make(place, labels, given, prepend_text, dry_run=dry_run)


def _computer(label):  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.computers import load_computer
    from aiida_insbench.science.errors import InputError, format_error

    computer = load_computer(label)
    if computer is None:
        raise InputError(
            format_error(
                f'There is no computer {label}.',
                fix='`aiida-insbench setup computer` makes one.',
            )
        )
    return computer


def _make(computer, labels, given, prepend_text, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.codes import find_programs, make_codes, stored_codes

    paths = find_programs(computer, labels, given=given, prepend_text=prepend_text)
    if dry_run:
        there = stored_codes(computer)
        for label, path in paths.items():
            state = 'is there' if label in there else 'would be made'
            echo.echo_report(f'{label}@{computer.label} {state}: {path}')
        return
    new = make_codes(computer, paths, prepend_text=prepend_text)
    for label, path in paths.items():
        say = echo.echo_success if label in new else echo.echo_report
        say(f'{label}@{computer.label}{"" if label in new else " is there"}: {path}')


def _undo(computer, labels, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.codes import undo_codes

    names = [f'{label}@{computer.label}' for label in undo_codes(computer, labels, dry_run=dry_run)]
    nothing = f'There are none of {", ".join(labels)} on {computer.label}.'
    say_removed(', '.join(names), nothing=nothing, dry_run=dry_run)
