"""``aiida-insbench status``."""

from __future__ import annotations

import time

import click
from aiida.cmdline.params import arguments, types
from aiida.cmdline.utils import decorators, echo


@click.command('status')
@arguments.PROCESS(
    type=types.ProcessParamType(sub_classes=('aiida.node:process.workflow.workchain',))
)
@click.option('--watch', is_flag=True, help='Go on until it ends.')
@click.option('--interval', type=click.FloatRange(min=1), default=5.0, show_default=True)
@decorators.with_dbenv()
def cmd_status(process, watch, interval) -> None:  # type: ignore[no-untyped-def]
    r"""Progress of every stage of PROCESS, what is paused, and the health of the daemon.

    \b
    Example: aiida-insbench status 123 --watch
    """
    from aiida_insbench.cli.health import check_daemon
    from aiida_insbench.cli.stuck import paused_processes
    from aiida_insbench.report.stages import CampaignWatch, format_stages

    reader = CampaignWatch(process)
    while True:
        ended = process.is_terminated
        state = process.process_state.value if process.process_state else 'created'
        echo.echo(f'{process.process_label}<{process.pk}> {state}')
        echo.echo(format_stages(reader.stages()))
        if not ended:
            for fault in [*check_daemon().faults, *paused_processes(process)]:
                echo.echo_warning(fault)
        if ended or not watch:
            break
        time.sleep(interval)
    if process.is_failed:
        echo.echo_error(f'[{process.exit_status}] {process.exit_message}')
