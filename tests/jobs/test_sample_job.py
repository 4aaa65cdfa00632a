"""The sample stage: job files in, frames and result out; what AiiDA would send, with no AiiDA."""

import dataclasses
import json

import numpy as np
import pytest
from ase.spacegroup import crystal

from aiida_insbench.jobs import sample
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress, read_progress
from aiida_insbench.jobs.sample_settings import METHODS
from aiida_insbench.science.errors import InputError, JobFileError
from aiida_insbench.science.frames import check_frames, read_frames
from aiida_insbench.science.sampling.equal_energy import EqualEnergy
from aiida_insbench.science.sampling.gas_molecules import GasMolecules
from aiida_insbench.science.sampling.molecular_rattle import MolecularRattle
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE
from aiida_insbench.science.sampling.strain_rattle import StrainRattle
from aiida_insbench.science.sampling.thermal import Thermal
from aiida_insbench.science.sampling.trajectory import TrajectoryChoice
from aiida_insbench.science.structures import atoms_to_dict

SQRT2 = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]


def structure():
    atoms = crystal(
        ['Mg', 'H'],
        [(0, 0, 0), (0.304, 0.304, 0)],
        spacegroup=136,
        cellpar=[4.501, 4.501, 3.010, 90, 90, 90],
    )
    return atoms_to_dict(atoms)


def rattle_job(**changes):
    job = {
        'schema': 1,
        'stage': 'sample',
        'method': 'strain-rattle',
        'structure': structure(),
        'pressures': [0, 1, 2],
        'seed': 1,
        'prefix': 'r1',
        'cells': [
            {'supercell_matrix': np.eye(3, dtype=int).tolist(), 'count': 3},
            {'supercell_matrix': SQRT2, 'count': 2},
        ],
        'settings': {
            'volume_range': [0.945, 1.015],
            'strain': 0.005,
            'rattle': {'Mg': [0.01, 0.02], 'H': [0.02, 0.06]},
        },
    }
    return job | changes


def frozen_job(**changes):
    job = {
        'schema': 1,
        'stage': 'sample',
        'method': 'frozen-phonon',
        'structures': {'p_0000': structure(), 'p_1000': structure()},
        'seed': -1,
        'prefix': 'fp',
        'settings': {'displacement': 0.01, 'symprec': 1e-3},
    }
    return job | changes


def run(job, folder):
    folder.mkdir(exist_ok=True)
    (folder / 'job.json').write_text(json.dumps(job))
    code = run_stage('sample', folder / 'job.json')
    name = 'error.json' if code else 'result.json'
    return code, json.loads((folder / name).read_text())


def test_strain_rattle(tmp_path):
    code, record = run(rattle_job(), tmp_path)
    assert code == 0, record
    result = record['result']
    assert result['n_frames'] == 5
    assert result['by_method'] == {'strain-rattle': 5}
    assert result['refused'] == 0
    assert sum(result['details']['frames_by_pressure'].values()) == 5
    frames = read_frames((tmp_path / 'frames.extxyz').read_text())
    check_frames(frames, labelled=False)
    assert [len(frame) for frame in frames] == [6, 6, 6, 12, 12]
    assert read_progress((tmp_path / 'progress.jsonl').read_text())[-1]['step'] == 5
    assert not list(tmp_path.glob('*.part'))


def test_the_seed_decides_the_bytes(tmp_path):
    texts = []
    for number, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(number)
        run(rattle_job(seed=seed), folder)
        texts.append((folder / 'frames.extxyz').read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_frozen_phonon(tmp_path):
    code, record = run(frozen_job(), tmp_path)
    assert code == 0, record
    assert record['result']['n_frames'] == 8
    assert record['result']['details'] == {'frames_by_pressure': {'p_0000': 4, 'p_1000': 4}}
    frames = read_frames((tmp_path / 'frames.extxyz').read_text())
    assert frames[3].info['frame_id'] == 'fp_p_0000_003'
    moved = frames[0].positions - np.array(structure()['positions'])
    assert np.linalg.norm(moved) == pytest.approx(0.01, abs=1e-7)
    run(frozen_job(settings={'displacement': 0.03}), tmp_path)
    frames = read_frames((tmp_path / 'frames.extxyz').read_text())
    moved = frames[0].positions - np.array(structure()['positions'])
    assert np.linalg.norm(moved) == pytest.approx(0.03, abs=1e-7)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'method': 'magic'}, 'known are strain-rattle'),
        ({'method': None}, 'lacks method'),
        ({'prefix': '1st'}, 'prefix'),
        ({'seed': -1}, 'seed'),
        ({'seed': 1.5}, 'seed'),
        ({'pressures': None}, 'needs the inputs pressures'),
        ({'cells': []}, 'counts are 0'),
        ({'cells': [{'count': 2}]}, 'supercell_matrix'),
        ({'cells': [{'supercell_matrix': SQRT2, 'count': 'two'}]}, 'count'),
        ({'settings': {'strain': 0.1}}, 'Missing settings: rattle, volume_range'),
        ({'settings': rattle_job()['settings'] | {'shake': 1}}, 'Unknown settings: shake'),
        ({'settings': rattle_job()['settings'] | {'strain': 'much'}}, r'settings\.strain'),
        ({'settings': rattle_job()['settings'] | {'volume_range': [1]}}, 'volume_range'),
        ({'settings': rattle_job()['settings'] | {'rattle': {'Mg': 0.1}}}, r'settings\.Mg'),
        ({'settings': 7}, 'dictionary'),
        ({'method': 'equal-energy'}, 'needs the inputs potential'),
        ({'method': 'frozen-phonon'}, 'needs the inputs structures'),
    ],
)
def test_wrong_jobs_are_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        sample.run(rattle_job(**change), tmp_path, Progress(tmp_path, 'sample'))
    assert not (tmp_path / 'frames.extxyz').exists()


def test_true_is_no_number(tmp_path):
    job = rattle_job(settings=rattle_job()['settings'] | {'strain': True})
    with pytest.raises(JobFileError, match='strain'):
        sample.run(job, tmp_path, Progress(tmp_path, 'sample'))


@pytest.mark.parametrize(
    ('method', 'settings_class', 'not_science'),
    [
        ('strain-rattle', StrainRattle, set()),
        ('equal-energy', EqualEnergy, {'device'}),
        ('molecular-rattle', MolecularRattle, set()),
        ('thermal', Thermal, {'device'}),
        ('trajectory', TrajectoryChoice, set()),
        ('gas-molecules', GasMolecules, set()),
    ],
)
def test_defaults_are_those_of_the_science(method, settings_class, not_science):
    inputs = METHODS[method]
    fields = {field.name: field.default for field in dataclasses.fields(settings_class)}
    assert set(fields) == (set(inputs.defaults) | set(inputs.needed)) - not_science
    for name, default in inputs.defaults.items():
        if name not in not_science and fields[name] is not dataclasses.MISSING:
            assert fields[name] == default
    assert inputs.defaults.get('minimum_contact') == MINIMUM_SHARE


def test_frames_of_today_stay_what_they_are(tmp_path):
    """Datasets labelled before stand on these draws: a change of them is a new method."""
    run(rattle_job(), tmp_path)
    frames = read_frames((tmp_path / 'frames.extxyz').read_text())
    ends = [frames[number].positions[-1] for number in (0, 4)]
    assert ends[0] == pytest.approx([3.69105271, 0.74101794, 1.41936407], abs=2e-8)
    assert ends[1] == pytest.approx([3.66586542, 5.32315961, 1.46707011], abs=2e-8)
    volumes = [frames[number].get_volume() for number in (0, 4)]
    assert volumes == pytest.approx([61.623403804173755, 117.78087520825466], rel=1e-12)
