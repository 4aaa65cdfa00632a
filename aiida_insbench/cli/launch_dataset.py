"""``aiida-insbench launch dataset``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options, types
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.submission import (
    CONVERGENCE,
    CUTOFFS,
    OVERRIDES,
    PROTOCOL,
    PSEUDO_FAMILY,
    RANKS,
    built,
    refuse_what_the_engine_would,
    say_cutoffs,
    submit_and_say,
    two_codes,
)


@click.command('dataset')
@click.option(
    '--structure', type=click.Path(path_type=Path), required=True, help='CIF or what ASE reads.'
)
@click.option('--pressures', required=True, help='GPa, for example 0,1.5.')
@options.CODES(required=False, help='pw.x and insbench-job, in this order.')
@PSEUDO_FAMILY
@CUTOFFS
@click.option(
    '--potential',
    type=types.DataParamType(sub_classes=('aiida.data:insbench.potential',)),
    help='A first potential, along whose modes frames are drawn.',
)
@click.option(
    '--known',
    type=types.DataParamType(sub_classes=('aiida.data:insbench.dataset',)),
    help='Frames that have labels: those selected differ from them.',
)
@CONVERGENCE
@click.option(
    '--hold-out-pressure',
    'held_out',
    multiple=True,
    type=float,
    help='GPa, one of the pressures: its frames become the test part. May be repeated.',
)
@PROTOCOL
@OVERRIDES
@RANKS
@click.option('--seed', type=click.IntRange(min=0), default=1, show_default=True)
@click.option('--dry-run', is_flag=True, help='Say what it will do and take, submit nothing.')
@decorators.with_dbenv()
def cmd_dataset(  # type: ignore[no-untyped-def]
    structure, pressures, codes, pseudo_family, cutoffs, potential, known, convergence, held_out,
    protocol, overrides, ranks, seed, dry_run,
) -> None:  # fmt: skip
    r"""One round of data: relax, draw frames, select, label by pw.x, split.

    \b
    Example: aiida-insbench launch dataset --structure brucite.cif --pressures 0,2,5
             --pseudo-family SSSP/1.3/PBE/efficiency --hold-out-pressure 5 --dry-run
    """
    from aiida.orm import StructureData

    from aiida_insbench.cli.pseudo_families import pseudos_of
    from aiida_insbench.cli.round_estimate import describe_round
    from aiida_insbench.science.pressure import parse_pressures
    from aiida_insbench.science.structure_files import read_crystal_file
    from aiida_insbench.science.vacuum import refuse_vacuum_under_pressure
    from aiida_insbench.workflows.dataset import DatasetWorkChain

    def build() -> Any:
        atoms, targets = read_crystal_file(structure), parse_pressures(pressures)
        refuse_vacuum_under_pressure(atoms, pressures=targets)
        crystal = StructureData(ase=atoms)
        elements = crystal.get_symbols_set()
        return DatasetWorkChain.get_builder_from_protocol(
            *two_codes(codes),
            crystal,
            targets,
            pseudos=pseudos_of(pseudo_family, elements),
            cutoffs=say_cutoffs(pseudo_family, elements, cutoffs, convergence),
            potential=potential,
            known=known,
            convergence=convergence,
            held_out_pressures=held_out,
            protocol=protocol,
            overrides=overrides,
            seed=seed,
            ranks=ranks,
        )

    builder = built(build)
    built(lambda: refuse_what_the_engine_would(DatasetWorkChain, builder))
    echo.echo('\n'.join(built(lambda: describe_round(builder))))
    submit_and_say(builder, 'round of data', dry_run=dry_run)
