"""The select stage: pools in, the frames worth a label out, and what is refused."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from ase.build import bulk
from small_mace import mace_model

from aiida_insbench.jobs import select, select_settings
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress, read_progress
from aiida_insbench.science.errors import DatasetError, InputError, PotentialError
from aiida_insbench.science.frames import read_frames, write_frames
from aiida_insbench.science.potentials import potential_from_mace, write_potential
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE
from aiida_insbench.science.selection.duplicates import Tolerance

pytestmark = pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::DeprecationWarning')
SOAP = {'r_cut': 3.5, 'n_max': 3, 'l_max': 2}


def frame(name, seed, amplitude=0.03, pressure=0.0):
    atoms = bulk('MgH', 'rocksalt', a=4.2, cubic=True)
    atoms.rattle(amplitude, seed=seed)
    atoms.info = {'frame_id': name, 'method': 'strain-rattle', 'target_pressure': pressure}
    return atoms


def pool(prefix, count, first=0, **options):
    return [frame(f'{prefix}_{i:03d}', first + i, **options) for i in range(count)]


@pytest.fixture(scope='module')
def potentials(tmp_path_factory):
    """Two potentials of random weights."""
    import torch

    folder = tmp_path_factory.mktemp('potentials')
    model = mace_model()
    for name, factor in (('one', 1.0), ('two', 1.3)):
        with torch.no_grad():
            model.scale_shift.scale *= factor
        write_potential(potential_from_mace(model, provenance={}), folder / name)
    return {name: str(folder / name) for name in ('one', 'two')}


def job(folder, pools, known=None, **changes):
    folder.mkdir(exist_ok=True)
    for name, frames in pools.items():
        (folder / f'{name}.extxyz').write_text(write_frames(frames))
    if known:
        (folder / 'known.extxyz').write_text(write_frames(known))
    settings = {'soap': SOAP} | changes.pop('settings', {})
    return {
        'method': 'farthest-point',
        'pools': {name: f'{name}.extxyz' for name in pools},
        'known': 'known.extxyz' if known else None,
        'count': 3,
        'descriptors': 'soap',
        'seed': 1,
        'settings': settings,
    } | changes


def chosen(folder, pools, known=None, **changes):
    body = job(folder, pools, known, **changes)
    result = select.run(body, folder, Progress(folder, 'select'))
    frames = read_frames((folder / 'frames.extxyz').read_text())
    names = [one.info['frame_id'] for one in frames]
    assert names == [row['frame_id'] for row in result['chosen']]
    return names, result


def outlier(name):
    odd = frame(name, 77)
    odd.positions[1] += [0.3, 0.3, 0.1]
    return odd


def test_a_planted_outlier_comes_first_and_what_is_known_not_again(tmp_path):
    frames = [*pool('p', 12), outlier('odd')]
    known = [frame('k_000', 50), frames[0]]
    names, result = chosen(tmp_path, {'main': frames}, known)
    assert names[0] == 'odd'
    assert 'p_000' not in names
    assert result['duplicates'] == {'dropped': 1, 'of_known': 1, 'frame_ids': {'p_000': 'p_000'}}
    distances = [row['distance'] for row in result['chosen']]
    assert distances == sorted(distances, reverse=True)
    assert result['coverage']['n_unselected'] == 13 - 3 - 1
    assert 0 < result['coverage']['mean'] <= result['coverage']['largest'] <= distances[-1]
    assert (result['n_pool'], result['n_known'], result['strata']) == (13, 2, None)
    again, other = chosen(tmp_path / 'again', {'main': frames}, [*known, outlier('seen')])
    assert 'odd' not in again
    assert other['duplicates']['of_known'] == 2


def test_by_the_program_with_mace_same_bytes_twice(tmp_path, potentials):
    texts = []
    for number, seed in enumerate((3, 3, 4)):
        folder = tmp_path / str(number)
        body = job(
            folder,
            {'main': pool('p', 8)},
            descriptors='mace',
            potentials={'one': potentials['one']},
            seed=seed,
            settings={},
        )
        (folder / 'job.json').write_text(json.dumps({'schema': 1, 'stage': 'select', **body}))
        assert run_stage('select', folder / 'job.json') == 0
        texts.append((folder / 'frames.extxyz').read_bytes())
    assert texts[0] == texts[1] != texts[2]
    record = json.loads((folder / 'result.json').read_text())
    assert record['result']['chosen'][0]['distance'] is None
    assert record['result']['n_features'] == 8  # four channels, two layers
    assert 'dscribe' in record['versions']
    assert read_progress((folder / 'progress.jsonl').read_text())[-1]['message'] == 'choosing'


def test_tags_and_labels_are_kept(tmp_path):
    frames = pool('p', 4)
    for one in frames:
        one.info |= {'seed': 5, 'REF_energy': -1.0, 'REF_stress': np.zeros(6)}
        one.arrays['REF_forces'] = np.ones((8, 3))
    chosen(tmp_path, {'main': frames}, count=2)
    kept = read_frames((tmp_path / 'frames.extxyz').read_text())[0]
    original = next(one for one in frames if one.info['frame_id'] == kept.info['frame_id'])
    assert kept.info.keys() == original.info.keys()
    assert kept.info['method'] == 'strain-rattle'
    assert np.array_equal(kept.arrays['REF_forces'], original.arrays['REF_forces'])
    assert kept.positions == pytest.approx(original.positions, abs=1e-8)


def test_each_pressure_gets_its_share(tmp_path):
    """Where one pressure moves far more than the others, it would take all."""
    frames = [
        *pool('low', 6, pressure=0.0, amplitude=0.01),
        *pool('mid', 6, 20, pressure=1.0, amplitude=0.01),
        *pool('top', 6, 40, pressure=2.0, amplitude=0.2),
    ]
    names, result = chosen(tmp_path, {'main': frames}, count=6)
    assert [name[:3] for name in names] == ['top', 'mid', 'low'] * 2
    assert result['strata']['p_2000'] == {'pool': 6, 'chosen': 2}
    names, result = chosen(
        tmp_path / 'one', {'main': frames}, count=6, settings={'stratify': 'none'}
    )
    assert sum(name.startswith('top') for name in names) >= 5
    assert result['strata'] is None
    _, result = chosen(tmp_path / 'few', {'main': frames}, count=2)
    assert result['strata'] is None


def test_pressure_as_asked_for_or_an_error(tmp_path):
    frames = [*pool('low', 3), *pool('top', 3, 10, pressure=1.0)]
    asked = {'stratify': 'target_pressure'}
    with pytest.raises(InputError, match='2 target pressures do not share 1'):
        chosen(tmp_path, {'main': frames}, count=1, settings=asked)
    del frames[0].info['target_pressure']
    with pytest.raises(InputError, match='no target_pressure'):
        chosen(tmp_path, {'main': frames}, count=3, settings=asked)
    assert chosen(tmp_path, {'main': frames}, count=3)[1]['strata'] is None


def test_frames_too_close_are_refused_and_named(tmp_path):
    bad = frame('bad', 3)
    bad.positions[1] = bad.positions[0] + [1.0, 0, 0]
    names, result = chosen(tmp_path, {'main': [*pool('p', 4), bad]}, count=4)
    assert 'bad' not in names
    assert result['refused'] == {'atoms_too_close': 1, 'frame_ids': ['bad']}
    names, _ = chosen(
        tmp_path / 'all',
        {'main': [*pool('p', 4), bad]},
        count=5,
        settings={'minimum_contact': 0.1},
    )
    assert 'bad' in names


def test_copies_are_dropped_once_and_tolerances_are_read(tmp_path):
    copy = frame('copy', 0)
    copy.translate([0.1, 0.2, 0.3])
    pools = {'main': [*pool('p', 3), copy]}
    _, result = chosen(tmp_path, pools)
    assert result['duplicates'] == {'dropped': 1, 'of_known': 0, 'frame_ids': {'copy': 'p_000'}}
    with pytest.raises(InputError, match=r'1 of 4 frames are left: 0 have .* 3 are copies'):
        chosen(tmp_path, pools, settings={'duplicate_distance': 99.0, 'duplicate_length': 1.0})
    _, result = chosen(tmp_path, pools, count=4, settings={'duplicate_length': 0.0})
    assert result['duplicates']['dropped'] == 0


def test_committee_takes_what_is_disputed_yet_different(tmp_path, potentials):
    """Members differ by a factor: the larger the force, the larger the spread."""
    wild = [frame(f'w_{i}', 5, amplitude=0.08) for i in range(4)]
    for index, one in enumerate(wild):
        one.positions[0] += 0.01 * index
    other = frame('v_0', 6, amplitude=0.08)
    frames = [*pool('p', 11, 30, amplitude=0.01), *wild, other]
    options = {'method': 'committee', 'descriptors': 'mace', 'potentials': potentials, 'count': 2}
    plain, result = chosen(
        tmp_path, {'main': frames}, **options, settings={'diverse': False, 'upper_share': 1.0}
    )
    spread = {row['frame_id']: row['disagreement_mev_a'] for row in result['chosen']}
    assert all(name[0] in 'wv' for name in plain)
    assert all(value > 0 for value in spread.values())
    diverse, result = chosen(
        tmp_path / 'diverse', {'main': frames}, **options, settings={'upper_share': 5 / 16}
    )
    assert 'v_0' in diverse


def test_neutrons_change_what_a_committee_asks_for(tmp_path, potentials):
    """A frame whose metal is displaced has large forces that the spectrum hardly sees."""
    metal, hydrogen = frame('metal', 1, amplitude=0.0), frame('hydrogen', 1, amplitude=0.0)
    metal.positions[metal.numbers == 12] += np.random.default_rng(1).normal(0, 0.15, (4, 3))
    hydrogen.positions[hydrogen.numbers == 1] += np.random.default_rng(2).normal(0, 0.04, (4, 3))
    options = {'method': 'committee', 'potentials': potentials, 'count': 1}
    spread = {}
    for weights in ('none', 'neutron'):
        for one in (metal, hydrogen):
            _, result = chosen(tmp_path, {'main': [one]}, **options, settings={'weights': weights})
            spread[one.info['frame_id'], weights] = result['chosen'][0]['disagreement_mev_a']
    # the lighter atom counts as it is; no atom counts for more than that
    for name in ('metal', 'hydrogen'):
        assert 0 < spread[name, 'neutron'] <= spread[name, 'none']
    pools = {'main': [metal, hydrogen]}
    names = {
        weights: chosen(
            tmp_path, pools, **options, settings={'weights': weights, 'upper_share': 0.0}
        )[0]
        for weights in ('none', 'neutron')
    }
    for weights, (first,) in names.items():
        assert first == max(('metal', 'hydrogen'), key=lambda name: spread[name, weights])
    assert names['none'] != names['neutron']


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'count': 9}, 'count` is 9, but 4 of 4'),
        ({'count': 0}, 'count'),
        ({'count': True}, 'count'),
        ({'count': None}, 'lacks count'),
        ({'seed': -1}, 'seed'),
        ({'method': 'best'}, 'known are farthest-point, committee'),
        ({'descriptors': 'acsf'}, 'known are mace, soap'),
        ({'descriptors': 'mace'}, 'needs one potential, 0 are given.*soap'),
        ({'potentials': {'one': 'x'}}, 'use no potential'),
        ({'method': 'committee', 'potentials': {'one': 'x'}}, 'committee of 1 cannot disagree'),
        ({'potentials': ['x']}, 'dictionary'),
        ({'pools': {}}, 'at least one file'),
        ({'settings': {'speed': 1}}, 'Unknown settings: speed'),
        ({'settings': {'stratify': 'always'}}, 'known are auto'),
        ({'settings': {'upper_share': 2.0}}, 'upper_share'),
        ({'settings': {'weights': 'x-ray'}}, 'known are none, neutron'),
        ({'settings': {'weights': 'neutron'}}, 'use `method: committee`'),
        ({'settings': {'soap': {'r_cut': 0.0}}}, r'settings\.soap\.r_cut'),
    ],
)
def test_wrong_jobs_are_refused(tmp_path, changes, words):
    body = job(tmp_path, {'main': pool('p', 4)}) | changes
    with pytest.raises(InputError, match=words):
        select.run(body, tmp_path, Progress(tmp_path, 'select'))
    assert not (tmp_path / 'frames.extxyz').exists()


def test_bad_frames_name_their_pool(tmp_path, potentials):
    with pytest.raises(DatasetError, match=r'p_000 stands in `pools\.a` and in `pools\.b`'):
        chosen(tmp_path, {'a': pool('p', 3), 'b': pool('p', 3, 9)})
    with pytest.raises(DatasetError, match=r'p_000 stands in `known` and, as another'):
        chosen(tmp_path, {'a': pool('p', 4)}, known=[frame('p_000', 99)])
    broken = pool('p', 4)
    broken[2].positions[0, 0] = np.nan
    with pytest.raises(DatasetError, match=r'pools\.a, frame 2 \(p_002\).*not finite'):
        chosen(tmp_path, {'a': broken})
    body = job(tmp_path, {'a': pool('p', 3)})
    (tmp_path / 'a.extxyz').write_text('')
    with pytest.raises(DatasetError, match=r'pools\.a holds no frame'):
        select.run(body, tmp_path, Progress(tmp_path, 'select'))
    strange = pool('p', 3)
    strange[1].numbers[0] = 20
    with pytest.raises(PotentialError, match='Ca'):
        chosen(
            tmp_path,
            {'a': strange},
            descriptors='mace',
            potentials={'one': potentials['one']},
        )


def test_defaults_are_those_of_the_science():
    defaults = select_settings._DEFAULTS
    assert defaults['minimum_contact'] == MINIMUM_SHARE
    assert asdict(Tolerance()) == {
        'distance': defaults['duplicate_distance'],
        'length': defaults['duplicate_length'],
    }
