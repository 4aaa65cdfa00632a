"""Gaussian quantum route: spectra of a cold crystal from velocities of a warm classical run."""

import dataclasses

import numpy as np
import pytest
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from normal_mode_runs import harmonic_run, normal_modes, run_of

from aiida_insbench.science.dynamics.commensurate import commensurate_modes
from aiida_insbench.science.dynamics.correlations import ANGULAR, as_runs, cut_segments
from aiida_insbench.science.dynamics.gaussian_quantum import gaussian_powder
from aiida_insbench.science.dynamics.motion_density import motion_densities, quantum_density
from aiida_insbench.science.dynamics.timestep import integrator_frequencies
from aiida_insbench.science.errors import ConvergenceError, InputError
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.simulation import Simulation

TOSCA = get_instrument('TOSCA')
RECOIL = 16.857629168  # ħ²/2M of 1 u in cm⁻¹ Å²
KELVIN = 0.6950348  # cm⁻¹
RANGE, BIN = (60.0, 1900.0), 4.0


@pytest.fixture(scope='module')
def crystal():
    return spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)


@pytest.fixture(scope='module')
def sites(crystal):
    return crystal.supercell.s2u_map.tolist()


@pytest.fixture(scope='module')
def runs(crystal):
    modes = normal_modes(crystal)
    options = {'temperature': 300.0, 'n_frames': 1200, 'stride': 0.004, 'drawn': False}
    return [harmonic_run(crystal, seed=seed, modes=modes, **options) for seed in range(8)]


def simulation(temperature, **options):
    return Simulation(TOSCA, temperature, RANGE, BIN, PowderOptions(resolution=[25.0], **options))


def known(crystal, temperature, **options):
    return powder_spectrum(
        commensurate_modes(crystal, supercell_matrix=np.diag([2, 2, 3])),
        instrument=TOSCA,
        temperature=temperature,
        energy_range=RANGE,
        bin_width=BIN,
        options=PowderOptions(resolution=[25.0], **options),
    )


@pytest.mark.parametrize('temperature', [10.0, 300.0])
def test_harmonic_crystal_gives_its_harmonic_spectrum(crystal, runs, sites, temperature):
    """The same powder spectrum from classical velocities at 300 K as from the modes."""
    found = gaussian_powder(
        runs,
        simulation(temperature),
        resolution=9.0,
        highest_energy=1900.0,
        sites=sites,
        n_cells=12,
    )
    expected = known(crystal, temperature)
    mine, theirs = found.spectrum, expected.spectrum
    assert mine.grid == theirs.grid
    assert mine.total.sum() == pytest.approx(theirs.total.sum(), rel=0.01)
    difference = np.abs(mine.total - theirs.total)
    assert difference.sum() < 0.02 * theirs.total.sum()
    assert difference.max() < 0.04 * theirs.total.max()
    for element in ('Mg', 'H'):
        gap = np.abs(mine.by_element[element] - theirs.by_element[element]).sum()
        assert gap < 0.03 * theirs.by_element[element].sum()
        assert found.result.displacements[element] == pytest.approx(
            expected.displacements[element], rel=0.01
        )
    # the first two orders one by one
    for order in (0, 1):
        gap = np.abs(mine.by_order[order] - theirs.by_order[order]).sum()
        assert gap < 0.03 * theirs.by_order[order].sum()
    assert found.states == pytest.approx(1, abs=1e-3)
    assert found.result.sum_rules.norm == pytest.approx(1, abs=2e-3)
    assert found.result.sum_rules.first_moment == pytest.approx(1 - 1.0 / 322, abs=0.01)
    assert found.result.warnings == ()
    assert 0 < found.error.mean() < 0.02 * mine.total.mean()


def test_almost_isotropic_kernel_of_a_harmonic_crystal(crystal, runs, sites):
    """Its order 1 is not linear in the density, which the window smears: nearly the same."""
    found = gaussian_powder(
        runs,
        simulation(10.0, kernel='almost-isotropic'),
        resolution=9.0,
        highest_energy=1900.0,
        sites=sites,
        n_cells=12,
    )
    theirs = known(crystal, 10.0, kernel='almost-isotropic').spectrum
    assert np.abs(found.spectrum.total - theirs.total).sum() < 0.04 * theirs.total.sum()
    assert 'take `exact`' in found.result.warnings[0]


def test_quantum_route_has_zero_point_motion(runs, sites):
    """At 10 K hydrogen moves by far more than a classical atom; detailed balance holds."""
    segments = cut_segments(runs, resolution=9.0, highest_energy=1900.0)
    grid = EnergyGrid(4.0, 0, 475)
    motions = motion_densities(as_runs(runs), segments=segments, sites=sites, grid=grid)
    hydrogen = next(one for one in motions if one.mass < 2)
    share = hydrogen.mass / runs[0].masses.sum()
    options = {'minimum': 30.0, 'resolution': 9.0, 'mass_share': share}
    cold, warm = (
        quantum_density(hydrogen, temperature=one, **options).density for one in (10.0, 300.0)
    )
    classical = 10.0 / 300 * np.trace(warm.tensor())
    assert np.trace(cold.tensor()) > 10 * classical
    energies = np.arange(len(warm.loss[0])) * 4.0
    used = energies > 100
    assert warm.gain[:3, used] == pytest.approx(
        warm.loss[:3, used] * np.exp(-energies[used] / (KELVIN * 300)), rel=1e-3, abs=1e-12
    )
    for density in (cold, warm):
        moment = density.first_moment()[:3].sum()
        assert moment == pytest.approx(3 * (1 - share) * RECOIL / hydrogen.mass, rel=5e-3)


def test_copies_share_their_mean(runs, sites):
    """Sites by translations are means of single atoms."""
    segments = cut_segments(runs[:2], resolution=15.0, highest_energy=1900.0)
    grid = EnergyGrid(5.0, 0, 380)
    options = {'segments': segments, 'grid': grid}
    together = motion_densities(as_runs(runs[:2]), sites=sites, **options)
    alone = motion_densities(as_runs(runs[:2]), sites=range(72), **options)
    assert [len(one.atoms) for one in together] == [12] * 6
    for one in together[::3]:
        mean = np.mean([alone[atom].tensor for atom in one.atoms], axis=0)
        # each alone is divided by its own kinetic energy
        assert one.tensor == pytest.approx(mean, abs=0.1 * np.abs(mean).max())
        step = np.full(381, 5.0)
        step[0] = 2.5
        trace = (one.tensor @ step)[:3].sum()
        assert trace == pytest.approx(3 * (1 - one.mass / runs[0].masses.sum()), rel=1e-3)


def test_one_fast_oscillator_with_its_integrator_undone():
    """Velocity Verlet at 1 fs moves 3000 cm⁻¹ to 3041; `timestep` moves it back."""
    moved = float(integrator_frequencies(np.array([3000.0]), timestep=1.0)[0])
    assert moved > 3030
    times = np.arange(6000) * 0.001
    velocities = np.zeros((6000, 2, 3))
    for axis in range(3):
        swing = np.cos(ANGULAR * moved * times + axis)
        velocities[:, 0, axis], velocities[:, 1, axis] = swing, -swing / 1e6
    run = run_of(velocities, masses=[1.0, 1e6], symbols=('H', 'Mg'), stride=0.001)
    grid = EnergyGrid(2.0, 0, 1700)
    segments = cut_segments([run], resolution=10.0, highest_energy=3400.0)
    motion = motion_densities([run], segments=segments, sites=[0, 1], grid=grid)[0]
    options = {'temperature': 0.0, 'minimum': 100.0, 'resolution': 10.0, 'mass_share': 1e-6}
    for timestep, expected in ((None, moved), (1.0, 3000.0)):
        density = quantum_density(motion, timestep=timestep, **options).density
        line = density.loss[:3].sum(axis=0)
        energies = np.arange(len(line)) * 2.0
        assert line @ energies / line.sum() == pytest.approx(expected, abs=0.6)
        assert np.trace(density.tensor()) / 3 == pytest.approx(RECOIL / expected, rel=1e-3)


def test_soft_modes_left_out_are_said(crystal, runs, sites):
    """A minimum in the midst of the modes leaves some out, a wide window smears them."""
    found = gaussian_powder(
        runs[:2],
        simulation(10.0, directions=14, max_order=2),
        resolution=12.0,
        highest_energy=1000.0,
        minimum=250.0,
        sites=sites,
        n_cells=12,
    )
    assert found.states < 0.9
    assert 'of the degrees of freedom lie between 250 and 1000 cm⁻¹' in found.result.warnings[0]
    census = found.result.census
    assert census.left_out['Mg'] > 0.05
    assert census.completeness.mean() == pytest.approx(found.states, abs=0.01)


def test_wide_window_is_said():
    """σ of 40 cm⁻¹ on modes at 200 cm⁻¹ adds 3σ²/ω² = 12 % to U where it is classical."""
    rng = np.random.default_rng(4)
    times = np.arange(4000) * 0.002
    waves = np.cos(ANGULAR * 200.0 * times[:, None, None] + rng.uniform(0, 6.28, size=(1, 40, 3)))
    run = run_of(waves * 1.0, masses=np.ones(40), symbols=['H'] * 40, stride=0.002)
    asked = Simulation(
        TOSCA, 500.0, (100.0, 400.0), 4.0, PowderOptions(resolution=[60.0], directions=6)
    )
    options = {'highest_energy': 800.0, 'sites': [0] * 40}
    found = gaussian_powder(run, asked, resolution=40.0, minimum=60.0, **options)
    narrow = gaussian_powder(run, asked, resolution=6.0, minimum=60.0, **options)
    added = found.result.displacements['H'] / narrow.result.displacements['H'] - 1
    assert found.broadening_bias > 0.1 > 0.02 > narrow.broadening_bias
    assert added == pytest.approx(found.broadening_bias, rel=0.5)
    assert any('soft modes are not resolved' in one for one in found.result.warnings)
    assert not any('soft modes' in one for one in narrow.result.warnings)


def test_labels_and_cells(runs, sites):
    """Deuterium scatters by its own cross-section; intensities are per primitive cell."""
    asked = simulation(10.0, directions=14, max_order=2)
    options = {'resolution': 15.0, 'highest_energy': 1900.0, 'sites': sites}
    plain = gaussian_powder(runs[:2], asked, n_cells=12, **options)
    whole = gaussian_powder(runs[:2], asked, **options)
    assert whole.spectrum.total == pytest.approx(12 * plain.spectrum.total)
    labels = ['2H' if one == 'H' else one for one in runs[0].symbols]
    heavy = gaussian_powder(runs[:2], asked, n_cells=12, labels=labels, **options)
    assert heavy.spectrum.by_element['2H'] == pytest.approx(
        plain.spectrum.by_element['H'] * 7.64 / 82.02, rel=0.01
    )


def test_bad_input_is_refused(runs, sites):
    options = {'resolution': 15.0, 'highest_energy': 1900.0}
    with pytest.raises(InputError, match='at least a bin'):
        gaussian_powder(runs, simulation(10.0), resolution=2.0, highest_energy=1900.0)
    with pytest.raises(InputError, match='several elements or masses'):
        gaussian_powder(runs, simulation(10.0), sites=[0] * 72, **options)
    with pytest.raises(InputError, match='names 3 atoms'):
        gaussian_powder(runs, simulation(10.0), sites=[0, 1, 2], **options)
    with pytest.raises(InputError, match='belong to harmonic spectra'):
        gaussian_powder(runs, simulation(10.0, coherent=True), sites=sites, **options)
    with pytest.raises(InputError, match='2 labels for 72 atoms'):
        gaussian_powder(runs[:1], simulation(10.0), sites=sites, labels=['H', 'Mg'], **options)
    still = dataclasses.replace(runs[0], velocities=np.zeros_like(runs[0].velocities))
    with pytest.raises(InputError, match='does not move'):
        gaussian_powder(still, simulation(10.0), sites=sites, **options)


def test_noise_that_makes_displacements_negative_is_refused(runs, sites):
    """Between 400 and 1000 cm⁻¹ magnesium has no modes, only noise of either sign."""
    with pytest.raises(ConvergenceError, match='atom 0 is negative along one axis'):
        gaussian_powder(
            runs[:2],
            simulation(10.0, directions=6),
            resolution=12.0,
            highest_energy=1000.0,
            minimum=400.0,
            sites=sites,
        )
