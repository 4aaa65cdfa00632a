"""Drawings of a validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aiida_insbench.report.style import BLUE, GREY, figure
from aiida_insbench.science.pressure import pressure_from_label

_COLORS = {'harmonic': GREY, 'anharmonic': BLUE}
_NAMES = {'harmonic': 'harmonic, same supercell', 'anharmonic': 'from molecular dynamics'}


def anharmonic_spectra(pressures: Sequence[Mapping[str, Any]]) -> Figure:
    """Spectra of runs over harmonic ones, one row a pressure.

    Parameters
    ----------
    pressures : sequence of mapping
        ``label`` (p_1500); ``harmonic`` (or None) and ``anharmonic``: each ``energy`` (cm⁻¹) and
        ``total``, shape (n,); ``note``: text in the corner.
    """
    highest = max(float(np.max(one['anharmonic']['total'])) for one in pressures)
    with figure(7.0, 0.9 + 1.5 * len(pressures)) as drawn:
        axes = drawn.subplots(len(pressures), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for ax, one in zip(axes, pressures, strict=True):
            for kind in ('harmonic', 'anharmonic'):
                if one[kind] is not None:
                    ax.plot(
                        one[kind]['energy'],
                        np.asarray(one[kind]['total']) / highest,
                        color=_COLORS[kind],
                        linewidth=1.8 if kind == 'harmonic' else 1.0,
                        label=_NAMES[kind],
                    )
            text = f'{pressure_from_label(one["label"]):g} GPa\n{one["note"]}'
            ax.text(0.99, 0.93, text, transform=ax.transAxes, ha='right', va='top', fontsize=7)
            ax.set_ylim(bottom=0)
        axes[0].legend(loc='upper left', frameon=False, fontsize=7)
        axes[-1].set_xlabel('energy transfer (cm⁻¹)')
        drawn.supylabel('S(Q(ω), ω), parts of the maximum', fontsize=8)
        return drawn
