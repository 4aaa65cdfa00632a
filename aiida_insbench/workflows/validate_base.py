"""Restart WorkChain of `insbench.validate`."""

from __future__ import annotations

from aiida_insbench.calculations.validate import ValidateCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class ValidateBaseWorkChain(JobBaseWorkChain):
    """Judge a potential; again if the job was ended from outside."""

    _process_class = ValidateCalculation
    NAMESPACE = 'validate'
