r"""Mean and spread of a committee of potentials.

The spread of a quantity :math:`x` over :math:`N` members is the sample standard deviation

.. math:: s = \sqrt{\frac{1}{N - 1} \sum_k (x_k - \bar x)^2}

of a force the root of the sum over its three components. It is no error: members that were trained
alike can be wrong alike (Schran, Brezina, Marsalek, *J. Chem. Phys.* **153**, 104105 (2020)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.parity import FloatArray, Properties


def committee_mean(members: Sequence[Properties]) -> Properties:
    """Mean of what the members predict."""
    return Properties(
        energy=np.mean([one.energy for one in members], axis=0),
        forces=np.mean([one.forces for one in members], axis=0),
        stress=np.mean([one.stress for one in members], axis=0),
    )


def committee_spread(members: Sequence[Properties]) -> Properties:
    """Sample standard deviation of each number the members predict.

    Raises
    ------
    DatasetError
        With fewer than two members.
    """
    if len(members) < 2:
        raise DatasetError(f'A committee of {len(members)} has no spread; two are needed.')
    return Properties(
        energy=np.std([one.energy for one in members], axis=0, ddof=1),
        forces=np.std([one.forces for one in members], axis=0, ddof=1),
        stress=np.std([one.stress for one in members], axis=0, ddof=1),
    )


def spread_summary(spread: Properties, *, counts: Sequence[int]) -> dict[str, Any]:
    """Summarise a spread over frames.

    Parameters
    ----------
    spread : Properties
        As `committee_spread` gives it.
    counts : sequence of int
        Atoms of each frame.

    Returns
    -------
    dict
        ``mean_energy_mev_atom``; ``rms_forces_mev_a`` (over components); ``largest_force_mev_a``
        and ``largest_force_frame`` (index): the atom on which the members disagree most, the place
        where another label would teach most.
    """
    atoms: FloatArray = np.linalg.norm(spread.forces, axis=1)
    owner = np.repeat(np.arange(len(counts)), counts)
    worst = int(atoms.argmax())
    return {
        'mean_energy_mev_atom': 1000 * float(np.mean(spread.energy / np.asarray(counts))),
        'rms_forces_mev_a': 1000 * float(np.sqrt(np.mean(spread.forces**2))),
        'largest_force_mev_a': 1000 * float(atoms[worst]),
        'largest_force_frame': int(owner[worst]),
    }
