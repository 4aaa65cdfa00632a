"""Pairs of targets that show what pressure changes: in one cell, from the lowest pressure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiida_insbench.calculations.difference_scores import cell_of
from aiida_insbench.workflows.benchmark_targets import BenchmarkTarget

_SAME = 1e-6  # GPa


def difference_pairs(
    targets: Sequence[BenchmarkTarget],
) -> Iterator[tuple[BenchmarkTarget, BenchmarkTarget]]:
    """Lower and higher target of each pair.

    Parameters
    ----------
    targets : sequence of BenchmarkTarget
        Measured ones of a cell that is not said, or of different cells or groups, make no pair; nor
        do those whose fraction of deuterium is to be fitted, one by one.
    """
    cells: dict[tuple[str, str], list[BenchmarkTarget]] = {}
    for target in targets:
        if target.group.deuterated is None and (cell := cell_of(target.node)):
            cells.setdefault((target.group.name, cell), []).append(target)
    for members in cells.values():
        ordered = sorted(members, key=lambda one: (one.row['pressure'], one.row['name']))
        for higher in ordered[1:]:
            if higher.row['pressure'] > ordered[0].row['pressure'] + _SAME:
                yield ordered[0], higher
