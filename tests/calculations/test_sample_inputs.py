"""Inputs of `insbench.sample` by method: what each needs, refuses and writes into its job file."""

import json

import numpy as np
import pytest
from aiida.common.folders import SandboxFolder
from aiida.orm import Data, Dict, Int, List, Str, StructureData, TrajectoryData
from ase.build import bulk, molecule
from fake_nodes import code, dataset, potential, process, structure

from aiida_insbench.calculations.sample import SampleCalculation, trajectory_text
from aiida_insbench.jobs import sample as sample_stage
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.sample_settings import METHODS
from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.frames import read_frames

UNIT = np.eye(3, dtype=int).tolist()
CELLS = [{'supercell_matrix': UNIT, 'count': 2}]
RATTLE = {'volume_range': [0.98, 1.02], 'strain': 0.0, 'rattle': {'Mg': [0, 0.01], 'H': [0, 0.01]}}


def boxed():
    atoms = molecule('H2O', vacuum=6.0)
    atoms.pbc = True
    return StructureData(ase=atoms)


def argon_run(*, energies=True, cells=True):
    start = bulk('Ar', 'fcc', a=5.3, cubic=True)
    moves = np.random.default_rng(1).normal(scale=0.05, size=(30, 4, 3))
    node = TrajectoryData()
    node.set_trajectory(
        symbols=start.get_chemical_symbols(),
        positions=start.positions + moves,
        cells=np.array([start.cell.array] * 30) if cells else None,
    )
    if energies:
        node.set_array('energy', -30.0 + (moves**2).sum(axis=(1, 2)))
    return node


def nodes(**given):
    makers = {str: Str, int: Int, list: List, dict: Dict}
    made = {'code': code(), 'prefix': Str('x'), 'settings': Dict({})}
    for key, value in given.items():
        plain = isinstance(value, Data) or key in ('structures', 'potentials')
        made[key] = value if plain else makers[type(value)](value)
    return made


def job_file(tmp_path, **given):
    made = process(SampleCalculation, nodes(**given))
    with SandboxFolder() as folder:
        made.prepare_for_submission(folder)
        for name in folder.get_content_list():
            with folder.open(name, 'rb') as handle:
                (tmp_path / name).write_bytes(handle.read())
    return json.loads((tmp_path / 'job.json').read_text())


def refusal(**given):
    with pytest.raises(ValueError, match='Error occurred validating port') as caught:
        process(SampleCalculation, nodes(**given))
    return str(caught.value)


def test_crystals_by_pressure(tmp_path):
    given = {'p_0000': structure(), 'p_2000': structure(a=4.35)}
    job = job_file(
        tmp_path,
        method='strain-rattle',
        structures=given,
        seed=1,
        cells=CELLS,
        settings=RATTLE,
    )
    assert set(job['structures']) == set(given)
    assert 'structure' not in job
    result = sample_stage.run(job, tmp_path, Progress(tmp_path, 'sample'))
    assert result['details']['frames_by_pressure'] == {'p_0000': 1, 'p_2000': 1}


@pytest.mark.parametrize('kind', ['trajectory', 'pool', 'labelled'])
def test_trajectory_from_either_node(kind, tmp_path):
    node = argon_run() if kind == 'trajectory' else dataset(8, labelled=kind == 'labelled')
    job = job_file(
        tmp_path,
        method='trajectory',
        trajectory=node,
        pressures=[0.0],
        seed=1,
        cells=CELLS,
        settings={'stride': 1},
    )
    result = sample_stage.run(job, tmp_path, Progress(tmp_path, 'sample'))
    assert result['n_frames'] == 2
    assert (result['details']['energy_time'] is None) == (kind == 'pool')
    for frame in read_frames((tmp_path / 'frames.extxyz').read_text()):
        assert 'REF_energy' not in frame.info
        assert 'REF_forces' not in frame.arrays


def test_trajectory_text_keeps_places_and_energies():
    node = argon_run()
    frames = read_frames(trajectory_text(node))
    assert len(frames) == 30
    assert frames[7].positions == pytest.approx(node.get_positions()[7], abs=1e-7)
    assert frames[7].info['potential_energy'] == pytest.approx(node.get_array('energy')[7])
    bare = read_frames(trajectory_text(argon_run(energies=False)))
    assert 'potential_energy' not in bare[0].info
    with pytest.raises(StructureError, match='no cells'):
        trajectory_text(argon_run(cells=False))


@pytest.mark.parametrize('method', list(METHODS))
def test_each_method_says_what_it_lacks(method):
    assert f'`{method}` needs the inputs' in refusal(method=method)


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        ({'structure': structure, 'structures': {'p_0000': structure}}, 'got both'),
        ({'structure': boxed, 'pressures': [1.0]}, 'gap of 12'),
        ({'structures': {'p_1000': boxed}}, 'structures.p_1000'),
        ({'structures': {'ambient': structure}}, 'not a pressure label'),
        ({'structure': structure, 'pressures': [0.0], 'potential': potential}, 'not read the'),
        (
            {'structure': structure, 'pressures': [0.0], 'settings': {'strain': 0.1}},
            'Missing settings: rattle, volume_range',
        ),
        (
            {
                'structure': structure,
                'pressures': [0.0],
                'settings': RATTLE | {'rattle': {'Xx': [0, 0]}},
            },
            'no chemical element',
        ),
        (
            {'structure': structure, 'pressures': [0.0], 'settings': RATTLE | {'shake': 1}},
            'Unknown settings: shake',
        ),
        ({'structure': structure, 'pressures': [0.0], 'cells': [{'count': 1}]}, 'supercell_matrix'),
        (
            {
                'structure': structure,
                'pressures': [0.0],
                'cells': [{'count': -1, 'supercell_matrix': UNIT}],
            },
            'count',
        ),
    ],
)
def test_bad_inputs_are_refused_before_submission(given, words):
    built = {
        key: {label: make() for label, make in value.items()}
        if key == 'structures'
        else value()
        if callable(value)
        else value
        for key, value in given.items()
    }
    base = {'method': 'strain-rattle', 'seed': 1, 'cells': CELLS, 'settings': RATTLE}
    assert words in refusal(**(base | built))


DISPUTED = {
    'method': 'disputed-modes',
    'pressures': [0.0],
    'seed': 1,
    'cells': CELLS,
    'settings': {'temperature': 60, 'frequency_floor': 80, 'strain': 0.0},
}


def disputed(**changes):
    return DISPUTED | {'structure': structure()} | changes


def test_a_committee_is_written_by_name(tmp_path):
    members = {'two': potential(scale=2.0), 'one': potential()}
    job = job_file(tmp_path, **disputed(potentials=members))
    assert job['potentials'] == {'one': 'potential_one', 'two': 'potential_two'}
    for name, node in members.items():
        assert (tmp_path / f'potential_{name}.json').read_text() == node.get_metadata_text()
    assert 'potential' not in job


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({}, 'needs the inputs potentials'),
        ({'potentials': ['one']}, 'needs two `potentials` or more'),
        ({'potentials': ['one', 'two'], 'potential': potential}, 'does not read the inputs'),
        ({'potentials': ['one', 'two'], 'settings': {'least_share': 3.0}}, 'least_share'),
        ({'potentials': ['one', 'two'], 'settings': {'largest_share': 'all'}}, 'largest_share'),
    ],
)
def test_bad_committees_are_refused_before_submission(changes, words):
    made = {**changes, 'settings': DISPUTED['settings'] | changes.get('settings', {})}
    if 'potentials' in made:
        made['potentials'] = {name: potential() for name in made['potentials']}
    if 'potential' in made:
        made['potential'] = potential()
    assert words in refusal(**disputed(**made))


def test_a_committee_is_not_read_by_others():
    members = {name: potential() for name in ('one', 'two')}
    given = disputed(method='equal-energy', potential=potential(), potentials=members)
    assert 'does not read the inputs potentials' in refusal(**given)


def test_no_random_number_no_seed(tmp_path):
    job = job_file(tmp_path, method='isolated-atoms', structure=structure())
    assert job['seed'] == -1
    result = sample_stage.run(job, tmp_path, Progress(tmp_path, 'sample'))
    assert result['details']['elements'] == ['H', 'Mg']
