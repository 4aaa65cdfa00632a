"""Calcfunctions on trajectories of molecular dynamics."""

from __future__ import annotations

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Int, TrajectoryData
from ase import Atoms

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.errors import DatasetError


@calcfunction  # type: ignore[untyped-decorator]
def frames_of_trajectories(per_run: Int, **trajectories: TrajectoryData) -> DatasetData:
    """Take frames evenly from each trajectory, first and last included.

    Parameters
    ----------
    per_run : Int
        At most so many of each.
    trajectories : TrajectoryData
        By the label of the run.

    Returns
    -------
    DatasetData
        Not labelled; each frame names its ``run`` and ``time`` (ps).

    Raises
    ------
    DatasetError
        If there is no trajectory, or `per_run` is below 1.
    """
    if per_run.value < 1 or not trajectories:
        raise DatasetError(f'{per_run.value} frames of {len(trajectories)} trajectories are none.')
    frames = [
        frame
        for label in sorted(trajectories)
        for frame in _frames(label, trajectories[label], per_run.value)
    ]
    return DatasetData(frames, source='molecular dynamics')


def _frames(label: str, trajectory: TrajectoryData, count: int) -> list[Atoms]:
    positions, cells = trajectory.get_positions(), trajectory.get_cells()
    times, symbols = trajectory.get_times(), trajectory.symbols
    finite = np.isfinite(positions).all(axis=(1, 2)) & np.isfinite(cells).all(axis=(1, 2))
    there = np.flatnonzero(finite)  # a run that blew up may end in numbers that are none
    chosen = np.unique(np.rint(np.linspace(0, len(there) - 1, min(count, len(there)))).astype(int))
    found = []
    for number, index in enumerate(there[chosen]):
        frame = Atoms(symbols, positions=positions[index], cell=cells[index], pbc=True)
        frame.info.update(
            frame_id=f'{label}_{number}', run=label, time=float(times[index]), method='md'
        )
        found.append(frame)
    return found
