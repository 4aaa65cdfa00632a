"""The stage `ins` as the compute node runs it."""

import json
import signal

import numpy as np
import pytest
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.jobs import ins
from aiida_insbench.jobs.program import ERROR_FILE, RESULT_FILE, run_stage
from aiida_insbench.jobs.progress import PROGRESS_FILE, Progress, read_progress
from aiida_insbench.science.errors import InterruptedJobError, JobFileError, PressureError
from aiida_insbench.science.ins import convergence
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum


def write_lithium_hydride(path, *, stretch=2.0, bend=0.3):
    """LiH in a cube of 8 atoms, springs between neighbours."""
    corners = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = PhonopyAtoms(
        symbols=['Li'] * 4 + ['H'] * 4,
        cell=4.08 * np.eye(3),
        scaled_positions=np.concatenate((corners, corners + np.array([0.5, 0, 0]))),
    )
    phonon = Phonopy(
        cell,
        supercell_matrix=2 * np.eye(3, dtype=int),
        primitive_matrix=np.eye(3),
        is_symmetry=False,
    )
    atoms = phonon.supercell
    constants = np.zeros((len(atoms), len(atoms), 3, 3))
    offsets = atoms.scaled_positions[None] - atoms.scaled_positions[:, None]
    vectors = (offsets - np.rint(offsets)) @ atoms.cell
    lengths = np.linalg.norm(vectors, axis=-1)
    for i, j in zip(*np.nonzero((lengths > 0.1) & (lengths < 2.1)), strict=True):
        along = np.outer(vectors[i, j], vectors[i, j]) / lengths[i, j] ** 2
        block = stretch * along + bend * (np.eye(3) - along)
        constants[i, j] -= block
        constants[i, i] += block
    phonon.force_constants = np.ascontiguousarray(constants[phonon.primitive.p2s_map])
    phonon.save(filename=str(path), settings={'force_constants': True})


@pytest.fixture
def job(tmp_path):
    write_lithium_hydride(tmp_path / 'p_0000.yaml')
    write_lithium_hydride(tmp_path / 'p_1000.yaml', stretch=2.2)
    return {
        'schema': 1,
        'stage': 'ins',
        'force_constants': {'p_1000': 'p_1000.yaml', 'p_0000': 'p_0000.yaml'},
        'temperature': 10,
        'instrument': 'TOSCA',
        'max_order': 3,
        'energy_range': [0, 1500],
        'bin_width': 5.0,
        'mesh': [2, 2, 2],
        'settings': {'directions': 14},
    }


OURS = {
    'geometry': 'indirect',
    'citation': 'made up',
    'banks': {'only': {'final_energy': 4.0, 'angle': 120.0}},
}


def run(job, folder):
    return ins.run(job, folder, Progress(folder, 'ins'))


def test_job_writes_a_spectrum_per_pressure(job, tmp_path):
    (tmp_path / 'job.json').write_text(json.dumps(job))
    assert run_stage('ins', tmp_path / 'job.json') == 0
    result = json.loads((tmp_path / RESULT_FILE).read_text())['result']
    assert result['finished'] == ['p_0000', 'p_1000']
    assert result['missing'] == []
    banks = result['instrument']['banks']
    assert banks == ['forward', 'backward']
    assert result['instrument']['version']
    for label in result['finished']:
        with np.load(tmp_path / f'{label}.npz', allow_pickle=False) as arrays:
            assert set(arrays) == {'energy_transfer', 'contributions', 'momentum_transfer'}
            energies = arrays['energy_transfer']
            assert energies[0] < 0 < 1500 < energies[-1]
            assert arrays['contributions'].shape == (2, 2, 3, len(energies))
            assert arrays['momentum_transfer'].shape == (2, len(energies))
            expected = powder_spectrum(
                read_modes(tmp_path / f'{label}.yaml', mesh=(2, 2, 2)),
                instrument=get_instrument('TOSCA'),
                temperature=10.0,
                energy_range=(0.0, 1500.0),
                bin_width=5.0,
                options=PowderOptions(max_order=3, directions=14),
            ).spectrum
            assert arrays['contributions'] == pytest.approx(expected.raw, rel=1e-6, abs=1e-9)
        entry = result['spectra'][label]
        assert entry['orders'] == 3
        assert entry['n_imaginary'] == 0
        assert entry['completeness'] == pytest.approx(1)
        assert entry['sum_rule'] == pytest.approx(1 - entry['missing_weight'], abs=1e-9)
        assert set(entry['msd']) == {'Li', 'H'}
        assert [site['name'] for site in entry['sites']] == ['Li1', 'H1']
        assert [len(site['atoms']) for site in entry['sites']] == [4, 4]
        assert set(entry['convergence']['errors_percent']) == {
            'q_mesh', 'bins', 'directions', 'orders'
        }  # fmt: skip
        assert entry['convergence']['meshes'] == [[1, 1, 1], [2, 2, 2]]
        assert entry['convergence']['tolerance_percent'] == 1.0
        assert any('not converged: q_mesh' in text for text in entry['warnings'])
    lines = read_progress((tmp_path / PROGRESS_FILE).read_text())
    assert [line['values']['pressure'] for line in lines] == [0.0, 1.0]


def test_unstable_pressure_is_named_and_the_rest_finished(job, tmp_path):
    write_lithium_hydride(tmp_path / 'p_1000.yaml', bend=-0.6)
    result = run(job, tmp_path)
    assert result['finished'] == ['p_0000']
    assert result['missing'] == ['p_1000']
    assert 'imaginary' in result['reasons']['p_1000']
    assert not (tmp_path / 'p_1000.npz').exists()


def test_nothing_finished_is_a_failure(job, tmp_path):
    write_lithium_hydride(tmp_path / 'p_1000.yaml', bend=-0.6)
    job['force_constants'] = {'p_1000': 'p_1000.yaml'}
    (tmp_path / 'job.json').write_text(json.dumps(job))
    assert run_stage('ins', tmp_path / 'job.json') == 11
    error = json.loads((tmp_path / ERROR_FILE).read_text())
    assert error['type'] == 'ImaginaryModeError'
    assert error['message'].startswith('No pressure gave a spectrum. p_1000')


def test_unstable_crystal_can_be_allowed(job, tmp_path):
    write_lithium_hydride(tmp_path / 'p_1000.yaml', bend=-0.6)
    job['settings']['maximum_imaginary_weight'] = 1.0
    entry = run(job, tmp_path)['spectra']['p_1000']
    assert entry['n_imaginary'] > 0
    assert entry['imaginary_weight'] == max(entry['imaginary_weight_by_element'].values()) > 0.05
    assert entry['lowest_frequency'] < 0
    assert entry['first_moment'] < 0.95


@pytest.mark.parametrize(
    ('change', 'match'),
    [
        ({'colour': 'red'}, 'Unknown keys in job: colour'),
        ({'settings': {'direction': 50}}, 'Unknown keys in settings: direction'),
        ({'settings': {'directions': 51}}, '51'),
        ({'settings': {'directions': 50.0}}, 'type int'),
        ({'settings': {'tolerance': '1'}}, 'type float'),
        ({'settings': {'cross_section': 'coherent'}}, 'coherent'),
        ({'settings': {'resolution': None}}, 'no part of this stage'),
        ({'settings': {'coherent': 1}}, 'type bool'),
        ({'settings': {'displacements': [0.1]}}, 'displacements'),
        ({'settings': {'quirks': 'loss-only'}}, 'list of names'),
        ({'isotopes': ['2H']}, '`isotopes` must be a mapping'),
        ({'isotopes': {'H': '9H'}}, 'no isotope 9H'),
        ({'tolerance': 0}, '`tolerance` must be'),
        ({'max_order': 500}, 'from 1 to 200'),
        ({'temperature': 0}, 'temperature'),
        ({'sum_rule': 'yes'}, '`sum_rule` must be one of'),
        ({'keep': 'atom'}, '`keep` must be'),
        ({'map': [0, 1, 1]}, '`map` must rise'),
        ({'map': [1, 2]}, '`map` must be the lowest'),
        ({'map': [1, 10, 1]}, 'direct geometry'),
        ({'instrument': 'ours.yaml'}, 'Give the content of the file'),
        ({'instrument': 3}, 'a name or a description'),
        ({'instrument': {'geometry': 'round'}}, 'geometry'),
        ({'settings': {'minimum_frequency': 0}}, 'must be > 0'),
        ({'settings': [1]}, 'must be a mapping'),
        ({'force_constants': {}}, 'must map'),
        ({'force_constants': {'p_0000': '../x.yaml'}}, 'must be a file name'),
        ({'force_constants': {'p_0000': 'x.yaml'}}, 'there is no file x'),
        ({'temperature': 'cold'}, 'temperature'),
        ({'temperature': -1}, 'temperature'),
        ({'bin_width': 0}, 'bin_width'),
        ({'energy_range': [0]}, 'energy_range'),
        ({'energy_range': [100, 0]}, 'energy_range'),
        ({'max_order': 0}, 'max_order'),
        ({'mesh': [2, 2]}, 'mesh'),
        ({'mesh': '222'}, 'mesh'),
        ({'instrument': 'IN5'}, 'no instrument'),
    ],
)
def test_wrong_job_is_refused(job, tmp_path, change, match):
    (tmp_path / 'job.json').write_text(json.dumps(job | change))
    assert run_stage('ins', tmp_path / 'job.json') == 10
    assert match in json.loads((tmp_path / ERROR_FILE).read_text())['message']


def test_missing_key_is_named(job, tmp_path):
    del job['bin_width']
    with pytest.raises(JobFileError, match='lacks bin_width'):
        run(job, tmp_path)


def test_label_must_be_a_pressure(job, tmp_path):
    job['force_constants'] = {'zero': 'p_0000.yaml'}
    with pytest.raises(PressureError, match='zero'):
        run(job, tmp_path)


@pytest.mark.parametrize(
    'change',
    [
        {'temperature': 300},
        {'instrument': 'TOSCA-Abins'},
        {'energy_range': [0, 1000]},
        {'bin_width': 2.5},
        {'mesh': [3, 3, 3]},
        {'max_order': 1},
        {'max_order': None},
        {'settings': {'directions': 26}},
        {'settings': {'directions': 14, 'cross_section': 'incoherent'}},
        {'mesh': None, 'tolerance': 20.0},
        {'keep': 'element', 'isotopes': {'0': '6Li'}},
        {'isotopes': {'H': {'1H': 0.5, '2H': 0.5}}},
        {'instrument': 'MERLIN', 'energy_range': [0, 1400]},
        {'instrument': OURS},
        {'settings': {'directions': 14, 'coherent': True, 'coherent_points': 20}},
        {'settings': {'directions': 14, 'displacements': {'H': 0.1}}},
        {'settings': {'directions': 14, 'kernel': 'almost-isotropic'}},
        {'settings': {'directions': 14, 'tolerance': 0.3}, 'tolerance': None},
        {'settings': {'directions': 14, 'minimum_frequency': 400}},
    ],
)
def test_every_input_is_read(job, tmp_path, change):
    job['force_constants'] = {'p_0000': 'p_0000.yaml'}
    if 'minimum_frequency' in change.get('settings', {}):
        change['settings']['maximum_imaginary_weight'] = 1.0
    spectra = []
    for case in (job, job | change):
        run(case, tmp_path)
        with np.load(tmp_path / 'p_0000.npz', allow_pickle=False) as arrays:
            spectra.append(arrays['contributions'].sum(axis=(1, 2)).mean(axis=0))
            if 'coherent' in arrays:
                spectra[-1] += arrays['coherent'].mean(axis=0)
    assert len(spectra[0]) != len(spectra[1]) or np.abs(spectra[0] - spectra[1]).max() > 0


def test_interruption_is_passed_on(job, tmp_path, monkeypatch):
    def interrupted(*_args, **_options):
        raise InterruptedJobError(f'Ended by signal {signal.SIGTERM}')

    monkeypatch.setattr(convergence, 'converged_spectrum', interrupted)
    with pytest.raises(InterruptedJobError):
        run(job, tmp_path)


def test_elements_alone_can_be_kept(job, tmp_path):
    job['isotopes'] = {'0': '6Li'}
    job['keep'] = 'element'
    entry = run(job, tmp_path)['spectra']['p_0000']
    assert [site['name'] for site in entry['sites']] == ['6Li', 'Li', 'H']
    assert entry['sites'][2]['atoms'] == [4, 5, 6, 7]
    with np.load(tmp_path / 'p_0000.npz', allow_pickle=False) as arrays:
        assert arrays['contributions'].shape[1] == 3


def test_map_of_a_direct_instrument(job, tmp_path):
    run(job | {'instrument': 'MERLIN', 'energy_range': [0, 1400], 'map': [1, 4, 0.5]}, tmp_path)
    with np.load(tmp_path / 'p_0000.npz', allow_pickle=False) as arrays:
        assert arrays['map_momentum_transfer'] == pytest.approx(np.arange(1, 4.1, 0.5))
        assert arrays['map_total'].shape == arrays['map_accessible'].shape == (7, 281)
        assert arrays['map_energy_transfer'] == pytest.approx(np.arange(0, 1401, 5))
        assert (arrays['map_order_1'] <= arrays['map_total'] + 1e-12).all()


def test_instrument_without_resolution_has_a_margin(job, tmp_path):
    result = run(job | {'instrument': 'TFXA'}, tmp_path)
    assert result['instrument']['banks'] == ['backward']
    with np.load(tmp_path / 'p_0000.npz', allow_pickle=False) as arrays:
        assert arrays['energy_transfer'][-1] >= 1500 + 5 * (5 + 0.02 * 1500) - 5


def test_mesh_by_need_meets_the_tolerance(job, tmp_path):
    del job['mesh']
    entry = run(job | {'tolerance': 5.0}, tmp_path)['spectra']['p_0000']
    assert entry['convergence']['errors_percent']['q_mesh'] <= 5.0
    assert len(entry['convergence']['meshes']) >= 2
