"""Restart WorkChain of `insbench.evaluate`."""

from __future__ import annotations

from aiida_insbench.calculations.evaluate import EvaluateCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class EvaluateBaseWorkChain(JobBaseWorkChain):
    """Evaluate potentials; again if the job was ended from outside."""

    _process_class = EvaluateCalculation
    NAMESPACE = 'evaluate'
