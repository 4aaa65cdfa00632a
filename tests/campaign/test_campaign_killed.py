"""Kill -9 of the daemon leaves the outcome of a campaign as it is; a failed round, its results."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from demo_program import environment

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed'),
]
KILLS = 5
SCRIPT = Path(__file__).with_name('micro_campaign.py')


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    (folder / 'aiida' / '.aiida').mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [sys.executable, '-W', 'ignore', str(SCRIPT), str(folder), *words],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(folder, own=True),
    )


def ended(process: subprocess.Popen[str]) -> dict:
    printed, _ = process.communicate(timeout=3000)
    assert process.returncode == 0, printed
    return json.loads(printed.strip().splitlines()[-1])


def daemon_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(['cmdline']):
        words = ' '.join(process.info['cmdline'] or [])
        try:
            # the daemon's own names the folder .aiida in it
            own = process.environ().get('AIIDA_PATH', '').startswith(str(folder / 'aiida'))
        except psutil.Error:
            continue
        if own and ('daemon' in words or 'circus' in words):
            found.append(process)
    return found


def test_outcome_is_the_same(tmp_path):
    undisturbed = tmp_path / 'undisturbed'
    began = time.monotonic()
    expected = ended(start(undisturbed))
    took = time.monotonic() - began
    assert expected['exit_status'] == 0, expected
    assert expected['decisions'] == ['', 'converged']

    folder = tmp_path / 'killed'
    moments = sorted(np.random.default_rng(7).uniform(0.05, 0.6, KILLS) * took)
    running = start(folder)
    began, killed = time.monotonic(), 0
    for moment in moments:
        time.sleep(max(0.0, moment - (time.monotonic() - began)))
        if running.poll() is not None:
            break
        for process in daemon_of(folder):
            process.send_signal(signal.SIGKILL)
        killed += 1
        running.kill()
        running.wait()
        running = start(folder)
    found = ended(running)
    assert killed == KILLS
    assert found == expected


def test_a_round_that_fails_leaves_what_came_before(tmp_path):
    found = ended(start(tmp_path / 'broken', 'broken'))
    assert found['exit_status'] == 412
    assert 'Data of round 2' in found['exit_message']
    assert list(found['potentials']) == ['round_1']
    assert found['spectra']['p_0000'] > 0
    page = (tmp_path / 'broken' / 'report' / 'report.html').read_text(encoding='utf-8')
    assert 'Data of round 2' in page
