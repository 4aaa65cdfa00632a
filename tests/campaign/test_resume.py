"""Killed at any moment, the demo goes on where it was; no finished DFT run is done again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from demo_program import SMALL, command, environment, program, run, script

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed'),
]

COUNT = """
import json
from collections import Counter
from aiida import load_profile
load_profile('insbench-demo')
from aiida.orm import CalcJobNode, QueryBuilder
query = QueryBuilder()
query.append(CalcJobNode, filters={'attributes.process_label': 'PwCalculation'})
runs = [n for n in query.all(flat=True) if n.is_finished_ok]
really = Counter(n.base.caching.compute_hash() for n in runs
                 if not n.base.caching.is_created_from_cache)
print(json.dumps({'most': max(really.values()), 'really': sum(really.values())}))
"""


@pytest.mark.parametrize(
    ('seconds', 'victims'),
    [(40, 'everything'), (75, 'watcher'), (110, 'everything'), (60, 'broker'), (90, 'workers')],
)
def test_kill_and_run_again(tmp_path, seconds, victims):
    folder = tmp_path / 'demo'
    log = (tmp_path / 'log').open('w')
    started = subprocess.Popen(
        [program(), 'demo', 'run', '--folder', str(folder), *SMALL],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment(folder),
    )
    time.sleep(seconds)
    kill(victims, folder, started)
    if victims in ('broker', 'workers'):
        assert started.wait(timeout=1200) == 0, (tmp_path / 'log').read_text()[-3000:]
    else:
        started.wait()
        done = run(folder, *SMALL)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counted = script(folder, '-c', COUNT)
    assert json.loads(counted.stdout.strip().splitlines()[-1])['most'] == 1
    assert (folder / 'report.json').exists()
    assert command(folder, 'demo', 'clean', '--folder', str(folder)).returncode == 0


def kill(victims: str, folder: Path, started: subprocess.Popen) -> None:
    """SIGKILL the watching command, the broker, the workers, or all of this profile's processes."""
    if victims in ('watcher', 'everything'):
        started.send_signal(signal.SIGKILL)
    if victims == 'watcher':
        return
    for process in psutil.process_iter(['cmdline', 'cwd']):
        words = ' '.join(process.info['cmdline'] or [])
        own = str(folder) in words or (process.info['cwd'] or '').startswith(str(folder))
        try:
            own = own or process.environ().get('AIIDA_PATH', '').startswith(str(folder))
        except psutil.Error:
            continue
        if own and wanted(victims, words):
            process.kill()


def wanted(victims: str, words: str) -> bool:
    if victims == 'broker':
        return 'broker' in words
    if victims == 'workers':
        return 'daemon worker' in words
    return True
