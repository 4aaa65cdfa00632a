"""Time and size of a benchmark's report: 3 potentials and DFT on 6 targets of 4000 points."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SAMPLE = Path(__file__).resolve().parents[1] / 'report'
_POINTS, _RUNS = 4000, 3


def report_figures(folder: Path) -> Iterator[dict[str, Any]]:
    """Write the report a few times; imports are in the first."""
    sys.path.insert(0, str(_SAMPLE))
    from benchmark_sample import build, enlarged

    data = enlarged(build(), _POINTS)
    from aiida_insbench.report.benchmark_write import write_report_files

    walls, cpus = [], []
    for number in range(_RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        paths = write_report_files(data, folder / str(number))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    targets, n_files = len(data['cells']), len(paths)
    what = f'3 potentials and DFT, {targets} targets, spectra of {_POINTS} points'
    yield {
        'name': 'benchmark.report_s',
        'value': round(statistics.median(walls), 2),
        'unit': 's',
        'goal': 10,
        'better': 'lower',
        'how': f'{what}: HTML, JSON, CSV and figures as PNG, SVG and PDF ({n_files} files) from '
        f'collected data, median of {_RUNS}; the first, with imports, {walls[0]:.1f} s; processor '
        f'{statistics.median(cpus):.1f} s; load {os.getloadavg()[0]:.1f}',
    }
    yield {
        'name': 'benchmark.report_mb',
        'value': round(paths[0].stat().st_size / 1e6, 3),
        'unit': 'MB',
        'goal': 5,
        'better': 'lower',
        'how': f'{what}: the HTML file, all figures in it',
    }
