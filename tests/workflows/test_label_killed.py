"""The daemon killed half-way: labelling goes on, and no frame is labelled twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed'),
]


def test_no_frame_is_labelled_twice(tmp_path):
    variables = {k: v for k, v in os.environ.items() if not k.startswith(('AIIDA', 'PYTEST'))}
    variables['PATH'] = f'{Path(sys.executable).parent}:{variables["PATH"]}'
    done = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            str(Path(__file__).with_name('label_killed.py')),
            tmp_path,
        ],
        capture_output=True,
        text=True,
        check=False,
        env=variables,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found['killed'] >= 3  # supervisor, worker, broker
    assert 0 < found['done_at_kill'] < 8
    assert found['exit_status'] == 0
    assert found['labelled'] == 8
    assert found['runs'] == {f'r1_{index:03d}': 1 for index in range(8)}
