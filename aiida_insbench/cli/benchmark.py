"""``aiida-insbench benchmark``: who won, and records that travel."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import types
from aiida.cmdline.utils import decorators, echo

_BENCHMARK = types.ProcessParamType(sub_classes=('aiida.node:process.workflow.workchain',))


@click.group('benchmark')
def cmd_benchmark() -> None:
    """Rankings of potentials by spectra."""


@cmd_benchmark.command('show')
@click.argument('process', type=_BENCHMARK)
@click.option('--format', 'form', type=click.Choice(['table', 'json']), default='table')
@decorators.with_dbenv()
def cmd_show(process, form) -> None:  # type: ignore[no-untyped-def]
    r"""Ranking and verdicts of a benchmark.

    \b
    Example: aiida-insbench benchmark show 1234
    """
    ranking = ranking_of(process)
    if form == 'json':
        echo.echo(json.dumps(ranking, indent=1, ensure_ascii=False))
        return
    for line in lines_of(ranking):
        echo.echo(line)


@cmd_benchmark.command('export')
@click.argument('process', type=_BENCHMARK)
@click.option(
    '--folder', type=click.Path(file_okay=False, path_type=Path), default=Path(), show_default='.'
)
@decorators.with_dbenv()
def cmd_export(process, folder) -> None:  # type: ignore[no-untyped-def]
    r"""Write a leaderboard record (JSON, with hashes) and metrics for ml-peg.

    \b
    Example: aiida-insbench benchmark export 1234 --folder results
    """
    import yaml

    from aiida_insbench.report.benchmark import record_of
    from aiida_insbench.science.benchmark.records import ml_peg_metrics

    ranking = ranking_of(process)
    folder.mkdir(parents=True, exist_ok=True)
    record, metrics = folder / 'leaderboard.json', folder / 'ml_peg_metrics.yml'
    text = json.dumps(record_of(process), indent=1, ensure_ascii=False)
    record.write_text(text + '\n', encoding='utf-8')
    found = yaml.safe_dump(ml_peg_metrics(ranking), sort_keys=False, allow_unicode=True)
    metrics.write_text(found, encoding='utf-8')
    echo.echo_success(f'{record}, {metrics}')


@cmd_benchmark.command('report')
@click.argument('process', type=_BENCHMARK)
@click.option(
    '--folder', type=click.Path(file_okay=False, path_type=Path), default=Path(), show_default='.'
)
@decorators.with_dbenv()
def cmd_report(process, folder) -> None:  # type: ignore[no-untyped-def]
    r"""Draw a benchmark: one HTML file, the same as JSON and CSV, figures as PNG and PDF.

    \b
    Example: aiida-insbench benchmark report 1234 --folder results
    """
    from aiida_insbench.report.benchmark_write import write_benchmark

    ranking_of(process)
    for path in write_benchmark(process, folder):
        echo.echo(str(path))
    echo.echo_success(f'Report of benchmark {process.pk}')


def ranking_of(process: Any) -> dict[str, Any]:
    """Output ``ranking``; ends the command if there is none."""
    if 'ranking' not in process.outputs:
        state = f'{process.process_state.value}, {process.exit_message or "no ranking yet"}'
        echo.echo_critical(f'Process {process.pk} ({process.process_label}): {state}.')
    found: dict[str, Any] = process.outputs.ranking.get_dict()
    return found


def lines_of(ranking: Mapping[str, Any]) -> Iterator[str]:
    """The ranking as text."""
    yield f'{ranking["version"]}: cost 0 the same spectrum, 1 featureless or failed'
    yield ''
    names = [cell['name'] for cell in ranking['cells']]
    width = max(12, *(len(name) + 2 for name in names))
    yield f'rank  {"potential":<20} {"mean":>14}' + ''.join(f'{name:>{width}}' for name in names)
    for one in ranking['ranked']:
        cells = ''.join(_cell(one, name, width) for name in names)
        mean = f'{one["mean"]:.3f} ± {one["error"]:.3f}'
        yield f'{one["rank"]:>4}  {one["name"]:<20} {mean:>14}{cells}'
    if ranking['dft']:
        row = ''.join(
            f'{ranking["dft"][name]:>{width}.3f}' if name in ranking['dft'] else f'{"–":>{width}}'
            for name in names
        )
        yield f'   –  {"DFT itself":<20} {"":>14}{row}'
    yield from _agreement(ranking)
    yield from _shifts(ranking)
    for name, sentences in ranking['verdicts'].items():
        yield ''
        yield f'{name}:'
        yield from (f'  {text}' for text in sentences)


def _cell(one: Mapping[str, Any], name: str, width: int) -> str:
    mark = '*' if name in one['failures'] else ' '
    return f'{one["cells"][name]:>{width - 1}.3f}{mark}'


def _shifts(ranking: Mapping[str, Any]) -> Iterator[str]:
    """Pressure scores of measured band shifts, which do not count in the ranking."""
    scores = ranking.get('pressure_scores') or {}
    for table in dict.fromkeys(name for row in scores.values() for name in row):
        yield ''
        yield f'band shifts {table}: pressure score 0 best, 1 worst; not part of the mean'
        for name, row in scores.items():
            if table in row:
                one = row[table]
                yield (
                    f'  {name:<20} {one["cost"]:.3f}  signs {one["signs_right"]} of '
                    f'{one["signs_known"]}  {one["words"]}'
                )


def _agreement(ranking: Mapping[str, Any]) -> Iterator[str]:
    if any(one['failures'] for one in ranking['ranked']):
        yield '* failed, see below'
    found = ranking['agreement']
    if found is None:
        return
    errors = ', '.join(
        f'{name} {ranking["frequency_errors"][name]:.1f}' for name in found['potentials']
    )
    order = 'the same order' if found['same_order'] else 'another order'
    yield f'INS-weighted frequency errors against DFT (cm⁻¹): {errors}: {order}'
