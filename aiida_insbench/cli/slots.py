"""Whether a daemon has slots for all processes of a work chain that are alive at once.

A parent that waits holds its slot. Were all slots held by waiting parents, no child could start,
and none of them would ever end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: A lane of labels: the lane, the restarts of its frame, the calculation.
_OF_LANE = 3
#: A member of a committee or a competitor: its work chain, the restarts, the calculation.
_OF_MEMBER = 3
#: Above the lanes: the campaign, a round of data, its labels; or the reference and its labels.
_PARENTS = 6


def slots_needed(inputs: Mapping[str, Any]) -> int:
    """Most processes of a campaign, a round of data or a benchmark that are alive at once.

    Parameters
    ----------
    inputs : mapping
        Of the builder.
    """
    if 'potentials' in inputs:
        return _slots_of_benchmark(inputs)
    labels = [
        (inputs.get(name) or {}).get('label') or {}
        for name in ('first_round', 'later_rounds', 'reference')
    ] + [inputs.get('label') or {}]
    lanes = [int(label['max_concurrent'].value) for label in labels if 'max_concurrent' in label]
    own, beside = max(lanes[:2], default=0), lanes[2] if len(lanes) > 2 else 0
    seeds = (inputs.get('fine_tuning') or {}).get('seeds')
    members = len(seeds.get_list()) if seeds is not None else 0
    return _PARENTS + _OF_LANE * (own + beside) + _OF_MEMBER * members


def _slots_of_benchmark(inputs: Mapping[str, Any]) -> int:
    """Itself, and the spectra of all competitors for each kind of target, side by side."""
    members = sum(len(one) for one in inputs.get('committees', {}).values())
    dft = bool(inputs.get('reference') or inputs.get('dft'))
    targets = len(inputs.get('measured', {})) + dft
    return 1 + _OF_MEMBER * (len(inputs['potentials']) + members + dft) * max(1, targets)


def slots_there(workers: int) -> int:
    """Slots of so many workers of the loaded profile's daemon."""
    from aiida.manage import get_config_option

    return workers * int(get_config_option('daemon.worker_process_slots'))


def slots_fault(inputs: Mapping[str, Any], *, workers: int) -> str | None:
    """What is wrong if the daemon's slots do not suffice, and what to do."""
    needed, there = slots_needed(inputs), slots_there(workers)
    if workers == 0 or needed < there:
        return None
    return (
        f'Up to {needed} processes of it live at once, and the daemon has {there} slots: waiting '
        'parents would starve their children. Lower `max_concurrent` if it has that, start more '
        'workers (`verdi daemon incr`) or raise `verdi config set daemon.worker_process_slots`.'
    )
