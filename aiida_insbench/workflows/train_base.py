"""Restart WorkChain of `insbench.train`."""

from __future__ import annotations

from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class TrainBaseWorkChain(JobBaseWorkChain):
    """Train; train again from epoch 0 (identical result) if the job was ended from outside."""

    _process_class = TrainCalculation
    NAMESPACE = 'train'
