"""Violations planted in molecular dynamics against violations found, as a table and two figures.

``python tests/benchmarks/md_checks.py`` prints the table in Markdown (a minute on one core).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from md_trajectories import BROKEN, SOUND, table


def violations_figures() -> Iterator[dict[str, Any]]:
    """How many planted violations are found by the right check in time, how many false alarms."""
    checked = table()
    found = sum(one.is_right(said) for name, (one, said) in checked.items() if name in BROKEN)
    alarms = [name for name, (_, said) in checked.items() if name in SOUND and said]
    yield {
        'name': 'validate.violations_found',
        'value': found,
        'unit': '1',
        'goal': 10,
        'better': 'higher',
        'how': f'{len(BROKEN)} broken runs, the first violation by the right check at the right '
        f'time: {", ".join(BROKEN)}',
    }
    yield {
        'name': 'validate.false_alarms',
        'value': len(alarms),
        'unit': '1',
        'goal': 0,
        'better': 'lower',
        'how': f'{len(SOUND)} sound runs: {", ".join(SOUND)}',
    }


def main() -> None:
    """Print the table."""
    rows = [
        '| run | planted at (ps) | first violation | at (ps) | what it says |',
        '|' + '---|' * 5,
    ]
    for name, (one, said) in table().items():
        planted = '–' if one.time is None else f'{one.time:.2f}'
        first = said[0] if said else None
        what = f'{first.check} | {first.time:.2f} | {first.reason}' if first else '– | – | –'
        rows.append(f'| {name} | {planted} | {what} |')
    sys.stdout.write('\n'.join(rows) + '\n')


if __name__ == '__main__':
    main()
