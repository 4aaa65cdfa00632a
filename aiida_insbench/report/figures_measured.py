"""Drawings of measured spectra, and of simulated ones beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aiida_insbench.report.style import BLUE, GREY, figure


def stacked(spectra: Sequence[Mapping[str, Any]]) -> Figure:
    """Spectra above each other over one axis, each in parts of its maximum.

    Parameters
    ----------
    spectra : sequence of mapping
        ``energy`` (cm⁻¹), ``total``, ``name``; ``error`` and ``kept`` (bool) or None.
    """
    with figure(7.0, 0.8 + 1.4 * len(spectra)) as drawn:
        axes = drawn.subplots(len(spectra), 1, sharex=True, squeeze=False)[:, 0]
        for ax, one in zip(axes, spectra, strict=True):
            kept = np.ones(len(one['energy']), bool) if one['kept'] is None else one['kept']
            highest = float(np.max(one['total'][kept]))
            values = np.asarray(one['total']) / highest
            ax.plot(one['energy'], np.where(kept, values, np.nan), color=BLUE, linewidth=0.8)
            ax.plot(one['energy'], np.where(kept, np.nan, values), color=GREY, linewidth=0.8)
            if one['error'] is not None:
                error = np.where(kept, np.asarray(one['error']) / highest, np.nan)
                ax.fill_between(
                    one['energy'], values - error, values + error, color=BLUE, alpha=0.25, lw=0
                )
            ax.set_ylim(-0.05, 1.12)
            ax.text(0.99, 0.95, one['name'], transform=ax.transAxes, ha='right', va='top')
        axes[-1].set_xlabel('energy transfer (cm⁻¹)')
        drawn.supylabel('intensity, parts of the maximum', fontsize=8)
        return drawn
