"""``aiida-insbench dataset``: in, out, list, show and the operations, on a profile."""

import json
import re

import ase.io
import numpy as np
import pytest
from aiida.orm import CalcFunctionNode, QueryBuilder, load_node
from click.testing import CliRunner
from fake_nodes import LEVEL, frames
from labelled_copper import copper, rewritten, text_of

from aiida_insbench.cli import cmd_root
from aiida_insbench.data import DatasetData
from aiida_insbench.science.frames import read_frames

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile'),
]


def run(*words):
    return CliRunner().invoke(cmd_root, ['dataset', *(str(word) for word in words)])


def made(done):
    assert done.exit_code == 0, done.output
    return [load_node(int(pk)) for pk in re.findall(r'DatasetData<(\d+)>', done.output)]


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp('files') / 'mine.xyz'
    path.write_text(text_of(copper(15)))
    return path


@pytest.fixture(scope='module')
def node(file):
    return made(run('import', file, '--functional', 'PBE-D3(BJ)', '--prefix', 'cu', '-L', 'mine'))[
        0
    ]


def test_import_list_show(file, node):
    assert (node.label, node.n_frames, node.functional, node.vdw) == ('mine', 15, 'PBE', 'D3(BJ)')
    listed = ' '.join(run('list', '--functional', 'pbe', '--pressure', 2).output.split())
    assert f'{node.pk} mine 15 0 Cu 0 1 2 PBE-D3(BJ)' in listed
    assert f'import_dataset<{node.creator.pk}> of mine.xyz' in listed
    for words in (
        ('--elements', 'H,Cu'), ('--functional', 'R2SCAN'), ('--pressure', 7), ('--pools',),
        ('--split', 'test'), ('--method', 'thermal'), ('--vdw', 'D3'),
    ):  # fmt: skip
        assert f'{node.pk}  mine' not in run('list', *words).output
    shown = run('show', node.pk).output
    assert re.search(r'imported +2 +5\n', shown)
    assert re.search(r'level +PBE-D3\(BJ\)\n', shown)
    assert 'root mean square' in shown
    assert '0 frames could not be labelled' in shown
    described = json.loads(run('show', node.pk, '--format', 'json').output)
    assert described['labels']['rms_force'] == pytest.approx(0.5, abs=0.1)
    assert described['frames by method and target pressure (GPa)'][1] == {
        'method': 'imported', 'pressure': 1.0, 'frames': 5
    }  # fmt: skip


def test_show_says_what_failed():
    given = DatasetData(frames(1), dft_level=LEVEL, failed={'r1_009': 'no SCF in 100 steps'})
    shown = run('show', given.store().pk).output
    assert '1 frames could not be labelled' in shown
    assert re.search(r'r1_009 +no SCF in 100 steps', shown)


@pytest.mark.parametrize('keys', ['mace', 'ase'])
def test_export_and_import_again(node, keys, tmp_path):
    path = tmp_path / 'out.extxyz'
    assert run('export', node.pk, '--output', path, '--keys', keys).exit_code == 0
    assert 'is there already' in run('export', node.pk, '--output', path).output
    words = () if keys == 'mace' else ('--energy', 'energy', '--forces', 'forces',
                                       '--stress', 'stress')  # fmt: skip
    again = made(run('import', path, '--functional', 'PBE', *words))[0]
    for before, after in zip(node.get_frames(), again.get_frames(), strict=True):
        assert after.info['frame_id'] == before.info['frame_id']
        assert after.info['REF_energy'] == pytest.approx(before.info['REF_energy'], abs=1e-10)
        np.testing.assert_allclose(
            after.arrays['REF_forces'], before.arrays['REF_forces'], atol=1e-8
        )
        np.testing.assert_allclose(after.info['REF_stress'], before.info['REF_stress'], atol=1e-10)


def test_export_for_ase_is_read_into_a_calculator(node, tmp_path):
    run('export', node.pk, '--output', tmp_path / 'a.xyz', '--keys', 'ase')
    atoms = ase.io.read(tmp_path / 'a.xyz', index=3)
    stored = node.get_frames()[3]
    assert atoms.get_potential_energy() == pytest.approx(stored.info['REF_energy'], abs=1e-10)
    np.testing.assert_allclose(atoms.get_stress(), stored.info['REF_stress'], atol=1e-10)


def test_split_filter_merge(node):
    words = ('--seed', 3, '--validation', 0.2, '--hold-out-pressure', 2, '--stratify', 'pressure')
    training, validation, test = made(run('split', node.pk, *words))
    assert [part.n_frames for part in (training, validation, test)] == [8, 2, 5]
    assert test.target_pressures == [2.0]
    assert validation.target_pressures == [0.0, 1.0]
    assert test.label == 'mine test'
    assert f'{test.pk}  mine test' in run('list', '--split', 'test').output

    largest = [np.linalg.norm(f.arrays['REF_forces'], axis=1).max() for f in node.get_frames()]
    limit = float(np.median(largest)) + 1e-6
    done = run('filter', node.pk, '--max-force', limit, '-L', 'calm')
    (calm,) = made(done)
    assert calm.n_frames == 8
    assert done.output.count('a force of') == 7
    low = made(run('filter', node.pk, '--pressure-range', 0, 1, '--without', 'cu_000,cu_001'))[0]
    assert (low.n_frames, low.target_pressures) == (8, [0.0, 1.0])

    (both,) = made(run('merge', training.pk, test.pk, '-L', 'again'))
    assert (both.n_frames, both.label, both.split) == (13, 'again', '')
    (twice,) = made(run('merge', training.pk, training.pk, '--rename-repeated'))
    assert twice.n_frames == 16


@pytest.fixture(scope='module')
def others(file):
    """Files that must be refused."""
    spoilt = copper(15)
    spoilt[7].arrays['REF_forces'][0, 0] = np.nan
    made = {
        'bohr': rewritten(copper(15), forces=51.42206),
        'nan': spoilt,
        'bare': [frame.copy() for frame in copper(2)],
    }
    for frame in made['bare']:
        del frame.info['REF_stress']
    for name, content in made.items():
        (file.parent / f'{name}.xyz').write_text(text_of(content))
    (file.parent / 'level.json').write_text('[]')
    return file.parent


@pytest.mark.parametrize(
    ('words', 'named'),
    [
        (('import', 'bohr.xyz', '--functional', 'PBE'), '--forces-unit Ha/bohr'),
        (('import', 'nan.xyz', '--functional', 'PBE'), 'nan.xyz, frame 7'),
        (('import', 'bare.xyz', '--functional', 'PBE'), 'bare.xyz, frame 0 has no `REF_stress`'),
        (('import', 'mine.xyz'), '--functional or --level'),
        (('import', 'mine.xyz', '--level', 'level.json'), 'no JSON object'),
        (('import', 'nowhere.xyz', '--functional', 'PBE'), 'nowhere.xyz'),
        (('split', 'PK', '--seed', 1, '--hold-out-pressure', 9), 'No frame was placed for 9 GPa'),
        (('split', 'PK', '--seed', 1, '--validation', 15), '15 validation frames cannot be'),
        (('filter', 'PK'), 'Nothing to filter by'),
        (('filter', 'PK', '--max-force', 1e-9), 'No frame is left of 15'),
        (('filter', 'PK', '--only', 'cu_999'), 'No frame is called cu_999'),
        (('merge', 'PK', 'PK'), 'cu_000 occurs twice, in d1 and d2'),
        (('merge', 'PK', 'OTHER'), 'functional: PBE / R2SCAN'),
        (('show', '999999'), '999999'),
    ],
)
def test_refusals_leave_no_process(words, named, others, node):
    other = DatasetData(node.get_frames(), dft_level={'functional': 'r2SCAN'})
    pks = {'PK': node.pk, 'OTHER': other.store().pk if 'OTHER' in words else 0}
    before = QueryBuilder().append(CalcFunctionNode).count()
    files = ('.xyz', '.json')
    done = run(*(others / w if str(w).endswith(files) else pks.get(str(w), w) for w in words))
    assert done.exit_code != 0
    assert named in ' '.join(done.output.split())
    assert 'Traceback' not in done.output
    assert QueryBuilder().append(CalcFunctionNode).count() == before


def test_merge_of_different_levels_on_request(node):
    frames_ = read_frames(node.get_text())
    for index, frame in enumerate(frames_):
        frame.info['frame_id'] = f'other_{index}'
    other = DatasetData(frames_, dft_level={'functional': 'r2SCAN'}).store()
    (both,) = made(run('merge', node.pk, other.pk, '--allow-different-levels'))
    shown = run('show', both.pk).output
    assert 'different level: `d1` and `d2`: functional: PBE / R2SCAN' in shown
    assert 'PBE-D3(BJ) / R2SCAN' in shown
