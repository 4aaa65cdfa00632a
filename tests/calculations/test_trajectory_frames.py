"""Frames of molecular dynamics that are to be labelled: names, pressures, supercells."""

import numpy as np
import pytest
from aiida.orm import Int, List, Str, TrajectoryData
from ase.build import bulk

from aiida_insbench.calculations.trajectories import frames_of_trajectories
from aiida_insbench.science.errors import DatasetError, StructureError

DOUBLE = np.diag([2, 1, 1]).tolist()


def trajectory(count=11, *, broken=0):
    """A run of silicon; the last `broken` frames are no numbers."""
    atoms = bulk('Si') * (2, 1, 1)
    places = atoms.positions + np.random.default_rng(1).normal(0, 0.03, (count, len(atoms), 3))
    places[count - broken :] = np.nan
    node = TrajectoryData()
    node.set_trajectory(
        symbols=atoms.get_chemical_symbols(),
        positions=places,
        cells=np.array([atoms.cell.array] * count),
        times=0.1 * np.arange(count),
    )
    return node


def test_frames_to_be_labelled():
    pool = frames_of_trajectories(
        Int(3), List(DOUBLE), Str('md2'), p_1500_nvt=trajectory(), m_0500=trajectory(21)
    )
    frames = {frame.info['frame_id']: frame for frame in pool.get_frames()}
    assert list(frames) == [f'md2_{run}_{i}' for run in ('m_0500', 'p_1500_nvt') for i in range(3)]
    assert pool.target_pressures == [-0.5, 1.5]
    assert not pool.labelled
    frame = frames['md2_p_1500_nvt_1']
    assert frame.info['target_pressure'] == 1.5
    assert frame.info['time'] == pytest.approx(0.5)
    assert np.array_equal(frame.info['supercell_matrix'], DOUBLE)
    assert frame.positions == pytest.approx(trajectory().get_positions()[5], abs=1e-7)


def test_what_is_not_given_is_left_out():
    pool = frames_of_trajectories(Int(2), hot=trajectory(broken=3))
    first, last = pool.get_frames()
    assert (first.info['frame_id'], last.info['frame_id']) == ('hot_0', 'hot_1')
    assert 'supercell_matrix' not in first.info
    assert 'target_pressure' not in first.info
    assert last.info['time'] == pytest.approx(0.7)  # frames that are no numbers do not count


def test_refusals():
    with pytest.raises(DatasetError, match='are none'):
        frames_of_trajectories(Int(0), hot=trajectory())
    with pytest.raises(StructureError, match='supercell matrix'):
        frames_of_trajectories(Int(2), List([[1, 0, 0]]), hot=trajectory())
