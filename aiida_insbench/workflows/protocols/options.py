"""Options of jobs and trainings that the builders of several WorkChains share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import Dict

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


def train_inputs(code: Any, settings: Mapping[str, Any], threads: int) -> dict[str, Any]:
    """Inputs of `insbench.train` that do not depend on the data; a monitor watches it."""
    return {
        'code': code,
        'settings': Dict(dict(settings)),
        'metadata': job_metadata(threads),
        'monitors': {
            'diverging': Dict({'entry_point': 'insbench.training', 'minimum_poll_interval': 30})
        },
    }
