"""Which points of a curve are drawn: few enough for a small file, and none missed by an eye.

Lengths in units of the drawing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aiida_insbench.report.figures_spectra import thinned

#: Columns into which a curve is sorted; each keeps its lowest and its highest point.
_COLUMNS = 600
_PRECISION = 0.12  # units that a point may be off its curve


def reduced(x: Any, y: Any) -> tuple[Any, Any]:
    """Points that an eye needs: extremes of each column, then those that carry the curve."""
    x, y = _pruned(*extremes(x, y))
    if len(x) > _COLUMNS // 2:
        return x, y  # noise: every point carries it, and to find that out takes long
    kept = thinned(x, y, _PRECISION)
    return x[kept], y[kept]


def _pruned(x: Any, y: Any) -> tuple[Any, Any]:
    """Leave out every second point that lies on the line between its neighbours, a few times."""
    for _ in range(6):
        if len(x) < 8:
            break
        middle = np.arange(1, len(x) - 1, 2)
        left, right = middle - 1, middle + 1
        share = (x[middle] - x[left]) / np.maximum(x[right] - x[left], 1e-12)
        off = np.abs(y[left] + share * (y[right] - y[left]) - y[middle])
        keep = np.ones(len(x), dtype=bool)
        keep[middle[off < _PRECISION / 6]] = False
        if keep.all():
            break
        x, y = x[keep], y[keep]
    return x, y


def extremes(x: Any, y: Any, columns: int = _COLUMNS) -> tuple[Any, Any]:
    """Lowest and highest point of each of so many columns over x; all if they are fewer."""
    if len(x) <= 2 * columns:
        return x, y
    column = ((x - x[0]) / (x[-1] - x[0]) * (columns - 1)).astype(int)
    order = np.lexsort((y, column))
    first = np.searchsorted(column[order], np.arange(columns))
    last = np.searchsorted(column[order], np.arange(columns), side='right') - 1
    there = last >= first
    kept = np.unique(np.concatenate((order[first[there]], order[last[there]])))
    return x[kept], y[kept]
