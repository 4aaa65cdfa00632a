"""How far the spectrum of a run is off, in per cent of its area.

As `aiida_insbench.science.ins.convergence`, with the statistics of the run in place of a mesh: half
the difference of the spectra of two halves of its frames, which is the standard error of their mean
if both halves err alike and independently.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiida_insbench.science.dynamics.motion_powder import Motions, motion_powder
from aiida_insbench.science.ins.convergence import (
    Convergence,
    area_difference,
    bins_error,
    orders_error,
    tightened,
)
from aiida_insbench.science.ins.powder import PowderResult
from aiida_insbench.science.ins.simulation import Simulation


def converged_motion(
    motions: Sequence[Motions], simulation: Simulation, *, tolerance: float | None
) -> tuple[PowderResult, Convergence]:
    """Compute the spectrum of a run and how far it is off.

    Parameters
    ----------
    motions : sequence of Motions, length 3
        Of all frames and of two halves of them.
    simulation : Simulation
        What is asked for.
    tolerance : float or None
        Largest error in per cent of the area; None to judge without asking for any.

    Returns
    -------
    result : PowderResult
        Of all frames.
    convergence : Convergence
        Its errors.

    Raises
    ------
    InputError, ConvergenceError
        See `motion_powder`.
    """
    simulation = tightened(simulation, tolerance)
    result, first, second = (motion_powder(one, simulation).result for one in motions)
    whole = result.spectrum.total
    noise = (first.spectrum.total - second.spectrum.total) / 2
    return result, Convergence(
        q_mesh=None,
        bins=bins_error(result, simulation),
        directions=100 * float(result.direction_area_error),
        orders=orders_error(result),
        coherent=None,
        statistics=area_difference(whole + noise, whole),
        meshes=(),
        tolerance=tolerance,
    )
