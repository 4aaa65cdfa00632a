"""The monitor of a training looks at the progress of a job that runs."""

import pytest
from aiida.plugins.entry_point import load_entry_point
from aiida.transports.plugins.local import LocalTransport
from fake_nodes import job

from aiida_insbench.calculations.monitors import stop_diverging_training
from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.jobs.progress import Progress


@pytest.fixture
def look(tmp_path):
    """Report losses as a training would, and let the monitor look."""
    node = job(TrainCalculation)
    node.set_remote_workdir(str(tmp_path))

    def look_at(losses, **options):
        progress = Progress(tmp_path, 'train')
        progress.report('starting MACE')
        for loss in losses:
            progress.report('training', loss=loss)
        with LocalTransport() as transport:
            return stop_diverging_training(node, transport, **options)

    return look_at


def test_is_an_entry_point():
    found = load_entry_point('aiida.calculations.monitors', 'insbench.training')
    assert found is stop_diverging_training


def test_nothing_to_see_yet(tmp_path):
    node = job(TrainCalculation)
    node.set_remote_workdir(str(tmp_path))
    with LocalTransport() as transport:
        assert stop_diverging_training(node, transport) is None


@pytest.mark.parametrize(
    'losses',
    [
        [],
        [1.0, 200.0],
        [5.0, 1.0, 0.5, 0.4, 0.3, 0.2, 0.1],
        [1.0, 200.0, 200.0, 200.0, 200.0, 99.0],
        [1e5, 1e5, 1e5, 1e5, 1e5, 1.0],
    ],
)
def test_training_goes_on(look, losses):
    assert look(losses) is None


def test_training_that_runs_away_is_stopped(look):
    message = look([1.0, 101.0, 110.0, 120.0, 130.0, 150.0])
    assert 'above 100 times its lowest, 1, for 5 epochs; the last is 150' in message


def test_thresholds_are_options(look):
    assert 'for 2 epochs' in look([1.0, 11.0, 12.0], factor=10.0, epochs=2)
