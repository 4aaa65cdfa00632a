"""Label silicon frames, kill the daemon half-way, start it again: ``label_killed.py FOLDER``.

Prints one line of JSON: how many frames had ended at the kill, how the WorkChain ended, and how
many runs of pw.x each frame has taken. The profile is its own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil

FRAMES = 8
CUTOFFS = (12.0, 48.0)


def main() -> None:
    """Do it in a folder."""
    folder = Path(sys.argv[1]).resolve()
    (folder / 'aiida' / '.aiida').mkdir(parents=True)
    os.environ['AIIDA_PATH'] = str(folder / 'aiida')
    from aiida.engine import submit

    from aiida_insbench.cli.demo_run import prepare_profile
    from aiida_insbench.cli.health import ensure_daemon, stop_daemon

    prepare_profile(folder)
    assert not ensure_daemon(1).faults
    try:
        node = submit(builder(folder))
        done = wait_for(lambda: finished(node) >= FRAMES // 3, seconds=300) and finished(node)
        killed = kill_all(folder)
        assert not ensure_daemon(1).faults
        wait_for(lambda: node.is_terminated, seconds=600)
        found = {'killed': killed, 'done_at_kill': done, 'exit_status': node.exit_status}
        found['runs'] = runs_by_frame(node)
        found['labelled'] = len(node.outputs.dataset.get_frames())
    finally:
        stop_daemon()
    sys.stdout.write(json.dumps(found) + '\n')


def builder(folder: Path):
    """Eight strained and rattled frames, three lanes."""
    from aiida.orm import Int
    from ase.build import bulk

    from aiida_insbench.cli.site import (
        find_pseudos,
        prepare_codes,
        prepare_computer,
        prepare_pseudos,
    )
    from aiida_insbench.data.dataset import DatasetData
    from aiida_insbench.workflows.label import LabelWorkChain

    frames = []
    for index in range(FRAMES):
        rng = np.random.default_rng(index)
        atoms = bulk('Si', a=5.43)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.01 * rng.normal(size=(3, 3))), True)
        atoms.positions += 0.05 * rng.normal(size=(2, 3))
        atoms.info = {'frame_id': f'r1_{index:03d}', 'supercell_matrix': np.eye(3, dtype=int)}
        frames.append(atoms)
    pw, _ = prepare_codes(prepare_computer(folder / 'work'))
    made = LabelWorkChain.get_builder_from_protocol(
        pw,
        DatasetData(frames),
        pseudos=prepare_pseudos(find_pseudos(['Si.pz-vbc.UPF'])),
        cutoffs=CUTOFFS,
        protocol='fast',
        overrides={'kpoints_mesh': [2, 2, 2], 'max_concurrent': 3},
    )
    made.max_concurrent = Int(3)
    return made


def calculations(node):
    """All pw.x below a WorkChain: frame and node of each."""
    from aiida.orm import CalcJobNode, WorkChainNode

    for base in node.called_descendants:
        if not isinstance(base, WorkChainNode) or base.process_label != 'PwBaseWorkChain':
            continue
        label = base.base.attributes.get('metadata_inputs')['metadata']['call_link_label']
        for job in base.called:
            if isinstance(job, CalcJobNode):
                yield label, job


def finished(node) -> int:
    """How many pw.x have ended well."""
    return sum(job.is_finished_ok for _, job in calculations(node))


def runs_by_frame(node) -> dict[str, int]:
    """How many pw.x were really run for each frame."""
    return dict(
        Counter(
            label for label, job in calculations(node) if not job.base.caching.is_created_from_cache
        )
    )


def wait_for(condition, *, seconds: float) -> bool:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f'not after {seconds} s')
        time.sleep(0.5)
    return True


def kill_all(folder: Path) -> int:
    """SIGKILL supervisor, workers and broker of this profile; how many there were."""
    victims = []
    for process in psutil.process_iter(['cmdline']):
        words = process.info['cmdline'] or []
        if process.pid == os.getpid() or not any('verdi' in word for word in words[:3]):
            continue
        try:
            if process.environ().get('AIIDA_PATH', '').startswith(str(folder)):
                victims.append(process)
        except psutil.Error:
            continue
    for process in victims:
        process.kill()
    psutil.wait_procs(victims, timeout=10)
    return len(victims)


if __name__ == '__main__':
    sys.exit(main())
