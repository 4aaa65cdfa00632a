"""``aiida-insbench spectrum series``: spectra of one sample over pressure, as a group of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from aiida.cmdline.params.types import DataParamType
from aiida.cmdline.utils import decorators, echo

SERIES_PREFIX = 'insbench/series/'
SERIES_OPTION = click.option('--series', help='Name of a pressure series to add it to.')


@click.command('series')
@click.argument('name', required=False)
@click.argument(
    'spectra', type=DataParamType(sub_classes=('aiida.data:insbench.spectrum',)), nargs=-1
)
@decorators.with_dbenv()
def cmd_series(name, spectra) -> None:  # type: ignore[no-untyped-def]
    r"""Show the series NAME, after adding SPECTRA to it; without NAME, list all.

    \b
    Example: aiida-insbench spectrum series hexane 12 15 19
    """
    from aiida.orm import Group, QueryBuilder

    from aiida_insbench.cli.spectrum import spectrum_line

    if name is None:
        query = QueryBuilder().append(
            Group, filters={'label': {'like': f'{SERIES_PREFIX}%'}}, project='*'
        )
        for group in query.all(flat=True):
            echo.echo(f'{group.label.removeprefix(SERIES_PREFIX)}: {group.count()} spectra')
        return
    if spectra:
        add_to_series(name, spectra)
    for node in series_of(name):
        echo.echo(spectrum_line(node))


def series_of(name: str) -> list[Any]:
    """Spectra of a series by pressure; ends the command if there is none."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import load_group

    try:
        group = load_group(label=SERIES_PREFIX + name)
    except NotExistent:
        echo.echo_critical(f'There is no series {name}; `spectrum series` lists those there are.')
    return sorted(group.nodes, key=lambda node: (node.pressure, node.pk))


def add_to_series(name: str, nodes: Sequence[Any]) -> None:
    """Add measured spectra of one sample and instrument to a series, which is made if needed."""
    from aiida.orm import Group

    group, _ = Group.collection.get_or_create(label=SERIES_PREFIX + name)
    wrong = [node for node in nodes if node.origin != 'measured']
    if wrong:
        echo.echo_critical(f'SpectrumData<{wrong[0].pk}> is simulated; a series is measured.')
    members = {_kind(node): node for node in (*group.nodes, *nodes)}
    if len(members) > 1:
        texts = [', '.join(map(str, kind)) for kind in members]
        echo.echo_critical(
            f'A series is of one sample, isotopes and instrument; here are {" and ".join(texts)}.'
        )
    group.add_nodes(list(nodes))
    echo.echo_report(f'Series {name}: {group.count()} spectra.')


def _kind(node: Any) -> tuple[str, ...]:
    conditions = node.details['conditions']
    return (conditions['sample'], str(conditions.get('isotopes') or 'natural'), node.instrument)
