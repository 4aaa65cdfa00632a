"""Write the report of a campaign: HTML, JSON, CSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida_insbench.report.collect import collect


@dataclass(frozen=True)
class WrittenReport:
    """Where the report lies and what it found."""

    html: Path
    json: Path
    csv: Path
    findings: tuple[str, ...]


def write_report(campaign: Any, folder: Path) -> WrittenReport:
    """Collect, draw and write ``report.html``, ``report.json`` and ``spectra.csv``."""
    from aiida_insbench.report.benchmark_write import as_json
    from aiida_insbench.report.findings import findings
    from aiida_insbench.report.render import render_html
    from aiida_insbench.report.tables import spectra_csv

    data = collect(campaign)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ('report.html', 'report.json', 'spectra.csv')]
    texts = (render_html(data), as_json(data), spectra_csv(data))
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding='utf-8')
    return WrittenReport(paths[0], paths[1], paths[2], tuple(findings(data)))
