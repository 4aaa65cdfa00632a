"""``aiida-insbench dataset converge``, ``label`` and ``relabel``: what needs pw.x."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options
from aiida.cmdline.params.types import DataParamType
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.submission import (
    CONVERGENCE,
    CUTOFFS,
    DEFAULT_CODES,
    OVERRIDES,
    PROTOCOL,
    PSEUDO_FAMILY,
    RANKS,
    built,
    say_cutoffs,
    submit_and_say,
    two_codes,
)

_DATASET = DataParamType(sub_classes=('aiida.data:insbench.dataset',))
_CODE = options.CODE(required=False, help='pw.x.')
_DRY_RUN = click.option('--dry-run', is_flag=True, help='Estimate and check, submit nothing.')


@click.command('converge')
@click.argument('structure', type=click.Path(path_type=Path))
@click.option(
    '--cutoffs',
    required=True,
    help='Pairs to compare, the lowest first: 40:160,60:240,80:320,100:400 (Ry).',
)
@click.option('--kpoints', help='Meshes to compare, the coarsest first: 2x2x3,4x4x6.')
@click.option('--pressures', default='0', show_default=True, help='Target pressures, GPa.')
@PSEUDO_FAMILY
@options.CODES(required=False, help='pw.x and insbench-job, in this order.')
@PROTOCOL
@OVERRIDES
@RANKS
@click.option('--seed', type=int, default=1, show_default=True, help='Of the frames.')
@click.option('--dry-run', is_flag=True, help='Check everything, submit nothing.')
@decorators.with_dbenv()
def cmd_converge(  # type: ignore[no-untyped-def]
    structure, cutoffs, kpoints, pressures, pseudo_family, codes, protocol, overrides, ranks, seed,
    dry_run,
) -> None:  # fmt: skip
    r"""Find the cutoffs and the k mesh that the crystal in the file STRUCTURE needs.

    \b
    Example: aiida-insbench dataset converge mgh2.cif --cutoffs 40:160,60:240,80:320,100:400
             --pressures 0,2 --pseudo-family PseudoDojo/0.4/PBE/SR/standard/upf
    """
    from aiida.orm import StructureData

    from aiida_insbench.cli.pseudo_families import pseudos_of
    from aiida_insbench.science.pressure import parse_pressures
    from aiida_insbench.science.structure_files import read_crystal_file
    from aiida_insbench.workflows.converge import ConvergeWorkChain

    def build() -> Any:
        crystal = StructureData(ase=read_crystal_file(structure))
        return ConvergeWorkChain.get_builder_from_protocol(
            *two_codes(codes),
            crystal,
            parse_pressures(pressures),
            pseudos=pseudos_of(pseudo_family, crystal.get_symbols_set()),
            cutoffs=[tuple(pair) for pair in read_lists(cutoffs, ':', 2, 'cutoffs')],
            kpoints_meshes=read_meshes(kpoints) if kpoints else None,
            protocol=protocol,
            overrides=overrides,
            seed=seed,
            ranks=ranks,
        )

    builder = built(build)
    echo.echo(
        f'{len(builder.cutoffs)} pairs of cutoffs: {builder.cutoffs.get_list()} Ry\n'
        f'{len(builder.kpoints_meshes)} k meshes: {builder.kpoints_meshes.get_list()}'
    )
    submit_and_say(builder, 'convergence', dry_run=dry_run)


@click.command('label')
@click.argument('pool', type=_DATASET)
@PSEUDO_FAMILY
@CUTOFFS
@_CODE
@CONVERGENCE
@PROTOCOL
@OVERRIDES
@RANKS
@_DRY_RUN
@decorators.with_dbenv()
def cmd_label(  # type: ignore[no-untyped-def]
    pool, pseudo_family, cutoffs, code, convergence, protocol, overrides, ranks, dry_run
) -> None:
    r"""Energies, forces and stresses by pw.x for the frames of POOL.

    \b
    Example: aiida-insbench dataset label 123 --pseudo-family SSSP/1.3/PBE/efficiency
             --cutoffs 50 400 --dry-run
    """
    _label(
        pool, pseudo_family, cutoffs, code, convergence, protocol, overrides, ranks,
        dry_run=dry_run, changes={},
    )  # fmt: skip


@click.command('relabel')
@click.argument('dataset', type=_DATASET)
@PSEUDO_FAMILY
@CUTOFFS
@click.option('--functional', help='As pw.x spells it (`input_dft`), for example r2scan, vdw-df2.')
@click.option(
    '--dispersion',
    type=click.Choice(['auto', 'd3', 'none']),
    help='auto: D3(BJ) for crystals of molecules.',
)
@_CODE
@CONVERGENCE
@PROTOCOL
@OVERRIDES
@RANKS
@_DRY_RUN
@decorators.with_dbenv()
def cmd_relabel(  # type: ignore[no-untyped-def]
    dataset, pseudo_family, cutoffs, functional, dispersion, code, convergence, protocol,
    overrides, ranks, dry_run,
) -> None:  # fmt: skip
    r"""Label the frames of DATASET again at another level, to compare functionals on one spectrum.

    The k mesh stays that of the labels there are, unless --overrides has another `kpoints_mesh`.

    \b
    Example: aiida-insbench dataset relabel 123 --functional vdw-df2
             --pseudo-family SSSP/1.3/PBE/efficiency --cutoffs 60 480
    """
    changes: dict[str, Any] = {}
    if functional:
        changes['pw'] = {'SYSTEM': {'input_dft': functional}}
    if dispersion:
        changes['dispersion'] = dispersion
    if not dataset.labelled:
        echo.echo_report('The frames have no labels yet; they get their first.')
    # another functional on other k points would compare two things at once
    mesh = dataset.dft_level.get('kpoints_mesh')
    if mesh:
        echo.echo(f'k mesh {"×".join(str(n) for n in mesh)}, that of the labels there are')
    _label(
        dataset, pseudo_family, cutoffs, code, convergence, protocol, overrides, ranks,
        dry_run=dry_run, changes=changes, defaults={'kpoints_mesh': mesh} if mesh else {},
    )  # fmt: skip


def _label(  # type: ignore[no-untyped-def]
    pool, pseudo_family, cutoffs, code, convergence, protocol, overrides, ranks, *, dry_run,
    changes, defaults=None,
) -> None:  # fmt: skip
    from aiida.orm import load_code
    from aiida_quantumespresso.workflows.protocols.utils import recursive_merge

    from aiida_insbench.cli.pseudo_families import pseudos_of
    from aiida_insbench.cli.site import COMPUTER
    from aiida_insbench.science.preflight import format_preflight
    from aiida_insbench.workflows.frames import preflight
    from aiida_insbench.workflows.label import LabelWorkChain

    def build() -> Any:
        return LabelWorkChain.get_builder_from_protocol(
            code or load_code(f'{DEFAULT_CODES[0]}@{COMPUTER}'),
            pool,
            pseudos=pseudos_of(pseudo_family, pool.elements),
            cutoffs=say_cutoffs(pseudo_family, pool.elements, cutoffs, convergence),
            protocol=protocol,
            overrides=recursive_merge({**(defaults or {}), **(overrides or {})}, changes),
            convergence=convergence,
            ranks=ranks,
        )

    builder = built(build)
    pw = builder.pw_base['pw']
    found = built(
        lambda: preflight(
            pool,
            builder.kpoints_mesh.get_list(),
            pw['parameters'].get_dict(),
            pw['pseudos'],
            lanes=builder.max_concurrent.value,
            ranks=ranks,
            convergence=convergence.get_dict() if convergence else None,
        )
    )
    echo.echo('\n'.join(format_preflight(found)))
    submit_and_say(builder, 'labels', dry_run=dry_run)


def read_meshes(text: str) -> list[list[int]]:
    """Read k meshes, such as ``2x2x3,4x4x6``.

    Raises
    ------
    InputError
        If they are not three whole numbers each.
    """
    from aiida_insbench.science.errors import InputError

    meshes = read_lists(text, 'x', 3, 'kpoints')
    if not all(number.is_integer() and abs(number) < 1000 for mesh in meshes for number in mesh):
        raise InputError(f'`--kpoints` is {text!r}; give whole numbers, such as 4x4x4.')
    return [[int(number) for number in mesh] for mesh in meshes]


def read_lists(text: str, mark: str, length: int, name: str) -> list[list[float]]:
    """Read lists of numbers, such as ``40:160,60:240``.

    Raises
    ------
    InputError
        If a part is no number, or a list of another length.
    """
    from aiida_insbench.science.errors import InputError

    try:
        found = [[float(word) for word in part.split(mark)] for part in text.split(',')]
    except ValueError as exc:
        raise InputError(f'`--{name}` is {text!r}: {exc}.') from exc
    if any(len(one) != length or not all(map(math.isfinite, one)) for one in found):
        example = mark.join('40' if length == 2 else '4' for _ in range(length))
        raise InputError(f'`--{name}` is {text!r}; give lists such as {example}, comma between.')
    return found
