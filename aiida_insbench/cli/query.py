"""``aiida-insbench query``."""

from __future__ import annotations

from typing import Any

import click
from aiida.cmdline.params import arguments
from aiida.cmdline.params.types import DataParamType
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.query_lists import cmd_measured, cmd_potentials, cmd_spectra
from aiida_insbench.cli.tables import FORMAT, LIMIT, kept, note, number, say_cut, show_json


@click.group('query')
def cmd_query() -> None:
    """Ask the provenance graph."""


for _command in (cmd_spectra, cmd_potentials, cmd_measured):
    cmd_query.add_command(_command)


@cmd_query.command('lineage')
@arguments.NODE()
@LIMIT
@FORMAT
@decorators.with_dbenv()
def cmd_lineage(node, limit, form) -> None:  # type: ignore[no-untyped-def]
    r"""Every pw.x calculation behind NODE, with the frame it labelled.

    \b
    Example: aiida-insbench query lineage 4711
    """
    from aiida_insbench.queries import describe_runs, pw_pks_behind

    pks = pw_pks_behind(node)
    rows = describe_runs(kept(pks, limit))
    if form == 'json':
        show_json([row.as_dict() for row in rows])
    else:
        lines = [f'{len(pks)} pw.x calculations behind {node.__class__.__name__}<{node.pk}>']
        lines += [
            f'{row.pk:>7}  {row.formula:<10} {row.purpose:<28} {row.n_atoms:>4} atoms  '
            f'{row.wall_time_seconds:8.1f} s  {_energy(row)}'
            for row in rows
        ]
        echo.echo('\n'.join(lines))
    say_cut(len(rows), len(pks), form=form)


@cmd_query.command('frames')
@click.argument('dataset', type=DataParamType(sub_classes=('aiida.data:insbench.dataset',)))
@LIMIT
@FORMAT
@decorators.with_dbenv()
def cmd_frames(dataset, limit, form) -> None:  # type: ignore[no-untyped-def]
    r"""The pw.x calculation that labelled each frame of DATASET, through merges and splits.

    \b
    Example: aiida-insbench query frames 123
    """
    from aiida_insbench.queries import describe_runs, runs_of_frames

    runs = runs_of_frames(dataset)
    names = kept(list(runs), limit)
    rows = dict(zip(names, describe_runs(runs[name] for name in names), strict=True))
    if form == 'json':
        show_json({name: row.as_dict() for name, row in rows.items()})
    else:
        lines = [
            f'{len(runs)} of {dataset.n_frames} frames of DatasetData<{dataset.pk}> were labelled '
            'by pw.x in this profile'
        ]
        lines += [
            f'{name:<16} {row.pk:>7}  {row.formula:<10} {row.wall_time_seconds:8.1f} s  '
            f'{_energy(row)}'
            for name, row in rows.items()
        ]
        echo.echo('\n'.join(lines))
    say_cut(len(rows), len(runs), form=form)


@cmd_query.command('cost')
@arguments.NODE()
@LIMIT
@FORMAT
@decorators.with_dbenv()
def cmd_cost(node, limit, form) -> None:  # type: ignore[no-untyped-def]
    r"""Core-hours behind NODE, by program and stage; of a process with all that it called.

    Wall time × MPI ranks × OMP_NUM_THREADS. Jobs from the cache cost nothing and are counted
    apart. What failed and left nothing behind counts only where NODE is a process.

    \b
    Example: aiida-insbench query cost 4711
    """
    from aiida_insbench.queries import cost_behind

    cost = cost_behind(node)
    table = cost.as_dict()
    total, rows = table['total'], kept(table['rows'], limit)
    if form == 'json':
        show_json({**table, 'rows': rows})
    else:
        hours = f'{total["core_hours"]:.3f} core-hours'
        jobs = f'{total["n_jobs"] - total["n_cached"]} jobs'
        echo.echo(f'{hours} of {jobs} behind {node.__class__.__name__}<{node.pk}>')
        if rows:
            names = ('program', 'stage', 'n_jobs', 'n_cached', 'core_hours', 'saved_core_hours')
            echo.echo_tabulate(
                [
                    [number(row[name], '.3f') if 'hours' in name else row[name] for name in names]
                    for row in rows
                ],
                headers=['program', 'stage', 'jobs', 'cached', 'core-hours', 'saved by cache'],
                tablefmt='plain',
                floatfmt='.3f',
            )
    if total['n_untimed']:
        note(f'{total["n_untimed"]} jobs have no time on record; theirs is missing.', form=form)
    if total['n_polled']:
        note(
            f"{total['n_polled']} jobs left no result; theirs is the scheduler's last answer, "
            'maybe less than they took.',
            form=form,
        )
    say_cut(len(rows), len(cost.rows), form=form)


def _energy(row: Any) -> str:
    return f'{row.energy_ev:14.6f} eV' if row.energy_ev is not None else 'no energy'
