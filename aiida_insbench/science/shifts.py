"""Table of followed Γ modes: shifts with pressure, what moves in them.

Frequencies in cm⁻¹, negative for imaginary modes; pressures in GPa; slopes in cm⁻¹/GPa.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aiida_insbench.science.mode_motion import motion_shares
from aiida_insbench.science.mode_series import (
    Direction,
    ModeSeries,
    Tolerances,
    mode_gruneisen,
    mode_series,
    shift_and_direction,
    trend,
)
from aiida_insbench.science.modes import IntArray

__all__ = [
    'Direction',
    'ModeSeries',
    'Tolerances',
    'mode_gruneisen',
    'mode_series',
    'mode_table',
    'participation',
    'shift_and_direction',
    'trend',
]


def mode_table(series: ModeSeries) -> list[dict[str, Any]]:
    """Table of followed modes, one row a group of degenerate modes, JSON-ready.

    Returns
    -------
    list of dict
        ``index``, ``irrep``, ``degeneracy``, ``frequencies`` (cm⁻¹ by label), ``shift`` (last −
        first, cm⁻¹), ``slope`` (least squares, cm⁻¹/GPa), ``slope_error`` (its standard error,
        None below three pressures), ``direction``, ``anomalous`` (red beyond twice that error and
        the tolerance `flat`), ``gruneisen`` (see `mode_gruneisen`), ``overlap`` (smallest from one
        pressure to the next), ``participation`` (share of each element in Σ|e|² at the first
        pressure), ``motion`` (shares of translation, libration and internal motion of molecules
        there; empty where there are none), ``ins_weight`` (share of the one-phonon neutron
        intensity of all optical modes, by label; see `aiida_insbench.science.neutron_weights`;
        empty where a cross-section is not known), ``sigma`` and ``slope_sigma`` (empty and None,
        unless `aiida_insbench.science.mode_committee.add_spread` fills them). With a single
        pressure ``shift``, ``slope``, ``anomalous`` and ``gruneisen`` are None, and ``direction``
        is None unless the mode is unstable.
    """
    rows = []
    weights = series.ins_weights()
    for index, members in enumerate(series.optical.groups):
        frequencies = series.by_label(index)
        rows.append(
            {
                'index': index,
                'irrep': series.optical.irrep(index),
                'degeneracy': len(members),
                'frequencies': frequencies,
                **shift_and_direction(frequencies, series.pressures, series.tolerances),
                'gruneisen': mode_gruneisen(frequencies, series.volumes),
                'overlap': series.optical.overlap(index),
                'participation': participation(series, members),
                'motion': _motion(series, members),
                'ins_weight': {
                    label: float(shares[members].sum()) for label, shares in weights.items()
                },
                'sigma': {},
                'slope_sigma': None,
            }
        )
    return rows


def participation(series: ModeSeries, members: IntArray) -> dict[str, float]:
    """Share of each element in a group of modes at the first pressure; the shares add up to 1."""
    vectors = series.optical.sets[0].eigenvectors[members]
    by_atom = (np.abs(vectors) ** 2).reshape(len(members), -1, 3).sum(axis=(0, 2)) / len(members)
    shares: dict[str, float] = dict.fromkeys(sorted(set(series.symbols)), 0.0)
    for symbol, share in zip(series.symbols, by_atom, strict=True):
        shares[symbol] += float(share)
    return shares


def _motion(series: ModeSeries, members: IntArray) -> dict[str, float]:
    if not series.molecules:
        return {}
    return motion_shares(
        series.optical.sets[0].eigenvectors[members],
        molecules=series.molecules,
        masses=series.masses,
    )
