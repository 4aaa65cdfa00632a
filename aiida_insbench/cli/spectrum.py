"""``aiida-insbench spectrum``: measured spectra, and simulated ones as files and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options
from aiida.cmdline.params.types import DataParamType
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.pictures import check_picture
from aiida_insbench.cli.spectrum_series import SERIES_OPTION, add_to_series, cmd_series

SPECTRUM_TYPE = DataParamType(sub_classes=('aiida.data:insbench.spectrum',))
_NUMBER = click.FLOAT


@click.group('spectrum')
def cmd_spectrum() -> None:
    """Measured and simulated spectra."""


cmd_spectrum.add_command(cmd_series)


@cmd_spectrum.command('import')
@click.argument('file', type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option('--instrument', help='TOSCA, TFXA, VISION, LAGRANGE, LET … or a YAML file of one.')
@click.option('--temperature', type=_NUMBER, help='K.')
@click.option('--pressure', type=_NUMBER, help='GPa; 0 for ambient.')
@click.option('--pressure-error', type=_NUMBER, help='GPa, a standard deviation.')
@click.option('--sample', help='In words, such as "2,5-diiodothiophene".')
@click.option('--isotope', multiple=True, metavar='SYMBOL=ISOTOPE', help='Such as H=2H.')
@click.option(
    '--deuterium-fraction',
    type=(float, float),
    metavar='LOW HIGH',
    help='Bounds between which scores fit it, such as 0.9 1.',
)
@click.option(
    '--resolution',
    metavar='C0,C1,…',
    help='Standard deviation in cm⁻¹ over energy, where it is not that published of the '
    'instrument.',
)
@click.option('--incident-energy', type=_NUMBER, help='meV, of direct geometry.')
@click.option('--doi', help='Of the data or their publication.')
@click.option('--pressure-read-at', type=_NUMBER, help='Temperature of the pressure reading, K.')
@click.option('--gauge', help='What the pressure was read with.')
@click.option('--medium', help='What transmits the pressure.')
@click.option('--cell', help='Pressure cell or can.')
@click.option('--background', help='How the background was treated.')
@click.option('--intensity', type=click.Choice(['relative', 'absolute']), default='relative')
@click.option(
    '--mask',
    'masks',
    type=(float, float, str),
    multiple=True,
    metavar='LOW HIGH REASON',
    help='Range in cm⁻¹ that does not count, and why; may be repeated.',
)
@click.option('--format', 'form', help='Found in the content if not given.')
@click.option('--unit', help='Of the energies: meV, cm-1 or THz, if the file does not say.')
@click.option('--block', help='Name or number of the block wanted.')
@click.option('--range', 'keep_range', type=(float, float), help='cm⁻¹ to keep.')
@click.option('--energy-error', type=_NUMBER, help='cm⁻¹, of a digitised spectrum.')
@click.option('--counts-per-bin/--counts-per-energy', default=None, help='As the file says.')
@click.option('--sure-of-unit', is_flag=True, help="Although the instrument's range contradicts.")
@SERIES_OPTION
@click.option('--dry-run', is_flag=True, help='Read and check only.')
@options.LABEL()
@options.DESCRIPTION()
@decorators.with_dbenv()
def cmd_import(  # type: ignore[no-untyped-def]
    file, isotope, masks, form, block, keep_range, resolution, series, dry_run, label, description,
    **said,
) -> None:  # fmt: skip
    r"""Take a measured spectrum from FILE.

    Files of the ISIS INS database, of Mantid (ASCII, NeXus), of VISION and OCLIMAX, xye, csv and
    JCAMP-DX are known by their content.

    \b
    Example: aiida-insbench spectrum import hexane.dat --instrument TFXA --temperature 20
             --pressure 0 --sample n-hexane --doi 10.1063/1.479324
    """
    import io

    from aiida.orm import Dict, SinglefileData

    from aiida_insbench.calculations.measured import import_spectrum, imported_spectrum
    from aiida_insbench.science.errors import InsbenchError

    # 0 GPa is said, too
    settings = {key: value for key, value in said.items() if value or value == 0}
    settings = {key: value for key, value in settings.items() if value is not False}
    if said.get('counts_per_bin') is False:
        settings['counts_per_bin'] = False
    optional = {
        'isotopes': _isotopes(isotope),
        'masks': [list(one) for one in masks],
        'format': form,
        'block': int(block) if block and block.isdigit() else block,
        'keep_range': list(keep_range) if keep_range else None,
        'resolution': resolution.split(',') if resolution else None,
    }
    settings |= {key: value for key, value in optional.items() if value}
    data = file.read_bytes()
    try:
        node = imported_spectrum(data, name=file.name, settings=settings)
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    if not dry_run:
        content = SinglefileData(io.BytesIO(data), filename=file.name)
        node = import_spectrum(content, Dict(settings))
        node.label, node.description = label or '', description or ''
    for note in node.details['notes']:
        echo.echo_report(note)
    if dry_run:
        echo.echo_success(f'Can be imported: {spectrum_line(node)}')
        return
    echo.echo_success(spectrum_line(node))
    if series:
        add_to_series(series, [node])


@cmd_spectrum.command('list')
@click.option('--origin', type=click.Choice(['measured', 'simulated']))
@click.option('--format', 'form', type=click.Choice(['table', 'json']), default='table')
@decorators.with_dbenv()
def cmd_list(origin, form) -> None:  # type: ignore[no-untyped-def]
    r"""List spectra, by sample and pressure.

    \b
    Example: aiida-insbench spectrum list --origin measured
    """
    from aiida.orm import QueryBuilder

    from aiida_insbench.data.spectrum import SpectrumData

    filters = {'attributes.origin': origin} if origin else {}
    found = QueryBuilder().append(SpectrumData, filters=filters, project='*').all(flat=True)
    nodes = [node for node in found if not node.has_contributions]
    nodes.sort(key=lambda node: (node.base.attributes.get('sample'), node.pressure, node.pk))
    if form == 'json':
        echo.echo(json.dumps([_facts(node) for node in nodes], indent=1))
        return
    for node in nodes:
        echo.echo(spectrum_line(node))
    echo.echo(f'{len(nodes)} spectra.')


@cmd_spectrum.command('show')
@click.argument('spectrum', type=SPECTRUM_TYPE)
@decorators.with_dbenv()
def cmd_show(spectrum) -> None:  # type: ignore[no-untyped-def]
    r"""All that is known of SPECTRUM but its points, as JSON.

    \b
    Example: aiida-insbench spectrum show 123
    """
    shown = {**_facts(spectrum), 'details': spectrum.details}
    echo.echo(json.dumps(shown, indent=1, ensure_ascii=False))


@cmd_spectrum.command('subtract')
@click.argument('sample', type=SPECTRUM_TYPE)
@click.argument('empty', type=SPECTRUM_TYPE)
@click.option('--transmission', type=_NUMBER, help='Of the sample, 0 to 1.')
@click.option('--scale', type=_NUMBER, help='Of the empty cell.')
@SERIES_OPTION
@options.LABEL()
@decorators.with_dbenv()
def cmd_subtract(sample, empty, transmission, scale, series, label) -> None:  # type: ignore[no-untyped-def]
    r"""Subtract the spectrum of the EMPTY cell from that of SAMPLE.

    \b
    Example: aiida-insbench spectrum subtract 123 124 --transmission 0.9
    """
    from aiida.orm import Dict

    from aiida_insbench.calculations.measured import subtract_cell, without_cell
    from aiida_insbench.science.errors import InsbenchError

    given = {'transmission': transmission, 'scale': scale}
    settings = {key: value for key, value in given.items() if value is not None}
    try:
        without_cell(sample, empty, settings)
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    node = subtract_cell(sample, empty, Dict(settings))
    node.label = label or ''
    for note in node.details['notes']:
        echo.echo_report(note)
    echo.echo_success(spectrum_line(node))
    if series:
        add_to_series(series, [node])


@cmd_spectrum.command('export')
@click.argument('spectrum', type=SPECTRUM_TYPE)
@click.argument('output', type=click.Path(dir_okay=False, path_type=Path))
@click.option('--overwrite', is_flag=True, help='Replace a file that is there.')
@decorators.with_dbenv()
def cmd_export(spectrum, output, overwrite) -> None:  # type: ignore[no-untyped-def]
    r"""Write SPECTRUM as csv; a measured one can be imported again and is the same.

    \b
    Example: aiida-insbench spectrum export 123 hexane.csv
    """
    from aiida_insbench.calculations.measured import conditions_of, measured_of
    from aiida_insbench.science.measured.spectrum_csv import write_insbench

    if output.exists() and not overwrite:
        echo.echo_critical(f'{output} is there already; choose another name or say --overwrite.')
    if spectrum.origin == 'measured' and 'conditions' in spectrum.details:
        text = write_insbench(measured_of(spectrum), conditions_of(spectrum))
    else:
        text = _table_of(spectrum)
    output.write_text(text, encoding='utf-8')
    echo.echo_success(f'{output}: {len(spectrum.energy_transfer)} energies.')


@cmd_spectrum.command('plot')
@click.argument('spectra', type=SPECTRUM_TYPE, nargs=-1, required=True)
@click.option(
    '--output', type=click.Path(dir_okay=False, path_type=Path), default=Path('spectra.png')
)
@decorators.with_dbenv()
def cmd_plot(spectra, output) -> None:  # type: ignore[no-untyped-def]
    r"""Draw SPECTRA above each other, each divided by its maximum.

    \b
    Example: aiida-insbench spectrum plot 123 456 --output overlay.png
    """
    from aiida_insbench.report.figures_measured import stacked

    check_picture(output)
    stacked([_drawn(node) for node in spectra]).savefig(output, dpi=200)
    echo.echo_success(f'{output}: {len(spectra)} spectra.')


def spectrum_line(node: Any) -> str:
    """One line on a spectrum."""
    facts = _facts(node)
    pressure = f'{node.pressure:g}'
    if facts['pressure_error']:
        pressure += f' ± {facts["pressure_error"]:g}'
    low, high = node.energy_transfer[0], node.energy_transfer[-1]
    return (
        f'SpectrumData<{node.pk}>: {node.origin}, {facts["sample"]}, {node.instrument}, '
        f'{node.temperature:g} K, {pressure} GPa, {len(node.energy_transfer)} points, '
        f'{low:.0f} to {high:.0f} cm⁻¹'
    )


def _facts(node: Any) -> dict[str, Any]:
    attributes = node.base.attributes.all
    conditions = attributes['details'].get('conditions') or {}
    names = ('origin', 'sample', 'instrument', 'temperature', 'pressure', 'bank', 'doi')
    return {
        'pk': node.pk,
        'uuid': str(node.uuid),
        'label': node.label,
        **{name: attributes.get(name) for name in names},
        'pressure_error': conditions.get('pressure_error', 0.0),
        'file_hash': attributes.get('file_hash'),
    }


def _isotopes(given: tuple[str, ...]) -> dict[str, str]:
    wrong = [one for one in given if one.count('=') != 1]
    if wrong:
        raise click.BadParameter(f'{wrong[0]!r}: give SYMBOL=ISOTOPE, such as H=2H.')
    return dict(one.split('=') for one in given)


def _table_of(node: Any) -> str:
    """Energies, total and parts on the same energies, as csv."""
    size = node.energy_transfer.shape
    parts = {
        name: node.get_array(name)
        for name in sorted(node.get_arraynames())
        if name != 'energy_transfer' and node.get_array(name).shape == size
    }
    header = ','.join(('energy_transfer_cm1', *parts))
    rows = zip(node.energy_transfer, *parts.values(), strict=True)
    lines = [','.join(f'{value:.9g}' for value in row) for row in rows]
    return '\n'.join((f'# {spectrum_line(node)}', header, *lines, ''))


def _drawn(node: Any) -> dict[str, Any]:
    names = node.get_arraynames()
    return {
        'energy': node.energy_transfer,
        'total': node.total,
        'error': node.get_array('error') if 'error' in names else None,
        'kept': node.get_array('kept') > 0 if 'kept' in names else None,
        'name': f'{node.pk}: {_facts(node)["sample"]}, {node.pressure:g} GPa, {node.origin}',
    }
