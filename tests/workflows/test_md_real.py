"""Molecular dynamics by the real program in AiiDA: outputs, a killed job, frames to sample from."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, List, Str, StructureData
from ase.build import bulk

from aiida_insbench.calculations.sample import SampleCalculation
from aiida_insbench.data import PotentialData
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.workflows.md_base import MDBaseWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

SETTINGS = {
    'ensembles': ['nvt', 'nve'],
    'temperature': 200.0,
    'timestep': 4.0,
    'length': 0.8,
    'equilibration': 0.2,
    'frame_interval': 8.0,
    'chunk': 0.04,
    'resolution': 0.0,
}


@pytest.fixture(scope='module')
def inputs(job_code):
    return {
        'md': {
            'code': job_code,
            'potential': PotentialData.from_potential(potential_from_ase('emt')).store(),
            'structures': {
                label: StructureData(ase=bulk('Cu', cubic=True, a=a)).store()
                for label, a in (('p_0000', 3.61), ('p_2000', 3.59))
            },
            'supercell_matrix': List([[2, 0, 0], [0, 1, 0], [0, 0, 1]]).store(),
            'settings': Dict(SETTINGS).store(),
            'metadata': job_metadata(1),
        }
    }


@pytest.fixture(scope='module')
def whole(inputs):
    results, node = run_get_node(MDBaseWorkChain, **inputs)
    assert node.is_finished_ok, node.exit_message
    return results


def test_each_run_has_its_outputs(whole) -> None:
    labels = {'p_0000_nvt', 'p_0000_nve', 'p_2000_nvt', 'p_2000_nve'}
    for name in ('runs', 'trajectories', 'series'):
        assert set(whole[name]) == labels
    assert 'unfinished' not in whole
    trajectory = whole['trajectories']['p_2000_nve']
    assert trajectory.numsteps == 126
    assert trajectory.get_times()[-1] == pytest.approx(1.0)
    assert trajectory.get_velocities().shape == (126, 8, 3)
    assert whole['runs']['p_2000_nve']['pressure'] == 2.0


def test_killed_job_goes_on_to_the_same_trajectory(inputs, whole) -> None:
    killer = kill_behind_checkpoint(inputs['md']['code'].computer.get_workdir(), 'p_2000_nvt')
    results, node = run_get_node(MDBaseWorkChain, **inputs)
    killer.join(timeout=1)
    assert node.is_finished_ok, node.exit_message
    jobs = sorted(node.called, key=lambda one: one.pk)
    assert [job.exit_status for job in jobs] == [411, 0]
    assert jobs[1].outputs.output_parameters['skipped'] == ['p_0000_nve', 'p_0000_nvt']
    assert results['runs']['p_2000_nvt']['resumed_at'] > 0
    assert 'unfinished' not in results
    for label, expected in whole['trajectories'].items():
        found = results['trajectories'][label]
        for name in ('positions', 'velocities', 'cells', 'times'):
            assert np.array_equal(found.get_array(name), expected.get_array(name)), (label, name)


def test_trajectory_can_be_sampled(inputs, whole) -> None:
    results, node = run_get_node(
        SampleCalculation,
        code=inputs['md']['code'],
        method=Str('trajectory'),
        prefix=Str('md'),
        trajectory=whole['trajectories']['p_2000_nvt'],
        pressures=List([2.0]),
        cells=List([{'supercell_matrix': [[2, 0, 0], [0, 1, 0], [0, 0, 1]], 'count': 3}]),
        seed=Int(1),
        settings=Dict({'discard': 26}),
        metadata=job_metadata(1),
    )
    assert node.is_finished_ok, node.exit_message
    assert len(results['pool'].get_frames()) == 3


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'settings': {'timestep': 9.0}}, 'at most 8 fs'),
        ({'settings': {'temperature': -1.0}}, 'temperature'),
        ({'supercell_matrix': [[1, 0, 0], [1, 0, 0], [0, 0, 1]]}, 'supercell'),
    ],
)
def test_bad_input_is_refused_before_submission(inputs, changes, named) -> None:
    types = {'settings': Dict, 'supercell_matrix': List}
    given = {**inputs['md'], **{name: types[name](value) for name, value in changes.items()}}
    with pytest.raises(ValueError, match=named):
        run_get_node(MDBaseWorkChain, md=given)


def test_unknown_element_is_refused_before_submission(inputs) -> None:
    given = {**inputs['md'], 'structures': {'p_0000': StructureData(ase=bulk('Si'))}}
    with pytest.raises(ValueError, match='knows no Si'):
        run_get_node(MDBaseWorkChain, md=given)


def kill_behind_checkpoint(folder: str, label: str) -> threading.Thread:
    """Start to watch for the first checkpoint of a run, and kill the program when it is there."""
    before = set(Path(folder).rglob('job.json'))

    def watch() -> None:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            for path in Path(folder).rglob(f'md/{label}/checkpoint.npz'):
                place = path.parents[2]
                if place / 'job.json' not in before and kill_in(place):
                    return
            time.sleep(0.002)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def kill_in(place: Path) -> bool:
    """SIGKILL what runs ``insbench-job`` in a folder; whether there was anything."""
    victims = [int(e.name) for e in Path('/proc').iterdir() if e.name.isdigit() and runs(e, place)]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    return bool(victims)


def runs(entry: Path, place: Path) -> bool:
    """Whether a process is the program at work in a folder."""
    try:
        words = (entry / 'cmdline').read_bytes()
        return b'insbench-job' in words and (entry / 'cwd').resolve() == place.resolve()
    except OSError:
        return False
