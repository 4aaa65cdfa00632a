r"""Whether a ranking by spectra is that by frequency errors against DFT.

Spearman's rank correlation, ties sharing their mean rank,

.. math:: \rho = \frac{\mathrm{cov}(r_x, r_y)}{s_{r_x} s_{r_y}}

Source: Spearman, *Am. J. Psychol.* 15, 72 (1904).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import rankdata


def rank_agreement(
    costs: Mapping[str, float], errors: Mapping[str, float | None]
) -> dict[str, Any] | None:
    """Compare two rankings of the same potentials.

    Parameters
    ----------
    costs : mapping of str to float
        Mean cost of each potential.
    errors : mapping of str to float or None
        Frequency error of each, cm⁻¹; one without (it has no modes) is left out.

    Returns
    -------
    dict or None
        ``potentials`` (names, by cost), ``spearman`` (None where all tie), ``same_order``; None
        with fewer than two potentials.
    """
    names = [name for name in sorted(costs, key=costs.__getitem__) if errors.get(name) is not None]
    if len(names) < 2:
        return None
    mine = rankdata([costs[name] for name in names])
    theirs = rankdata([float(errors[name] or 0.0) for name in names])
    spread = float(np.std(mine) * np.std(theirs))
    rho = (
        float(np.mean((mine - mine.mean()) * (theirs - theirs.mean())) / spread) if spread else None
    )
    return {
        'potentials': names,
        'spearman': None if rho is None or math.isnan(rho) else rho,
        'same_order': bool(np.array_equal(mine, theirs)),
    }
