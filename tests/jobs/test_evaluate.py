"""The evaluate stage: errors of potentials on labelled frames."""

import dataclasses
import json

import numpy as np
import pytest
from pair_frames import labelled

from aiida_insbench.jobs import evaluate
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress, read_progress
from aiida_insbench.science.errors import DatasetError, JobFileError, PotentialError
from aiida_insbench.science.frames import write_frames
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
    assert arrays['base.forces'].shape == arrays['reference.forces'].shape == (18, 3)
    assert arrays['shifted.stress'].shape == (3, 6)
    assert arrays['reference.energy'] == pytest.approx(
        [frame.info['REF_energy'] for frame in frames], rel=1e-8
    )
    steps = read_progress((tmp_path / 'progress.jsonl').read_text())
    assert [one['message'] for one in steps] == [
        'evaluating base',
        'evaluating shifted',
        'evaluated',
    ]


def small(tmp_path):
    return job_for(tmp_path, {}, labelled(2, seed=1, prefix='t'))


@pytest.mark.parametrize(
    'changes',
    [
        {'potentials': {}},
        {'potentials': {'reference': 'p'}},
        {'potentials': None},
        {'settings': {'batch': 1}},
    ],
)
def test_jobs_that_make_no_sense_are_refused(tmp_path, changes):
    with pytest.raises(JobFileError):
        evaluate.run({**small(tmp_path), **changes}, tmp_path, Progress(tmp_path, 'evaluate'))


def test_frames_without_labels_are_refused(tmp_path):
    frames = labelled(2, seed=1, prefix='t')
    del frames[1].info['REF_energy']
    job = {**job_for(tmp_path, {}, frames), 'potentials': {'p': 'p'}}
    with pytest.raises(DatasetError, match='t_001'):
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
