"""What the stage ``analyse`` does if asked: meshes, committees, longitudinal modes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import make_supercell
from lj_rutile import (
    SCALES,
    analyse_three,
    forces_of,
    make_job,
    run_here,
    rutile,
    write_crystals,
    write_phonons,
)

from aiida_insbench.science.errors import (
    JobFileError,
)
from aiida_insbench.science.phonons import calculate_force_constants, save_force_constants


@pytest.fixture(scope='module')
def analysed(tmp_path_factory):
    return analyse_three(tmp_path_factory.mktemp('analyse'))


def test_modes_are_followed_over_a_mesh_where_one_is_asked_for(analysed, tmp_path):
    assert analysed['potentials']['same']['mesh'] is None
    files = write_phonons(tmp_path, 'same')
    dft = write_phonons(tmp_path, 'dft', matrix=(1, 1, 1))
    job = {**make_job(tmp_path, {'same': files}, mesh=[1, 1, 2]), 'reference_phonons': dft}
    result = run_here(tmp_path, job)
    assert 'unit cell alone' in result['reference']['mesh']['reason']
    mesh = result['potentials']['same']['mesh']
    assert (mesh['reason'], mesh['mesh'], mesh['labels']) == (None, [1, 1, 2], list(SCALES))
    gamma, edge = mesh['points']
    assert np.abs(edge['qpoint']) == pytest.approx([0, 0, 0.5])
    assert mesh['summary']['n_modes'] == 15 + 18
    rows = result['potentials']['same']['modes']
    for label in SCALES:
        wanted = [row['frequencies'][label] for row in rows for _ in range(row['degeneracy'])]
        assert sorted(gamma['frequencies'][label]) == pytest.approx(sorted(wanted), abs=0.1)
    assert result['settings']['mesh'] == [1, 1, 2]
    json.dumps(result, allow_nan=False)


def test_spread_of_a_committee(tmp_path):
    """ω ∝ √ε: three members with ε apart by known factors, one of which lacks a pressure."""
    factors = {'a': 1.0, 'b': 1.02, 'c': 0.97}
    files = {
        name: write_phonons(tmp_path, name, epsilon=0.02 * factor**2)
        for name, factor in factors.items()
    }
    del files['c']['p_1000']
    job = make_job(tmp_path, files, committees={'lj': ['a', 'b', 'c']})
    result = run_here(tmp_path, job)
    committee = result['committees']['lj']
    assert committee['missing'] == {'c': ['p_1000']}
    assert 'c lacks 1 GPa.' in committee['sentences']
    assert committee['left_out'] == {}
    for row in result['potentials']['a']['modes']:
        for label, used in (('p_0000', [1.0, 1.02, 0.97]), ('p_1000', [1.0, 1.02])):
            expected = abs(row['frequencies'][label]) * np.std(used, ddof=1)
            assert row['sigma'][label] == pytest.approx(expected, rel=0.02, abs=0.1)
        assert row['slope_sigma'] == pytest.approx(
            abs(row['slope']) * np.std([1.0, 1.02], ddof=1), rel=0.02, abs=0.1
        )
    assert all(row['sigma'] == {} for row in result['potentials']['b']['modes'])
    assert set(committee['unstable']) == {'a', 'b', 'c'}
    json.dumps(result, allow_nan=False)


def test_a_member_of_another_crystal_is_left_out(tmp_path):
    files = {
        'one': write_crystals(tmp_path, 'one', {'p_0000': rutile()}, matrix=(1, 1, 1)),
        'two': write_crystals(
            tmp_path,
            'two',
            {'p_0000': make_supercell(rutile(), np.diag([1, 1, 2]))},
            matrix=(1, 1, 1),
        ),
    }
    job = make_job(tmp_path, files, committees={'mixed': ['one', 'two']})
    committee = run_here(tmp_path, job)['committees']['mixed']
    assert committee['modes'] == []
    assert 'two is left out' in committee['sentences'][0]


@pytest.mark.parametrize(
    ('committees', 'message'),
    [
        ({'x': ['a', 'z']}, 'names z'),
        ({'x': ['a']}, 'two members'),
        ({'x': ['a', 'a']}, 'named once'),
        ({'x': ['a', 'b'], 'y': ['a', 'c']}, 'can be of one'),
        ({'x': 'ab'}, 'lists of potentials'),
        (['a', 'b'], 'lists of potentials'),
    ],
)
def test_committees_without_sense_are_refused(tmp_path, committees, message):
    files = {name: {'p_0000': 'none.yaml'} for name in 'abc'}
    with pytest.raises(JobFileError, match=message):
        run_here(tmp_path, make_job(tmp_path, files, committees=committees))


def test_longitudinal_modes_where_there_are_charges(analysed, tmp_path):
    same = analysed['potentials']['same']
    assert same['lo_to'] == {}
    assert same['lo_to_note'] == 'non-analytical correction: off (no Born charges)'
    files = {}
    for label, edge in SCALES.items():
        phonon = calculate_force_constants(
            atoms=rutile(edge), calculator=forces_of(), supercell_matrix=np.diag([1, 1, 2])
        )
        charges = np.array([2.0, 2.0, -1.0, -1.0, -1.0, -1.0])[:, None, None] * np.eye(3)
        phonon.nac_params = {'born': charges, 'dielectric': 4 * np.eye(3), 'factor': 14.399652}
        files[label] = f'charged.{label}.yaml'
        save_force_constants(phonon=phonon, path=tmp_path / files[label])
    block = run_here(tmp_path, make_job(tmp_path, {'charged': files}))['potentials']['charged']
    assert block['lo_to_note'] == 'non-analytical correction: on'
    for row, bare in zip(block['modes'], same['modes'], strict=True):
        assert row['frequencies'] == pytest.approx(bare['frequencies'], abs=0.05)
    for axes in block['lo_to'].values():
        assert set(axes) == {'a*', 'b*', 'c*'}
        for row in axes.values():
            assert len(row['split']) == 15
            assert max(row['split']) > 5
    json.dumps(block, allow_nan=False)
