"""Write the report of a benchmark: HTML, JSON, CSV, and figures as PNG, SVG and PDF."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida_insbench.report.benchmark_story import Data

_ENDINGS = ('png', 'svg', 'pdf')
_TIGHT = (',', ':')


def write_benchmark(process: Any, folder: Path) -> tuple[Path, ...]:
    """Collect, draw and write a benchmark.

    Parameters
    ----------
    process : WorkChainNode
        Of `insbench.benchmark`, with its ranking.
    folder : Path
        Made if it is not there; files of the same names are replaced.

    Returns
    -------
    tuple of Path
        `benchmark.html`, `benchmark.json`, `scores.csv`, `spectra.csv`, then figures.

    Raises
    ------
    InputError
        If there is no ranking.
    """
    from aiida_insbench.report.benchmark import collect_benchmark

    return write_report_files(collect_benchmark(process), folder)


def write_report_files(data: Data, folder: Path) -> tuple[Path, ...]:
    """Write the files of a report from its data; see `write_benchmark`."""
    from aiida_insbench.report.benchmark_csv import scores_csv, spectra_csv
    from aiida_insbench.report.benchmark_render import render_benchmark

    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        'benchmark.html': render_benchmark(data),
        'benchmark.json': as_json(data),
        'scores.csv': scores_csv(data),
        'spectra.csv': spectra_csv(data),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding='utf-8')
    return (*(folder / name for name in texts), *write_figures(data, folder / 'figures'))


def write_figures(data: Data, folder: Path) -> tuple[Path, ...]:
    """Write figures at journal sizes."""
    from aiida_insbench.report.benchmark_journal import journal_figures
    from aiida_insbench.report.style import save

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, drawn in journal_figures(data):
        for ending in _ENDINGS:
            path = folder / f'{name}.{ending}'
            save(drawn, path)
            written.append(path)
    return tuple(written)


def as_json(data: Data) -> str:
    """Data as JSON; numbers that are not finite, which masked bins may hold, are null."""
    try:
        return json.dumps(data, allow_nan=False, separators=_TIGHT)
    except ValueError:
        return json.dumps(_finite(data), allow_nan=False, separators=_TIGHT)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
