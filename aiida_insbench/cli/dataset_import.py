"""``aiida-insbench dataset import``, and what commands say of a dataset they made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options
from aiida.cmdline.utils import decorators, echo


@click.command('import')
@click.argument('file', type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option('--functional', help='Of the labels, such as PBE-D3(BJ) or r2SCAN.')
@click.option(
    '--level',
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON file of the whole level of theory, instead of --functional.',
)
@click.option('--code', default='', help='Program that made the labels, such as VASP.')
@click.option('--energy', default='REF_energy', show_default=True, help='Key in the file.')
@click.option('--forces', default='REF_forces', show_default=True, help='Key in the file.')
@click.option('--stress', default='REF_stress', show_default=True, help='Key in the file.')
@click.option('--virial', default='', help='Key of −volume × stress, instead of a stress.')
@click.option('--energy-unit', default='eV', show_default=True, help='Or Ha, Ry, kcal/mol …')
@click.option('--forces-unit', default='eV/Å', show_default=True, help='Or Ha/bohr, Ry/bohr …')
@click.option('--stress-unit', default='eV/Å^3', show_default=True, help='Or GPa, kbar …')
@click.option(
    '--stress-sign',
    type=click.Choice(['tension', 'compression']),
    default='tension',
    show_default=True,
    help='What is positive: tension in ASE, compression in outputs of pw.x and VASP.',
)
@click.option('--prefix', default='x', show_default=True, help='Of names of frames without one.')
@click.option('--target-pressure', type=float, help='GPa, of frames that do not say theirs.')
@click.option(
    '--unit-check/--no-unit-check',
    default=True,
    show_default=True,
    help='Refuse labels whose energies, forces and stress contradict each other.',
)
@options.LABEL()
@options.DESCRIPTION()
@decorators.with_dbenv()
def cmd_import(file, functional, level, code, label, description, **settings) -> None:  # type: ignore[no-untyped-def]
    r"""Take the labelled frames of FILE, extended XYZ, positions in Å.

    \b
    Example: aiida-insbench dataset import mine.xyz --functional 'PBE-D3(BJ)' --code VASP
             --energy dft_energy --forces dft_forces --stress dft_stress
             --stress-unit kbar --stress-sign compression
    """
    import io

    from aiida.orm import Dict, SinglefileData

    from aiida_insbench.calculations.datasets import import_dataset, imported_dataset
    from aiida_insbench.cli.dataset_show import read_frames_file, read_level
    from aiida_insbench.science.errors import InsbenchError

    chosen = {key: value for key, value in settings.items() if value not in (None, '')}
    try:
        theory = read_level(level, functional=functional, code=code)
        text = read_frames_file(file)
        imported_dataset(text, name=file.name, settings=chosen, dft_level=theory)
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    content = SinglefileData(io.BytesIO(text.encode()), filename=file.name)
    done = import_dataset(content, Dict(chosen), Dict(theory))
    report = done['report'].get_dict()
    for warning in report['warnings']:
        echo.echo_warning(warning)
    for key in ('entries_dropped', 'atoms_given_a_box'):
        if report[key]:
            echo.echo_report(f'{key.replace("_", " ")}: {", ".join(report[key])}')
    name_and_report(done['dataset'], label, description)


def name_and_report(node: Any, label: str | None, description: str | None) -> None:
    """Give a new dataset its label, and say what it is."""
    node.label, node.description = label or '', description or ''
    echo.echo_success(dataset_line(node))


def dataset_line(node: Any) -> str:
    """One line on a dataset."""
    from aiida_insbench.science.dft_settings import level_in_words

    pressures = ', '.join(f'{value:g}' for value in node.target_pressures) or 'unknown'
    return (
        f'DatasetData<{node.pk}>: {node.n_frames} frames of {" ".join(node.elements)}, target '
        f'pressures {pressures} GPa, {level_in_words(node.dft_level)}'
    )
