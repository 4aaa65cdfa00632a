r"""Whether frames follow the motion: velocities against positions.

Motion faster than the Nyquist energy of a stride looks like slower motion, and no spectrum shows
it. But between two frames an atom must have moved by about the mean of its two velocities. For an
oscillator of frequency ω and frames Δt apart what is missed, as a share of its kinetic energy, is

.. math:: h = \frac{\langle|\Delta r/\Delta t - (v + v')/2|^2\rangle}{\langle|v|^2\rangle}
          = \Bigl(\frac{\sin x}{x} - \cos x\Bigr)^2, \qquad x = \frac{\omega\Delta t}2

which is 0.007 at a third of the Nyquist frequency, 0.41 at it (x = π/2), and 1 to 1.2 beyond twice
of it. An element's share is the mean over its modes: with a third of them, the stretches of a light
atom, at the Nyquist frequency it is 0.135. Above `MOST_MISSED` a warning is due. Fewer fast modes
than a fifth may pass unseen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aiida_insbench.science.dynamics.run import MDRun

#: Share of an element's kinetic energy that frames may miss.
MOST_MISSED = 0.12
_AT_ONCE = 1000  # frames


def missed_motion(runs: Sequence[MDRun]) -> dict[str, float]:
    """Share of each element's motion that positions do not bear out.

    Parameters
    ----------
    runs : sequence of MDRun
        Of the same atoms, evenly spaced in time, two frames at least.

    Returns
    -------
    dict from str to float
        h of each element, 0 for frames close enough; 0 where nothing moves.
    """
    symbols = np.array(runs[0].symbols)
    missed, moved = np.zeros(len(symbols)), np.zeros(len(symbols))
    for run in runs:
        stride = (run.times[-1] - run.times[0]) / (len(run.times) - 1)
        for start in range(0, len(run.times) - 1, _AT_ONCE):
            part = slice(start, start + _AT_ONCE + 1)
            velocities = run.velocities[part]
            mean = (velocities[1:] + velocities[:-1]) / 2
            gap = np.diff(run.positions[part], axis=0) / stride - mean
            missed += np.einsum('tia,tia->i', gap, gap)
            moved += np.einsum('tia,tia->i', velocities[1:], velocities[1:])
    return {
        element: float(
            missed[symbols == element].sum() / max(moved[symbols == element].sum(), 1e-300)
        )
        for element in dict.fromkeys(runs[0].symbols)
    }


def stride_warnings(runs: Sequence[MDRun], *, highest_energy: float) -> tuple[str, ...]:
    """Sentences on elements that may move faster than frames show.

    Parameters
    ----------
    runs : sequence of MDRun
        See `missed_motion`.
    highest_energy : float
        Nyquist energy of the stride in cm⁻¹.
    """
    return tuple(
        f'Frames miss {share:.0%} of the motion of {element} between them: part of it may be '
        f'faster than the {highest_energy:.0f} cm⁻¹ that the stride can show, and appear at wrong, '
        'lower energies. Keep frames at a shorter stride.'
        for element, share in missed_motion(runs).items()
        if share > MOST_MISSED
    )
