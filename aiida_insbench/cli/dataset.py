"""``aiida-insbench dataset``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options
from aiida.cmdline.params.types import DataParamType
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.dataset_dft import cmd_converge, cmd_label, cmd_relabel
from aiida_insbench.cli.dataset_import import cmd_import, dataset_line, name_and_report

DATASET_TYPE = DataParamType(sub_classes=('aiida.data:insbench.dataset',))
DATASET = click.argument('dataset', type=DATASET_TYPE)
_SPLITS = ('training', 'validation', 'test')


@click.group('dataset')
def cmd_dataset() -> None:
    """Frames: import, export, show, merge, split, filter; converge, label and relabel by DFT."""


@cmd_dataset.command('list')
@click.option('--elements', help='Only those of these elements and no others, for example H,Mg.')
@click.option('--functional', help='Such as PBE, without the dispersion correction.')
@click.option('--vdw', help='Dispersion correction, such as D3(BJ).')
@click.option('--pressure', type=float, help='With frames placed for this pressure, GPa.')
@click.option('--method', help='With frames of this sampling method.')
@click.option('--split', type=click.Choice(_SPLITS), help='Part of a split.')
@click.option('--labelled/--pools', default=None, help='Only those with, or without, labels.')
@decorators.with_dbenv()
def cmd_list(**wanted: Any) -> None:
    r"""Datasets of this profile, the newest last.

    \b
    Example: aiida-insbench dataset list --functional PBE --pressure 2
    """
    from aiida_insbench.cli.dataset_show import list_lines

    lines = list_lines(**wanted)
    if not lines:
        echo.echo_report('No such dataset. `aiida-insbench dataset import` makes one of a file.')
        return
    echo.echo('\n'.join(lines))


@cmd_dataset.command('show')
@DATASET
@click.option(
    '--format', 'form', type=click.Choice(['text', 'json']), default='text', show_default=True
)
@decorators.with_dbenv()
def cmd_show(dataset, form) -> None:  # type: ignore[no-untyped-def]
    r"""What DATASET holds: frames by method and pressure, level, labels, failures, origin.

    \b
    Example: aiida-insbench dataset show 123
    """
    from aiida_insbench.cli.dataset_show import describe_dataset, show_lines

    found = describe_dataset(dataset)
    echo.echo(json.dumps(found, indent=1) if form == 'json' else '\n'.join(show_lines(found)))


@cmd_dataset.command('export')
@DATASET
@click.option(
    '--output', required=True, type=click.Path(dir_okay=False, path_type=Path), help='File.'
)
@click.option(
    '--keys',
    type=click.Choice(['mace', 'ase']),
    default='mace',
    show_default=True,
    help='mace: REF_energy …; ase: energy …, which ASE reads into a calculator.',
)
@click.option('--overwrite', is_flag=True, help='Replace a file that is there.')
@decorators.with_dbenv()
def cmd_export(dataset, output, keys, overwrite) -> None:  # type: ignore[no-untyped-def]
    r"""Write DATASET as extended XYZ: eV, eV/Å, eV/Å³ with tension positive.

    \b
    Example: aiida-insbench dataset export 123 --output frames.extxyz
    """
    from aiida_insbench.science.dataset_export import export_frames

    if output.exists() and not overwrite:
        echo.echo_critical(f'{output} is there already; choose another name or say --overwrite.')
    output.write_text(export_frames(dataset.get_frames(), keys=keys), encoding='utf-8')
    echo.echo_success(f'{output}: {dataset.n_frames} frames')


@cmd_dataset.command('merge')
@click.argument('datasets', type=DATASET_TYPE, nargs=-1, required=True)
@click.option(
    '--allow-different-levels',
    is_flag=True,
    help='Join labels of different levels of theory; the level on record lists the differences.',
)
@click.option(
    '--rename-repeated',
    is_flag=True,
    help='Put the dataset in front of the name of a frame that an earlier one has too.',
)
@options.LABEL()
@options.DESCRIPTION()
@decorators.with_dbenv()
def cmd_merge(datasets, allow_different_levels, rename_repeated, label, description) -> None:  # type: ignore[no-untyped-def]
    r"""Join DATASETS of one level of theory.

    \b
    Example: aiida-insbench dataset merge 123 456 -L both-rounds
    """
    from aiida.orm import Bool

    from aiida_insbench.calculations.datasets import merge_datasets, merged_dataset
    from aiida_insbench.science.errors import InsbenchError

    width = len(str(len(datasets)))
    named = {f'd{index:0{width}d}': node for index, node in enumerate(datasets, start=1)}
    may = {
        'allow_different_levels': allow_different_levels,
        'rename_repeated': rename_repeated,
    }
    try:
        merged_dataset(named, **may)
    except InsbenchError as exc:
        known = ', '.join(f'{name} is <{node.pk}>' for name, node in named.items())
        echo.echo_critical(f'{exc} ({known})')
    done = merge_datasets(**named, **{key: Bool(True) for key, said in may.items() if said})
    name_and_report(done, label, description)


@cmd_dataset.command('split')
@DATASET
@click.option(
    '--validation', default=0.1, show_default=True, type=float, help='Share, or count from 1 on.'
)
@click.option('--test', default=0.0, show_default=True, type=float, help='Share or count.')
@click.option('--seed', required=True, type=click.IntRange(min=0), help='Of the draw.')
@click.option(
    '--hold-out-pressure',
    'held_out',
    multiple=True,
    type=float,
    help='GPa; all frames placed for it go to the test part. May be repeated.',
)
@click.option(
    '--stratify',
    multiple=True,
    type=click.Choice(['pressure', 'method']),
    help='The same mix of these in each part. May be repeated.',
)
@decorators.with_dbenv()
def cmd_split(dataset, validation, test, seed, held_out, stratify) -> None:  # type: ignore[no-untyped-def]
    r"""Split DATASET into training, validation and test parts; isolated atoms stay in training.

    \b
    Example: aiida-insbench dataset split 123 --seed 1 --hold-out-pressure 2 --stratify method
    """
    from aiida.orm import Dict, Float, Int

    from aiida_insbench.calculations.datasets import split_dataset
    from aiida_insbench.science.dataset_split import split_frames
    from aiida_insbench.science.errors import InsbenchError

    settings = {'test': test, 'held_out_pressures': list(held_out), 'stratify': list(stratify)}
    try:
        split_frames(dataset.get_frames(), seed=seed, validation=validation, **settings)
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    count = Int(int(validation)) if validation == int(validation) else Float(validation)
    given = {key: value for key, value in settings.items() if value}
    for name, part in split_dataset(dataset, count, Int(seed), Dict(given)).items():
        part.label = f'{dataset.label} {name}'.strip()
        echo.echo_success(f'{name}: {dataset_line(part)}')


@cmd_dataset.command('filter')
@DATASET
@click.option(
    '--pressure-range', nargs=2, type=float, help='Lowest and highest target pressure, GPa.'
)
@click.option('--method', 'methods', multiple=True, help='Stays. May be repeated.')
@click.option('--max-force', type=float, help='Largest force on an atom, eV/Å.')
@click.option(
    '--energy-window', type=float, help='Above the lowest frame of its composition, eV/atom.'
)
@click.option('--elements', help='Frames with another go, for example H,Mg.')
@click.option('--only', 'frame_ids', help='Names of frames that stay, by commas.')
@click.option('--without', help='Names of frames that go, by commas.')
@options.LABEL()
@options.DESCRIPTION()
@decorators.with_dbenv()
def cmd_filter(dataset, label, description, **wanted) -> None:  # type: ignore[no-untyped-def]
    r"""Keep the frames of DATASET that pass; say why the others went.

    \b
    Example: aiida-insbench dataset filter 123 --max-force 15 --pressure-range 0 2
    """
    from aiida.orm import Dict

    from aiida_insbench.calculations.datasets import filter_dataset
    from aiida_insbench.science.dataset_filter import filter_frames, frame_filter
    from aiida_insbench.science.errors import InsbenchError

    for key in ('elements', 'frame_ids', 'without'):
        wanted[key] = [one.strip() for one in (wanted[key] or '').split(',') if one.strip()]
    settings = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in wanted.items()
        if value not in (None, (), [])
    }
    try:
        filter_frames(dataset.get_frames(), frame_filter(settings))
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    done = filter_dataset(dataset, Dict(settings))
    for name, why in done['report'].get_dict()['removed'].items():
        echo.echo(f'{name:<16} {why}')
    name_and_report(done['dataset'], label, description)


cmd_dataset.add_command(cmd_import)
cmd_dataset.add_command(cmd_converge)
cmd_dataset.add_command(cmd_label)
cmd_dataset.add_command(cmd_relabel)
