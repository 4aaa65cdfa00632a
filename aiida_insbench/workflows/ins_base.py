"""Restart WorkChain of `insbench.ins`."""

from __future__ import annotations

from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.workflows.job_base import PressuresBaseWorkChain


class InsBaseWorkChain(PressuresBaseWorkChain):
    """Simulate INS spectra; again if the job was ended from outside."""

    _process_class = InsCalculation
    NAMESPACE = 'ins'

    MISSING = 'Some pressures have no spectrum: {message}'
