"""``aiida-insbench launch validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options, types
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.submission import (
    DEFAULT_CODES,
    OVERRIDES,
    PROTOCOL,
    built,
    outputs_by_pressure,
    submit_and_say,
)

_DATASET = types.DataParamType(sub_classes=('aiida.data:insbench.dataset',))
_POTENTIAL = types.DataParamType(sub_classes=('aiida.data:insbench.potential',))
_WORK = types.ProcessParamType(sub_classes=('aiida.node:process.workflow.workchain',))


@click.command('validate')
@click.option('--potential', type=_POTENTIAL, required=True, help='Label, PK or UUID.')
@click.option('--pressures', required=True, help='GPa, for example 0,0.5,1.5.')
@click.option('--structure', type=click.Path(path_type=Path), help='CIF or what ASE reads.')
@click.option('--phonons', type=_WORK, help='Instead: finished phonons of this potential.')
@click.option('--dft', type=_WORK, help='Relaxations by DFT (relax or reference) for volumes.')
@click.option('--held-out', type=_DATASET, help='Labelled frames that no training saw.')
@click.option(
    '--training', type=_DATASET, help='Frames learnt from; by default those of its training.'
)
@click.option(
    '--member', 'members', type=_POTENTIAL, multiple=True, help='Of its committee. May be repeated.'
)
@options.CODE(required=False, help='insbench-job.')
@PROTOCOL
@OVERRIDES
@click.option('--seed', type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    '--threads',
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help='Runs of molecular dynamics side by side.',
)
@click.option('--dry-run', is_flag=True, help='Check everything, submit nothing.')
@decorators.with_dbenv()
def cmd_validate(  # type: ignore[no-untyped-def]
    potential, pressures, structure, phonons, dft, held_out, training, members, code, protocol,
    overrides, seed, threads, dry_run,
) -> None:  # fmt: skip
    r"""Whether a potential holds: errors, equation of state, molecular dynamics at 300 K.

    \b
    Example: aiida-insbench launch validate --potential mgh2 --phonons 1234 --pressures 0,1,2
             --held-out 1200 --dft 1100
    """
    from aiida.orm import StructureData, load_code

    from aiida_insbench.cli.site import COMPUTER
    from aiida_insbench.science.pressure import parse_pressures
    from aiida_insbench.science.structure_files import read_crystal_file
    from aiida_insbench.workflows.validate import ValidateWorkChain

    def build() -> Any:
        return ValidateWorkChain.get_builder_from_protocol(
            code or load_code(f'{DEFAULT_CODES[1]}@{COMPUTER}'),
            potential,
            parse_pressures(pressures),
            structure=StructureData(ase=read_crystal_file(structure)) if structure else None,
            **_crystals_of(phonons, potential),
            dft_structures=outputs_by_pressure(dft, 'structure'),
            held_out=held_out,
            training=training or frames_learnt_from(potential),
            committee={f'member_{number}': one for number, one in enumerate(members, start=2)},
            protocol=protocol,
            overrides=overrides,
            seed=seed,
            threads=threads,
        )

    submit_and_say(
        built(build),
        'validation',
        dry_run=dry_run,
        then='aiida-insbench validation show {pk} once it has finished',
    )


def frames_learnt_from(potential: Any) -> Any:
    """Dataset of the training that made a potential, None if it was not made by one."""
    from aiida_insbench.data.dataset import DatasetData

    creator = potential.creator
    dataset = creator.inputs.dataset if creator and 'dataset' in creator.inputs else None
    if not isinstance(dataset, DatasetData):
        return None
    echo.echo(f'trained on {dataset.n_frames} frames, dataset {dataset.pk}')
    return dataset


def _crystals_of(phonons: Any, potential: Any) -> dict[str, Any]:
    """Relaxed crystals and force constants of finished phonons.

    Raises
    ------
    InputError
        If they are another potential's.
    """
    from aiida_insbench.science.errors import InputError

    if phonons is None:
        return {}
    theirs = phonons.inputs.phonons.potential if 'phonons' in phonons.inputs else None
    if theirs is None or theirs.uuid != potential.uuid:
        raise InputError(f'Process {phonons.pk} has no phonons of potential {potential.pk}.')
    return {
        'structures': outputs_by_pressure(phonons, 'structure'),
        'force_constants': outputs_by_pressure(phonons, 'force_constants'),
    }
