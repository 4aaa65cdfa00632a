"""Table and summary of modes followed over a mesh of q-points, JSON-ready.

Frequencies in cm⁻¹, pressures in GPa, slopes in cm⁻¹/GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aiida_insbench.science.mode_mesh import FollowedPoint, mean_gruneisen
from aiida_insbench.science.modes import FloatArray
from aiida_insbench.science.plain_numbers import finite_or_none
from aiida_insbench.science.shifts import Tolerances

#: So many of the steepest and of the least certain modes are named.
MOST_NAMED = 20


def mesh_table(
    points: Sequence[FollowedPoint],
    *,
    mesh: Sequence[int],
    pressures: Mapping[str, float],
    volumes: Mapping[str, float],
    temperature: float,
    tolerances: Tolerances,
) -> dict[str, Any]:
    """Modes at each q-point and what there is to know of them all.

    Parameters
    ----------
    points : sequence of FollowedPoint
        From `aiida_insbench.science.mode_mesh.follow_mesh`.
    mesh : sequence of three int
        Its divisions.
    pressures : mapping from str to float
        GPa by label, rising.
    volumes : mapping from str to float
        Of the primitive cell by label, Å³.
    temperature : float
        Of the mean Grüneisen parameter, K.
    tolerances : Tolerances
        ``flat`` decides what is red, ``overlap`` what is uncertain.

    Returns
    -------
    dict
        ``mesh``, ``labels``, ``points`` (of each q-point: ``qpoint``, ``weight``, ``frequencies``
        by label, ``slopes``, ``gruneisen``, ``overlaps``: one entry a mode, the same mode in each,
        at Γ the optical ones; None where there is none) and ``summary``: ``n_modes`` of the whole
        mesh, ``n_red``, ``red_share``, ``steepest`` (most negative slopes: ``qpoint``, ``mode``,
        ``frequencies``, ``slope``), ``n_uncertain``, ``uncertain`` (least overlaps: ``qpoint``,
        ``mode``, ``frequencies``, ``overlap``), ``temperature``, ``mean_gruneisen`` by label of the
        frequencies that weigh it. With one pressure there are no slopes and no summary of them.
    """
    labels = list(pressures)
    rows = [_row(one, pressures, volumes) for one in points]
    red = [
        one.weight * int((one.frequencies[-1] - one.frequencies[0] <= -tolerances.flat).sum())
        for one in points
    ]
    uncertain = [one.weight * int((one.overlap < tolerances.overlap).sum()) for one in points]
    size = sum(one.weight * one.frequencies.shape[1] for one in points)
    several = len(labels) > 1
    return {
        'mesh': [int(one) for one in mesh],
        'labels': labels,
        'points': rows,
        'summary': {
            'n_modes': size,
            'n_red': sum(red) if several else None,
            'red_share': sum(red) / size if several else None,
            'steepest': _named(rows, 'slopes', 'slope', below=0.0),
            'n_uncertain': sum(uncertain),
            'uncertain': _named(rows, 'overlaps', 'overlap', below=tolerances.overlap),
            'temperature': temperature,
            'mean_gruneisen': {
                label: mean_gruneisen(
                    points,
                    volumes=[volumes[name] for name in labels],
                    temperature=temperature,
                    at=index,
                )
                if several
                else None
                for index, label in enumerate(labels)
            },
        },
    }


def _row(
    point: FollowedPoint, pressures: Mapping[str, float], volumes: Mapping[str, float]
) -> dict[str, Any]:
    several = len(pressures) > 1
    none = np.full(point.frequencies.shape[1], np.nan)
    return {
        'qpoint': point.qpoint.tolist(),
        'weight': point.weight,
        'frequencies': {
            label: row.tolist() for label, row in zip(pressures, point.frequencies, strict=True)
        },
        'slopes': _plain(point.slopes(list(pressures.values())) if several else none),
        'gruneisen': _plain(
            point.gruneisen([volumes[label] for label in pressures]) if several else none
        ),
        'overlaps': point.overlap.tolist(),
    }


def _named(
    rows: Sequence[Mapping[str, Any]], key: str, name: str, *, below: float
) -> list[dict[str, Any]]:
    """Modes with the smallest values of all q-points, the smallest first."""
    found = sorted(
        (value, place, mode)
        for place, row in enumerate(rows)
        for mode, value in enumerate(row[key])
        if value is not None and value < below
    )
    return [
        {
            'qpoint': rows[place]['qpoint'],
            'mode': mode,
            'frequencies': {
                label: values[mode] for label, values in rows[place]['frequencies'].items()
            },
            name: value,
        }
        for value, place, mode in found[:MOST_NAMED]
    ]


def _plain(values: FloatArray) -> list[float | None]:
    return [finite_or_none(value) for value in values]
