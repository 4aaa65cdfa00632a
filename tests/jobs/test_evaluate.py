"""The evaluate stage: errors of potentials on labelled frames."""

import dataclasses
import json

import numpy as np
import pytest
from pair_frames import labelled

from aiida_insbench.jobs import evaluate
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress, read_progress
from aiida_insbench.science.devices import check_device
from aiida_insbench.science.errors import (
    DatasetError,
    InputError,
    JobFileError,
    OutOfMemoryError,
    PotentialError,
)
from aiida_insbench.science.frames import write_frames
from aiida_insbench.science.parity import predict
from aiida_insbench.science.potentials import calculator, potential_from_mace, write_potential

pytestmark = pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::DeprecationWarning')


@pytest.fixture(scope='module')
def potentials():
    """Two potentials with random weights; they differ in the energies of isolated atoms."""
    import mace.modules as modules
    import torch
    from e3nn import o3

    found = {}
    torch.set_default_dtype(torch.float64)
    for name, shift in (('base', 0.0), ('shifted', 0.1)):
        torch.manual_seed(1)
        model = modules.ScaleShiftMACE(
            r_max=3.5,
            num_bessel=4,
            num_polynomial_cutoff=5,
            max_ell=1,
            interaction_cls=modules.RealAgnosticResidualInteractionBlock,
            interaction_cls_first=modules.RealAgnosticInteractionBlock,
            num_interactions=2,
            num_elements=2,
            hidden_irreps=o3.Irreps('4x0e'),
            MLP_irreps=o3.Irreps('4x0e'),
            atomic_energies=np.array([[-0.5 + shift, -0.2 + shift]]),
            avg_num_neighbors=10.0,
            atomic_numbers=[1, 12],
            correlation=2,
            gate=torch.nn.functional.silu,
            atomic_inter_scale=[1.0],
            atomic_inter_shift=[0.0],
        )
        found[name] = potential_from_mace(model, provenance={})
    torch.set_default_dtype(torch.float32)
    return found


def job_for(folder, potentials, frames):
    folder.mkdir(exist_ok=True)
    (folder / 'dataset.extxyz').write_text(write_frames(frames))
    for name, potential in potentials.items():
        write_potential(potential, folder / f'potential_{name}')
    job = {
        'schema': 1,
        'stage': 'evaluate',
        'dataset': 'dataset.extxyz',
        'potentials': {name: f'potential_{name}' for name in potentials},
    }
    (folder / 'job.json').write_text(json.dumps(job))
    return job


@pytest.mark.real
def test_errors_of_two_potentials(tmp_path, potentials):
    frames = labelled(3, seed=1, prefix='t')
    job_for(tmp_path, potentials, frames)
    assert run_stage('evaluate', tmp_path / 'job.json') == 0
    found = json.loads((tmp_path / 'result.json').read_text())['result']['potentials']
    base, shifted = found['base'], found['shifted']
    assert base['n_frames'] == 3
    assert base['by_element']['H']['n_atoms'] == 12
    assert list(base['by_pressure']) == ['p_0000', 'p_1000']
    engine = calculator(potentials['base'])
    off = [engine.get_forces(frame) - frame.arrays['REF_forces'] for frame in frames]
    assert base['rmse_forces_mev_a'] == pytest.approx(
        1000 * np.sqrt(np.mean(np.square(off))), rel=1e-5
    )
    # 0.1 eV on every atom moves energies and nothing else
    moved = shifted['mean_energy_error_mev_atom'] - base['mean_energy_error_mev_atom']
    assert moved == pytest.approx(100.0)
    assert shifted['rmse_forces_mev_a'] == pytest.approx(base['rmse_forces_mev_a'], rel=1e-12)

    arrays = np.load(tmp_path / 'predictions.npz', allow_pickle=False)
    assert arrays['base__forces'].shape == arrays['reference__forces'].shape == (18, 3)
    assert arrays['shifted__stress'].shape == (3, 6)
    assert arrays['reference__energy'] == pytest.approx(
        [frame.info['REF_energy'] for frame in frames], rel=1e-8
    )
    steps = read_progress((tmp_path / 'progress.jsonl').read_text())
    assert [(one['message'], one['step'], one['total']) for one in steps] == [
        ('evaluating', 3, 3),
        ('evaluated', 3, 3),
    ]
    assert not (tmp_path / 'chunks').exists()


def evaluated(folder, potentials, frames, **settings):
    job = job_for(folder, potentials, frames)
    return evaluate.run({**job, 'settings': settings}, folder, Progress(folder, 'evaluate'))


@pytest.mark.real
def test_committee_and_descriptors(tmp_path, potentials):
    frames = labelled(3, seed=1, prefix='t')
    found = evaluated(tmp_path, potentials, frames, committee=True, descriptors=True, chunk=2)
    arrays = np.load(tmp_path / 'predictions.npz', allow_pickle=False)
    assert arrays['n_atoms'].tolist() == [6, 6, 6]
    # 0.1 eV on every one of six atoms, two members
    assert arrays['committee_spread__energy'] == pytest.approx(np.full(3, 0.6 / np.sqrt(2)))
    assert arrays['committee_mean__energy'] == pytest.approx(arrays['base__energy'] + 0.3)
    spread = found['committee']['spread']
    assert spread['mean_energy_mev_atom'] == pytest.approx(100 / np.sqrt(2))
    assert spread['largest_force_frame_id'] in {'t_000', 't_001', 't_002'}
    assert found['committee']['errors']['n_frames'] == 3
    engine = calculator(potentials['base'])
    expected = [engine.get_descriptors(frame).mean(axis=0) for frame in frames]
    assert arrays['base__descriptors'] == pytest.approx(np.array(expected), abs=1e-9)


@pytest.mark.real
def test_frames_without_labels_are_predicted(tmp_path, potentials):
    frames = labelled(2, seed=1, prefix='t')
    plain = evaluated(tmp_path, potentials, frames)
    before = dict(np.load(tmp_path / 'predictions.npz', allow_pickle=False))
    for frame in frames:
        del frame.info['REF_energy'], frame.info['REF_stress'], frame.arrays['REF_forces']
    bare = evaluated(tmp_path, potentials, frames)
    after = dict(np.load(tmp_path / 'predictions.npz', allow_pickle=False))
    assert plain['potentials']['base']['n_frames'] == bare['n_frames'] == 2
    assert bare['potentials'] == {'base': None, 'shifted': None}
    assert set(before) - set(after) == {
        'reference__energy',
        'reference__forces',
        'reference__stress',
    }
    assert np.array_equal(before['base__forces'], after['base__forces'])


@pytest.mark.real
def test_killed_evaluation_goes_on_behind_its_chunks(tmp_path, potentials, monkeypatch):
    frames = labelled(7, seed=1, prefix='t')
    whole = evaluated(tmp_path / 'whole', potentials, frames, chunk=2)
    assert whole['resumed'] == 0

    plain, count = evaluate.Engine.predict, []

    def killed(self, chosen, **options):
        count.append(len(chosen))
        if len(count) == 5:
            raise KeyboardInterrupt
        return plain(self, chosen, **options)

    monkeypatch.setattr(evaluate.Engine, 'predict', killed)
    with pytest.raises(KeyboardInterrupt):
        evaluated(tmp_path / 'parts', potentials, frames, chunk=2)
    monkeypatch.undo()
    chunks = tmp_path / 'parts' / 'chunks'
    assert sorted(path.name for path in chunks.iterdir()) == [
        'chunk_000000.npz',
        'chunk_000001.npz',
    ]
    cut = chunks / 'chunk_000001.npz'
    cut.write_bytes(cut.read_bytes()[:200])
    after = evaluated(tmp_path / 'parts', potentials, frames, chunk=2)
    assert after['resumed'] == 2
    assert after['potentials'] == whole['potentials']

    (tmp_path / 'parts' / 'chunks').mkdir()
    np.savez(chunks / 'chunk_000000.npz', frame_ids=np.array(['other']), a=np.zeros(2))
    with pytest.raises(JobFileError, match=r'chunk_000000.npz was left by another'):
        evaluated(tmp_path / 'parts', potentials, frames, chunk=2)


@pytest.mark.real
def test_batches_give_what_single_frames_give(potentials, monkeypatch):
    """The way of a GPU, on a CPU; a batch that does not fit is halved."""
    import torch

    from aiida_insbench.science.mace_batches import BatchedPotential

    frames = labelled(7, seed=1, prefix='t')
    engine = BatchedPotential(potentials['base'], device='cpu', batch=4)
    one_by_one = predict(frames, calculator=calculator(potentials['base']))
    sizes, plain = [], engine._predict_batch

    def small_memory(chosen):
        sizes.append(len(chosen))
        if len(chosen) > 3:
            raise torch.OutOfMemoryError
        return plain(chosen)

    monkeypatch.setattr(engine, '_predict_batch', small_memory)
    found = engine.predict(frames)
    assert sizes == [4, 2, 2, 2, 1]
    for name in ('energy', 'forces', 'stress'):
        assert getattr(found, name) == pytest.approx(getattr(one_by_one, name), abs=1e-10)
    monkeypatch.setattr(engine, '_predict_batch', lambda _: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(OutOfMemoryError, match='One frame is too large'):
        engine.predict(frames)


def test_device_that_is_not_there(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip('this machine has a GPU')
    with pytest.raises(InputError, match=r'finds no GPU.*auto'):
        check_device('cuda')
    assert check_device('auto') == check_device('cpu') == 'cpu'
    with pytest.raises(InputError, match="'tpu'"):
        check_device('tpu')


def small(tmp_path):
    return job_for(tmp_path, {}, labelled(2, seed=1, prefix='t'))


@pytest.mark.parametrize(
    'changes',
    [
        {'potentials': {}},
        {'potentials': {'reference': 'p'}},
        {'potentials': None},
        {'settings': {'batch': 1}},
        {'settings': {'chunk': 0}},
        {'settings': {'committee': True}, 'potentials': {'one': 'p'}},
        {'potentials': {'committee_mean': 'p'}},
    ],
)
def test_jobs_that_make_no_sense_are_refused(tmp_path, changes):
    with pytest.raises(JobFileError):
        evaluate.run({**small(tmp_path), **changes}, tmp_path, Progress(tmp_path, 'evaluate'))


def test_half_a_dataset_of_labels_is_refused(tmp_path):
    frames = labelled(2, seed=1, prefix='t')
    del frames[0].info['REF_energy']
    job = {**job_for(tmp_path, {}, frames), 'potentials': {'p': 'p'}}
    with pytest.raises(DatasetError, match='t_001 carries labels and t_000 does not'):
        evaluate.run(job, tmp_path, Progress(tmp_path, 'evaluate'))
    frames.reverse()
    job = {**job_for(tmp_path, {}, frames), 'potentials': {'p': 'p'}}
    with pytest.raises(DatasetError, match='t_000'):
        evaluate.run(job, tmp_path, Progress(tmp_path, 'evaluate'))


@pytest.mark.real
def test_tampered_and_unfit_potentials_are_refused(tmp_path, potentials):
    frames = labelled(2, seed=1, prefix='t')
    job = job_for(tmp_path, {'base': potentials['base']}, frames)
    weights = tmp_path / 'potential_base.safetensors'
    weights.write_bytes(weights.read_bytes()[:-8] + b'\0' * 8)
    with pytest.raises(PotentialError, match='SHA-256'):
        evaluate.run(job, tmp_path, Progress(tmp_path, 'evaluate'))
    frames[0].symbols[0] = 'Ca'
    job = job_for(tmp_path, {'base': dataclasses.replace(potentials['base'])}, frames)
    with pytest.raises(PotentialError, match='Ca'):
        evaluate.run(job, tmp_path, Progress(tmp_path, 'evaluate'))
