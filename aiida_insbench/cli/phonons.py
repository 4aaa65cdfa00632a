"""``aiida-insbench phonons``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import arguments
from aiida.cmdline.utils import decorators, echo

_POTENTIAL = click.option('--potential', help='Of a campaign: round_1 … [default: the last round]')
_QPOINT = click.option(
    '--qpoint',
    nargs=3,
    help='In reciprocal axes of the primitive cell, such as 1/2 0 0. [default: 0 0 0]',
)


@click.group('phonons')
def cmd_phonons() -> None:
    """List modes, and write them as trajectories."""


@cmd_phonons.command('modes')
@arguments.NODE()
@_POTENTIAL
@_QPOINT
@click.option(
    '--format', 'form', type=click.Choice(['table', 'json']), default='table', show_default=True
)
@decorators.with_dbenv()
def cmd_modes(node, potential, qpoint, form) -> None:  # type: ignore[no-untyped-def]
    r"""Optical modes at Γ of NODE, followed from pressure to pressure.

    NODE holds force constants, or is a process that made some: phonons, an analysis, a campaign.
    At other q-points the modes are numbered by frequency at each pressure and not followed.

    \b
    Example: aiida-insbench phonons modes 123
    """
    from aiida_insbench.cli.phonon_modes import (
        gamma_lines,
        gamma_rows,
        read_phonons,
        read_qpoint,
        wave_lines,
        wave_rows,
    )
    from aiida_insbench.science.errors import InsbenchError

    try:
        point = read_qpoint(qpoint)
        phonons = read_phonons(node, potential=potential)
        if any(point):
            rows = wave_rows(phonons, point)
            lines = wave_lines(phonons, rows, point)
        else:
            tables = gamma_rows(phonons)
            rows = [row for table in tables for row in table]
            lines = gamma_lines(phonons, tables)
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    echo.echo(json.dumps(rows, indent=1) if form == 'json' else '\n'.join(lines))


@cmd_phonons.command('animate')
@arguments.NODE()
@_POTENTIAL
@_QPOINT
@click.option('--pressure', type=float, help='In GPa; may be left out if there is one only.')
@click.option('--mode', 'number', type=int, help='Number in `aiida-insbench phonons modes`.')
@click.option('--near', type=float, help='Frequency of the mode within 5 cm⁻¹; below 0: imaginary.')
@click.option('--member', type=int, default=1, show_default=True, help='Of a degenerate set.')
@click.option(
    '--supercell',
    nargs=3,
    type=click.IntRange(min=1),
    help='Cells along each axis. [default: least]',
)
@click.option('--amplitude', type=float, help='Largest displacement, Å. [default: 0.3]')
@click.option('--temperature', type=float, help='In K, instead: amplitude of the oscillator.')
@click.option('--frames', type=int, default=24, show_default=True, help='Of one period.')
@click.option(
    '-o',
    '--output',
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path('mode.xyz'),
    show_default=True,
    help='Extended XYZ.',
)
@click.option('--overwrite', is_flag=True, help='Replace a file that is there.')
@decorators.with_dbenv()
def cmd_animate(node, output, overwrite, **words: Any) -> None:  # type: ignore[no-untyped-def]
    r"""Write one period of a mode of NODE as a trajectory that ASE, OVITO, VMD and Jmol read.

    \b
    Example: aiida-insbench phonons animate 123 --pressure 1.5 --mode 4 -o mode.xyz
             aiida-insbench phonons animate 123 --pressure 0 --near 453 --temperature 10
             aiida-insbench phonons animate 123 --pressure 0 --qpoint 1/2 0 0 --mode 1
    """
    from aiida_insbench.cli.phonon_modes import moving_atoms
    from aiida_insbench.science.errors import InsbenchError

    if output.exists() and not overwrite:
        echo.echo_critical(f'{output} is there already; choose another name or say --overwrite.')
    try:
        frames = moving_atoms(node, **words)
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    from ase.io import write

    write(output, frames, format='extxyz')
    info = frames[0].info
    name = ' '.join(f'{info[key]}' for key in ('mode', 'irrep') if key in info)
    echo.echo_success(
        f'{output}: mode {name}, {info["label"]}; {len(frames)} frames of {len(frames[0])} atoms, '
        f'largest displacement {info["largest_displacement"]:.3f} Å'
    )
