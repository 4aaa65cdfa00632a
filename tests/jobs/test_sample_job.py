"""The sample stage: job files in, frames and result out; what AiiDA would send, with no AiiDA."""

import dataclasses
import functools
import json
import re

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.spacegroup import crystal

from aiida_insbench.jobs import sample
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress, read_progress
from aiida_insbench.jobs.sample_settings import METHODS
from aiida_insbench.science.ase_calculators import potential_from_ase
from aiida_insbench.science.errors import InputError, JobFileError
from aiida_insbench.science.frames import check_frames, read_frames, write_frames
from aiida_insbench.science.potentials import write_potential
from aiida_insbench.science.relaxation import relax
from aiida_insbench.science.sampling.disputed_modes import DisputedModes
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
        ('disputed-modes', DisputedModes, {'device'}),
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


# --- the other methods, each through the program --------------------------------------------

UNIT = np.eye(3, dtype=int).tolist()


def water_ice():
    """Two water molecules a cell."""
    atoms = molecule('H2O') + molecule('H2O')
    atoms.positions[3:] += [2.6, 2.4, 2.5]
    atoms.set_cell([4.4, 4.8, 5.0])
    atoms.pbc = True
    return atoms


def argon_run(count=300):
    """Atoms of argon that forget within some frames; energies among them."""
    start = bulk('Ar', 'fcc', a=5.3, cubic=True)
    rng = np.random.default_rng(5)
    moves, frames = np.zeros((4, 3)), []
    for _ in range(count):
        moves = 0.7 * moves + 0.05 * rng.normal(size=(4, 3))
        frame = start.copy()
        frame.positions += moves
        frame.info = {'potential_energy': -1.0 + float((moves**2).sum())}
        frames.append(frame)
    return frames


@functools.cache
def copper_gold():
    atoms = bulk('Cu', cubic=True, a=3.75)
    atoms.symbols[0] = 'Au'
    return relax(atoms=atoms, calculator=EMT(), pressure=0.0).atoms


RATTLE = {'O': [0.01, 0.02], 'H': [0.03, 0.09]}
MOLECULAR = {
    'volume_range': [0.98, 1.02],
    'strain': 0.004,
    'translation': 0.05,
    'rotation': 4.0,
    'rattle': RATTLE,
}
_LJ = {'epsilon': 0.0104, 'rc': 8.5, 'smooth': True}
ARGON = {'one': {**_LJ, 'sigma': 3.4}, 'two': {**_LJ, 'sigma': 3.38}}
WAYS = {
    'rattle about each': {
        'method': 'strain-rattle',
        'structures': 'hydride',
        'cells': [{'supercell_matrix': UNIT, 'count': 5}],
        'settings': rattle_job()['settings'],
    },
    'molecular': {
        'method': 'molecular-rattle',
        'structure': 'ice',
        'pressures': [0, 1],
        'cells': [{'supercell_matrix': UNIT, 'count': 4}],
        'settings': MOLECULAR,
    },
    'molecular about each': {
        'method': 'molecular-rattle',
        'structures': 'ice',
        'cells': [{'supercell_matrix': UNIT, 'count': 4}],
        'settings': MOLECULAR,
    },
    'bonds kept': {
        'method': 'strain-rattle',
        'structure': 'ice',
        'pressures': [0],
        'cells': [{'supercell_matrix': UNIT, 'count': 4}],
        'settings': {
            'volume_range': [1.0, 1.0],
            'strain': 0.0,
            'rattle': RATTLE,
            'keep_bonds': True,
            'bond_spread': 0.01,
        },
    },
    'equal energy about each': {
        'method': 'equal-energy',
        'structures': 'alloy',
        'potential': 'potential',
        'cells': [{'supercell_matrix': UNIT, 'count': 3}],
        'settings': {'temperature': 60, 'frequency_floor': 30, 'strain': 0.0},
    },
    'thermal': {
        'method': 'thermal',
        'structure': 'alloy',
        'pressures': [0, 2],
        'potential': 'potential',
        'cells': [{'supercell_matrix': UNIT, 'count': 3}],
        'settings': {'temperature': 0, 'strain': 0.002},
    },
    'thermal about each': {
        'method': 'thermal',
        'structures': 'alloy',
        'pressures': [2],
        'potential': 'potential',
        'cells': [{'supercell_matrix': UNIT, 'count': 2}],
        'settings': {'temperature': 300, 'strain': 0.0},
    },
    'disputed': {
        'method': 'disputed-modes',
        'structure': 'argon',
        'pressures': [0, 2],
        'potentials': ARGON,
        'cells': [{'supercell_matrix': UNIT, 'count': 3}],
        'settings': {'temperature': 60, 'frequency_floor': 30, 'strain': 0.0},
    },
    'disputed about each': {
        'method': 'disputed-modes',
        'structures': 'argon',
        'potentials': ARGON,
        'cells': [{'supercell_matrix': UNIT, 'count': 3}],
        'settings': {'temperature': 60, 'frequency_floor': 30, 'strain': 0.0},
    },
    'trajectory': {
        'method': 'trajectory',
        'trajectory': 'run.extxyz',
        'pressures': [1.5],
        'cells': [{'supercell_matrix': UNIT, 'count': 6}],
        'settings': {'discard': 20},
    },
    'gas': {'method': 'gas-molecules', 'structure': 'ice', 'settings': {
        'count': 3, 'rattle': RATTLE,
    }},
    'atoms': {'method': 'isolated-atoms', 'structure': 'hydride', 'settings': {'box': 9.0}},
}  # fmt: skip
CRYSTALS = {
    'hydride': structure,
    'ice': lambda: atoms_to_dict(water_ice()),
    'argon': lambda: atoms_to_dict(bulk('Ar', 'fcc', a=5.3, cubic=True)),
}


def job_of(way, folder, **changes):
    """A job file of one of `WAYS`, its companions in `folder`."""
    folder.mkdir(exist_ok=True)
    crystals = {**CRYSTALS, 'alloy': lambda: atoms_to_dict(copper_gold())}
    job = {'schema': 1, 'stage': 'sample', 'seed': 1, 'prefix': 'x1', **WAYS[way]}
    if 'structure' in job:
        job['structure'] = crystals[job['structure']]()
    if 'structures' in job:
        made = crystals[job['structures']]()
        job['structures'] = {'p_0000': made, 'p_2000': made}
    if 'potential' in job:
        write_potential(potential_from_ase('emt'), folder / 'potential')
    if 'potentials' in job:
        for name, arguments in job['potentials'].items():
            write_potential(potential_from_ase('lj', arguments), folder / f'potential_{name}')
        job['potentials'] = {name: f'potential_{name}' for name in job['potentials']}
    if 'trajectory' in job:
        (folder / 'run.extxyz').write_text(write_frames(argon_run()))
    return job | changes


@pytest.mark.parametrize('way', list(WAYS))
def test_same_seed_same_bytes_and_another_seed_other_bytes(way, tmp_path):
    texts, results = [], []
    for number, seed in enumerate((1, 1, 2)):
        code, record = run(job_of(way, tmp_path / str(number), seed=seed), tmp_path / str(number))
        assert code == 0, record
        texts.append((tmp_path / str(number) / 'frames.extxyz').read_bytes())
        results.append(record['result'])
    assert texts[0] == texts[1]
    if way != 'atoms':
        assert texts[0] != texts[2]
    frames = read_frames(texts[0].decode())
    check_frames(frames, labelled=False)
    assert results[0]['n_frames'] == len(frames)
    assert len(results[0]['by_method']) == 1
    assert results[0]['refused'] >= 0
    for frame in frames:
        assert {'frame_id', 'method', 'target_pressure', 'seed', 'supercell_matrix'} <= set(
            frame.info
        )


def details_of(way, folder, **changes):
    code, record = run(job_of(way, folder, **changes), folder)
    assert code == 0, record
    return record['result']['details']


def test_details_say_what_was_found(tmp_path):
    found = details_of('rattle about each', tmp_path / '1')
    assert found == {'seed': 1, 'frames_by_pressure': {'p_0000': 3, 'p_2000': 2}}
    found = details_of('molecular', tmp_path / '2')
    assert found['molecules'] == [{'formula': 'H2O', 'count': 2}]
    assert (found['bonds_kept'], found['hydrogens_without_bond']) == (4, 0)
    found = details_of('equal energy about each', tmp_path / '3')
    assert found['relax_steps'] == {'p_0000': 0, 'p_2000': 0}
    assert found['residual_forces']['p_0000'] < 1e-3
    # relaxed at 0 GPa, given as the crystal of 2 GPa
    assert found['residual_stresses']['p_2000'] == pytest.approx(2.0, abs=0.02)
    found = details_of('thermal', tmp_path / '4')
    assert found['imaginary_modes'] == {'p_0000': 0, 'p_2000': 0}
    assert found['modes_at_rest'] == {'p_0000': 3, 'p_2000': 3}
    assert found['relax_steps']['p_2000'] > 0
    for way in ('disputed', 'disputed about each'):
        found = details_of(way, tmp_path / way)
        assert found['committee'] == ['one', 'two']
        assert ('residual_forces' in found) == (way != 'disputed')
        assert found['modes_at_floor'] == 0
        for label, rows in found['disputed_modes'].items():
            assert found['spectrum_spread'][label] > 0.1
            assert [row['part'] for row in rows] == sorted((r['part'] for r in rows), reverse=True)
            assert all(0.25 <= row['share'] <= 4 for row in rows)
            assert rows[0]['elements'] == pytest.approx({'Ar': 1.0})
    found = details_of('trajectory', tmp_path / '5')
    assert found['trajectory_frames'] == 280
    assert 3 < found['displacement_time'] < 9
    assert found['stride'] >= found['displacement_time']
    assert min(found['source_frames']) >= 20
    assert min(np.diff(found['source_frames'])) >= found['stride']
    found = details_of('gas', tmp_path / '6')
    assert found['kinds'] == [{'formula': 'H2O', 'count': 2, 'atoms': [0, 1, 2], 'frames': 3}]
    found = details_of('atoms', tmp_path / '7')
    assert found == {'elements': ['H', 'Mg'], 'box': [9.0, 9.18, 9.36]}


def polonium():
    return atoms_to_dict(bulk('Po', 'sc', a=3.3))


SHARES = WAYS['disputed']['settings']


def on_top(data):
    positions = [list(place) for place in data['positions']]
    positions[1] = [x + 0.1 for x in positions[0]]
    return data | {'positions': positions}


def not_finite(data):
    return data | {'positions': [[float('nan'), 0, 0], *data['positions'][1:]]}


def boxed(data):
    cell = [list(row) for row in data['cell']]
    cell[2] = [0.0, 0.0, 20.0]
    return data | {'cell': cell}


@pytest.mark.parametrize(
    ('way', 'changes', 'words'),
    [
        ('molecular', {'structure': on_top}, 'atoms 0 .* and 1 .* apart'),
        ('molecular', {'structure': not_finite}, 'not finite'),
        ('molecular', {'structure': boxed}, r'gap of 1\d\.\d Å .* axis c.*pressure of 1\.0 GPa'),
        ('thermal', {'structure': boxed}, r'gap of 1\d\.\d Å'),
        ('thermal', {'settings': {'temperature': -5, 'strain': 0}}, 'temperature'),
        ('thermal', {'potential': None}, 'needs the inputs potential'),
        ('disputed', {'potentials': None}, 'needs the inputs potentials'),
        ('disputed', {'potentials': {'one': 'potential_one'}}, 'needs two `potentials` or more'),
        ('disputed', {'structure': polonium()}, 'cross-section of Po is not known'),
        ('disputed', {'settings': SHARES | {'least_share': 2.0}}, 'least_share'),
        ('disputed', {'settings': SHARES | {'largest_share': 0.1}}, 'largest_share'),
        ('rattle about each', {'pressures': [1]}, 'lacks p_1000'),
        ('rattle about each', {'structure': structure()}, 'got both'),
        ('rattle about each', {'structures': {'ambient': structure()}}, 'not a pressure label'),
        ('rattle about each', {'structures': {'p_1': structure()}}, 'not a pressure label'),
        ('rattle about each', {'structures': {'p_1000': on_top(structure())}}, 'structures.p_1000'),
        ('rattle about each', {'structures': {'p_1000': boxed(structure())}}, 'structures.p_1000'),
        ('molecular', {'settings': MOLECULAR | {'rattle': {'Xx': [0, 0]}}}, 'no chemical element'),
        ('molecular', {'settings': MOLECULAR | {'rattle': {'O': [0, 0]}}}, 'rattle'),
        ('molecular', {'settings': MOLECULAR | {'rotation': float('nan')}}, 'rotation'),
        ('molecular', {'settings': MOLECULAR | {'strain': float('nan')}}, 'strain'),
        ('molecular', {'structure': structure(), 'settings': MOLECULAR}, 'rattle'),
        ('trajectory', {'trajectory': 'absent.extxyz'}, 'absent.extxyz cannot be read'),
        ('trajectory', {'pressures': [0, 1]}, 'one pressure'),
        ('trajectory', {'pressures': None}, 'frame 0 has no `target_pressure`'),
        ('trajectory', {'cells': [{'supercell_matrix': UNIT, 'count': 250}]}, 'independent'),
        ('trajectory', {'cells': []}, 'one entry in `cells`'),
        ('gas', {'settings': {'count': 2}}, 'rattle'),
        ('gas', {'structure': structure(), 'settings': {}}, 'endless'),
        ('atoms', {'settings': {'box': 1.0}}, 'box'),
    ],
)
def test_bad_input_is_named_before_anything_is_drawn(way, changes, words, tmp_path):
    job = job_of(way, tmp_path)
    for key, value in changes.items():
        job[key] = value(job[key]) if callable(value) else value
    code, record = run(job, tmp_path)
    assert code == 10, record
    assert re.search(words, record['message'], re.DOTALL), record['message']
    assert not (tmp_path / 'frames.extxyz').exists()
