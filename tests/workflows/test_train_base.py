"""What the restart WorkChain of a training does about each way it can end; nothing is submitted."""

import pytest
from aiida.orm import Bool, Dict, Int, RemoteData
from fake_nodes import code, dataset, job, process

from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.workflows.train_base import TrainBaseWorkChain


def make(*, allow_float32=False, metadata=None, **settings):
    train = {
        'code': code(),
        'dataset': dataset(4),
        'validation': dataset(2, prefix='v'),
        'seed': Int(1),
        'settings': Dict(settings),
        'metadata': metadata or {},
    }
    made = process(TrainBaseWorkChain, {'train': train, 'allow_float32': Bool(allow_float32)})
    made.setup()
    made.ctx.children = []
    return made


def after(made, status, *, message='', folder=None):
    outputs = {'remote_folder': folder} if folder else {}
    made.ctx.children.append(job(TrainCalculation, status, message=message, outputs=outputs))
    made.ctx.iteration += 1
    return made.inspect_process()


def settings_of(made):
    return made.ctx.inputs.settings.get_dict()


@pytest.fixture
def checkpoint(tmp_path):
    """Make nodes for the folder of a run that left one."""
    (tmp_path / 'checkpoints').mkdir()
    return lambda: RemoteData(computer=code().computer, remote_path=str(tmp_path))


@pytest.mark.parametrize('status', [110, 414])
def test_out_of_memory_halves_the_batch(status):
    made = make(batch_size=5, learning_rate=0.01)
    assert after(made, status).status == 0
    assert settings_of(made) == {'batch_size': 2, 'learning_rate': 0.01}
    assert made.should_run_process()


def test_single_precision_is_the_last_resort():
    made = make(allow_float32=True)
    assert after(made, 414).status == 0
    assert settings_of(made)['dtype'] == 'float32'
    assert after(made, 414, message='Full.').status == 420


def test_single_precision_is_not_taken_unasked():
    code = after(make(), 414, message='MACE ran out of memory.')
    assert code.status == 420
    assert 'MACE ran out of memory. The batch is 1; `allow_float32`' in code.message


@pytest.mark.parametrize('status', [150, 415])
def test_divergence_halves_the_rate(status):
    made = make()
    assert after(made, status).status == 0
    assert settings_of(made) == {'learning_rate': 0.005}
    assert after(made, status).status == 0
    assert settings_of(made) == {'learning_rate': 0.0025}


def test_divergence_goes_back_to_the_checkpoint(checkpoint):
    made = make(resume='checkpoint', learning_rate=0.02)
    folder = checkpoint()
    assert after(made, 415, folder=folder).status == 0
    assert made.ctx.inputs.parent_folder.uuid == folder.uuid
    assert settings_of(made)['learning_rate'] == 0.01
    assert settings_of(made)['resume_rate_factor'] == 0.5


@pytest.mark.parametrize('status', [120, 410, 411])
def test_ended_training_starts_again_or_goes_on(checkpoint, status):
    again = make()
    assert after(again, status, folder=checkpoint()).status == 0
    assert 'parent_folder' not in again.ctx.inputs
    on = make(resume='checkpoint')
    folder = checkpoint()
    assert after(on, status, folder=folder).status == 0
    assert on.ctx.inputs.parent_folder.uuid == folder.uuid


def test_nothing_to_go_on_from(tmp_path):
    made = make(resume='checkpoint')
    empty = RemoteData(computer=code().computer, remote_path=str(tmp_path))
    assert after(made, 411, folder=empty).status == 0
    assert 'parent_folder' not in made.ctx.inputs


def test_walltime_is_doubled():
    made = make(metadata={'options': {'max_wallclock_seconds': 600}})
    assert after(made, 120).status == 0
    assert made.ctx.inputs.metadata.options.max_wallclock_seconds == 1200


def test_labels_that_are_not_read_end_it():
    code = after(make(), 416, message='The loss is exactly 0.')
    assert code.status == 420
    assert 'The loss is exactly 0.' in code.message
