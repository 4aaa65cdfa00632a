"""The train stage: refusals before anything starts, and real trainings of seconds."""

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from pair_frames import MorsePairs, crystal, labelled

from aiida_insbench.jobs import train
from aiida_insbench.jobs.mace_arguments import mace_arguments
from aiida_insbench.jobs.mace_changes import (
    NoMoreProgressError,
    Patience,
    keep_checkpoints_whole,
)
from aiida_insbench.jobs.memory import speaks_of_memory
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress, read_progress
from aiida_insbench.jobs.training_curve import TrainingCurve
from aiida_insbench.jobs.training_settings import read_training_settings
from aiida_insbench.science.errors import (
    DatasetError,
    DivergedError,
    InputError,
    InsbenchError,
    InterruptedJobError,
    JobFileError,
    OutOfMemoryError,
    PotentialError,
    TrainingError,
    ZeroLossError,
)
from aiida_insbench.science.frames import write_frames
from aiida_insbench.science.potentials import calculator, read_potential

pytestmark = pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::DeprecationWarning')

MODEL = {
    'r_max': 3.5,
    'num_channels': 4,
    'max_L': 0,
    'max_ell': 1,
    'correlation': 2,
    'num_interactions': 2,
}
SETTINGS = {'seed': 1, 'max_epochs': 4, 'learning_rate': 0.02, 'model': MODEL}
ELEMENTS = ('H', 'Mg')


def write_job(
    folder,
    *,
    train_frames=None,
    validation=None,
    start=None,
    replay=None,
    replay_options=None,
    resumed=False,
    **settings,
):
    folder.mkdir(exist_ok=True)
    train_frames = train_frames or labelled(6, seed=1, prefix='t')
    validation = validation or labelled(3, seed=2, prefix='v')
    (folder / 'dataset.extxyz').write_text(write_frames(train_frames))
    (folder / 'validation.extxyz').write_text(write_frames(validation))
    if start:
        for suffix in ('json', 'safetensors'):
            shutil.copy(start / f'trained.{suffix}', folder / f'start.{suffix}')
    if replay:
        (folder / 'replay.extxyz').write_text(write_frames(replay))
    given = {**SETTINGS, **settings}
    if replay_options:
        given['replay'] = replay_options
    if start:
        del given['model']
    job = {
        'schema': 1,
        'stage': 'train',
        'dataset': 'dataset.extxyz',
        'validation': 'validation.extxyz',
        'replay': 'replay.extxyz' if replay else None,
        'start': 'start' if start else None,
        'resumed': resumed,
        'settings': given,
        'provenance': {'dft_level': 'Morse pairs'},
    }
    (folder / 'job.json').write_text(json.dumps(job))
    return job


def run(folder, **options):
    return train.run(write_job(folder, **options), folder, Progress(folder, 'train'))


def read(given, **options):
    return read_training_settings(given, **{'elements': ELEMENTS, 'start': None, **options})


# ---- what is refused before anything starts --------------------------------------------------


def test_labels_of_the_test_crystal_are_gradients():
    atoms = crystal()
    atoms.rattle(0.05, seed=1)
    atoms.calc = MorsePairs()
    assert atoms.get_forces() == pytest.approx(calculate_numerical_forces(atoms), abs=1e-6)
    numerical = calculate_numerical_stress(atoms, eps=1e-5, force_consistent=False)
    assert atoms.get_stress() == pytest.approx(numerical, abs=1e-7)


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        ({}, 'seed'),
        ({'seed': 1, 'learnign_rate': 0.1}, 'learnign_rate'),
        ({'seed': 1.5}, 'seed'),
        ({'seed': -1}, 'seed'),
        ({'seed': 1, 'max_epochs': 0}, 'max_epochs'),
        ({'seed': 1, 'max_epochs': '160'}, 'max_epochs'),
        ({'seed': 1, 'gamma': 1.5}, 'gamma'),
        ({'seed': 1, 'ema_decay': 1.0}, 'ema_decay'),
        ({'seed': 1, 'learning_rate': math.nan}, 'learning_rate'),
        ({'seed': 1, 'loss': 'weighted'}, 'loss'),
        ({'seed': 1, 'dtype': 'float16'}, 'dtype'),
        ({'seed': 1, 'device': 'cpu; rm'}, 'device'),
        ({'seed': 1, 'scheduler': 'none'}, 'scheduler'),
        ({'seed': 1, 'energy_weight': 0, 'forces_weight': 0, 'stress_weight': 0}, 'weights'),
        ({'seed': 1, 'model': {'r_max': 50}}, 'r_max'),
        ({'seed': 1, 'model': {'channels': 5}}, 'channels'),
        ({'seed': 1, 'model': {'max_L': 3, 'max_ell': 2}}, 'max_L'),
        ({'seed': 1, 'e0s': 'foundation'}, 'e0s'),
        ({'seed': 1, 'patience': -1}, 'patience'),
        ({'seed': 1, 'resume': 'always'}, 'resume'),
        ({'seed': 1, 'strategy': 'best'}, 'strategy'),
        ({'seed': 1, 'strategy': 'naive'}, 'start potential was not given'),
        ({'seed': 1, 'lora': {'rank': 4}}, "strategy 'lora'"),
        ({'seed': 1, 'replay': {'weight': 2.0}}, "strategy 'multihead_replay'"),
        ({'seed': 1, 'stage_two': {'start': 160}}, 'stage_two.start'),
        ({'seed': 1, 'stage_two': {'rate': 1.0}}, 'rate'),
        ({'seed': 1, 'e0s': {'H': -13.0}}, 'H, Mg'),
        ({'seed': 1, 'e0s': {'H': -13.0, 'Mg': 'x'}}, 'Mg'),
        ('fast', 'dictionary'),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, named):
    with pytest.raises(JobFileError, match=named):
        read(settings)


@pytest.mark.parametrize(
    ('name', 'value', 'flag', 'word'),
    [
        ('seed', 7, 'seed', '7'),
        ('dtype', 'float32', 'default_dtype', 'float32'),
        ('loss', 'huber', 'loss', 'huber'),
        ('energy_weight', 3.0, 'energy_weight', '3.0'),
        ('forces_weight', 3.0, 'forces_weight', '3.0'),
        ('stress_weight', 3.0, 'stress_weight', '3.0'),
        ('batch_size', 2, 'batch_size', '2'),
        ('ema_decay', 0.9, 'ema_decay', '0.9'),
        ('learning_rate', 0.003, 'lr', '0.003'),
        ('gamma', 0.9, 'lr_scheduler_gamma', '0.9'),
        ('max_epochs', 3, 'max_num_epochs', '3'),
        ('device', 'cuda', 'device', 'cuda'),
        ('huber_delta', 0.1, 'huber_delta', '0.1'),
        ('weight_decay', 1e-6, 'weight_decay', '1e-06'),
        ('clip_grad', 5.0, 'clip_grad', '5.0'),
        ('scheduler', 'ReduceLROnPlateau', 'scheduler', 'ReduceLROnPlateau'),
        ('lr_factor', 0.5, 'lr_factor', '0.5'),
        ('scheduler_patience', 5, 'scheduler_patience', '5'),
        ('patience', 9, 'patience', '9'),
        ('e0s', {'Mg': -1.5, 'H': -13}, 'E0s', '{1: -13.0, 12: -1.5}'),
        ('model', {'r_max': 4}, 'r_max', '4.0'),
        ('model', {'num_channels': 8}, 'num_channels', '8'),
        ('model', {'max_L': 1}, 'max_L', '1'),
        ('model', {'max_ell': 3}, 'max_ell', '3'),
        ('model', {'correlation': 3}, 'correlation', '3'),
        ('model', {'num_interactions': 1}, 'num_interactions', '1'),
    ],
)
def test_every_setting_reaches_mace(name, value, flag, word):
    arguments = mace_arguments(read({'seed': 1, name: value}), n_validation=4)
    plain = mace_arguments(read({'seed': 1}), n_validation=4)
    assert arguments[arguments.index(f'--{flag}') + 1] == word
    assert plain[plain.index(f'--{flag}') + 1] != word


def test_average_of_weights_can_be_left_out():
    arguments = mace_arguments(read({'seed': 1, 'ema_decay': 0}), n_validation=4)
    assert '--ema' not in arguments


def understood(settings, **options):
    """What MACE's own parser makes of the arguments."""
    from mace.tools import build_default_arg_parser

    arguments = mace_arguments(settings, n_validation=4, **options)
    return build_default_arg_parser().parse_args(arguments)


@pytest.mark.real
def test_mace_understands_a_training_from_scratch():
    found = understood(read({**SETTINGS, 'max_epochs': 8, 'stage_two': {'learning_rate': 0.002}}))
    assert found.plot is False
    assert found.compute_stress is True
    assert found.foundation_model is None
    assert (found.swa, found.start_swa, found.swa_lr) == (True, 6, 0.002)
    assert found.restart_latest is False
    assert understood(read(SETTINGS), resumed=True).restart_latest is True


@pytest.mark.real
@pytest.mark.parametrize('strategy', ['naive', 'multihead_replay', 'lora'])
def test_mace_understands_every_strategy(scratch, strategy):
    start = read_potential(scratch[0] / 'trained').metadata
    replay = strategy == 'multihead_replay'
    settings = read({'seed': 1, 'strategy': strategy}, start=start, replay=replay)
    found = understood(settings)
    assert found.foundation_model == 'start.model'
    assert found.multiheads_finetuning is replay
    assert (found.pt_train_file is not None) is replay
    assert found.loss == ('universal' if replay else 'stress')
    assert found.lora is (strategy == 'lora')
    assert found.E0s == 'foundation'


def refused(tmp_path, error, named, **options):
    with pytest.raises(error, match=named):
        run(tmp_path, **options)
    assert not (tmp_path / 'mace.log').exists()


def test_labels_that_are_not_finite_are_refused(tmp_path):
    frames = labelled(3, seed=1, prefix='t')
    frames[1].arrays['REF_forces'][2, 1] = np.nan
    refused(tmp_path, DatasetError, 't_001', train_frames=frames)


def test_frame_without_label_is_refused(tmp_path):
    frames = labelled(3, seed=1, prefix='t')
    del frames[2].info['REF_stress']
    refused(tmp_path, DatasetError, 't_002', train_frames=frames)


def test_frame_in_training_and_validation_is_refused(tmp_path):
    refused(tmp_path, DatasetError, 't_000', validation=labelled(1, seed=1, prefix='t'))


def test_frame_that_is_not_periodic_is_refused(tmp_path):
    frames = labelled(2, seed=1, prefix='t')
    frames[1].pbc = [True, True, False]
    refused(tmp_path, DatasetError, 't_001', train_frames=frames)


def test_element_of_validation_only_is_refused(tmp_path):
    frames = labelled(2, seed=2, prefix='v')
    frames[0].symbols[0] = 'Ca'
    refused(tmp_path, DatasetError, 'Ca', validation=frames)


def test_batch_larger_than_the_dataset_is_refused(tmp_path):
    refused(tmp_path, JobFileError, 'batch_size', batch_size=7)


def test_gpu_that_is_not_there_is_refused(tmp_path):
    torch = pytest.importorskip('torch')
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    refused(tmp_path, InputError, 'torch finds no GPU', device='cuda')


def test_missing_files_are_named(tmp_path):
    job = write_job(tmp_path)
    for name in ('dataset', 'validation', 'start'):
        with pytest.raises(InsbenchError, match='nowhere'):
            train.run({**job, name: 'nowhere'}, tmp_path, Progress(tmp_path, 'train'))


# ---- the curve -------------------------------------------------------------------------------


def line(mode, epoch, loss, **more):
    text = json.dumps({'mode': mode, 'epoch': epoch, 'loss': loss, **more})
    if mode == 'eval':
        more = '"rmse_e_per_atom": 0.002, "rmse_f": 0.03, "rmse_stress": 0.006241509'
        text = f'{text[:-1]}, {more}}}'
    return text + '\n'


def test_curve_follows_a_file_that_grows(tmp_path):
    path, progress = tmp_path / 'results.txt', Progress(tmp_path, 'train')
    curve = TrainingCurve(path, total=2, head='Default')
    curve.follow(progress)
    whole = (
        line('eval', None, 9.0)
        + line('opt', 0, 4.0)
        + line('opt', 0, 2.0)
        + line('eval', 0, 3.0)
        + line('opt', 1, 1.0)
        + line('eval', 1, 3.0)
    )
    for cut in (10, 100, 300, len(whole) - 1, len(whole)):
        path.write_text(whole[:cut])
        curve.follow(progress)
    columns = curve.as_lists()
    assert columns['epoch'] == [0, 1]
    assert columns['train_loss'] == [3.0, 1.0]
    assert columns['rmse_energy_mev_atom'] == [2.0, 2.0]
    assert columns['rmse_stress_gpa'] == pytest.approx([1.0, 1.0])
    assert curve.best().epoch == 0
    reported = read_progress((tmp_path / 'progress.jsonl').read_text())
    assert [(one['step'], one['total'], one['values']['loss']) for one in reported] == [
        (1, 2, 3.0),
        (2, 2, 3.0),
    ]


@pytest.mark.parametrize(
    'text',
    [
        line('opt', 3, math.nan),
        line('eval', 3, math.inf),
        line('eval', None, 1.0) + line('eval', 3, 2e4),
    ],
)
def test_divergence_is_seen(tmp_path, text):
    (tmp_path / 'results.txt').write_text(text)
    with pytest.raises(TrainingError, match='epoch 4'):
        TrainingCurve(tmp_path / 'results.txt', total=9, head='Default').follow(
            Progress(tmp_path, 'train')
        )


def test_head_without_loss_is_named(tmp_path):
    (tmp_path / 'results.txt').write_text(line('eval', None, 0.0, head='Default'))
    with pytest.raises(ZeroLossError, match=r"'Default' is exactly 0.*keys"):
        TrainingCurve(tmp_path / 'results.txt', total=9, head='Default').follow(
            Progress(tmp_path, 'train')
        )


def test_replayed_head_does_not_judge(tmp_path):
    """One line of each head and epoch; the loss is that of the trained head."""
    text = line('eval', None, 9.0, head='pt_head') + line('eval', None, 9.0, head='Default')
    for epoch, (replayed, own) in enumerate([(0.1, 5.0), (0.5, 4.0)], start=7):
        text += line('opt', epoch, 1.0)
        text += line('eval', epoch, replayed, head='pt_head')
        text += line('eval', epoch, own, head='Default')
    (tmp_path / 'results.txt').write_text(text)
    curve = TrainingCurve(tmp_path / 'results.txt', total=9, head='Default')
    curve.follow(Progress(tmp_path, 'train'))
    assert curve.as_lists()['loss'] == [5.0, 4.0]
    assert curve.as_lists()['replay_rmse_forces_mev_a'] == [30.0, 30.0]
    assert curve.best().epoch == 8
    assert curve.resumed_from == 7


def test_patience_counts_epochs_without_improvement():
    patience = Patience(epochs=2, head='Default', since=3)
    losses = [9.0, 9.0, 9.0, 5.0, 6.0, 4.0, 4.0, 7.0]
    for epoch, loss in enumerate(losses):
        patience.see({'mode': 'opt', 'epoch': epoch})
        patience.see({'mode': 'eval', 'epoch': epoch, 'loss': 0.0, 'head': 'pt_head'})
        patience.see({'mode': 'eval', 'epoch': epoch, 'loss': loss, 'head': 'Default'})
    with pytest.raises(NoMoreProgressError):
        patience.see({'mode': 'opt', 'epoch': len(losses)})


@pytest.mark.parametrize(
    'words',
    [
        'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB',
        "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes",
        'terminate called after throwing an instance of std::bad_alloc',
        'numpy stopped:\nMemoryError',
    ],
)
def test_words_of_a_full_memory_are_known(words):
    assert speaks_of_memory(words)
    assert not speaks_of_memory('KeyError: memory of a weight')


def child_that_runs(program):
    def start(work, log):
        return subprocess.Popen(
            [sys.executable, '-c', program], cwd=work, stdout=log, start_new_session=True
        )

    return start


def test_failure_of_mace_ends_with_its_last_words(tmp_path, monkeypatch):
    program = 'import sys; print("no more memory"); sys.exit(3)'
    monkeypatch.setattr(train, '_start_child', child_that_runs(program))
    with pytest.raises(TrainingError, match=r'(?s)code 3.*no more memory'):
        run(tmp_path)
    assert not (tmp_path / 'training').exists()


@pytest.mark.parametrize(
    ('program', 'error'),
    [
        ('import sys; print("torch.OutOfMemoryError: CUDA"); sys.exit(1)', OutOfMemoryError),
        ('import os, signal; os.kill(os.getpid(), signal.SIGKILL)', InterruptedJobError),
    ],
)
def test_what_ended_mace_is_told_apart(tmp_path, monkeypatch, program, error):
    monkeypatch.setattr(train, '_start_child', child_that_runs(program))
    with pytest.raises(error):
        run(tmp_path)


def test_training_that_leaves_no_model_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(train, '_start_child', child_that_runs('pass'))
    with pytest.raises(TrainingError, match='no usable model'):
        run(tmp_path)


def test_diverging_training_is_ended(tmp_path, monkeypatch):
    program = (
        'import os, time; os.mkdir("results"); print("lr is high", flush=True)\n'
        'with open("results/trained_run-1_train.txt", "w") as f:\n'
        '    f.write(\'{"mode": "opt", "epoch": 0, "loss": NaN}\\n\')\n'
        'time.sleep(60)'
    )
    monkeypatch.setattr(train, '_start_child', child_that_runs(program))
    started = time.monotonic()
    with pytest.raises(DivergedError, match=r'(?s)diverged in epoch 1.*lr is high'):
        run(tmp_path)
    assert time.monotonic() - started < 30


# ---- real trainings --------------------------------------------------------------------------


@pytest.fixture(scope='module')
def scratch(tmp_path_factory):
    """A training from random weights: its folder and its result."""
    folder = tmp_path_factory.mktemp('scratch')
    return folder, run(folder)


@pytest.mark.real
def test_training_lowers_the_error_and_leaves_no_pickle(scratch):
    folder, result = scratch
    curve = json.loads((folder / 'training_curve.json').read_text())
    assert result['epochs'] == len(curve['epoch']) == 4
    assert result['final']['loss'] == min(curve['loss']) == curve['loss'][result['best_epoch'] - 1]
    assert curve['train_loss'][-1] < 0.5 * curve['train_loss'][0]
    assert result['final']['n_frames'] == result['n_validation'] == 3
    assert set(result['final']['by_pressure']) == {'p_0000', 'p_1000'}
    json.dumps(result, allow_nan=False)
    assert sorted(path.name for path in folder.iterdir()) == [
        'dataset.extxyz',
        'job.json',
        'mace.log',
        'progress.jsonl',
        'trained.json',
        'trained.safetensors',
        'training_curve.json',
        'validation.extxyz',
    ]


@pytest.mark.real
def test_errors_are_those_of_the_potential_handed_over(scratch):
    """MACE's own table of its best epoch, and ours from the files, agree."""
    folder, result = scratch
    potential = read_potential(folder / 'trained')
    assert potential.metadata.provenance == {
        'dft_level': 'Morse pairs',
        'training': {'strategy': 'scratch'},
    }
    assert potential.metadata.weights_sha256 == result['sha256']
    curve = json.loads((folder / 'training_curve.json').read_text())
    best = result['best_epoch'] - 1
    for name in ('rmse_energy_mev_atom', 'rmse_forces_mev_a'):
        assert result['final'][name] == pytest.approx(curve[name][best], rel=1e-8)
    frames = labelled(3, seed=2, prefix='v')
    engine = calculator(potential)
    off = [engine.get_forces(frame) - frame.arrays['REF_forces'] for frame in frames]
    rmse = 1000 * np.sqrt(np.mean(np.square(off)))
    assert result['final']['rmse_forces_mev_a'] == pytest.approx(rmse, rel=1e-5)


@pytest.mark.real
def test_average_energies_are_the_least_squares_ones(scratch):
    """Of one composition only, least squares shares the energy in proportion to numbers."""
    _, result = scratch
    mean = np.mean([frame.info['REF_energy'] for frame in labelled(6, seed=1, prefix='t')])
    assert result['e0s']['H'] == pytest.approx(mean * 4 / 20, rel=1e-6)
    assert result['e0s']['Mg'] == pytest.approx(mean * 2 / 20, rel=1e-6)


@pytest.mark.real
def test_savings_change_no_weight(scratch, tmp_path, monkeypatch):
    monkeypatch.setattr(train, '_QUICK', False)
    assert run(tmp_path)['sha256'] == scratch[1]['sha256']
    assert 'Error-table' in (tmp_path / 'mace.log').read_text()


@pytest.mark.real
def test_fine_tuning_starts_where_the_start_ended(scratch, tmp_path):
    folder, before = scratch
    frames = labelled(6, seed=1, prefix='t')
    options = {'start': folder, 'train_frames': frames, 'seed': 2}
    still = run(tmp_path / 'still', learning_rate=1e-12, max_epochs=1, **options)
    assert still['final']['rmse_forces_mev_a'] == pytest.approx(
        before['final']['rmse_forces_mev_a'], rel=1e-6
    )
    assert still['e0s'] == before['e0s']
    assert 'not on record' in still['warnings'][0]
    assert (
        still['warnings']
        == read_potential(tmp_path / 'still' / 'trained').metadata.provenance['training'][
            'warnings'
        ]
    )
    tuned = run(tmp_path / 'tuned', learning_rate=0.01, max_epochs=8, **options)
    assert tuned['sha256'] != before['sha256']
    assert tuned['final']['loss'] < 0.9 * before['final']['loss']
    assert not list(tmp_path.glob('*/*.model'))


@pytest.mark.real
def test_start_that_does_not_fit_is_refused(scratch, tmp_path):
    folder, _ = scratch
    frames = labelled(2, seed=1, prefix='t')
    frames[0].symbols[0] = 'Ca'
    refused(tmp_path, PotentialError, 'Ca', start=folder, train_frames=frames)
    refused(tmp_path, JobFileError, 'foundation', start=folder, e0s='average')
    metadata = read_potential(folder / 'trained').metadata
    with pytest.raises(JobFileError, match='num_channels'):
        read({'seed': 1, 'model': {**MODEL, 'num_channels': 8}}, start=metadata)
    assert read({'seed': 1, 'model': MODEL}, start=metadata).model == MODEL
    assert read({'seed': 1}, start=metadata).e0s == 'foundation'


def start_job(folder):
    """Start the job as a scheduler does, and wait until an epoch is done."""
    job = subprocess.Popen(
        [sys.executable, '-m', 'aiida_insbench.jobs', 'train', 'job.json'], cwd=folder
    )
    progress = folder / 'progress.jsonl'
    deadline = time.monotonic() + 120
    while not (progress.exists() and '"training"' in progress.read_text()):
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return job


def children_in(folder):
    """Processes that work in the training folder."""
    found = []
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            place = (entry / 'cwd').readlink()
        except OSError:
            continue
        if str(place).startswith(str(folder / 'training')):
            found.append(int(entry.name))
    return found


@pytest.mark.real
@pytest.mark.skipif(not Path('/proc/self').is_dir(), reason='looks for processes in /proc')
def test_training_that_is_ended_starts_again_and_gives_the_same_weights(scratch, tmp_path):
    write_job(tmp_path, max_epochs=1000)
    job = start_job(tmp_path)
    assert children_in(tmp_path)
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 12
    assert json.loads((tmp_path / 'error.json').read_text())['type'] == 'InterruptedJobError'
    assert not children_in(tmp_path)
    assert not (tmp_path / 'training').exists()
    assert not (tmp_path / 'checkpoints').exists()
    assert json.loads((tmp_path / 'training_curve.json').read_text())['epoch']
    assert not (tmp_path / 'trained.json').exists()

    (tmp_path / 'progress.jsonl').unlink()
    job = start_job(tmp_path)
    job.kill()
    job.wait(30)
    deadline = time.monotonic() + 30
    while children_in(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert list((tmp_path / 'checkpoints').iterdir())

    write_job(tmp_path)
    assert run_stage('train', tmp_path / 'job.json') == 0
    again = json.loads((tmp_path / 'result.json').read_text())
    assert again['result']['sha256'] == scratch[1]['sha256']
    assert again['versions']['mace-torch'] == '0.3.16'
    assert not (tmp_path / 'training').exists()


# ---- strategies ------------------------------------------------------------------------------


def replayed():
    """Frames of another crystal of the same elements."""
    frames = labelled(8, seed=5, prefix='p')
    for frame in frames:
        frame.info['REF_energy'] += 3.0  # another level of theory
    return frames


@pytest.mark.real
def test_replay_trains_both_heads_and_keeps_one(scratch, tmp_path):
    folder, _ = scratch
    options = {'start': folder, 'replay': replayed(), 'max_epochs': 3, 'learning_rate': 0.005}
    kept = run(tmp_path / 'both', **{**options, 'replay_options': {'keep_head': True}})
    assert kept['strategy'] == 'multihead_replay'
    assert kept['n_replay'] == 8
    assert kept['heads'] == ['pt_head', 'Default']
    assert kept['replay']['n_frames'] == 1
    curve = json.loads((tmp_path / 'both' / 'training_curve.json').read_text())
    assert len(curve['replay_rmse_forces_mev_a']) == 3

    one = run(tmp_path / 'one', **options)
    assert one['heads'] == ['Default']
    for name in ('rmse_forces_mev_a', 'rmse_energy_mev_atom'):
        assert one['final'][name] == pytest.approx(kept['final'][name], rel=1e-6)

    heavy = run(tmp_path / 'heavy', **{**options, 'replay_options': {'weight': 100.0}})
    assert heavy['sha256'] != one['sha256']


@pytest.mark.real
def test_low_rank_updates_come_back_merged(scratch, tmp_path):
    folder, before = scratch
    tuned = run(
        tmp_path, start=folder, strategy='lora', lora={'rank': 2}, max_epochs=6, learning_rate=0.02
    )
    start, end = (read_potential(place / 'trained') for place in (folder, tmp_path))
    assert tuned['strategy'] == 'lora'
    assert end.metadata.tensors.keys() == start.metadata.tensors.keys()
    assert tuned['sha256'] != before['sha256']
    assert tuned['final']['loss'] < before['final']['loss']


@pytest.mark.real
def test_energies_of_another_level_are_met_by_isolated_atoms(scratch, tmp_path):
    """Shifted by a constant per atom, the frames fit the start potential at once."""
    folder, before = scratch
    frames = labelled(6, seed=1, prefix='t')
    held_out = labelled(3, seed=2, prefix='v')
    for frame in (*frames, *held_out):
        frame.info['REF_energy'] += 7.0 * len(frame)
    options = {
        'start': folder,
        'train_frames': frames,
        'validation': held_out,
        'learning_rate': 1e-12,
        'max_epochs': 1,
    }
    moved = run(tmp_path / 'estimated', e0s='estimated', **options)
    assert moved['e0s']['H'] - before['e0s']['H'] == pytest.approx(4 / 20 * 42, abs=0.02)
    assert moved['final']['rmse_energy_mev_atom'] < 2 * before['final']['rmse_energy_mev_atom']
    given = {'H': before['e0s']['H'] + 7.0, 'Mg': before['e0s']['Mg'] + 7.0}
    told = run(tmp_path / 'told', e0s=given, **options)
    assert told['e0s'] == pytest.approx(given)
    assert told['final']['rmse_energy_mev_atom'] == pytest.approx(
        before['final']['rmse_energy_mev_atom'], rel=1e-3
    )
    kept = run(tmp_path / 'kept', **options)
    assert kept['final']['rmse_energy_mev_atom'] == pytest.approx(7000, rel=0.01)


@pytest.mark.real
def test_second_stage_and_patience(tmp_path):
    result = run(
        tmp_path / 'staged',
        max_epochs=5,
        stage_two={'start': 3, 'energy_weight': 50.0, 'learning_rate': 0.005},
    )
    assert result['stage_two'] is True
    assert result['best_epoch'] >= 4
    ended = run(tmp_path / 'ended', max_epochs=60, patience=2, learning_rate=0.2, ema_decay=0)
    assert ended['stopped_early'] is True
    assert ended['epochs'] == ended['best_epoch'] + 2 < 60


def test_checkpoint_is_whole_whenever_it_is_killed(tmp_path, monkeypatch):
    """The old one stays until the new one is in place."""
    checkpoint = pytest.importorskip('mace.tools.checkpoint')
    monkeypatch.setattr(checkpoint.CheckpointIO, 'save', checkpoint.CheckpointIO.save)
    monkeypatch.chdir(tmp_path)
    keep_checkpoints_whole()
    home = tmp_path / 'checkpoints'
    io = checkpoint.CheckpointIO(str(home), tag='run')
    io.save({'weights': 1}, epochs=1)
    assert [path.name for path in home.iterdir()] == ['run_epoch-1.pt']

    def killed(obj, f):
        Path(f).write_bytes(b'half')
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.torch, 'save', killed)
        with pytest.raises(KeyboardInterrupt):
            io.save({'weights': 2}, epochs=2)
    assert [path.name for path in home.iterdir()] == ['run_epoch-1.pt']
    again = checkpoint.CheckpointIO(str(home), tag='run')
    assert again.load_latest() == ({'weights': 1}, 1)
    again.save({'weights': 3}, epochs=3)
    again.save({'weights': 4}, epochs=4)
    assert sorted(path.name for path in home.iterdir()) == ['run_epoch-1.pt', 'run_epoch-4.pt']


@pytest.mark.real
def test_resumed_training_goes_on_from_its_checkpoint(tmp_path):
    write_job(tmp_path, max_epochs=1000, resume='checkpoint', learning_rate=0.005)
    job = start_job(tmp_path)
    deadline = time.monotonic() + 60
    while len((tmp_path / 'progress.jsonl').read_text().splitlines()) < 8:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 12
    reached = json.loads((tmp_path / 'training_curve.json').read_text())
    names = [path.stem for path in (tmp_path / 'checkpoints').iterdir()]
    kept = max(int(name.rpartition('-')[2]) for name in names)
    # it may have ended between an epoch's checkpoint and its record, or the other way round
    best = reached['epoch'][int(np.argmin(reached['loss']))]
    assert abs(kept - best) <= 2
    write_job(
        tmp_path,
        max_epochs=kept + 4,
        resume='checkpoint',
        resumed=True,
        learning_rate=0.005,
        resume_rate_factor=0.5,
    )
    assert run_stage('train', tmp_path / 'job.json') == 0
    result = json.loads((tmp_path / 'result.json').read_text())['result']
    assert result['resumed_from_epoch'] == kept
    assert result['final']['loss'] < 1.2 * min(reached['loss'])
    assert not (tmp_path / 'checkpoints').exists()
