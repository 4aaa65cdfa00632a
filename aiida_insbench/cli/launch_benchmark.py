"""``aiida-insbench launch benchmark``."""

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
    refuse_what_the_engine_would,
    submit_and_say,
)

_POTENTIAL = types.DataParamType(sub_classes=('aiida.data:insbench.potential',))
_SPECTRUM = types.DataParamType(sub_classes=('aiida.data:insbench.spectrum',))
_WORK = types.ProcessParamType(sub_classes=('aiida.node:process.workflow.workchain',))


@click.command('benchmark')
@click.option(
    '--potential',
    'potentials',
    type=(str, _POTENTIAL),
    multiple=True,
    required=True,
    metavar='NAME POTENTIAL',
    help='A competitor: its name here, and label, PK or UUID. Repeat for each.',
)
@click.option('--structure', type=click.Path(path_type=Path), required=True, help='CIF or so.')
@click.option('--pressures', required=True, help='GPa; measured ones must lie between.')
@click.option(
    '--measured',
    type=(str, _SPECTRUM),
    multiple=True,
    metavar='NAME SPECTRUM',
    help='A measured spectrum: its name here, and label, PK or UUID. Repeat for each.',
)
@click.option(
    '--band-shifts',
    type=(str, str),
    multiple=True,
    metavar='NAME TABLE',
    help='Measured shifts of bands with pressure: its name here, and a csv file, or PK or UUID of '
    'an imported table. Repeat for each.',
)
@click.option('--series', help='Instead: all spectra of a pressure series.')
@click.option('--blind', multiple=True, help='Name of a measured spectrum no potential saw.')
@click.option('--dft', type=_WORK, help='Finished phonons by DFT (insbench.reference).')
@click.option(
    '--validation', 'validations', type=_WORK, multiple=True, help='Finished, of a competitor.'
)
@click.option(
    '--phonons',
    type=_WORK,
    multiple=True,
    help='Finished (insbench.phonons), of a competitor or a member: not computed again.',
)
@click.option(
    '--member',
    'members',
    type=(str, _POTENTIAL),
    multiple=True,
    metavar='NAME POTENTIAL',
    help='A further member of the committee of competitor NAME: its spread is part of the errors.',
)
@click.option('--rules', default='insbench-1', show_default=True, help='Frozen rules by name.')
@options.CODE(required=False, help='insbench-job.')
@PROTOCOL
@OVERRIDES
@click.option('--threads', type=click.IntRange(min=1), default=1, show_default=True)
@click.option('--dry-run', is_flag=True, help='Check everything, submit nothing.')
@decorators.with_dbenv()
def cmd_benchmark(  # type: ignore[no-untyped-def]
    potentials, structure, pressures, measured, band_shifts, series, blind, dft, validations,
    phonons, members, rules, code, protocol, overrides, threads, dry_run,
) -> None:  # fmt: skip
    r"""Potentials against measured spectra and DFT: one score a cell, one ranking.

    \b
    Example: aiida-insbench launch benchmark --potential base 12 --potential fine 34
             --structure mgh2.cif --pressures 0,1,2 --dft 405
    """
    from aiida.orm import StructureData, load_code

    from aiida_insbench.cli.site import COMPUTER
    from aiida_insbench.science.pressure import parse_pressures
    from aiida_insbench.science.structure_files import read_crystal_file
    from aiida_insbench.workflows.benchmark import BenchmarkWorkChain

    def build() -> Any:
        competitors = _named(potentials, 'potential')
        committees = _committees(members)
        builder = BenchmarkWorkChain.get_builder_from_protocol(
            code or load_code(f'{DEFAULT_CODES[1]}@{COMPUTER}'),
            competitors,
            StructureData(ase=read_crystal_file(structure)),
            parse_pressures(pressures),
            measured=_targets(measured, series),
            band_shifts=_tables(band_shifts, dry_run=dry_run),
            reference=outputs_by_pressure(dft, 'force_constants'),
            verdicts=_verdicts(validations, competitors),
            committees=committees,
            **_vibrations(phonons, competitors, committees),
            blind=blind,
            rules=rules,
            protocol=protocol,
            overrides=overrides,
            threads=threads,
        )
        refuse_what_the_engine_would(BenchmarkWorkChain, builder)
        _say_ends(builder)
        return builder

    submit_and_say(
        built(build),
        'benchmark',
        dry_run=dry_run,
        then='aiida-insbench benchmark show {pk} once it has finished',
    )


def _say_ends(builder: Any) -> None:
    if 'error_pressures' in builder:
        ends = [f'{pressure:g}' for pressure in builder.error_pressures.get_list()]
        echo.echo_report(f'Also at {", ".join(ends)} GPa, where errors of measured pressures end.')


def _named(pairs: Any, what: str) -> dict[str, Any]:
    """Nodes by name.

    Raises
    ------
    InputError
        If a name is given twice.
    """
    from aiida_insbench.science.errors import InputError

    names = [name for name, _ in pairs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f'Two of --{what} are called {", ".join(repeated)}.')
    return dict(pairs)


def _targets(measured: Any, series: str | None) -> dict[str, Any]:
    from aiida_insbench.cli.spectrum_series import series_of
    from aiida_insbench.science.errors import InputError
    from aiida_insbench.science.pressure import pressure_label

    if not series:
        return _named(measured, 'measured')
    if measured:
        raise InputError('--series and --measured are two lists of targets; give one.')
    return {f'{pressure_label(node.pressure)}_{node.pk}': node for node in series_of(series)}


def _tables(given: Any, *, dry_run: bool) -> dict[str, Any]:
    """Tables of band shifts by name; files are imported, in a dry run only read.

    Raises
    ------
    InputError
        If a name is given twice, a file is unsound, or there is no such file or node.
    """
    return {
        name: _table(text, dry_run=dry_run) for name, text in _named(given, 'band-shifts').items()
    }


def _table(text: str, *, dry_run: bool) -> Any:
    from dataclasses import asdict

    from aiida.common.exceptions import NotExistent
    from aiida.orm import Dict, SinglefileData, load_node

    from aiida_insbench.calculations.measured import import_band_shifts
    from aiida_insbench.science.errors import InputError
    from aiida_insbench.science.measured.band_shifts import read_band_shifts

    path = Path(text)
    if path.is_file():
        rows = read_band_shifts(path.read_bytes(), name=path.name)
        if dry_run:
            return Dict({'rows': [asdict(row) for row in rows], 'file': path.name})
        return import_band_shifts(SinglefileData(path.resolve()))
    try:
        node = load_node(text)
    except (NotExistent, ValueError) as exc:
        raise InputError(f'{text!r} is neither a file nor a node: {exc}') from exc
    if not isinstance(node, Dict):
        raise InputError(f'Node {node.pk} is no table of band shifts but a {type(node).__name__}.')
    return node


def _committees(members: Any) -> dict[str, dict[str, Any]]:
    """Further members by competitor, numbered as they come."""
    found: dict[str, dict[str, Any]] = {}
    for name, node in members:
        mine = found.setdefault(name, {})
        mine[f'member_{len(mine) + 1}'] = node
    return found


def _vibrations(
    phonons: Any, competitors: dict[str, Any], committees: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Force constants that are known, of competitors and of members.

    Raises
    ------
    InputError
        If phonons are of none of them, or have no force constants.
    """
    from aiida_insbench.science.errors import InputError

    known: dict[str, Any] = {}
    of_members: dict[str, dict[str, Any]] = {}
    for process in phonons:
        node = process.inputs.phonons.potential if 'phonons' in process.inputs else None
        given = outputs_by_pressure(process, 'force_constants')
        names = [name for name, one in competitors.items() if node and one.uuid == node.uuid]
        places = [
            (name, member)
            for name, by_member in committees.items()
            for member, one in by_member.items()
            if node and one.uuid == node.uuid
        ]
        if not names and not places:
            raise InputError(f'Phonons {process.pk} are of none of the potentials given.')
        known.update(dict.fromkeys(names, given))
        for name, member in places:
            of_members.setdefault(name, {})[member] = given
    return {'force_constants': known, 'committee_force_constants': of_members}


def _verdicts(validations: Any, competitors: dict[str, Any]) -> dict[str, Any]:
    """Verdicts by the name of the potential they are on.

    Raises
    ------
    InputError
        If a validation is of none of them, or has no verdict.
    """
    from aiida_insbench.science.errors import InputError

    found = {}
    for process in validations:
        if 'verdict' not in process.outputs:
            raise InputError(f'Process {process.pk} ({process.process_label}) has no `verdict`.')
        names = [
            name for name, node in competitors.items() if node.uuid == process.inputs.potential.uuid
        ]
        if not names:
            raise InputError(f'Validation {process.pk} is of none of the potentials given.')
        found[names[0]] = process.outputs.verdict
    return found
