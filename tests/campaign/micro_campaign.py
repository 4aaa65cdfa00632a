"""A campaign of a minute's work, submitted once and watched to its end; prints what came of it.

    AIIDA_PATH=FOLDER/aiida python micro_campaign.py FOLDER [broken]

Two members start from the stored potential of MgH2 and learn a few frames in two rounds at one
pressure; pw.x at low cutoffs. The same command goes on with the campaign that is there. With
`broken`, the crystal cannot be relaxed in the second round within the steps it is given.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from aiida.orm import QueryBuilder, StructureData, WorkChainNode

from aiida_insbench.cli.demo_run import PSEUDOS, magnesium_hydride, prepare_profile
from aiida_insbench.cli.health import check_daemon, ensure_daemon, mend_daemon, stop_daemon
from aiida_insbench.cli.site import find_pseudos, prepare_codes, prepare_computer, prepare_pseudos
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.report.write import write_report
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


def submitted(folder: Path, *, broken: bool = False) -> WorkChainNode:
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
        overrides=_overrides(broken=broken),
        start=start,
        known={'structure': crystal},
        reference_pressures=[],
    )
    return submit(builder)


def _overrides(*, broken: bool) -> dict[str, Any]:
    if not broken:
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
        'potentials': {
            name: {member: one.sha256 for member, one in members.items()}
            for name, members in outputs.committees.items()
        },
        'decisions': [
            outputs.rounds[name].get_dict()['decision']['reason'] for name in sorted(outputs.rounds)
        ],
        'spectra': {label: float(one.total.sum()) for label, one in outputs.spectrum.items()},
    }


def main(folder: Path, *, broken: bool) -> None:
    """Run the campaign, or go on with it."""
    prepare_profile(folder)
    ensure_daemon(2)
    campaign = submitted(folder, broken=broken)
    last = time.monotonic()
    while not campaign.is_terminated:
        time.sleep(1.0)
        if time.monotonic() - last > 20.0:
            last = time.monotonic()
            if check_daemon().faults:
                mend_daemon(2)
    stop_daemon()
    write_report(campaign, folder / 'report')
    sys.stdout.write(json.dumps(outcome(campaign)) + '\n')


if __name__ == '__main__':
    main(Path(sys.argv[1]).resolve(), broken='broken' in sys.argv[2:])
