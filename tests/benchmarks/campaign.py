"""Time in which a campaign has none of its calculations running, on the demo.

A run of the demo is watched from outside, twice a second: is a ``pw.x`` or an ``insbench-job`` of
its folder running? What is left is the campaign's own: submitting, parsing, deciding, waiting for
AiiDA to notice.

Beside it `active_curve.py`: frames until spectra agree, drawn at random over chosen by a committee.
It takes an hour or two; with a folder of its own it goes on where it was.

    python campaign.py FOLDER [options of `aiida-insbench demo run`]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

_LOOK = 0.5  # s


def campaign_figures(folder: Path, *, only: str | None = None) -> Iterator[dict[str, Any]]:
    """Figures of the suite, each as soon as it is there."""
    from run import figure

    if only in (None, 'overhead'):
        found = overhead(folder / 'demo', [])
        yield figure(
            'campaign.overhead_percent',
            found['campaign.overhead_percent'],
            '%',
            5,
            'lower',
            'demo: time in which no calculation runs over the time in which one does '
            f'({found["busy_s"]:.0f} of {found["wall_s"]:.0f} s)',
        )
    if only in (None, 'active'):
        from active_curve import SEEDS, Curve, figures

        curve = Curve(folder / 'active')
        for seed in SEEDS:
            curve.follow(seed)
        rows = figures(curve.found)
        bound = ', which do not suffice: a lower bound' if rows['more'] else ''
        yield figure(
            'campaign.frames_random_over_active',
            rows['ratio'],
            '1',
            2,
            'higher',
            f'MgH2, labels by pw.x, committees of two, {len(SEEDS)} seeds: frames until spectra of '
            f'two members are {rows["tolerance_cm1"]:g} cm-1 apart at the worst of 3 pressures: '
            f'{rows["frames"]["random"]:g} rattled at random{bound}; {rows["frames"]["active"]:g} '
            'with those the committee disputes',
        )


def overhead(folder: Path, options: list[str]) -> dict[str, float]:
    """Run the demo and watch it.

    Returns
    -------
    dict
        ``wall_s`` from the submission to the end of the campaign; ``busy_s`` with a calculation
        running; ``campaign.overhead_percent``: the rest over what is busy.
    """
    log = folder.with_suffix('.log')
    words = [str(Path(sys.executable).with_name('aiida-insbench')), 'demo', 'run']
    busy = idle = 0.0
    with log.open('w') as out:
        demo = subprocess.Popen(
            [*words, '--folder', str(folder), *options], stdout=out, stderr=subprocess.STDOUT
        )
        started = False
        last = time.monotonic()
        while demo.poll() is None and not _ended(log):
            time.sleep(_LOOK)
            now = time.monotonic()
            running = _running(folder)
            started = started or running
            if running:
                busy += now - last
            elif started:
                idle += now - last
            last = now
        demo.wait()
    return {
        'wall_s': busy + idle,
        'busy_s': busy,
        'campaign.overhead_percent': 100.0 * idle / busy,
    }


def _running(folder: Path) -> bool:
    """Whether a calculation of this folder runs."""
    jobs = str(folder / 'work')
    for process in psutil.process_iter(['name', 'cwd', 'cmdline']):
        if not (process.info['cwd'] or '').startswith(jobs):
            continue
        words = ' '.join(process.info['cmdline'] or [])
        if process.info['name'] == 'pw.x' or 'insbench-job' in words:
            return True
    return False


def _ended(log: Path) -> bool:
    """Whether the demo has begun to draw its report, which is no part of the campaign."""
    return 'Report: ' in log.read_text(errors='replace')


if __name__ == '__main__':
    found = overhead(Path(sys.argv[1]).resolve(), sys.argv[2:])
    sys.stdout.write(json.dumps(found, indent=1) + '\n')
