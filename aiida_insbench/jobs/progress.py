"""Progress of a job, one JSON object a line in ``progress.jsonl``.

Keys: ``time`` (ISO 8601, UTC), ``stage``, ``step``, ``total``, ``message``, ``values``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROGRESS_FILE = 'progress.jsonl'


class Progress:
    """Append-only log of what a job has done."""

    def __init__(self, folder: Path, stage: str) -> None:
        self._path = folder / PROGRESS_FILE
        self._stage = stage

    def report(self, message: str, *, step: int = 0, total: int = 0, **values: float) -> None:
        """Append one line; `values` are numbers such as a loss or a pressure."""
        line: dict[str, Any] = {
            'time': datetime.now(tz=UTC).isoformat(timespec='milliseconds'),
            'stage': self._stage,
            'step': step,
            'total': total,
            'message': message,
            'values': values,
        }
        with self._path.open('a', encoding='utf-8') as handle:
            handle.write(json.dumps(line) + '\n')


def read_progress(text: str) -> list[dict[str, Any]]:
    """Read progress lines; a last line cut short by a kill is left out."""
    lines = []
    for line in text.splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines
