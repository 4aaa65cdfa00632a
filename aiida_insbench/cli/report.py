"""``aiida-insbench report``."""

from __future__ import annotations

from pathlib import Path

import click
from aiida.cmdline.params import arguments
from aiida.cmdline.utils import decorators, echo


@click.command('report')
@arguments.PROCESS()
@click.option(
    '--folder', type=click.Path(file_okay=False, path_type=Path), default=Path(), show_default='.'
)
@decorators.with_dbenv()
def cmd_report(process, folder) -> None:  # type: ignore[no-untyped-def]
    r"""Draw the report of the finished campaign PROCESS into FOLDER.

    \b
    Example: aiida-insbench report 123 --folder results
    """
    from aiida_insbench.report.write import write_report
    from aiida_insbench.science.errors import InputError

    try:
        written = write_report(process, folder)
    except InputError as exc:
        echo.echo_critical(str(exc))
    for line in written.findings:
        echo.echo(line)
    echo.echo_success(f'{written.html}, {written.json}, {written.csv}')
