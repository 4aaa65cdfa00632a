"""Calcfunctions on trajectories of molecular dynamics."""

from __future__ import annotations

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import Int, List, Str, TrajectoryData
from ase import Atoms

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.errors import DatasetError, PressureError, StructureError
from aiida_insbench.science.kpoints import check_supercell_matrix
from aiida_insbench.science.pressure import pressure_from_label


@calcfunction  # type: ignore[untyped-decorator]
def frames_of_trajectories(
    per_run: Int,
    supercell_matrix: List | None = None,
    prefix: Str | None = None,
    **trajectories: TrajectoryData,
) -> DatasetData:
    """Take frames evenly from each trajectory, first and last included.

    Parameters
    ----------
    per_run : Int
        At most so many of each.
    supercell_matrix : List, optional
        Of the runs, 3×3 integers, rows are the axes: frames to be labelled need it.
    prefix : Str, optional
        First part of each frame's name, so that frames of other rounds keep theirs.
    trajectories : TrajectoryData
        By the label of the run; one that begins with a pressure (``p_1500``, ``p_1500_300``) gives
        its frames their target pressure.

    Returns
    -------
    DatasetData
        Not labelled; each frame names its ``run`` and ``time`` (ps).

    Raises
    ------
    DatasetError
        If there is no trajectory, or `per_run` is below 1.
    StructureError
        If a trajectory has no cells, or the matrix is none.
    """
    if per_run.value < 1 or not trajectories:
        raise DatasetError(f'{per_run.value} frames of {len(trajectories)} trajectories are none.')
    frames = [
        frame
        for label in sorted(trajectories)
        for frame in _frames(label, trajectories[label], per_run.value)
    ]
    for frame in frames:
        if supercell_matrix is not None:
            frame.info['supercell_matrix'] = check_supercell_matrix(supercell_matrix.get_list())
        if prefix is not None:
            frame.info['frame_id'] = f'{prefix.value}_{frame.info["frame_id"]}'
    return DatasetData(frames, source='molecular dynamics')


def trajectory_frames(trajectory: TrajectoryData) -> list[Atoms]:
    """All frames of a trajectory of a crystal.

    Raises
    ------
    StructureError
        If it has no cells.
    """
    cells = trajectory.get_cells()
    if cells is None:
        raise StructureError('`trajectory` has no cells; a crystal is needed.')
    return [
        Atoms(trajectory.symbols, cell=cell, positions=places, pbc=True)
        for cell, places in zip(cells, trajectory.get_positions(), strict=True)
    ]


def _frames(label: str, trajectory: TrajectoryData, count: int) -> list[Atoms]:
    # a run that blew up may end in numbers that are none
    there = [
        (frame, float(time))
        for frame, time in zip(trajectory_frames(trajectory), trajectory.get_times(), strict=True)
        if np.isfinite(frame.positions).all() and np.isfinite(frame.cell.array).all()
    ]
    pressure = _target_pressure(label)
    chosen = np.unique(np.rint(np.linspace(0, len(there) - 1, min(count, len(there)))).astype(int))
    for number, index in enumerate(chosen):
        frame, time = there[index]
        frame.info.update(frame_id=f'{label}_{number}', run=label, time=time, method='md')
        if pressure is not None:
            frame.info['target_pressure'] = pressure
    return [there[index][0] for index in chosen]


def _target_pressure(label: str) -> float | None:
    """Pressure (GPa) that the label of a run begins with; None if with none."""
    try:
        return pressure_from_label('_'.join(label.split('_')[:2]))
    except PressureError:
        return None
