"""Restart WorkChain of `insbench.ins`."""

from __future__ import annotations

from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class InsBaseWorkChain(JobBaseWorkChain):
    """Simulate INS spectra; again if the job was ended from outside."""

    _process_class = InsCalculation
    NAMESPACE = 'ins'
