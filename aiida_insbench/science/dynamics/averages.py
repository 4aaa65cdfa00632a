"""Averages of a run after equilibration, for people to look at: no check, no verdict."""

from __future__ import annotations

from typing import Any

import numpy as np

from aiida_insbench.science.dynamics.run import MDRun
from aiida_insbench.science.dynamics.run_checks import slope_of, statistical_inefficiency
from aiida_insbench.science.errors import InputError

_AVERAGED = ('temperature', 'pressure', 'volume', 'potential_energy')


def run_averages(run: MDRun, *, equilibration_ps: float) -> dict[str, Any]:
    """Means with standard errors, and the drift of the conserved energy.

    Parameters
    ----------
    run : MDRun
        Scalars are read.
    equilibration_ps : float
        Beginning that is left out.

    Returns
    -------
    dict
        ``temperature`` (K), ``pressure`` (GPa, to be compared with the one asked for),
        ``volume`` (Å³), ``potential_energy`` (eV): each ``mean`` and ``error``, the error by the
        statistical inefficiency; ``drift`` (meV/atom/ps): ``mean`` and ``error``.

    Raises
    ------
    InputError
        If fewer than three samples are left.
    """
    chosen = run.series['time'] >= equilibration_ps - 1e-9
    if chosen.sum() < 3:
        raise InputError(
            f'{int(chosen.sum())} samples are left after equilibration of {equilibration_ps:g} ps; '
            'averages want three at least.'
        )
    found: dict[str, Any] = {}
    for name in _AVERAGED:
        values = run.series[name][chosen]
        error = values.std() * np.sqrt(statistical_inefficiency(values) / len(values))
        found[name] = {'mean': float(values.mean()), 'error': float(error)}
    energy = 1000 * run.series['conserved_energy'][chosen] / run.n_atoms
    slope, error = slope_of(run.series['time'][chosen], energy)
    found['drift'] = {'mean': slope, 'error': error}
    return found
