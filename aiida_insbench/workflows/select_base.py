"""Restart WorkChain of `insbench.select`."""

from __future__ import annotations

from aiida_insbench.calculations.select import SelectCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class SelectBaseWorkChain(JobBaseWorkChain):
    """Choose frames; choose them again if the job was ended from outside."""

    _process_class = SelectCalculation
    NAMESPACE = 'select'
