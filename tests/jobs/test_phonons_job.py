"""The phonons stage with EMT as the engine: files per pressure, warm starts, partial failure."""

import json

import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.spacegroup import crystal

from aiida_insbench.jobs import phonons
from aiida_insbench.jobs.phonon_task import read_task
from aiida_insbench.jobs.phonons import compute_pressures
from aiida_insbench.jobs.progress import Progress, read_progress
from aiida_insbench.science.errors import (
    ComputationError,
    ConvergenceError,
    InputError,
    InterruptedJobError,
)
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.phonons import calculate_force_constants, phonopy_from_force_constants
from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict

#: Result of a job that finds nothing worth a word.
NOTHING = {
    'finished': [],
    'skipped': [],
    'missing': [],
    'reasons': {},
    'inserted': [],
    'hysteresis': None,
    'supercell_convergence': None,
    'warnings': [],
}
SQRT2 = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]


def structure(scale=1.0):
    atoms = crystal(
        ['Cu', 'Al'],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[5.75 * scale, 5.75 * scale, 3.7 * scale, 90, 90, 90],
    )
    return atoms_to_dict(atoms)


def job(**changes):
    return {
        'schema': 1,
        'stage': 'phonons',
        'potential': 'potential',
        'structure': structure(),
        'pressures': [5, 2],
        'supercell_matrix': SQRT2,
        'settings': {'mesh': [4, 4, 4]},
        'finished': {},
    } | changes


def compute(folder, **changes):
    return run_with(EMT(), folder, **changes)


class Fragile(EMT):
    """EMT that forgets how to compute below a volume (Å³), or is interrupted there."""

    def __init__(self, volume, error=None):
        super().__init__()
        self.volume, self.error = volume, error

    def calculate(self, atoms=None, *args, **kwargs):
        super().calculate(atoms, *args, **kwargs)
        if atoms.get_volume() < self.volume and len(atoms) == 6:
            if self.error is not None:
                raise self.error
            self.results['forces'] = self.results['forces'] * np.nan


def run_with(engine, folder, **changes):
    return compute_pressures(
        task=read_task(job(**changes), folder),
        engine=engine,
        folder=folder,
        progress=Progress(folder, 'phonons'),
    )


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('phonons')
    return folder, compute(folder)


def test_every_pressure_leaves_its_files(finished):
    folder, result = finished
    assert result == {**NOTHING, 'finished': ['p_2000', 'p_5000']}
    names = {path.name for path in folder.iterdir()}
    assert names == {'p_2000.json', 'p_2000.npz', 'p_5000.json', 'p_5000.npz', 'progress.jsonl'}


def test_the_record_of_a_pressure(finished):
    folder, _ = finished
    record = json.loads((folder / 'p_5000.json').read_text())
    atoms = atoms_from_dict(record['structure'])
    assert record['pressure'] == 5.0
    assert record['volume'] == pytest.approx(atoms.get_volume())
    assert record['space_group'] == {'before': 'P4_2/mnm (136)', 'after': 'P4_2/mnm (136)'}
    assert record['stress'][0] == pytest.approx(-5 * units.GPa, abs=5e-3 * units.GPa)
    assert record['residual_stress_gpa'] < 5e-3
    assert record['relax_steps'] > 0
    assert record['symprec'] == 1e-4
    atoms.calc = EMT()
    assert record['energy'] == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    gamma = record['gamma']
    assert len(gamma['frequencies']) == len(gamma['irreps']) == 18
    assert max(abs(gamma['frequencies'][index]) for index in gamma['acoustic']) < 1e-2
    mesh = record['mesh']
    assert mesh['mesh'] == [4, 4, 4]
    assert record['verdict'] == 'imaginary modes'
    assert mesh['n_imaginary'] > 20 == len(mesh['imaginary'])
    assert mesh['imaginary'][0]['frequency'] == mesh['minimum_frequency'] < -50
    assert len(mesh['imaginary'][0]['q']) == 3
    assert len(mesh['dos']['dos']) == len(mesh['dos']['frequency'])
    thermal = record['thermal']
    assert thermal['temperatures'][0] == 0.0
    assert np.all(np.diff(thermal['free_energy']) < 0)
    assert np.all(np.diff(thermal['entropy']) > 0)
    assert thermal['free_energy'][0] > 0 == thermal['entropy'][0]
    # imaginary modes have no free energy: their share is said
    assert 0 < thermal['left_out'] < 0.5


def test_arrays_give_the_modes_back(finished):
    """The √2 matrix is not symmetric: the file's is phonopy's, the transpose of the job's."""
    folder, _ = finished
    record = json.loads((folder / 'p_5000.json').read_text())
    with np.load(folder / 'p_5000.npz', allow_pickle=False) as arrays:
        assert arrays['force_constants'].shape == (6, 12, 3, 3)
        assert arrays['force_constants'].dtype == np.float64
        assert (arrays['supercell_matrix'] == np.array(SQRT2).T).all()
        assert (arrays['primitive_matrix'] == np.eye(3)).all()
        phonon = phonopy_from_force_constants(
            atoms=atoms_from_dict(record['structure']),
            supercell_matrix=arrays['supercell_matrix'].T,
            force_constants=arrays['force_constants'],
        )
    found = gamma_modes(phonon=phonon)
    assert found.frequencies == pytest.approx(record['gamma']['frequencies'], abs=1e-3)


def test_the_job_is_the_science(finished):
    folder, _ = finished
    record = json.loads((folder / 'p_2000.json').read_text())
    phonon = calculate_force_constants(
        atoms=atoms_from_dict(record['structure']), calculator=EMT(), supercell_matrix=SQRT2
    )
    expected = gamma_modes(phonon=phonon).frequencies
    assert record['gamma']['frequencies'] == pytest.approx(expected, abs=1e-3)


def test_progress_names_every_displaced_supercell(finished):
    folder, _ = finished
    lines = read_progress((folder / 'progress.jsonl').read_text())
    displaced = [line for line in lines if line['message'] == 'p_5000 displaced supercell']
    assert [(line['step'], line['total']) for line in displaced] == [
        (step, len(displaced)) for step in range(1, len(displaced) + 1)
    ]
    assert lines[-1]['message'] == 'p_5000 finished'
    assert lines[-1]['values'] == {'pressure': 5.0}


def test_finished_pressures_are_skipped_and_started_from(finished, tmp_path):
    folder, _ = finished
    known = json.loads((folder / 'p_5000.json').read_text())
    cold = compute(tmp_path, pressures=[5.1])
    assert cold['finished'] == ['p_5100']
    cold_steps = json.loads((tmp_path / 'p_5100.json').read_text())['relax_steps']
    warm = compute(tmp_path, pressures=[5, 5.1], finished={'p_5000': known['structure']})
    assert warm == {**NOTHING, 'finished': ['p_5100'], 'skipped': ['p_5000']}
    record = json.loads((tmp_path / 'p_5100.json').read_text())
    assert record['relax_steps'] < cold_steps
    assert not (tmp_path / 'p_5000.json').exists()


@pytest.mark.parametrize('error', [None, ComputationError('A force is not finite.')])
def test_one_failed_pressure_leaves_the_others(tmp_path, error):
    """Volumes at 2, 5 and 8 GPa: 115, 109 and less; the engine breaks below 107 Å³."""
    result = run_with(Fragile(107.0, error), tmp_path, pressures=[2, 5, 8])
    assert result['finished'] == ['p_2000', 'p_5000']
    assert result['missing'] == ['p_8000']
    assert 'not finite' in result['reasons']['p_8000']
    assert not (tmp_path / 'p_8000.json').exists()


def test_all_failed_is_an_error(tmp_path):
    with pytest.raises(ConvergenceError, match=r'p_2000: .*not finite.*p_5000: '):
        run_with(Fragile(1e6), tmp_path)


def test_a_collapse_is_a_reason(tmp_path):
    with pytest.raises(ConvergenceError, match='volume changed'):
        compute(tmp_path, structure=structure(0.85), pressures=[0])


def test_an_interruption_is_never_swallowed(tmp_path):
    engine = Fragile(112.0, InterruptedJobError('Ended by signal 15.'))
    with pytest.raises(InterruptedJobError):
        run_with(engine, tmp_path)
    assert (tmp_path / 'p_2000.json').exists()
    assert (tmp_path / 'p_2000.npz').exists()


def test_settings_are_read(tmp_path):
    settings = {'mesh': [2, 2, 2], 'displacement': 0.03, 'fmax': 1e-2, 'stress_tolerance': 0.5}
    compute(tmp_path, pressures=[2], settings=settings, supercell_matrix=np.eye(3).tolist())
    record = json.loads((tmp_path / 'p_2000.json').read_text())
    assert record['mesh']['mesh'] == [2, 2, 2]
    assert 1e-4 < record['residual_force'] < 1e-1
    tight = tmp_path / 'tight'
    tight.mkdir()
    compute(
        tight,
        pressures=[2],
        settings=settings | {'displacement': 0.003},
        supercell_matrix=np.eye(3).tolist(),
    )
    other = json.loads((tight / 'p_2000.json').read_text())
    assert other['relax_steps'] == record['relax_steps']
    assert other['gamma']['frequencies'] != record['gamma']['frequencies']


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'potential': None}, 'lacks potential'),
        ({'pressures': []}, 'empty'),
        ({'pressures': [1, 1.0001]}, 'label'),
        ({'supercell_matrix': [[1, 0], [0, 1]]}, '3×3 integers'),
        ({'settings': {'mesh': [8, 8]}}, r'settings\.mesh'),
        ({'settings': {'mesh': [8, 8, 0]}}, r'settings\.mesh'),
        ({'settings': {'fmax': 0.0}}, r'settings\.fmax'),
        ({'settings': {'fix_symmetry': 1}}, 'fix_symmetry'),
        ({'settings': {'supercell': 2}}, 'Unknown settings: supercell'),
        ({'structure': {'symbols': ['H']}}, 'cannot be read'),
        ({'structure': structure(0.3)}, 'apart'),
    ],
)
def test_wrong_jobs_are_refused_before_anything_is_loaded(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        phonons.run(job(**change), tmp_path, Progress(tmp_path, 'phonons'))
