"""``aiida-insbench demo``: MgH2 under pressure, on a profile of its own."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from aiida_insbench.science.errors import InputError, format_error

_FOLDER = click.option(
    '--folder',
    type=click.Path(file_okay=False, path_type=Path),
    default=Path('.demo'),
    show_default=True,
    help='Profile, jobs and report; nothing outside it is touched.',
)


@click.group('demo')
def cmd_demo() -> None:
    """One crystal, MgH2, through the whole chain."""


@cmd_demo.command('run')
@_FOLDER
@click.option('--pressures', default='0,1,2', show_default=True, help='GPa.')
@click.option('--reference', default='', help='Pressures of the DFT check; default all.')
@click.option(
    '--frames', default='24,18', show_default=True, help='Of the first round, of each later.'
)
@click.option(
    '--epochs', default='160,80', show_default=True, help='Of the first training, of later.'
)
@click.option('--rounds', type=click.IntRange(min=1), default=3, show_default=True, help='At most.')
@click.option('--seed', type=click.IntRange(min=0), default=1, show_default=True)
@click.option('--workers', type=click.IntRange(1, 16), default=2, show_default=True)
@click.option('--again', is_flag=True, help='Submit a new campaign even if one has finished.')
def cmd_run(folder: Path, **options: Any) -> None:
    r"""Run the demo, or go on with it, or show its result.

    \b
    Example: aiida-insbench demo run --pressures 0,2
    """
    from aiida_insbench.cli.demo_run import read_settings

    try:
        settings = read_settings(**options)
    except InputError as exc:
        raise click.ClickException(str(exc)) from exc
    _with_own_profile(folder)
    from aiida_insbench.cli.demo_run import run_demo

    try:
        ok = run_demo(folder.resolve(), settings)
    except InputError as exc:
        raise click.ClickException(str(exc)) from exc
    except KeyboardInterrupt:
        click.echo(
            '\nThe campaign goes on in the background. The same command watches it again; '
            '`aiida-insbench demo clean` ends it.'
        )
        sys.exit(130)
    sys.exit(0 if ok else 1)


@cmd_demo.command('status')
@_FOLDER
def cmd_status(folder: Path) -> None:
    """Stages of the demo's last campaign."""
    _with_own_profile(folder, must_exist=True)
    from aiida_insbench.cli.demo_run import show_status

    show_status(folder.resolve())


@cmd_demo.command('clean')
@_FOLDER
def cmd_clean(folder: Path) -> None:
    """Stop the demo's daemon and remove its folder."""
    if not folder.exists():
        click.echo(f'{folder} is not there.')
        return
    if not (folder / 'aiida').is_dir():
        raise click.ClickException(f'{folder} is not a folder of the demo; nothing removed.')
    _with_own_profile(folder, must_exist=True)
    from aiida_insbench.cli.demo_run import stop_everything

    stop_everything(folder.resolve())
    shutil.rmtree(folder)
    click.echo(f'{folder} removed.')


def _with_own_profile(folder: Path, *, must_exist: bool = False) -> None:
    """Start anew with AIIDA_PATH inside `folder`, before AiiDA reads a user's own configuration."""
    own = str(folder.resolve() / 'aiida')
    if must_exist and not Path(own).is_dir():
        raise click.ClickException(
            format_error(f'{folder} holds no demo.', fix='Run `aiida-insbench demo run` first.')
        )
    if os.environ.get('AIIDA_PATH') == own:
        return
    (Path(own) / '.aiida').mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, 'AIIDA_PATH': own}
    environment.pop('AIIDA_PROFILE', None)
    words = [sys.executable, '-m', 'aiida_insbench.cli', *sys.argv[1:]]
    os.execve(sys.executable, words, environment)  # noqa: S606 - this program itself
