"""``aiida-insbench doctor``."""

from __future__ import annotations

import shutil

import click
from aiida.cmdline.utils import decorators, echo


@click.command('doctor')
@click.option('--mend', is_flag=True, help='Mend the daemon of this profile if it has a fault.')
@click.option('--workers', type=click.IntRange(1, 64), default=2, show_default=True)
@decorators.with_dbenv()
def cmd_doctor(mend, workers) -> None:  # type: ignore[no-untyped-def]
    r"""Check programs, disk, daemon and stuck processes; say the remedy of each fault.

    \b
    Example: aiida-insbench doctor --mend
    """
    from aiida.manage import get_config

    from aiida_insbench.cli.health import check_daemon, mend_daemon
    from aiida_insbench.cli.preflight import check_disk
    from aiida_insbench.cli.site import find_job_program, find_pw
    from aiida_insbench.cli.stuck import paused_processes
    from aiida_insbench.science.errors import InputError

    faults = 0
    for name, check in (
        ('pw.x', find_pw),
        ('insbench-job', find_job_program),
        ('disk', lambda: check_disk(get_config().dirpath)),
    ):
        try:
            echo.echo_success(f'{name}: {check()}')
        except InputError as exc:
            faults += 1
            echo.echo_error(f'{name}: {exc}')
    faults += _say_site()
    health = check_daemon()
    if health.faults and mend:
        echo.echo_report('mending the daemon')
        health = mend_daemon(workers)
    for fault in health.faults:
        faults += 1
        echo.echo_error(f'daemon: {fault}')
    if not health.faults:
        echo.echo_success(f'daemon: {len(health.workers)} workers, all heard by the broker')
    for line in paused_processes():
        faults += 1
        echo.echo_error(line)
    if shutil.which('dot') is None:
        echo.echo_report('graphviz (dot) is absent; only `verdi node graph generate` needs it')
    if faults:
        raise SystemExit(1)


def _say_site() -> int:
    """Say what is found of storage, broker, computers and codes; return the number of faults."""
    from aiida_insbench.cli.site_checks import check_site

    found = list(check_site())
    say = {True: echo.echo_success, False: echo.echo_error, None: echo.echo_report}
    for one in found:
        say[one.good](f'{one.name}: {one.text}')
    return sum(one.good is False for one in found)
