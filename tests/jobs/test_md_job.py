"""Stage ``md``: runs that are recorded, looked at, bounded, and resumed to the last bit."""

import subprocess
import sys
import time

import numpy as np
import pytest
from md_jobs import arrays, copper, go, record, write_job

from aiida_insbench.jobs.md import run
from aiida_insbench.jobs.md_task import read_md_settings, read_task
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.structures import atoms_to_dict


@pytest.fixture(scope='module')
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp('md')
    return folder, go(folder, structures={'p_0000': copper(), 'p_5000': copper(3.55)})


def test_each_pressure_has_each_ensemble(done) -> None:
    folder, result = done
    wanted = [f'{p}_{e}' for p in ('p_0000', 'p_5000') for e in ('nvt', 'npt', 'nve')]
    assert result['finished'] == wanted
    assert result['sound'], [record(folder, label)['violations'] for label in wanted]
    for label in wanted:
        found = record(folder, label)
        assert found['length_ps'] == pytest.approx(1.0)
        assert found['averages']['temperature']['mean'] == pytest.approx(300, rel=0.25)
        assert found['frames_written'] == 126


def test_frames_are_evenly_spaced_and_belong_to_the_scalars(done) -> None:
    folder, _ = done
    found = arrays(folder, 'p_5000_npt')
    assert np.diff(found['times']) == pytest.approx(0.008)
    assert found['series_time'] == pytest.approx(np.arange(126) * 0.008)
    volumes = np.linalg.det(found['cells'])
    assert found['series_volume'] == pytest.approx(volumes, rel=1e-12)
    kinetic = 0.5 * np.einsum('a,tai,tai->t', found['masses'], *[found['velocities']] * 2)
    # u Å²/ps² in eV
    assert found['series_kinetic_energy'] == pytest.approx(kinetic * 1.03642696e-4, rel=1e-6)


def test_velocities_are_the_slope_of_the_positions(tmp_path) -> None:
    go(tmp_path, ensembles=['nve'], timestep=0.5, frame_interval=0.5, length=0.02, equilibration=0)
    found = arrays(tmp_path, 'p_0000_nve')
    slope = (found['positions'][2:] - found['positions'][:-2]) / 0.001
    assert np.abs(slope - found['velocities'][1:-1]).max() < 5e-3


def test_energy_of_nve_stays_after_equilibration(done) -> None:
    folder, _ = done
    found = arrays(folder, 'p_0000_nve')
    total = found['series_potential_energy'] + found['series_kinetic_energy']
    later = found['series_time'] >= 0.2 - 1e-9
    assert np.ptp(total[later]) < 0.02 * np.ptp(total[~later])
    assert np.array_equal(found['series_conserved_energy'][later], total[later])


def test_what_is_brought_back_is_bounded(tmp_path) -> None:
    go(tmp_path, ensembles=['nvt'], max_frames=30)
    found, said = arrays(tmp_path, 'p_0000_nvt'), record(tmp_path, 'p_0000_nvt')
    assert len(found['times']) == said['frames_kept'] <= 30
    assert np.diff(found['times']) == pytest.approx(said['frame_interval_fs'] / 1000)
    assert list((tmp_path / 'md').iterdir()) == []


def test_seed_decides(tmp_path) -> None:
    for name, seed in (('first', 5), ('again', 5), ('other', 6)):
        go(tmp_path / name, ensembles=['nvt'], length=0.1, seed=seed)
    first, again, other = (
        arrays(tmp_path / name, 'p_0000_nvt')['positions'] for name in ('first', 'again', 'other')
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize('ensemble', ['nve', 'nvt', 'npt'])
def test_killed_run_goes_on_to_the_same_trajectory(tmp_path, ensemble) -> None:
    """SIGKILL at some moment behind the first checkpoint, then the same job again."""
    go(tmp_path / 'whole', ensembles=[ensemble], length=0.4)
    folder = tmp_path / 'killed'
    write_job(folder, ensembles=[ensemble], length=0.4)
    words = [sys.executable, '-W', 'ignore', '-m', 'aiida_insbench.jobs', 'md']
    started = subprocess.Popen([*words, str(folder / 'job.json')])
    checkpoint = folder / 'md' / f'p_0000_{ensemble}' / 'checkpoint.npz'
    end = time.monotonic() + 120
    while not checkpoint.exists():
        assert time.monotonic() < end
        assert started.poll() is None
        time.sleep(0.01)
    started.kill()
    started.wait()
    assert not (folder / f'run_p_0000_{ensemble}.json').exists()
    assert run_stage('md', folder / 'job.json') == 0
    assert record(folder, f'p_0000_{ensemble}')['resumed_at'] > 0
    whole, resumed = (arrays(tmp_path / one, f'p_0000_{ensemble}') for one in ('whole', 'killed'))
    for name, values in whole.items():
        assert np.array_equal(values, resumed[name]), name


def test_chunk_without_its_checkpoint_is_written_again(tmp_path) -> None:
    job = write_job(tmp_path, ensembles=['nvt'])
    stray = tmp_path / 'md' / 'p_0000_nvt' / 'chunk_0000000020.npz'
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b'half')
    run(job, tmp_path, Progress(tmp_path, 'md'))
    assert record(tmp_path, 'p_0000_nvt')['frames_written'] == 126


def test_finished_runs_are_skipped(tmp_path) -> None:
    job = write_job(tmp_path, ensembles=['nvt', 'nve'], length=0.1)
    result = run({**job, 'finished': ['p_0000_nvt']}, tmp_path, Progress(tmp_path, 'md'))
    assert (result['finished'], result['skipped']) == (['p_0000_nve'], ['p_0000_nvt'])
    assert not (tmp_path / 'run_p_0000_nvt.json').exists()


def test_bad_potential_is_no_crash_but_a_verdict(tmp_path) -> None:
    """Copper held by the forces of argon: it evaporates, and is stopped when it does."""
    result = go(
        tmp_path,
        potential=('lj', {'sigma': 2.9, 'epsilon': 0.002, 'rc': 7.0}),
        ensembles=['npt'],
        length=4.0,
        temperature=600.0,
        barostat_time=200.0,
    )
    found = record(tmp_path, 'p_0000_npt')
    assert not result['sound']
    assert found['violations']
    assert found['length_ps'] < found['planned_ps']
    assert found['violations'][0]['check'] in ('volume', 'cell_shape', 'site', 'contact')
    assert found['violations'][0]['reason']


def test_explosion_is_a_verdict(tmp_path) -> None:
    """Atoms far inside each other's repulsion fly apart in the first steps."""
    result = go(
        tmp_path,
        potential=('lj', {'sigma': 3.4, 'epsilon': 1.0, 'rc': 8.0}),
        ensembles=['nve'],
    )
    first = record(tmp_path, 'p_0000_nve')['violations'][0]
    assert not result['sound']
    assert first['check'] in ('finite', 'temperature_explosion')
    assert first['time'] < 0.1


def test_isotopes_weigh(tmp_path) -> None:
    job = write_job(tmp_path, isotopes={'Cu': '65Cu'})
    (plan, *_) = read_task(job).plans
    assert plan.atoms.get_masses() == pytest.approx(64.9278, abs=1e-3)


def test_narrow_cell_is_said(done) -> None:
    _, result = done
    (warning,) = result['warnings']
    assert 'twice' in warning
    assert 'p_5000_npt' in warning


def test_density_of_states_by_element(tmp_path) -> None:
    go(tmp_path, ensembles=['nvt'], length=2.8, resolution=20.0)
    found = arrays(tmp_path, 'p_0000_nvt')
    area = np.trapezoid(found['density_total'], found['density_energy'])
    assert area == pytest.approx(3 * 32 - 3, rel=0.05)
    assert np.array_equal(found['density_total'], found['density_Cu'])
    # copper's vibrations end at 250 cm⁻¹ (Nicklow et al. 1967), EMT's below 300
    beyond = found['density_energy'] > 340
    assert np.trapezoid(found['density_total'][beyond], found['density_energy'][beyond]) < 1.0


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        ({'temperature': 0.0}, 'temperature'),
        ({'temperature': -300.0}, 'temperature'),
        ({'length': 0.0}, 'length'),
        ({'length': -1.0}, 'length'),
        ({'equilibration': -0.1}, 'equilibration'),
        ({'timestep': -1.0}, 'timestep'),
        ({'timestep': 9.0}, 'at most 8 fs'),
        ({'ensembles': ['nph']}, 'ensembles'),
        ({'ensembles': []}, 'ensembles'),
        ({'ensembles': ['nvt', 'nvt']}, 'ensembles'),
        ({'dtype': 'float16'}, 'dtype'),
        ({'length': 0.005}, 'no frames would be left'),
        ({'thresholds': {'volume_ratio': [1.2, 0.8]}}, 'volume_ratio'),
        ({'thresholds': {'bond_stretch': 2.0}}, 'bond_stretch'),
        ({'thresholds': {'colour': 1}}, 'colour'),
        ({'colour': 1}, 'colour'),
        ({'isotopes': {'H': 'D'}}, 'isotopes'),
        ({'seed': -1}, 'seed'),
        ({'processes': -1}, 'processes'),
        ({'processes': 1.5}, 'processes'),
        ({'processes': True}, 'processes'),
    ],
)
def test_bad_settings_are_refused_by_name(tmp_path, settings, named) -> None:
    with pytest.raises(InputError, match=named):
        read_task(write_job(tmp_path, **settings))


def test_long_step_for_hydrogen_is_warned_of() -> None:
    from lj_rutile import rutile

    job = {
        'structures': {'p_0000': atoms_to_dict(rutile())},
        'supercell_matrix': np.eye(3, dtype=int).tolist(),
        'settings': {'timestep': 1.5},
    }
    (warning,) = read_task(job).warnings
    assert '1.5 fs' in warning
    with pytest.raises(InputError, match='2 fs'):
        read_task({**job, 'settings': {'timestep': 2.5}})
    assert read_md_settings({})['ensembles'] == ['nvt', 'npt', 'nve']


def test_potential_without_stress_is_refused(tmp_path, monkeypatch) -> None:
    from ase.calculators.emt import EMT

    monkeypatch.setattr(EMT, 'implemented_properties', ['energy', 'forces'])
    with pytest.raises(InputError, match='no stress'):
        go(tmp_path)
