"""Restart WorkChain of `insbench.fit`."""

from __future__ import annotations

from aiida_insbench.calculations.fit import FitCalculation
from aiida_insbench.workflows.job_base import PressuresBaseWorkChain


class FitBaseWorkChain(PressuresBaseWorkChain):
    """Fit force constants; again if the job was ended from outside."""

    _process_class = FitCalculation
    NAMESPACE = 'fit'

    MISSING = 'Some pressures have no force constants: {message}'
