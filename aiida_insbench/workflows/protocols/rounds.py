"""Frames of a round of data: how they are shared out over cells, how far atoms are rattled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from aiida.orm import StructureData


def shared_cells(cells: Sequence[dict[str, Any]], frames: int) -> list[dict[str, Any]]:
    """Share `frames` out by largest remainders, so that their sum is exact."""
    shares = np.array([cell['share'] for cell in cells], dtype=float)
    ideal = frames * shares / shares.sum()
    counts = np.floor(ideal).astype(int)
    for index in np.argsort(counts - ideal, kind='stable')[: frames - counts.sum()]:
        counts[index] += 1
    return [
        {'supercell_matrix': cell['supercell_matrix'], 'count': int(count)}
        for cell, count in zip(cells, counts, strict=True)
        if count
    ]


def rattle_of(rattle: Mapping[str, Any], structure: StructureData) -> dict[str, Any]:
    """Bounds (Å) of each element, from ``default`` where there are none of its own."""
    default = rattle['default']
    return {symbol: rattle.get(symbol, default) for symbol in sorted(structure.get_symbols_set())}
