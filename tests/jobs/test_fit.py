"""The fit stage with forces of EMT: files per pressure, Γ only, partial failure, refusals."""

import json

import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.spacegroup import crystal
from displaced_forces import displaced_forces

from aiida_insbench.jobs.fit import run
from aiida_insbench.jobs.program import main
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import ConvergenceError, InputError
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.phonons import calculate_force_constants, phonopy_from_force_constants
from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict

SQRT2 = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]
UNIT = np.eye(3, dtype=int).tolist()


def rutile(a=5.6):
    return crystal(
        ['Cu', 'Al'],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[a, a, 3.6, 90, 90, 90],
    )


def entry(folder, label, *, a=5.6, matrix=SQRT2, noise=0.0, relaxation=None):
    """One crystal of a job file, its forces written into `folder`."""
    atoms = rutile(a)
    arrays = displaced_forces(atoms, EMT, matrix)
    shake = np.random.default_rng(1).normal(0, 1, np.shape(arrays['forces'])) * noise
    np.savez(folder / f'forces_{label}.npz', **{**arrays, 'forces': arrays['forces'] + shake})
    return {
        'structure': atoms_to_dict(atoms),
        'supercell_matrix': matrix,
        'symprec': 1e-4,
        'forces': f'forces_{label}.npz',
        'relaxation': relaxation,
    }


def compute(folder, crystals, **settings):
    job = {'crystals': crystals, 'settings': {'mesh': [4, 4, 4], **settings}}
    return run(job, folder, Progress(folder, 'fit'))


def record_of(folder, label):
    return json.loads((folder / f'{label}.json').read_text())


def test_the_program_leaves_the_files_of_phonons(tmp_path):
    relaxation = {'energy': -12.5, 'stress': [-0.0312, -0.0312, -0.03, 0, 0, 0.0001],
                  'residual_force': 0.002}  # fmt: skip
    crystals = {
        'p_5000': entry(tmp_path, 'p_5000', relaxation=relaxation),
        'p_0000': entry(tmp_path, 'p_0000', a=5.75),
    }
    job = {'schema': 1, 'stage': 'fit', 'crystals': crystals, 'settings': {'mesh': [4, 4, 4]}}
    (tmp_path / 'job.json').write_text(json.dumps(job))
    assert main(['fit', str(tmp_path / 'job.json')]) == 0
    result = json.loads((tmp_path / 'result.json').read_text())['result']
    assert result['finished'] == ['p_0000', 'p_5000']
    assert (result['missing'], result['reasons']) == ([], {})
    assert set(result['residuals']) == set(result['n_supercells']) == {'p_0000', 'p_5000'}
    assert max(result['residuals'].values()) < 1e-3
    record = record_of(tmp_path, 'p_5000')
    assert record['pressure'] == 5.0
    assert (record['energy'], record['residual_force']) == (-12.5, 0.002)
    assert record['stress'] == relaxation['stress']
    expected = max(5 - 0.03 / units.GPa, 5 - 0.0312 / units.GPa, 0.0001 / units.GPa)
    assert record['residual_stress_gpa'] == pytest.approx(expected)
    assert record['static_pressure'] == pytest.approx(0.0924 / 3 / units.GPa)
    assert record['supercell_matrix'] == SQRT2
    assert record['volume'] == pytest.approx(rutile().get_volume())
    assert record['space_group'] == {'before': None, 'after': 'P4_2/mnm (136)'}
    assert record['mesh']['mesh'] == [4, 4, 4]
    unknown = record_of(tmp_path, 'p_0000')
    assert unknown['energy'] is unknown['stress'] is unknown['residual_stress_gpa'] is None


def test_modes_are_those_of_the_science(tmp_path):
    """The √2 matrix is not symmetric: the file's is phonopy's, the transpose of the job's."""
    compute(tmp_path, {'p_0000': entry(tmp_path, 'p_0000')})
    record = record_of(tmp_path, 'p_0000')
    expected = calculate_force_constants(atoms=rutile(), calculator=EMT(), supercell_matrix=SQRT2)
    frequencies = gamma_modes(phonon=expected).frequencies
    assert record['gamma']['frequencies'] == pytest.approx(frequencies, abs=1e-3)
    with np.load(tmp_path / 'p_0000.npz', allow_pickle=False) as arrays:
        assert (arrays['supercell_matrix'] == np.transpose(SQRT2)).all()
        phonon = phonopy_from_force_constants(
            atoms=atoms_from_dict(record['structure']),
            supercell_matrix=arrays['supercell_matrix'].T,
            force_constants=arrays['force_constants'],
        )
    found = gamma_modes(phonon=phonon).frequencies
    assert found == pytest.approx(frequencies, abs=1e-3)


def test_keys_are_those_of_phonons(tmp_path):
    """Whoever reads the modes of a potential reads these."""
    from test_phonons_job import compute as phonons

    phonons(tmp_path, pressures=[2], supercell_matrix=UNIT)
    compute(tmp_path, {'p_0000': entry(tmp_path, 'p_0000', matrix=UNIT)})
    theirs, ours = record_of(tmp_path, 'p_2000'), record_of(tmp_path, 'p_0000')
    assert set(theirs) - set(ours) <= {'followed'}
    for name in ('gamma', 'mesh', 'thermal'):
        assert set(theirs[name]) == set(ours[name])


def test_unit_cell_gives_gamma_only(tmp_path):
    compute(tmp_path, {'p_0000': entry(tmp_path, 'p_0000', matrix=UNIT)})
    record = record_of(tmp_path, 'p_0000')
    assert record['mesh']['mesh'] == [1, 1, 1]
    optical = sorted(record['gamma']['frequencies'])
    assert record['mesh']['minimum_frequency'] == pytest.approx(optical[0], abs=1e-3)
    assert record['thermal']['left_out'] > 0


def test_one_bad_fit_leaves_the_others(tmp_path):
    crystals = {
        'p_0000': entry(tmp_path, 'p_0000'),
        'p_2000': entry(tmp_path, 'p_2000', noise=0.05),
    }
    result = compute(tmp_path, crystals)
    assert (result['finished'], result['missing']) == (['p_0000'], ['p_2000'])
    assert 'unexplained' in result['reasons']['p_2000']
    assert not (tmp_path / 'p_2000.json').exists()
    again = compute(tmp_path, crystals, max_residual=10.0)
    assert again['finished'] == ['p_0000', 'p_2000']


def test_a_lost_displacement_leaves_the_other_pressures(tmp_path):
    crystals = {label: entry(tmp_path, label) for label in ('p_0000', 'p_2000')}
    path = tmp_path / 'forces_p_2000.npz'
    with np.load(path) as data:
        arrays = {name: data[name][1:] for name in data}
    np.savez(path, **arrays)
    result = compute(tmp_path, crystals)
    assert result['finished'] == ['p_0000']
    assert 'lacks the opposite displacement' in result['reasons']['p_2000']
    with pytest.raises(InputError, match=r'finished\. p_2000: .*lacks the opposite'):
        compute(tmp_path, {'p_2000': crystals['p_2000']})


def test_all_bad_is_an_error(tmp_path):
    with pytest.raises(ConvergenceError, match=r'No pressure could be finished\. p_0000: '):
        compute(tmp_path, {'p_0000': entry(tmp_path, 'p_0000', noise=0.05)})


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'forces': 'nowhere.npz'}, r'forces of p_0000 cannot be read from nowhere\.npz'),
        ({'forces': 'text.npz'}, r'forces of p_0000 cannot be read from text\.npz'),
        ({'forces': None}, 'lacks forces'),
        ({'symprec': 0}, 'a number above 0, in Å'),
        ({'symprec': True}, 'a number above 0, in Å'),
        ({'supercell_matrix': [[1, 0], [0, 1]]}, '3×3 integers'),
        ({'supercell_matrix': UNIT}, 'do not fit a supercell of 6'),
        ({'structure': atoms_to_dict(rutile(1.0))}, r'crystals\.p_0000.*apart'),
    ],
)
def test_wrong_crystals_are_refused(tmp_path, change, words):
    (tmp_path / 'text.npz').write_text('no arrays')
    with pytest.raises(InputError, match=words):
        compute(tmp_path, {'p_0000': entry(tmp_path, 'p_0000') | change})


@pytest.mark.parametrize(
    ('crystals', 'settings', 'words'),
    [
        ({}, {}, 'nothing to fit'),
        ({'high': {}}, {}, 'not a pressure label'),
        ({'p_0000': {}}, {'mesh': [0, 1, 1]}, r'settings\.mesh'),
        ({'p_0000': {}}, {'fmax': 1.0}, 'Unknown settings: fmax'),
    ],
)
def test_wrong_jobs_are_refused(tmp_path, crystals, settings, words):
    with pytest.raises(InputError, match=words):
        compute(tmp_path, crystals, **settings)
