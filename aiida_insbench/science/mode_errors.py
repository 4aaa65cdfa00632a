"""Errors of a potential's Γ modes against those of a reference.

Errors are potential − reference over matched optical modes, each counted with its degeneracy, in
cm⁻¹.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aiida_insbench.science.scoring.freq_errors import (
    FrequencyErrors,
    weighted_frequency_errors,
)

Row = dict[str, Any]


def mode_errors(rows: Sequence[Row], labels: Sequence[str]) -> dict[str, Any]:
    """Errors of all rows at the pressures in common with the reference, JSON-ready.

    Parameters
    ----------
    rows : sequence of dict
        Of `aiida_insbench.science.shifts.mode_table`, with ``reference``.
    labels : sequence of str
        Pressures in common; where there are none, all is None.

    Returns
    -------
    dict
        ``rms_error_cm1`` by label, ``rms_error_all_cm1``, ``worst_error_cm1`` (signed),
        ``worst_error`` (where); each mode weighted by what neutrons see of it in the reference
        (``reference_ins_weight``): ``ins_weighted_rms_error_cm1`` and
        ``ins_weighted_mean_error_cm1`` (signed) by label, and both with ``_all`` for the mean over
        the pressures (empty and None where weights are not known).
    """
    if not labels:
        return {
            'rms_error_cm1': {},
            'rms_error_all_cm1': None,
            **_ins_weighted(rows, ()),
            'worst_error_cm1': None,
            'worst_error': None,
        }
    size = sum(row['degeneracy'] for row in rows)
    squares = {
        label: sum(row['degeneracy'] * error_of(row, label) ** 2 for row in rows)
        for label in labels
    }
    worst, label = max(
        ((row, label) for row in rows for label in labels), key=lambda pair: abs(error_of(*pair))
    )
    return {
        'rms_error_cm1': {label: math.sqrt(squares[label] / size) for label in labels},
        'rms_error_all_cm1': math.sqrt(sum(squares.values()) / size / len(labels)),
        **_ins_weighted(rows, labels),
        'worst_error_cm1': error_of(worst, label),
        'worst_error': {'index': worst['index'], 'irrep': worst['irrep'], 'label': label},
    }


def _ins_weighted(rows: Sequence[Row], labels: Sequence[str]) -> dict[str, Any]:
    """Errors weighted by the neutron intensity of the reference: the same for all potentials."""
    known = [label for label in labels if all(row['reference_ins_weight'] for row in rows)]
    found = {label: _weighted(rows, label) for label in known}
    count = len(known)
    return {
        'ins_weighted_rms_error_cm1': {label: one.rms for label, one in found.items()},
        'ins_weighted_rms_error_all_cm1': math.sqrt(
            sum(one.rms**2 for one in found.values()) / count
        )
        if known
        else None,
        'ins_weighted_mean_error_cm1': {label: one.mean for label, one in found.items()},
        'ins_weighted_mean_error_all_cm1': sum(one.mean for one in found.values()) / count
        if known
        else None,
    }


def _weighted(rows: Sequence[Row], label: str) -> FrequencyErrors:
    """Errors at one pressure."""
    return weighted_frequency_errors(
        np.array([row['frequencies'][label] for row in rows]),
        np.array([row['reference'][label] for row in rows]),
        np.array([row['reference_ins_weight'][label] for row in rows]),
    )


def error_of(row: Row, label: str) -> float:
    """Potential − reference of one row at one pressure, cm⁻¹."""
    return float(row['frequencies'][label] - row['reference'][label])
