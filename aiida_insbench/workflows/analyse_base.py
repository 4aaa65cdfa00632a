"""Restart WorkChain of `insbench.analyse`."""

from __future__ import annotations

from aiida_insbench.calculations.analyse import AnalyseCalculation
from aiida_insbench.workflows.job_base import JobBaseWorkChain


class AnalyseBaseWorkChain(JobBaseWorkChain):
    """Compare modes; again if the job was ended from outside."""

    _process_class = AnalyseCalculation
    NAMESPACE = 'analyse'
