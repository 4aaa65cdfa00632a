"""``aiida-insbench campaign``: rounds of a campaign, and a polite end."""

from __future__ import annotations

from typing import Any

import click
from aiida.cmdline.params import arguments, types
from aiida.cmdline.utils import decorators, echo

_CAMPAIGN = arguments.PROCESS(
    type=types.ProcessParamType(sub_classes=('aiida.node:process.workflow.workchain',))
)


@click.group('campaign')
def cmd_campaign() -> None:
    """Rounds of a campaign; end it politely."""


@cmd_campaign.command('rounds')
@_CAMPAIGN
@click.option('--format', 'fmt', type=click.Choice(['table', 'json']), default='table')
@decorators.with_dbenv()
def cmd_rounds(process, fmt) -> None:  # type: ignore[no-untyped-def]
    r"""What each round of the campaign PROCESS has brought so far.

    \b
    Example: aiida-insbench campaign rounds 123
    """
    import json

    found = _rounds(process)
    if fmt == 'json':
        echo.echo(json.dumps(found, indent=1))
        return
    if not found:
        echo.echo('No round has been assessed yet.')
    for one in found:
        echo.echo(
            f'Round {one["number"]}: {one["n_frames"]} frames, {one["core_hours"]:.2f} core-h'
        )
        for label, apart in one['committee'].items():
            echo.echo(f'  {label}: {_distance(apart)}')
        for label, apart in (one['change'] or {}).items():
            echo.echo(f'  {label}: {_distance(apart)} since the round before')
        known = one['calibration']
        if known and known['factor'] is not None:
            echo.echo(f'  error over distance of members, by forces: {known["factor"]:.2f}')
        echo.echo(f'  {one["decision"]["sentence"]}')


@cmd_campaign.command('stop')
@_CAMPAIGN
@click.option('--undo', is_flag=True, help='Let it go on after all.')
@decorators.with_dbenv()
def cmd_stop(process, undo) -> None:  # type: ignore[no-untyped-def]
    r"""Begin no further round of the campaign PROCESS; what there is will be judged.

    `verdi process pause` and `play` halt it in between, `launch campaign --continue` adds rounds
    to one that has ended.

    \b
    Example: aiida-insbench campaign stop 123
    """
    from aiida_insbench.workflows.campaign_rounds import STOP

    _check(process)
    if process.is_terminated:
        echo.echo_critical(f'Campaign {process.pk} has ended: {process.process_state.value}.')
    process.base.extras.set(STOP, not undo)
    if undo:
        echo.echo_success(f'Campaign {process.pk} goes on as long as its rules say.')
    else:
        echo.echo_success(f'Campaign {process.pk} ends after the round that it is in.')


def _rounds(process: Any) -> list[dict[str, Any]]:
    """Records of all rounds, from the graph, so that those of a running campaign are there too."""
    from aiida.orm import CalcFunctionNode, Dict, QueryBuilder, WorkChainNode

    _check(process)
    query = QueryBuilder().append(WorkChainNode, filters={'id': process.pk}, tag='campaign')
    query.append(
        CalcFunctionNode,
        with_incoming='campaign',
        filters={'attributes.process_label': 'assess_round', 'attributes.exit_status': 0},
        tag='assessed',
    )
    query.append(Dict, with_incoming='assessed', project='attributes')
    return sorted(query.all(flat=True), key=lambda one: int(one['number']))


def _check(process: Any) -> None:
    if process.process_label != 'CampaignWorkChain':
        echo.echo_critical(f'Process {process.pk} ({process.process_label}) is no campaign.')


def _distance(apart: Any) -> str:
    if apart['shift_cm1'] is None:
        return f'no spectrum of {", ".join(apart["missing"])}'
    text = f'{apart["shift_cm1"]:.1f} cm⁻¹ apart, {apart["area_percent"]:.1f} % of the area'
    lacking = apart.get('missing')
    return f'{text}, none of {", ".join(lacking)}' if lacking else text
