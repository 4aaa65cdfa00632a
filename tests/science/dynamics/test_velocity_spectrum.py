"""Densities of states from velocities: closed forms, harmonic crystals, scipy and phonopy."""

import dataclasses

import numpy as np
import pytest
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from normal_mode_runs import harmonic_run, normal_modes, run_of, to_wavenumbers
from scipy import signal

from aiida_insbench.science.dynamics.commensurate import commensurate_modes, commensurate_points
from aiida_insbench.science.dynamics.correlations import (
    ANGULAR,
    BOLTZMANN,
    Segments,
    even_spectrum,
    jackknife_error,
    lag_products,
)
from aiida_insbench.science.dynamics.harmonic_density import (
    HarmonicDensity,
    bands_between_gaps,
    folded_gaussians,
    harmonic_density,
)
from aiida_insbench.science.dynamics.spectrum_comparison import TOTAL, compare_with_harmonic
from aiida_insbench.science.dynamics.stride_check import missed_motion
from aiida_insbench.science.dynamics.timestep import crystal_energies, integrator_frequencies
from aiida_insbench.science.dynamics.velocity_spectrum import velocity_spectrum
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.energies import EnergyGrid

MATRIX = np.diag([2, 2, 3])


@pytest.fixture(scope='module')
def crystal():
    return spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)


@pytest.fixture(scope='module')
def runs(crystal):
    modes = normal_modes(crystal)
    return [
        harmonic_run(
            crystal, temperature=300.0, n_frames=1600, stride=0.004, seed=seed, modes=modes
        )
        for seed in range(16)
    ]


def two_atoms(frequency, *, n_frames=20000, stride=0.001, masses=(1.0, 3.0)):
    """Two atoms on a spring that swing against each other along x."""
    times = np.arange(n_frames) * stride
    motion = np.cos(ANGULAR * frequency * times + 0.3)
    velocities = np.zeros((n_frames, 2, 3))
    velocities[:, 0, 0], velocities[:, 1, 0] = motion / masses[0], -motion / masses[1]
    return run_of(velocities, masses=masses, symbols=('H', 'Li'), stride=stride)


def test_one_oscillator_is_a_gaussian_of_the_width_asked_for():
    """A line at its frequency, with all degrees of freedom and the standard deviation σ."""
    grid = EnergyGrid(0.5, 0, 2000)
    found = velocity_spectrum(two_atoms(500.0), grid=grid, resolution=4.0)
    expected = 3 * folded_gaussians(np.array([500.0]), np.ones((1, 1)), grid.energies, 4.0)[0]
    assert found.total == pytest.approx(expected, abs=2e-3 * expected.max())
    assert found.degrees_of_freedom == pytest.approx([3 * 0.75, 3 * 0.25])


def test_moving_crystal_looks_like_one_at_rest():
    """A drift, even one that changes, is taken out."""
    grid = EnergyGrid(1.0, 0, 800)
    run = two_atoms(500.0, n_frames=12000)
    drift = np.linspace(-3, 9, 12000)[:, None, None] * np.array([1.0, 2.0, -0.5])
    moving = dataclasses.replace(run, velocities=run.velocities + drift)
    at_rest, in_motion = (
        velocity_spectrum(one, grid=grid, resolution=5.0) for one in (run, moving)
    )
    assert in_motion.parts == pytest.approx(at_rest.parts, abs=1e-9)


def test_states_add_up_to_the_degrees_of_freedom(runs):
    """Parseval: the area is 3N − 3 whatever the temperatures, each element its share."""
    found = velocity_spectrum(runs, grid=EnergyGrid(2.0, 0, 1900), resolution=8.0)
    widths = np.full(1901, 2.0)
    widths[0] = 1.0
    assert found.degrees_of_freedom.sum() == pytest.approx(3 * 72 - 3)
    assert found.parts @ widths == pytest.approx(found.degrees_of_freedom, rel=1e-4)
    assert found.seen == pytest.approx(1.0, abs=1e-4)


def test_density_of_a_harmonic_crystal(crystal, runs):
    """Modes by classical motion and by phonopy at the commensurate points, within the errors."""
    grid = EnergyGrid(2.0, 0, 900)
    found = velocity_spectrum(runs, grid=grid, resolution=8.0)
    known = harmonic_density(crystal, supercell_matrix=MATRIX, grid=grid, resolution=8.0)
    assert known.degrees_of_freedom == pytest.approx(found.degrees_of_freedom)
    deviation = (found.total - known.total) / (found.total_error + 1e-3 * known.total.max())
    assert np.sqrt(np.mean(deviation**2)) < 1.3
    assert np.abs(deviation).max() < 4.5
    for element, part in zip(known.elements, known.parts, strict=True):
        error = found.error_by_element[element] + 1e-3 * part.max()
        assert np.abs((found.by_element[element] - part) / error).max() < 5


def test_comparison_of_a_harmonic_crystal_gives_zero(crystal, runs):
    """No shift, no broadening, no more distance than noise; no warning at tight limits."""
    grid = EnergyGrid(2.0, 0, 900)
    md = velocity_spectrum(runs, grid=grid, resolution=8.0)
    known = harmonic_density(crystal, supercell_matrix=MATRIX, grid=grid, resolution=8.0)
    result = compare_with_harmonic(md, known, max_shift=3.0, max_distance=5.0, gap=40.0)
    totals = [one for one in result.windows if one.label == TOTAL]
    assert len(totals) > 1
    assert sum(one.harmonic_states for one in totals) == pytest.approx(213, abs=0.05)
    for one in totals:
        assert abs(one.shift) < 3.5 * one.shift_error
        assert abs(one.broadening) < 3.5 * one.broadening_error
        assert one.distance < 3 * one.distance_noise
    assert result.warnings == ()


def test_comparison_sees_another_crystal(crystal, runs):
    """Masses of hydrogen as they are, force constants × 1.04²: frequencies 4 % higher."""
    grid = EnergyGrid(2.0, 0, 1000)
    md = velocity_spectrum(runs, grid=grid, resolution=8.0)
    stiffer = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    stiffer.force_constants = crystal.force_constants * 1.04**2
    known = harmonic_density(stiffer, supercell_matrix=MATRIX, grid=grid, resolution=8.0)
    result = compare_with_harmonic(
        md, known, max_shift=5.0, max_distance=100.0, windows=[(0.0, 2000.0)]
    )
    total = result.windows[0]
    assert total.shift == pytest.approx(-0.04 / 1.04 * (total.mean - total.shift), rel=0.25)
    assert any('below the harmonic density (limit 5)' in one for one in result.warnings)
    assert f'at {md.temperature:.0f} K the run lies {-total.shift:.1f}' in result.warnings[0]


def test_temperature_by_element_and_its_error(crystal, runs):
    """Equipartition within the errors; a hot element is seen and its density is unchanged."""
    grid = EnergyGrid(5.0, 0, 360)
    found = velocity_spectrum(runs, grid=grid, resolution=8.0)
    assert (np.abs(found.temperatures - 300) < 4 * found.temperature_errors).all()
    assert found.temperature_errors.max() < 12
    rng = np.random.default_rng(3)
    masses = np.array([1.0] * 20 + [24.0] * 20)
    kelvins = np.array([450.0] * 20 + [300.0] * 20)
    speeds = np.sqrt(BOLTZMANN * kelvins / masses)[None, :, None] * rng.normal(size=(6000, 40, 3))
    run = run_of(speeds, masses=masses, symbols=['H'] * 20 + ['Mg'] * 20, stride=0.002)
    hot = velocity_spectrum(run, grid=grid, resolution=10.0).temperature_by_element
    # without the centre of mass: heavy atoms lend it some of their temperature
    assert hot['H'] == pytest.approx(450, rel=0.02)
    assert hot['Mg'] == pytest.approx(300, rel=0.02)


def test_spectrum_against_scipy():
    """The periodogram of scipy, smoothed, from the correlation made biased like it."""
    rng = np.random.default_rng(5)
    series = signal.lfilter([1.0], [1.0, -1.6, 0.9], rng.normal(size=4000))
    stride, resolution = 0.002, 20.0
    n_lags = int(4.5 / (ANGULAR * resolution) / stride) + 1
    segments = Segments(((0, slice(0, 4000)),), stride, n_lags, resolution, 0)
    biased = lag_products(series, series, n_lags=n_lags) * (1 - np.arange(n_lags) / 4000)
    grid = EnergyGrid(10.0, 20, 600)
    mine = even_spectrum(biased, segments=segments, grid=grid)
    frequencies, power = signal.periodogram(
        series, fs=1 / stride, nfft=16384, detrend=False, return_onesided=False
    )
    wavenumbers = frequencies * 2 * np.pi / ANGULAR
    per_wavenumber = power * ANGULAR / (2 * np.pi)
    step = wavenumbers[1] - wavenumbers[0]
    gaussian = np.exp(-0.5 * ((grid.energies[:, None] - wavenumbers) / resolution) ** 2)
    expected = gaussian @ per_wavenumber * step / (np.sqrt(2 * np.pi) * resolution)
    assert mine == pytest.approx(expected, rel=1e-3, abs=1e-4 * expected.max())


def test_correlation_against_direct_sums():
    """Means over pairs of frames, for real and complex series."""
    rng = np.random.default_rng(1)
    series = rng.normal(size=(2, 37)) + 1j * rng.normal(size=(2, 37))
    for values in (series.real, series):
        found = lag_products(values, values, n_lags=20)
        for lag in (0, 1, 7, 19):
            pairs = values[:, lag:] * values[:, : 37 - lag].conj()
            assert found[:, lag] == pytest.approx(pairs.mean(axis=1))


def test_commensurate_points_hold_the_modes_of_the_supercell(crystal):
    """Frequencies at the points, by a mesh of phonopy and by the matrix of the whole supercell."""
    modes = commensurate_modes(crystal, supercell_matrix=MATRIX)
    found = np.sort(modes.frequencies.ravel())
    assert found[:3] == pytest.approx([0, 0, 0], abs=1e-9)
    assert found[3:] == pytest.approx(np.sort(to_wavenumbers(normal_modes(crystal)[0])), rel=1e-5)
    crystal.run_mesh([2, 2, 3], is_gamma_center=True, is_mesh_symmetry=False)
    mesh = np.sort(crystal.mesh.frequencies.ravel()) * 33.35641
    assert found[3:] == pytest.approx(mesh[3:], rel=1e-4)


@pytest.mark.parametrize(
    'matrix', [[[1, 1, 0], [-1, 1, 0], [0, 0, 2]], [[2, 0, 1], [0, 1, 0], [0, 0, 1]]]
)
def test_commensurate_points_of_skew_supercells(matrix):
    """exp(2πi q·R) = 1 for all axes of the supercell, and there are as many as cells."""
    points = commensurate_points(matrix)
    products = points @ np.array(matrix).T
    assert products == pytest.approx(np.rint(products), abs=1e-9)
    assert len(points) == round(np.linalg.det(matrix))
    assert len({tuple(np.round(one % 1, 6) % 1) for one in points}) == len(points)


def test_density_against_phonopy(crystal):
    """Gaussian smearing by phonopy on the same mesh, above the acoustic modes at Γ."""
    grid = EnergyGrid(5.0, 40, 340)
    mine = harmonic_density(crystal, supercell_matrix=MATRIX, grid=grid, resolution=8.0)
    crystal.run_mesh([2, 2, 3], is_gamma_center=True, is_mesh_symmetry=False)
    terahertz = 1 / 33.35641
    crystal.run_total_dos(
        sigma=8.0 * terahertz,
        freq_min=200 * terahertz,
        freq_max=1700 * terahertz,
        freq_pitch=5 * terahertz,
        use_tetrahedron_method=False,
    )
    dos = crystal.total_dos
    theirs = np.interp(grid.energies, dos.frequency_points / terahertz, dos.dos * terahertz * 12)
    assert mine.total == pytest.approx(theirs, abs=5e-3 * theirs.max())


def morse_run(*, frequency, depth, temperature, n_atoms, n_frames, stride, seed):
    """Atoms of 1 u, each in its own Morse well along x, y and z; velocity Verlet at stride/8."""
    rng = np.random.default_rng(seed)
    omega, heat = ANGULAR * frequency, BOLTZMANN * temperature
    width = omega / np.sqrt(2 * depth)  # V = D (1 − e^{−ax})², mω² = 2 D a²
    tries = rng.uniform(-0.5, 0.9, size=(400, 3 * n_atoms)) / width
    odds = np.exp(-depth * (1 - np.exp(-width * tries)) ** 2 / heat)
    accepted = (rng.uniform(size=tries.shape) < odds).argmax(axis=0)
    places = tries[accepted, np.arange(3 * n_atoms)]
    speeds = np.sqrt(heat) * rng.normal(size=3 * n_atoms)
    velocities, positions = np.empty((2, n_frames, n_atoms, 3))
    step = stride / 8

    def force(at):
        decay = np.exp(-width * at)
        return -2 * depth * width * decay * (1 - decay)

    pull = force(places)
    for frame in range(n_frames):
        velocities[frame], positions[frame] = speeds.reshape(-1, 3), places.reshape(-1, 3)
        for _ in range(8):
            speeds = speeds + step / 2 * pull
            places = places + step * speeds
            pull = force(places)
            speeds = speeds + step / 2 * pull
    return run_of(
        velocities,
        positions=positions,
        masses=np.ones(n_atoms),
        symbols=['H'] * n_atoms,
        stride=stride,
    )


def test_shift_of_morse_oscillators():
    r"""ω(E) = ω₀ √(1 − E/D); the density weighs with E, so that its mean is ω₀ (1 − kT/D)."""
    frequency, temperature, n_atoms = 1000.0, 300.0, 400
    heat = BOLTZMANN * temperature
    depth = 60 * heat
    found = [
        morse_run(
            frequency=frequency,
            depth=depth,
            temperature=temperature,
            n_atoms=n_atoms,
            n_frames=1000,
            stride=0.004,
            seed=seed,
        )
        for seed in range(4)
    ]
    grid = EnergyGrid(2.0, 0, 1500)
    md = velocity_spectrum(found, grid=grid, resolution=10.0)
    freedoms = np.array([3.0 * n_atoms - 3])
    lines = np.full(3 * n_atoms - 3, frequency)
    known = HarmonicDensity(
        grid=grid,
        elements=('H',),
        parts=folded_gaussians(lines, np.ones((1, len(lines))), grid.energies, 10.0),
        degrees_of_freedom=freedoms,
        frequencies=lines,
        imaginary=(),
        resolution=10.0,
    )
    result = compare_with_harmonic(
        md, known, max_shift=5.0, max_distance=8.0, windows=[(500.0, 1500.0)]
    )
    one = result.windows[0]
    expected = -frequency / 60
    # second order in kT/D and the integrator's shift are each below 4 % of it
    assert one.shift == pytest.approx(expected, abs=3 * one.shift_error + 0.06 * abs(expected))
    assert one.broadening > 5 * one.broadening_error
    # red shift only: states move by as much as their mean
    assert one.distance == pytest.approx(abs(one.shift), rel=0.15)
    assert len(result.warnings) == 4  # all atoms and hydrogen, shift and distance


def test_integrator_puts_lines_higher():
    """Velocity Verlet at 0.5 fs: 3600 cm⁻¹ becomes 3617; the formula and a run agree."""
    moved = integrator_frequencies(np.array([3600.0, 0.0, -50.0]), timestep=0.5)
    assert moved[0] == pytest.approx(3617.5, abs=0.5)
    assert moved[1:].tolist() == [0.0, -50.0]
    assert crystal_energies(moved[:1], timestep=0.5) == pytest.approx([3600.0])
    omega, place, speed = ANGULAR * 3600.0, 1.0, 0.0
    crossings, step = [], 0.0005
    for number in range(20000):
        speed -= step / 2 * omega**2 * place
        new = place + step * speed
        speed -= step / 2 * omega**2 * new
        if place > 0 >= new:
            crossings.append(number + place / (place - new))
        place = new
    period = (crossings[-1] - crossings[0]) / (len(crossings) - 1) * step
    assert 2 * np.pi / period / ANGULAR == pytest.approx(moved[0], rel=1e-4)
    with pytest.raises(InputError, match='unstable'):
        integrator_frequencies(np.array([3600.0]), timestep=4.0)


def test_timestep_moves_the_harmonic_lines(crystal):
    grid = EnergyGrid(2.0, 0, 900)
    options = {'supercell_matrix': MATRIX, 'grid': grid, 'resolution': 8.0}
    plain = harmonic_density(crystal, **options)
    moved = harmonic_density(crystal, timestep=2.0, **options)
    assert moved.frequencies == pytest.approx(
        integrator_frequencies(plain.frequencies, timestep=2.0)
    )
    assert moved.frequencies[-1] > plain.frequencies[-1] + 2


def test_imaginary_modes_are_listed_and_said(crystal, runs):
    unstable = spring_crystal(MAGNESIUM_HYDRIDE, {2.1: (3.0, -0.1), 2.6: (0.35, 0.05)})
    grid = EnergyGrid(2.0, 0, 900)
    known = harmonic_density(unstable, supercell_matrix=MATRIX, grid=grid, resolution=8.0)
    assert len(known.imaginary) > 0
    assert known.frequencies[0] == known.imaginary[0] < 0
    assert known.degrees_of_freedom.sum() == pytest.approx(213)
    md = velocity_spectrum(runs, grid=grid, resolution=8.0)
    result = compare_with_harmonic(
        md, known, max_shift=1e3, max_distance=1e3, windows=[(0.0, 1800.0)]
    )
    assert result.warnings[0].startswith(f'{len(known.imaginary)} harmonic modes are imaginary')


def test_bands_are_cut_in_gaps():
    modes = np.array([-20.0, 0.0, 50.0, 100.0, 300.0, 320.0, 900.0])
    assert bands_between_gaps(modes, gap=150.0, end=1000.0) == (
        (0.0, 200.0),
        (200.0, 610.0),
        (610.0, 1000.0),
    )
    with pytest.raises(InputError, match='harmonic modes reach 900'):
        bands_between_gaps(modes, gap=150.0, end=800.0)


def test_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(2).normal(size=(9, 3))
    without = (values.sum(axis=0) - values) / 8
    expected = values.std(axis=0, ddof=1) / 3
    assert jackknife_error(without) == pytest.approx(expected)


@pytest.mark.parametrize('share', [0.3, 1.0, 1.6])
def test_frames_too_far_apart_are_noticed(share):
    """An oscillator at a share of the Nyquist frequency: (sin x/x − cos x)² by hand."""
    stride = 0.004
    omega = share * np.pi / stride
    angles = omega * np.arange(5000) * stride + 0.9
    places, speeds = np.zeros((5000, 2, 3)), np.zeros((5000, 2, 3))
    places[:, 0, 0], speeds[:, 0, 0] = np.sin(angles) / omega, np.cos(angles)
    places[:, 1], speeds[:, 1] = -places[:, 0], -speeds[:, 0]
    run = run_of(speeds, positions=places, masses=np.ones(2), symbols='HH', stride=stride)
    half = omega * stride / 2
    between = (np.cos(angles[:-1] + half) ** 2).mean() / (np.cos(angles[1:]) ** 2).mean()
    expected = (np.sin(half) / half - np.cos(half)) ** 2 * between
    assert missed_motion([run])['H'] == pytest.approx(expected, rel=0.01)
    grid = EnergyGrid(5.0, 0, 400)
    found = velocity_spectrum(run, grid=grid, resolution=10.0)
    assert bool(found.warnings) == (share > 0.5)
    if found.warnings:
        assert 'of the motion of H between them' in found.warnings[0]


@pytest.mark.parametrize(
    ('change', 'options', 'message'),
    [
        ({}, {'resolution': 0.1}, r'Take 2\.\d cm⁻¹ or more'),
        ({}, {'grid': EnergyGrid(1.0, 0, 17000)}, r'show energies up to 166\d\d cm⁻¹'),
        ({}, {'grid': EnergyGrid(9.0, 0, 100)}, 'no wider than the resolution'),
        ({}, {'resolution': -1.0}, 'no wider|must be > 0'),
        ({'velocities': np.zeros((20000, 2, 3))}, {}, 'does not move'),
        ({'times': np.arange(20000.0) ** 1.01}, {}, 'not evenly spaced'),
    ],
)
def test_what_cannot_be_seen_is_refused(change, options, message):
    run = dataclasses.replace(two_atoms(500.0), **change)
    grid = EnergyGrid(0.1 if 'resolution' in options else 1.0, 0, 900)
    with pytest.raises(InputError, match=message):
        velocity_spectrum(run, **{'grid': grid, 'resolution': 5.0, **options})


def test_bad_frames_are_named():
    run = two_atoms(500.0)
    run.velocities[77, 1, 2] = np.nan
    with pytest.raises(InputError, match='`velocities` of frame 77 are not finite'):
        velocity_spectrum(run, grid=EnergyGrid(1.0, 0, 900), resolution=5.0)


def test_folded_and_foreign_densities_are_refused(crystal, runs):
    grid = EnergyGrid(2.0, 0, 400)
    coarse = [
        dataclasses.replace(
            run,
            **{
                name: getattr(run, name)[::4]
                for name in ('times', 'velocities', 'positions', 'cells')
            },
        )
        for run in runs[:4]
    ]
    md = velocity_spectrum(coarse, grid=grid, resolution=8.0)
    limits = {'max_shift': 5.0, 'max_distance': 5.0}
    options = {'grid': grid, 'resolution': 8.0}
    known = harmonic_density(crystal, supercell_matrix=MATRIX, **options)
    with pytest.raises(InputError, match='folded back'):
        compare_with_harmonic(md, known, **limits)
    md = velocity_spectrum(runs[:4], grid=grid, resolution=8.0)
    other = harmonic_density(crystal, supercell_matrix=np.diag([1, 2, 3]), **options)
    with pytest.raises(InputError, match='not the same supercell'):
        compare_with_harmonic(md, other, **limits)
    with pytest.raises(InputError, match='harmonic modes reach'):
        compare_with_harmonic(md, known, **limits)
    with pytest.raises(InputError, match='Limits'):
        compare_with_harmonic(md, known, max_shift=0.0, max_distance=5.0)
