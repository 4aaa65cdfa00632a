"""Bad inputs that are clear, cases of fuzzing, kills survived, cells of a soak.

The soak wants the servers of ``make services``, and an hour.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BAD_INPUTS = ROOT / 'tests' / 'bad_inputs'
PRODUCTION = ROOT / 'tests' / 'production'
CELLS = 200
#: Cases of each reader, and of each job.
CASES, JOB_CASES = 600, 120


def production_figures(only: str | None = None) -> Iterator[dict[str, Any]]:
    """Figures of the suite; `only` is one of the names after ``production.``."""
    for name, measure in _MEASURES.items():
        if only in (None, name):
            yield measure()


def bad_inputs_figure() -> dict[str, Any]:
    """How many rows of the table give the stated message and leave nothing behind."""
    from run import figure

    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-rA', '--tb=no',
         str(BAD_INPUTS / 'test_bad_inputs.py')],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if '::test_bad_input[' in line]
    clear = sum(line.startswith('PASSED') for line in lines)
    return figure(
        'production.bad_inputs_clear', clear, '1', 60, 'higher',
        f'rows of tests/bad_inputs with the stated message, of {len(lines)}: exit code not 0, no '
        'traceback, no node stored, no file left',
    )  # fmt: skip


def fuzz_figure() -> dict[str, Any]:
    """How many mutated files gave a result or a clear error, in bounded time and memory."""
    from run import figure

    outcomes = [_fuzzed(name) for name in _readers()]
    cases = sum(one['cases'] for one in outcomes)
    faults = sum(len(one['faults']) for one in outcomes)
    slowest = max(outcomes, key=lambda one: one['slowest'])
    return figure(
        'production.fuzz_cases', cases - faults, '1', 10_000, 'higher',
        f'mutated files through {len(outcomes)} readers, seeded: '
        f'{sum(one["read"] for one in outcomes)} read, '
        f'{sum(one["refused"] for one in outcomes)} refused in words, {faults} faults; slowest '
        f'{slowest["slowest"]} s of CPU ({slowest["reader"]})',
    )  # fmt: skip


def _readers() -> list[str]:
    sys.path[:0] = [str(BAD_INPUTS), str(ROOT / 'tests')]
    from readers import READERS

    return list(READERS)


def _fuzzed(name: str) -> dict[str, Any]:
    cases = JOB_CASES if name.startswith('job-') else CASES
    done = subprocess.run(
        [sys.executable, str(BAD_INPUTS / 'fuzz.py'), name, '--cases', str(cases)],
        capture_output=True, text=True, check=False, timeout=7200,
    )  # fmt: skip
    line = next(line for line in done.stdout.splitlines() if line.startswith('{"reader"'))
    found: dict[str, Any] = json.loads(line)
    sys.stdout.write(f'{name}: {found["cases"]} cases, {len(found["faults"])} faults\n')
    for fault in found['faults']:
        sys.stdout.write(f'  {fault["number"]} {fault["kind"]}: {fault["detail"][-300:]}\n')
    sys.stdout.flush()
    return found


def kills_figure() -> dict[str, Any]:
    """How many kills the runs of a small campaign survived that ended as the undisturbed one."""
    from run import figure

    with tempfile.TemporaryDirectory(prefix='insbench-kills-') as folder:
        told = Path(folder) / 'kills.xml'
        subprocess.run(
            [sys.executable, '-m', 'pytest', '-q', '-m', 'full', '-k', 'test_five_kills',
             '--basetemp', f'{folder}/runs', '--junitxml', str(told), '-o', 'junit_family=xunit1',
             str(PRODUCTION / 'test_kills.py')],
            cwd=ROOT, check=False,
        )  # fmt: skip
        return figure('production.kills_survived', *_kills(told))


def _kills(told: Path) -> tuple[int, str, int, str, str]:
    """Value, unit, goal, direction and description from what pytest has told."""
    survived, total, by_kind = 0, 0, []
    for case in ET.parse(told).getroot().iter('testcase'):  # noqa: S314 (written by ourselves)
        killed = [one.get('value') for one in case.iter('property') if one.get('name') == 'killed']
        name = str(case.get('name')).partition('[')[2].rstrip(']')
        passed = case.find('failure') is None and case.find('error') is None
        total += 1
        survived += 5 * passed
        by_kind.append(f'{name}: {killed[0] if passed and killed else "failed"}')
    return (
        survived, '1', 20, 'higher',
        f'five SIGKILL at random moments of a small campaign for each of {total} kinds of process, '
        'in a second run where the first had come to its end (seconds after its start): '
        f'{"; ".join(by_kind)}; frames, labels, weights, spectra, decisions and '
        'number of jobs that ended well are those of the undisturbed run',
    )  # fmt: skip


def soak_figure() -> dict[str, Any]:
    """Cells of many benchmarks that finished, on the servers and without them."""
    return soak_figure_of([_soaked([]), _soaked(['--sqlite'])])


def soak_figure_of(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figure from what `soak.py` has printed."""
    from run import figure

    return figure(
        'production.soak_cells_finished', min(one['cells_finished'] for one in found), '1', CELLS,
        'higher', '; '.join(_told(one) for one in found),
    )  # fmt: skip


def _told(one: dict[str, Any]) -> str:
    quarters = ', '.join(str(one[f'memory_mb_quarter_{number}']) for number in (1, 2, 3, 4))
    return (
        f'{one["storage"]}, 2 workers: {one["cells_finished"]} cells in {one["seconds"]:.0f} s, '
        f'{one["cells_per_hour"]} an hour, {one["processes"]} processes, '
        f'{one["worker_cpu_seconds_per_process"]} s of CPU of the workers for each, memory of '
        f'both workers in the quarters of the time {quarters} MB'
    )


def _soaked(words: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix='insbench-soak-') as folder:
        done = subprocess.run(
            ['bash', '-c', 'test "$1" = --sqlite || source .services/env.sh; exec "${@:2}"', '-',
             *(words or ['']), sys.executable, '-W', 'ignore', str(PRODUCTION / 'soak.py'),
             f'{folder}/soak', '--cells', str(CELLS), *words],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    if not done.stdout.strip():
        raise SystemExit('The soak ended without a word: do the servers run (make services)?')
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


_MEASURES = {
    'bad_inputs_clear': bad_inputs_figure,
    'fuzz_cases': fuzz_figure,
    'kills_survived': kills_figure,
    'soak_cells_finished': soak_figure,
}
