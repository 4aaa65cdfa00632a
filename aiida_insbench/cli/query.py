"""``aiida-insbench query``."""

from __future__ import annotations

import json

import click
from aiida.cmdline.params import arguments
from aiida.cmdline.params.types import DataParamType
from aiida.cmdline.utils import decorators, echo


@click.group('query')
def cmd_query() -> None:
    """Ask the provenance graph."""


@cmd_query.command('lineage')
@arguments.NODE()
@click.option(
    '--format', 'form', type=click.Choice(['table', 'json']), default='table', show_default=True
)
@decorators.with_dbenv()
def cmd_lineage(node, form) -> None:  # type: ignore[no-untyped-def]
    r"""Every pw.x calculation behind NODE, with the frame it labelled.

    \b
    Example: aiida-insbench query lineage 4711
    """
    from aiida_insbench.queries import lineage

    rows = lineage(node)
    if form == 'json':
        echo.echo(json.dumps([row.as_dict() for row in rows], indent=1))
        return
    echo.echo(f'{len(rows)} pw.x calculations behind {node.__class__.__name__}<{node.pk}>')
    for row in rows:
        energy = f'{row.energy_ev:14.6f} eV' if row.energy_ev is not None else 'no energy'
        echo.echo(
            f'{row.pk:>7}  {row.formula:<10} {row.purpose:<28} {row.n_atoms:>4} atoms  '
            f'{row.wall_time_seconds:8.1f} s  {energy}'
        )


@cmd_query.command('frames')
@click.argument('dataset', type=DataParamType(sub_classes=('aiida.data:insbench.dataset',)))
@click.option(
    '--format', 'form', type=click.Choice(['table', 'json']), default='table', show_default=True
)
@decorators.with_dbenv()
def cmd_frames(dataset, form) -> None:  # type: ignore[no-untyped-def]
    r"""The pw.x calculation that labelled each frame of DATASET, through merges and splits.

    \b
    Example: aiida-insbench query frames 123
    """
    from aiida_insbench.queries import calculations_of_dataset, describe_run

    runs = calculations_of_dataset(dataset)
    rows = {name: describe_run(run) for name, run in runs.items()}
    if form == 'json':
        echo.echo(json.dumps({name: row.as_dict() for name, row in rows.items()}, indent=1))
        return
    echo.echo(
        f'{len(rows)} of {dataset.n_frames} frames of DatasetData<{dataset.pk}> were labelled by '
        'pw.x in this profile'
    )
    for name, row in rows.items():
        energy = f'{row.energy_ev:14.6f} eV' if row.energy_ev is not None else 'no energy'
        echo.echo(
            f'{name:<16} {row.pk:>7}  {row.formula:<10} {row.wall_time_seconds:8.1f} s  {energy}'
        )
