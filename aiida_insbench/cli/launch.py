"""``aiida-insbench launch``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options, types
from aiida.cmdline.utils import decorators

from aiida_insbench.cli.launch_benchmark import cmd_benchmark
from aiida_insbench.cli.launch_campaign import cmd_campaign
from aiida_insbench.cli.launch_dataset import cmd_dataset
from aiida_insbench.cli.launch_validate import cmd_validate
from aiida_insbench.cli.submission import DEFAULT_CODES, OVERRIDES, PROTOCOL, built, submit_and_say


@click.group('launch')
def cmd_launch() -> None:
    """Submit work to the daemon."""


@cmd_launch.command('phonons')
@click.option(
    '--potential',
    type=types.DataParamType(sub_classes=('aiida.data:insbench.potential',)),
    required=True,
    help='Label, PK or UUID.',
)
@click.option('--structure', type=click.Path(path_type=Path), help='CIF or what ASE reads.')
@click.option('--pressures', required=True, help='GPa, for example 0,0.5,1.5.')
@click.option(
    '--structure-at',
    'structures',
    nargs=2,
    multiple=True,
    help='Pressure in GPa and file of a crystal to start from there: another phase, a measured '
    'cell.',
)
@click.option(
    '--previous',
    type=types.ProcessParamType(sub_classes=('aiida.node:process.workflow.workchain',)),
    help='Earlier phonons to extend.',
)
@options.CODE(required=False, help='insbench-job.')
@PROTOCOL
@OVERRIDES
@click.option('--threads', type=click.IntRange(min=1), default=1, show_default=True)
@click.option('--dry-run', is_flag=True, help='Check everything, submit nothing.')
@decorators.with_dbenv()
def cmd_phonons(  # type: ignore[no-untyped-def]
    potential, structure, pressures, structures, previous, code, protocol, overrides, threads,
    dry_run,
) -> None:  # fmt: skip
    r"""Phonons of a potential at every pressure.

    \b
    Example: aiida-insbench launch phonons --potential mgh2 --structure mgh2.cif --pressures 0,1,2
    Extend:  aiida-insbench launch phonons --potential mgh2 --previous 1234 --pressures 3
    """
    from aiida.orm import StructureData, load_code

    from aiida_insbench.cli.site import COMPUTER
    from aiida_insbench.science.pressure import parse_pressures
    from aiida_insbench.science.structure_files import read_crystal_file
    from aiida_insbench.workflows.phonons import PhononsWorkChain

    def build() -> Any:
        return PhononsWorkChain.get_builder_from_protocol(
            code or load_code(f'{DEFAULT_CODES[1]}@{COMPUTER}'),
            potential,
            StructureData(ase=read_crystal_file(structure)) if structure else None,
            parse_pressures(pressures),
            structures={
                parse_pressures(value)[0]: StructureData(ase=read_crystal_file(Path(path)))
                for value, path in structures
            },
            previous=previous,
            protocol=protocol,
            overrides=overrides,
            threads=threads,
        )

    submit_and_say(
        built(build),
        'phonons',
        dry_run=dry_run,
        then='aiida-insbench phonons modes {pk} lists them when done.',
    )


cmd_launch.add_command(cmd_campaign)
cmd_launch.add_command(cmd_dataset)
cmd_launch.add_command(cmd_validate)
cmd_launch.add_command(cmd_benchmark)
