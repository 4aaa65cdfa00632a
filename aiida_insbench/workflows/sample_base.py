"""Restart WorkChain of `insbench.sample`."""

from __future__ import annotations

from aiida_insbench.calculations.sample import SampleCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class SampleBaseWorkChain(JobBaseWorkChain):
    """Draw frames; draw them again if the job was ended from outside."""

    _process_class = SampleCalculation
    NAMESPACE = 'sample'
