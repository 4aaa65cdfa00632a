"""Options of jobs and trainings that the builders of several WorkChains share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import Dict, Int, Str

#: Read by the computer's prepend text: cores a job needs, and whether it gives way to others.
SLOTS = 'INSBENCH_SLOTS'
QUEUE = 'INSBENCH_QUEUE'


def pw_options(ranks: int, *, background: bool = False) -> dict[str, Any]:
    """Options of a pw.x run; one in the background starts only while nothing else waits."""
    queue = {QUEUE: 'background'} if background else {}
    return {
        'resources': {'num_machines': 1, 'num_mpiprocs_per_machine': ranks},
        'withmpi': ranks > 1,
        'environment_variables': {'OMP_NUM_THREADS': '1', SLOTS: str(ranks), **queue},
    }


def job_metadata(threads: int) -> dict[str, Any]:
    """Metadata of an ``insbench-job``."""
    return {
        'options': {
            'resources': {'num_machines': 1, 'num_mpiprocs_per_machine': 1},
            'environment_variables': {'OMP_NUM_THREADS': str(threads), SLOTS: str(threads)},
        }
    }


def job_inputs(code: Any, threads: int = 1) -> dict[str, Any]:
    """Code and metadata of an ``insbench-job``."""
    return {'code': code, 'metadata': job_metadata(threads)}


def spectra_inputs(job: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of `insbench.ins` save what vibrates, by the keys ``ins`` and ``broadening``."""
    return {
        'ins': {**job, 'parameters': Dict(inputs['ins'])},
        'broadening': Dict(inputs['broadening']),
    }


def committee_selection(job: Mapping[str, Any], frames: int, seed: int) -> dict[str, Any]:
    """Of a larger pool, the frames on which a committee disagrees, weighed as neutrons do."""
    return {
        **job,
        'count': Int(frames),
        'seed': Int(1000 * seed + 200),
        'method': Str('committee'),
        'descriptors': Str('mace'),
        'settings': Dict({'weights': 'neutron'}),
    }


def train_inputs(code: Any, settings: Mapping[str, Any], threads: int) -> dict[str, Any]:
    """Inputs of `insbench.train` that do not depend on the data; a monitor watches it."""
    return {
        **job_inputs(code, threads),
        'settings': Dict(dict(settings)),
        'monitors': {
            'diverging': Dict({'entry_point': 'insbench.training', 'minimum_poll_interval': 30})
        },
    }
