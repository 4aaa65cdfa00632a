"""Forty frames of the demo crystal through `insbench.label`: what of the cores' time is pw.x.

``labelling.py FOLDER`` makes an AiiDA of its own there (SQLite, ZeroMQ broker, a daemon), labels
the frames, and prints one line of JSON:

* ``core_use_percent``: CPU seconds of all pw.x, as each says in its last line, over cores × seconds
  from submission to the end of the WorkChain;
* ``aiida_cost_per_frame_s``: CPU seconds of the daemon (workers, broker and supervisor) meanwhile,
  over frames;
* ``again``: the same with caching on: how many pw.x were really run.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

FRAMES = 40
CELLS = (
    ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 15),
    ([[1, 0, 0], [0, 1, 0], [0, 0, 2]], 8),
    ([[2, 0, 0], [0, 1, 0], [0, 0, 1]], 8),
    ([[1, 1, 0], [-1, 1, 0], [0, 0, 1]], 9),
)
_CPU = re.compile(r'PWSCF\s+:\s+(?:(\d+)m)?\s*([\d.]+)s CPU')
_LOOK_SECONDS = 0.5


def main() -> None:
    """Measure in a folder."""
    folder = Path(sys.argv[1]).resolve()
    workers = int(os.environ.get('BENCH_WORKERS', '1'))
    lanes = int(os.environ.get('BENCH_LANES', '8'))
    (folder / 'aiida' / '.aiida').mkdir(parents=True, exist_ok=True)
    os.environ['AIIDA_PATH'] = str(folder / 'aiida')
    from aiida_insbench.cli.demo_run import prepare_profile
    from aiida_insbench.cli.health import ensure_daemon, stop_daemon

    prepare_profile(folder)
    health = ensure_daemon(workers)
    if health.faults:
        raise SystemExit(f'The daemon does not work: {" ".join(health.faults)}')
    try:
        found = measure(folder, lanes)
        again = measure(folder, lanes)
    finally:
        stop_daemon()
    found |= {'workers': workers, 'again': again['really']}
    sys.stdout.write(json.dumps(found) + '\n')


def measure(folder: Path, lanes: int) -> dict[str, Any]:
    """Label once."""
    from aiida.engine import submit

    builder = label_builder(folder, lanes)
    before = daemon_seconds()
    begun = time.monotonic()
    node = submit(builder)
    while not node.is_terminated:
        time.sleep(_LOOK_SECONDS)
    seconds = time.monotonic() - begun
    spent = sum(daemon_seconds().values()) - sum(before.values())
    if not node.is_finished_ok:
        raise SystemExit(f'labels failed: [{node.exit_status}] {node.exit_message}')
    from aiida.orm import CalcJobNode

    jobs = [one for one in node.called_descendants if isinstance(one, CalcJobNode)]
    really = [one for one in jobs if not one.base.caching.is_created_from_cache]
    cpu = sum(pw_seconds(one) for one in really)
    cores = os.cpu_count() or 1
    return {
        'frames': len(node.outputs.dataset.get_frames()),
        'seconds': round(seconds, 1),
        'pw_cpu_seconds': round(cpu, 1),
        'core_use_percent': round(100 * cpu / (cores * seconds), 1),
        'aiida_cost_per_frame_s': round(spent / FRAMES, 2),
        'estimated_core_seconds': round(3600 * node.outputs.preflight['core_hours'], 1),
        'really': len(really),
        'lanes': lanes,
    }


def label_builder(folder: Path, lanes: int) -> Any:
    """The frames of the demo's first round, more of them."""
    from aiida.orm import Int

    from aiida_insbench.cli.demo_run import CUTOFFS, PSEUDOS
    from aiida_insbench.cli.site import (
        find_pseudos,
        prepare_codes,
        prepare_computer,
        prepare_pseudos,
    )
    from aiida_insbench.data.dataset import DatasetData
    from aiida_insbench.workflows.label import LabelWorkChain

    pw, _ = prepare_codes(prepare_computer(folder / 'work'))
    builder = LabelWorkChain.get_builder_from_protocol(
        pw,
        DatasetData(demo_frames(CELLS, pressures=[0, 1, 2])),
        pseudos=prepare_pseudos(find_pseudos(PSEUDOS)),
        cutoffs=CUTOFFS,
        protocol='fast',
        overrides={'kpoints_mesh': [4, 4, 4]},
    )
    builder.max_concurrent = Int(lanes)
    return builder


def demo_frames(cells: Any, *, pressures: list[float]) -> list[Any]:
    """Frames as of the demo's first round: kinds of cells and how many of each."""
    from aiida_insbench.cli.demo_run import magnesium_hydride
    from aiida_insbench.science.sampling.cells import sampling_cell
    from aiida_insbench.science.sampling.strain_rattle import StrainRattle, strain_rattle_frames

    frames, _ = strain_rattle_frames(
        atoms=magnesium_hydride(),
        pressures=pressures,
        cells=[sampling_cell(supercell_matrix=matrix, count=count) for matrix, count in cells],
        settings=StrainRattle(
            volume_range=(0.945, 1.015),
            strain=0.005,
            rattle={'Mg': (0.01, 0.02), 'H': (0.02, 0.06)},
        ),
        seed=1000,
        prefix='r1',
    )
    return frames


def daemon_seconds() -> dict[int, float]:
    """CPU seconds of each process of this profile's daemon."""
    from aiida_insbench.cli.daemon_processes import own_processes

    found = {}
    for kind in ('worker', 'broker', 'circus'):
        for process in own_processes(kind):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def pw_seconds(job: Any) -> float:
    """CPU seconds a pw.x says it has used."""
    text = job.outputs.retrieved.base.repository.get_object_content('aiida.out')
    return cpu_seconds(text)


def cpu_seconds(text: str) -> float:
    """CPU seconds in the last lines of an output of pw.x."""
    match = _CPU.search(text)
    if match is None:
        raise SystemExit('pw.x does not say how long it took')
    return 60 * float(match.group(1) or 0) + float(match.group(2))


if __name__ == '__main__':
    sys.exit(main())
