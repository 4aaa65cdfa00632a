"""A soak of reduced size: parents leave slots to their children, all cells finish."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from soak import CELLS_EACH

SOAK = Path(__file__).with_name('soak.py')
BENCHMARKS = 3
#: Of two workers: twice the ten processes that one benchmark has alive at once.
SLOTS = 10

pytestmark = pytest.mark.full


@pytest.mark.parametrize('words', [[], ['--sqlite']], ids=['servers', 'sqlite'])
def test_three_benchmarks_where_two_have_room(run, tmp_path, words):
    cells = BENCHMARKS * CELLS_EACH
    code, said = run(
        'python', '-W', 'ignore', SOAK, tmp_path / 'soak', '--cells', cells, '--slots', SLOTS,
        *words, timeout=1500,
    )  # fmt: skip
    assert code == 0, said
    # progress of a slow run stands on standard error, behind it
    found = json.loads(next(line for line in said.splitlines() if line.startswith('{')))
    assert found['cells_finished'] == cells
    assert found['benchmarks_finished'] == BENCHMARKS
    assert 1 <= found['most_benchmarks_alive'] <= 2
    assert found['memory_mb_end'] < 1.3 * found['memory_mb_quarter_2']
    assert found['worker_cpu_seconds_per_process'] > 0
