"""``aiida-insbench setup``."""

from __future__ import annotations

from pathlib import Path

import click
from aiida.cmdline.utils import decorators, echo


@click.command('setup')
@click.option(
    '--work',
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help='Where jobs run.',
)
@click.option('--slots', type=click.IntRange(min=1), help='Jobs at once; default one per core.')
@decorators.with_dbenv()
def cmd_setup(work, slots) -> None:  # type: ignore[no-untyped-def]
    r"""Make the computer insbench-local and the codes pw and insbench-job on it.

    \b
    Example: aiida-insbench setup --work ~/insbench-work
    """
    from aiida_insbench.cli.site import prepare_codes, prepare_computer
    from aiida_insbench.science.errors import InputError

    try:
        computer = prepare_computer(work, slots=slots)
        codes = prepare_codes(computer)
    except InputError as exc:
        echo.echo_critical(str(exc))
    for code in codes:
        echo.echo_success(f'{code.full_label}: {code.filepath_executable}')
