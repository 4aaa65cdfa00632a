"""A campaign of a minute's work, submitted once and watched to its end; prints what came of it.

    AIIDA_PATH=FOLDER/aiida python micro_campaign.py FOLDER [broken] [short] [watched]

Two members start from the stored potential of MgH2 and learn a few frames in two rounds at one
pressure; pw.x at low cutoffs. The same command goes on with the campaign that is there. With
`broken`, the crystal cannot be relaxed in the second round within the steps it is given; with
`short`, there is one round only, of fewer frames; with `watched`, somebody else looks after the
daemon. The first line printed is the campaign's pk.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from aiida.orm import CalcJobNode, QueryBuilder, StructureData, WorkChainNode

from aiida_insbench.cli.demo_run import PSEUDOS, magnesium_hydride, prepare_profile
from aiida_insbench.cli.health import check_daemon, ensure_daemon, mend_daemon, stop_daemon
from aiida_insbench.cli.site import find_pseudos, prepare_codes, prepare_computer, prepare_pseudos
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.report.write import write_report
from aiida_insbench.science.frames import FORCES_KEY, STRESS_KEY
from aiida_insbench.workflows.campaign import CampaignWorkChain

STORED = Path(__file__).parents[1] / 'benchmarks' / 'data' / 'mgh2_potential'
_CELL = [{'supercell_matrix': [[1, 0, 0], [0, 1, 0], [0, 0, 1]], 'share': 1.0}]
OVERRIDES: dict[str, Any] = {
    'kpoints_mesh': [2, 2, 2],
    'committee': 2,
    'stopping': {
        'tolerance_shift': 40.0, 'tolerance_area': 60.0, 'least_rounds': 2, 'most_rounds': 2,
    },
    'first_round': {'frames': 5, 'validation_frames': 1, 'cells': _CELL},
    'later_rounds': {
        'frames': 4, 'validation_frames': 1, 'cells': _CELL, 'pool_per_frame': 2,
        'dynamics': {
            'minimum_image_distance': 2.0, 'ensembles': ['nvt'], 'temperature': 300.0,
            'length': 0.05, 'equilibration': 0.01, 'frames': 4,
        },
    },
    'base_training': {'max_epochs': 2, 'learning_rate': 1.0e-5},
    'fine_tuning': {'max_epochs': 2, 'learning_rate': 1.0e-5},
    'phonons': {'minimum_image_distance': 5.0, 'mesh': [2, 2, 2], 'strained': False},
    'ins': {'tolerance': None, 'mesh': [3, 3, 3], 'bin_width': 4.0},
}  # fmt: skip


#: One round of a minute's work: every part of a campaign still takes its turn.
SHORT: dict[str, Any] = {
    **OVERRIDES,
    'stopping': {**OVERRIDES['stopping'], 'least_rounds': 1, 'most_rounds': 1},
    'first_round': {'frames': 4, 'validation_frames': 1, 'cells': _CELL},
    'base_training': {'max_epochs': 1, 'learning_rate': 1.0e-5},
}


def submitted(folder: Path, words: Collection[str] = ()) -> WorkChainNode:
    """The campaign of this profile, submitted if there is none."""
    from aiida.engine import submit

    query = QueryBuilder().append(
        WorkChainNode, filters={'attributes.process_label': 'CampaignWorkChain'}
    )
    found = query.first(flat=True)
    if found is not None:
        return found
    pw_code, job_code = prepare_codes(prepare_computer(folder / 'work'))
    weights = STORED.with_suffix('.safetensors').read_bytes()
    start = PotentialData(metadata_text=STORED.with_suffix('.json').read_text(), weights=weights)
    crystal = StructureData(ase=magnesium_hydride())
    builder = CampaignWorkChain.get_builder_from_protocol(
        pw_code,
        job_code,
        crystal,
        [0.0],
        pseudos=prepare_pseudos(find_pseudos(PSEUDOS)),
        cutoffs=(20.0, 80.0),
        protocol='fast',
        overrides=_overrides(words),
        start=start,
        known={'structure': crystal},
        reference_pressures=[],
    )
    return submit(builder)


def _overrides(words: Collection[str]) -> dict[str, Any]:
    if 'short' in words:
        return SHORT
    if 'broken' not in words:
        return OVERRIDES
    later = {**OVERRIDES['later_rounds'], 'settings': {'max_steps': 1, 'fmax': 1.0e-9}}
    return {**OVERRIDES, 'later_rounds': later}


def outcome(campaign: WorkChainNode) -> dict[str, Any]:
    """What has to be the same however often the daemon was killed."""
    outputs = campaign.outputs
    frames = outputs.dataset.get_frames()
    return {
        'exit_status': campaign.exit_status,
        'exit_message': campaign.exit_message,
        'frames': [frame.info['frame_id'] for frame in frames],
        'labels': digest(
            array
            for frame in frames
            for array in (frame.arrays[FORCES_KEY], frame.info[STRESS_KEY])
        ),
        'potentials': {
            name: {member: one.sha256 for member, one in members.items()}
            for name, members in outputs.committees.items()
        },
        'decisions': [
            outputs.rounds[name].get_dict()['decision']['reason'] for name in sorted(outputs.rounds)
        ],
        'spectra': {label: float(one.total.sum()) for label, one in outputs.spectrum.items()},
    }


def digest(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 over arrays, to the last bit."""
    made = hashlib.sha256()
    for array in arrays:
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


def jobs_done() -> dict[str, int]:
    """How many jobs of each kind have really run and ended well, in the whole profile."""
    nodes = QueryBuilder().append(CalcJobNode).all(flat=True)
    return dict(
        Counter(
            node.process_label
            for node in nodes
            if node.is_finished_ok and not node.base.caching.is_created_from_cache
        )
    )


def main(folder: Path, words: Collection[str]) -> None:
    """Run the campaign, or go on with it."""
    prepare_profile(folder)
    ensure_daemon(2)
    campaign = submitted(folder, words)
    say(campaign.pk)
    last = time.monotonic()
    while not campaign.is_terminated:
        time.sleep(1.0)
        if 'watched' not in words and time.monotonic() - last > 20.0:
            last = time.monotonic()
            if check_daemon().faults:
                mend_daemon(2)
    stop_daemon()
    write_report(campaign, folder / 'report')
    found = outcome(campaign)
    say(json.dumps(found | {'jobs': jobs_done()} if 'watched' in words else found))


def say(words: object) -> None:
    """Print a line, at once."""
    sys.stdout.write(f'{words}\n')
    sys.stdout.flush()


if __name__ == '__main__':
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
