"""Committees and restarts through AiiDA's engine, with real trainings of seconds."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int
from pair_frames import labelled

from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.data import DatasetData
from aiida_insbench.workflows.finetune import FinetuneWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata
from aiida_insbench.workflows.train_base import TrainBaseWorkChain

pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.skipif(not Path('/proc/self').is_dir(), reason='looks for processes in /proc'),
]

MODEL = {
    'r_max': 3.5,
    'num_channels': 4,
    'max_L': 0,
    'max_ell': 1,
    'correlation': 2,
    'num_interactions': 2,
}
SETTINGS = {'max_epochs': 6, 'learning_rate': 0.02, 'model': MODEL}


@pytest.fixture(scope='module')
def data():
    """Frames to learn, to choose the epoch by, and to judge by."""
    return {
        name: DatasetData(labelled(count, seed=seed, prefix=name[0]), dft_level={'code': 'Morse'})
        for name, count, seed in (('training', 6, 1), ('validation', 3, 2), ('held_out', 4, 3))
    }


@pytest.fixture(scope='module')
def committee(job_code, data):
    builder = FinetuneWorkChain.get_builder_from_protocol(
        job_code,
        data['training'],
        data['validation'],
        held_out=data['held_out'],
        seeds=(1, 2, 3),
        protocol='fast',
        overrides={'base_training': {'gamma': 0.9, **SETTINGS}},
    )
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    return results


def test_committee_of_three(committee):
    potentials = committee['potentials']
    assert set(potentials) == {'seed_1', 'seed_2', 'seed_3'}
    assert len({potential.sha256 for potential in potentials.values()}) == 3
    assert len(committee['training_curves']['seed_2']['epoch']) == 6


def test_errors_of_every_member_on_every_set_of_frames(committee):
    for name, count in (('training', 6), ('validation', 3), ('held_out', 4)):
        table = committee['errors'][name]['potentials']
        assert set(table) == {'seed_1', 'seed_2', 'seed_3'}
        for errors in table.values():
            assert errors['n_frames'] == count
            assert set(errors['by_pressure']) == {'p_0000', 'p_1000'}
            assert errors['rmse_forces_mev_a'] > 0


def test_held_out_frames_that_were_trained_on_are_refused(job_code, data):
    builder = FinetuneWorkChain.get_builder_from_protocol(
        job_code, data['training'], data['validation'], held_out=data['training']
    )
    with pytest.raises(ValueError, match='`held_out` and `dataset` share frames: t_000'):
        run_get_node(builder)


def train_and_kill(job_code, data, **settings):
    """Train with seed 1; kill the job with SIGKILL when it has learned for some epochs."""
    builder = TrainBaseWorkChain.get_builder()
    builder.train = {
        'code': job_code,
        'dataset': data['training'],
        'validation': data['validation'],
        'seed': Int(1),
        'settings': Dict(settings),
        'metadata': job_metadata(1),
    }
    killer = threading.Thread(target=kill_when_learning, args=(job_code.computer.get_workdir(),))
    killer.start()
    results, node = run_get_node(builder)
    killer.join()
    assert node.is_finished_ok, node.exit_message
    runs = [child for child in node.called if child.process_class is TrainCalculation]
    assert [run.exit_status for run in sorted(runs, key=lambda run: run.pk)] == [411, 0]
    return results


def kill_when_learning(workdir):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for process in psutil.process_iter(['cmdline', 'cwd']):
            words = process.info['cmdline'] or []
            place = Path(process.info['cwd'] or '/')
            if 'train' not in words or workdir not in str(place):
                continue
            progress = place / 'progress.jsonl'
            if progress.exists() and progress.read_text().count('"loss"') >= 3:
                process.send_signal(signal.SIGKILL)
                return
        time.sleep(0.05)


def test_killed_training_starts_again_and_ends_with_the_same_weights(job_code, data, committee):
    results = train_and_kill(job_code, data, **training_settings(committee))
    assert results['potential'].sha256 == committee['potentials']['seed_1'].sha256
    assert results['output_parameters']['resumed_from_epoch'] is None


def test_killed_training_goes_on_from_its_checkpoint(job_code, data, committee):
    results = train_and_kill(job_code, data, **training_settings(committee), resume='checkpoint')
    parameters = results['output_parameters'].get_dict()
    assert parameters['resumed_from_epoch'] >= 1
    assert results['potential'].sha256 != committee['potentials']['seed_1'].sha256
    best = min(committee['training_curves']['seed_1']['loss'])
    assert parameters['final']['loss'] < 3 * best


def training_settings(committee):
    """Settings of the committee's trainings."""
    return committee['potentials']['seed_1'].creator.inputs.settings.get_dict()
