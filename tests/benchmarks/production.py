"""What strangers' files do: rows of the table of bad inputs that are clear, cases of fuzzing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BAD_INPUTS = ROOT / 'tests' / 'bad_inputs'
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


_MEASURES = {'bad_inputs_clear': bad_inputs_figure, 'fuzz_cases': fuzz_figure}
