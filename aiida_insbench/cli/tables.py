"""Rows as a table or as JSON, never more of them than asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from aiida.cmdline.utils import echo

FORMAT = click.option(
    '--format', 'form', type=click.Choice(['table', 'json']), default='table', show_default=True
)
LIMIT = click.option(
    '--limit',
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help='Rows to show; 0 shows all.',
)


def kept(rows: Sequence[Any], limit: int) -> Sequence[Any]:
    """The first rows, as many as asked for."""
    return rows[:limit] if limit else rows


def show_rows(
    rows: Sequence[Any], *, columns: Mapping[str, Callable[[Any], Any]], form: str, limit: int
) -> None:
    """Print rows that know ``as_dict``, and say if some were left out."""
    shown = kept(rows, limit)
    if form == 'json':
        show_json([row.as_dict() for row in shown])
    elif shown:
        table = [[value(row) for value in columns.values()] for row in shown]
        # pure texts: `tabulate` would write a hash of digits as a number
        echo.echo_tabulate(table, headers=list(columns), tablefmt='plain', disable_numparse=True)
    say_cut(len(shown), len(rows), form=form)


def show_json(data: object) -> None:
    """Print JSON."""
    echo.echo(json.dumps(data, indent=1, ensure_ascii=False))


def say_cut(n_shown: int, n_all: int, *, form: str) -> None:
    """Say how many rows are missing."""
    if n_shown < n_all:
        note(f'{n_shown} of {n_all} rows; --limit 0 shows all.', form=form)


def note(text: str, *, form: str) -> None:
    """Print a remark, beside JSON on standard error."""
    echo.echo(text, err=form == 'json')


def number(value: float | None, digits: str = 'g', empty: str = '-') -> str:
    """A number, or a dash."""
    return empty if value is None else f'{value:{digits}}'


def pressures(values: Sequence[float], *, some_unknown: bool = False) -> str:
    """Pressures in GPa, such as ``0 0.5 …  4``; a question mark where some are not on record."""
    texts = [f'{one:g}' for one in values]
    if len(texts) > 6:
        texts = [*texts[:3], '…', *texts[-2:]]
    return ' '.join([*texts, '?'] if some_unknown else texts) or '-'
