"""``aiida-insbench validation``: what was found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import types
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.pictures import check_picture
from aiida_insbench.science.pressure import pressure_from_label


@click.group('validation')
def cmd_validation() -> None:
    """Verdicts on potentials."""


@cmd_validation.command('show')
@click.argument(
    'process', type=types.ProcessParamType(sub_classes=('aiida.node:process.workflow.workchain',))
)
@click.option('--json', 'as_json', is_flag=True, help='All numbers, for programs.')
@decorators.with_dbenv()
def cmd_show(process, as_json) -> None:  # type: ignore[no-untyped-def]
    r"""Verdict of a validation, part by part.

    \b
    Example: aiida-insbench validation show 1234
    """
    if 'verdict' not in process.outputs:
        state = f'{process.process_state.value}, {process.exit_message or "no verdict yet"}'
        echo.echo_critical(f'Process {process.pk} ({process.process_label}): {state}.')
    verdict = process.outputs.verdict.get_dict()
    if as_json:
        echo.echo(json.dumps(verdict, indent=1))
        return
    for line in lines_of(verdict):
        echo.echo(line)


@cmd_validation.command('plot')
@click.argument(
    'process', type=types.ProcessParamType(sub_classes=('aiida.node:process.workflow.workchain',))
)
@click.argument('output', type=click.Path(path_type=Path, dir_okay=False))
@decorators.with_dbenv()
def cmd_plot(process, output) -> None:  # type: ignore[no-untyped-def]
    r"""Draw spectra of the runs over harmonic ones (OUTPUT: .png, .svg or .pdf).

    \b
    Example: aiida-insbench validation plot 1234 anharmonic.png
    """
    from aiida_insbench.report.figures_validation import anharmonic_spectra

    check_picture(output)
    outputs = process.outputs
    if 'anharmonic_spectrum' not in outputs:
        echo.echo_critical(
            f'Process {process.pk} ({process.process_label}) has no spectra of runs: they need '
            '`ins`, and sound runs in NVE or NVT.'
        )
    harmonic = dict(outputs.harmonic_spectrum) if 'harmonic_spectrum' in outputs else {}
    rows = [
        {
            'label': label,
            'anharmonic': _line(node),
            'harmonic': _line(harmonic[label]) if label in harmonic else None,
            'note': f'statistics {_statistics(node):.1f} % of the area',
        }
        for label, node in sorted(
            outputs.anharmonic_spectrum.items(), key=lambda one: pressure_from_label(one[0])
        )
    ]
    anharmonic_spectra(rows).savefig(output, dpi=200)
    echo.echo_success(f'{output}: {len(rows)} pressures.')


def _line(node: Any) -> dict[str, Any]:
    return {'energy': node.energy_transfer, 'total': node.total}


def _statistics(node: Any) -> float:
    return float(node.details['convergence']['errors_percent']['statistics'])


def lines_of(verdict: Mapping[str, Any]) -> Iterator[str]:
    """The verdict as text."""
    yield verdict['summary']
    yield ''
    for name, part in verdict['parts'].items():
        kept = part['n_checks'] - part['n_failed']
        count = f'{kept} of {part["n_checks"]} checks hold' if part['n_checks'] else part['reason']
        yield f'{name.replace("_", " "):<18} {part["state"]:<12} {count}'
    tables = verdict['tables']
    yield from _parity(tables['parity'])
    yield from _state(tables['equation_of_state'])
    yield from _dynamics(tables['dynamics'])
    yield from _extrapolation(tables['extrapolation'])
    for title, texts in (('Failed', verdict['failures']), ('To be known', verdict['warnings'])):
        if texts:
            yield ''
            yield f'{title}:'
            yield from (f'  {text}' for text in texts)


def _parity(table: Mapping[str, Any]) -> Iterator[str]:
    if not table:
        return
    yield ''
    yield 'frames held out      n   meV/atom     meV/Å       GPa'
    rows = [('all', table), *table['by_pressure'].items()]
    for label, row in rows:
        mark = ' (pressure not learnt)' if label in table['pressures_held_out'] else ''
        yield (
            f'{label:<16} {row["n_frames"]:>5} {row["rmse_energy_mev_atom"]:>10.2f} '
            f'{row["rmse_forces_mev_a"]:>9.1f} {row["rmse_stress_gpa"]:>9.3f}{mark}'
        )
    for element, row in table['by_element'].items():
        yield f'{element:<33} {row["rmse_forces_mev_a"]:>9.1f}'


def _state(table: Mapping[str, Any]) -> Iterator[str]:
    if not table:
        return
    yield ''
    yield 'pressure (GPa)   Å³/atom       DFT      off'
    for row in table['volumes']:
        yield (
            f'{row["pressure"]:>14g} {row["potential"]:>9.3f} {row["dft"]:>9.3f} '
            f'{row["percent"]:>+7.2f} %'
        )
    for name, fit in (table['fits'] or {}).items():
        yield f'{name:<9}  V0 {fit["v0"]:.3f} Å³/atom, B0 {fit["b0"]:.1f} GPa'
    yield from table['notes']


def _dynamics(table: Mapping[str, Any]) -> Iterator[str]:
    if not table:
        return
    yield ''
    yield 'run                   ps       K      GPa    meV/atom/ps'
    for row in table['runs']:
        shown = [
            f'{row[name]["mean"]:>8.{digits}f}' if row[name] else f'{"–":>8}'
            for name, digits in (('mean_temperature', 1), ('mean_pressure', 2), ('drift', 4))
        ]
        first = '' if row['sound'] else f'   {row["checks"][0]} at {row["first_violation_ps"]:.3f}'
        yield f'{row["label"]:<16} {row["length_ps"]:>7.2f} {" ".join(shown)}{first}'
    found = table['lifetime']
    if found and found['failures']:
        high = f'{found["high"]:.3g}' if found['high'] else '∞'
        yield f'mean lifetime {found["mean"]:.3g} ps (68 %: {found["low"]:.3g} to {high})'
    elif found:
        yield f'mean lifetime above {found["low"]:.3g} ps (68 %), {found["total"]:.3g} ps run'


def _extrapolation(table: Mapping[str, Any]) -> Iterator[str]:
    if not table:
        return
    yield ''
    yield 'committee         share beyond training   largest (meV/Å)'
    for label, row in table['runs'].items():
        yield (
            f'{label:<16} {row["share"]:>22.2%} {row["largest_mev_a"]:>17.1f} '
            f'at {row["time"]:.2f} ps'
        )
