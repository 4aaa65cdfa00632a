"""Classical spectra from positions: closed forms, sum rules, dynasor, the harmonic kernel."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from normal_mode_runs import harmonic_run, normal_modes, run_of
from oracles.dynasor_small import Q_POINTS, STRIDE, SYMBOLS, trajectory
from scipy.special import erf, ive

from aiida_insbench.science.dynamics.classical_ins import (
    classical_powder,
    kinetic_temperature,
    scattering_functions,
)
from aiida_insbench.science.dynamics.commensurate import commensurate_modes
from aiida_insbench.science.dynamics.correlations import (
    ANGULAR,
    BOLTZMANN,
    Segments,
    cut_segments,
    even_spectrum,
    lag_products,
)
from aiida_insbench.science.dynamics.intermediate_scattering import (
    intermediate_scattering,
    reduced_coordinates,
    self_functions,
)
from aiida_insbench.science.dynamics.momentum_interpolation import along_path, momentum_nodes
from aiida_insbench.science.dynamics.quantum_corrections import (
    CORRECTIONS,
    NONE,
    quantum_factor,
)
from aiida_insbench.science.errors import ConvergenceError, InputError
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.simulation import Simulation

TOSCA = get_instrument('TOSCA')
RECOIL = 16.857629168  # ħ²Q²/2M of 1 u at 1 Å⁻¹ in cm⁻¹
KELVIN = 0.6950348  # cm⁻¹
MATRIX = np.diag([2, 2, 3])
ORACLE = Path(__file__).resolve().parents[2] / 'oracles' / 'dynasor_small.json'


@pytest.fixture(scope='module')
def crystal():
    """MgH2 of 16 times its masses: at 2000 K all modes, up to 443 cm⁻¹, are nearly classical."""
    heavy = MAGNESIUM_HYDRIDE.copy()
    heavy.masses = 16 * heavy.masses
    return spring_crystal(heavy, MAGNESIUM_HYDRIDE_SPRINGS)


@pytest.fixture(scope='module')
def modes(crystal):
    return normal_modes(crystal)


@pytest.fixture(scope='module')
def hot_runs(crystal, modes):
    options = {'temperature': 2000.0, 'n_frames': 1200, 'stride': 0.016, 'drawn': False}
    return [harmonic_run(crystal, seed=seed, modes=modes, **options) for seed in range(6)]


def simulation(**change):
    options = {'resolution': [6.0], **change.pop('options', {})}
    keywords = {
        'instrument': TOSCA,
        'temperature': 2000.0,
        'energy_range': (16.0, 600.0),
        'bin_width': 2.0,
        **change,
    }
    return Simulation(**keywords, options=PowderOptions(**options))


def oscillators(*, displacement, periods, n_frames, n_atoms=400):
    """Amplitudes of a canonical ensemble by quantiles, along x; whole periods in all frames."""
    chances = (np.arange(n_atoms) + 0.5) / n_atoms
    amplitudes = np.sqrt(-2 * displacement * np.log(chances))
    phases = 2 * np.pi * np.arange(n_frames) * periods / n_frames
    places = np.zeros((n_atoms, n_frames, 3))
    places[..., 0] = amplitudes[:, None] * np.cos(phases)
    return places


def whole(n_frames, n_lags, stride=0.002, resolution=20.0):
    return Segments(((0, slice(0, n_frames)),), stride, n_lags, resolution, 0)


def test_one_classical_oscillator():
    """I(Q, t) = exp(−Q²⟨x²⟩(1 − cos ωt)); its mean over time is e^{−Q²⟨x²⟩} I₀(Q²⟨x²⟩)."""
    n_frames, periods, displacement, momentum = 800, 16, 0.02, 7.0
    places = oscillators(displacement=displacement, periods=periods, n_frames=n_frames)
    found, elastic = self_functions(
        [places],
        range(400),
        segments=whole(n_frames, 400),
        vectors=np.array([[momentum, 0, 0]]),
        weights=np.ones(1),
    )
    exponent = momentum**2 * displacement
    angle = 2 * np.pi * np.arange(400) * periods / n_frames
    assert elastic == pytest.approx(ive(0, exponent), abs=2e-3)
    assert found[0] + elastic == pytest.approx(np.exp(-exponent * (1 - np.cos(angle))), abs=0.02)
    assert found[0, ::50] + elastic == pytest.approx(np.ones(8), abs=2e-3)  # whole periods


def test_lines_of_one_oscillator_are_bessel_functions():
    """Line n at nω has the weight e^{−Q²⟨x²⟩} I_n(Q²⟨x²⟩)."""
    n_frames, periods, displacement, momentum = 6000, 240, 0.02, 7.0
    segments = whole(n_frames, 1200)
    frequency = 2 * np.pi * periods / (n_frames * 0.002) / ANGULAR
    places = oscillators(displacement=displacement, periods=periods, n_frames=n_frames, n_atoms=100)
    found, _ = self_functions(
        [places],
        range(100),
        segments=segments,
        vectors=np.array([[momentum, 0, 0]]),
        weights=np.ones(1),
    )
    grid = EnergyGrid(5.0, -700, 700)
    spectrum = even_spectrum(found[0], segments=segments, grid=grid)
    for line in (-2, -1, 1, 2, 3):
        near = np.abs(grid.energies - line * frequency) < frequency / 2
        area = spectrum[near].sum() * 5.0
        assert area == pytest.approx(ive(abs(line), momentum**2 * displacement), abs=4e-3)


def test_powder_of_oscillators_along_one_axis():
    """∫₀¹ exp(−z μ²) dμ = √π erf(√z) / 2√z with z = Q²⟨x²⟩(1 − cos ωt)."""
    n_frames, periods, displacement, momentum = 1200, 24, 0.02, 6.0
    places = oscillators(displacement=displacement, periods=periods, n_frames=n_frames, n_atoms=200)
    run = run_of(
        np.zeros((n_frames, 400, 3)),
        # each beside its mirror image: the centre of mass is at rest
        positions=np.concatenate((places, -places)).swapaxes(0, 1),
        masses=np.ones(400),
        symbols=['H'] * 400,
        stride=0.002,
    )
    found = intermediate_scattering(
        [run], segments=whole(n_frames, 300), momentum_transfers=np.array([momentum]), directions=50
    )
    angle = 2 * np.pi * np.arange(300) * periods / n_frames
    z = np.maximum(momentum**2 * displacement * (1 - np.cos(angle)), 1e-12)
    closed = np.sqrt(np.pi / z) / 2 * erf(np.sqrt(z))
    assert found.function[0, 0] == pytest.approx(closed, abs=6e-3)


def test_ideal_gas():
    """I = exp(−Q²kT t²/2M), and S a Gaussian of variance Q²kT/M and the window's."""
    from scipy.special import ndtri

    mass, temperature, momentum, stride, n_frames = 4.0, 300.0, 3.0, 0.002, 3000
    chances = (np.arange(500) + 0.5) / 500
    speeds = np.sqrt(BOLTZMANN * temperature / mass) * ndtri(chances)
    places = np.zeros((500, n_frames, 3))
    places[..., 2] = speeds[:, None] * np.arange(n_frames) * stride
    segments = whole(n_frames, 500, stride, 12.0)
    found, elastic = self_functions(
        [places],
        range(500),
        segments=segments,
        vectors=np.array([[0, 0, momentum]]),
        weights=np.ones(1),
    )
    times = segments.lags
    expected = np.exp(-(momentum**2) * BOLTZMANN * temperature / mass * times**2 / 2)
    assert found[0] + elastic == pytest.approx(expected, abs=0.01)
    grid = EnergyGrid(2.0, -200, 200)
    spectrum = even_spectrum(found[0] + elastic, segments=segments, grid=grid)
    variance = momentum**2 * BOLTZMANN * temperature / mass / ANGULAR**2 + 12.0**2
    gaussian = np.exp(-(grid.energies**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    assert spectrum == pytest.approx(gaussian, abs=0.02 * gaussian.max())


def test_sum_rules_of_a_crystal(hot_runs):
    """Zeroth moment 1, second Q²kT/M, and by Kubo's factor a first one of ħ²Q²/2M."""
    segments = cut_segments(hot_runs, resolution=6.0, highest_energy=1000.0)
    momentum = np.array([1.5, 3.0])
    found = intermediate_scattering(
        hot_runs, segments=segments, momentum_transfers=momentum, directions=14
    )
    assert found.function[..., 0] == pytest.approx(np.ones((2, 2)))
    grid = EnergyGrid(2.0, -500, 500)
    energies = grid.energies
    temperature = kinetic_temperature(hot_runs)
    assert temperature == pytest.approx(2000, rel=0.05)

    def spectrum(correction):
        values = scattering_functions(
            found, grid=grid, temperature=temperature, correction=correction
        )
        return np.tensordot(found.shares, values, 1) * 2.0

    classical = spectrum(NONE)
    assert classical.sum(axis=-1) + found.elastic == pytest.approx(np.ones((2, 2)), abs=1e-4)
    window = 6.0**2 * (1 - found.elastic)
    heats = []
    for label in found.labels:
        atoms = [i for i, name in enumerate(hot_runs[0].symbols) if name == label]
        mass = hot_runs[0].masses[atoms[0]]
        squares = [
            (run.velocities[:, atoms] ** 2).sum(axis=2).mean() / 3 * mass for run in hot_runs
        ]
        heats.append(np.mean(squares) / mass)
    expected = momentum[:, None] ** 2 * np.array(heats) / ANGULAR**2
    second = classical @ energies**2 - window
    assert second == pytest.approx(expected, rel=0.02)
    beta = 1 / (KELVIN * temperature)
    first = spectrum('kubo') @ energies - beta * window / 2
    masses = np.array([hot_runs[0].masses[hot_runs[0].symbols.index(one)] for one in found.labels])
    recoil = RECOIL * momentum[:, None] ** 2 / masses
    assert first == pytest.approx(recoil, rel=0.06)


@settings(deadline=None, max_examples=60)
@given(
    energy=st.floats(0, 6000),
    temperature=st.floats(5, 3000),
    correction=st.sampled_from([one for one in CORRECTIONS if one != NONE]),
)
def test_detailed_balance(energy, temperature, correction):
    """f(−ω) = exp(−ħω/kT) f(ω) for an even classical spectrum."""
    up, down = (
        quantum_factor(np.array([sign * energy]), temperature=temperature, correction=correction)
        for sign in (1, -1)
    )
    ratio = energy / (KELVIN * temperature)
    if ratio < 600:
        assert down == pytest.approx(up * np.exp(-ratio), rel=1e-5)
    assert (up >= 1).all()
    if correction != 'schofield':
        assert up[0] <= max(2.0, 1 + ratio)


def test_factors_at_zero_and_far_away():
    energies = np.array([-1e5, 0.0, 1e5])
    for correction in CORRECTIONS:
        factor = quantum_factor(energies, temperature=100.0, correction=correction)
        assert factor[1] == 1
        assert correction == NONE or factor[0] < 1e-300
    with pytest.raises(InputError, match='must be one of'):
        quantum_factor(energies, temperature=100.0, correction='quantum')
    with pytest.raises(InputError, match='> 0 K'):
        quantum_factor(energies, temperature=0.0, correction='kubo')


def test_intermediate_function_against_dynasor():
    """dynasor 2.5 at four Q of a small trajectory; it divides by the number of all atoms."""
    theirs = json.loads(ORACLE.read_text(encoding='utf-8'))
    assert theirs['program'] == 'dynasor 2.5'
    places = trajectory().swapaxes(0, 1)
    for symbol in ('H', 'O'):
        atoms = [i for i, one in enumerate(SYMBOLS) if one == symbol]
        for number, vector in enumerate(Q_POINTS):
            known = 2 * np.array(theirs[symbol][number])
            waves = np.exp(1j * places[atoms] @ vector)
            pairs = lag_products(waves, waves, n_lags=61).real.mean(axis=0)
            assert pairs == pytest.approx(known, abs=1e-8)
            found, elastic = self_functions(
                [np.ascontiguousarray(places)],
                atoms,
                segments=whole(300, 61, STRIDE / 1000),
                vectors=vector[None],
                weights=np.ones(1),
            )
            # taking the mean out first differs from taking its square out of all pairs by noise
            assert found[0] + elastic == pytest.approx(known, abs=5e-3)
            assert found[0, 0] + elastic == pytest.approx(1)


@settings(deadline=None, max_examples=30)
@given(
    displacement=st.floats(1e-3, 0.1),
    share=st.floats(0, 2),
    low=st.floats(0.3, 2),
    high=st.floats(3, 13),
)
def test_interpolation_in_momentum(displacement, share, low, high):
    """exp(−Q²x) with x ≤ 2U errs by less than the tolerance."""
    path = np.linspace(low, high, 57)[None]
    nodes = momentum_nodes(path, displacement=displacement, tolerance=1e-3)
    exponent = share * displacement
    values = (nodes**2 * np.exp(-(nodes**2) * exponent))[None, :, None, None]
    spread = np.broadcast_to(values, (1, len(nodes), 1, 57))
    found = along_path(spread, nodes, path)[0, 0, 0] / path[0] ** 2
    assert np.abs(found - np.exp(-(path[0] ** 2) * exponent)).max() < 1e-3
    assert low <= nodes.min() <= nodes.max() <= high


def test_interpolation_that_needs_too_much_is_refused():
    path = np.array([[1.0, 12.0]])
    with pytest.raises(ConvergenceError, match='diffuse'):
        momentum_nodes(path, displacement=5.0, tolerance=1e-3)
    with pytest.raises(InputError, match='`tolerance`'):
        momentum_nodes(path, displacement=0.1, tolerance=0.0)


@pytest.fixture(scope='module')
def classical(hot_runs):
    return classical_powder(hot_runs, simulation(), resolution=5.0, n_cells=12, tolerance=2e-3)


def test_classical_crystal_against_the_harmonic_kernel(crystal, hot_runs, classical):
    """Nearly classical modes at 2000 K: one spectrum by both, on the same energies and units."""
    temperature = kinetic_temperature(hot_runs)
    known = powder_spectrum(
        commensurate_modes(crystal, supercell_matrix=MATRIX),
        instrument=TOSCA,
        temperature=temperature,
        energy_range=(16.0, 600.0),
        bin_width=2.0,
        options=PowderOptions(resolution=[6.0]),
    ).spectrum
    mine = classical.spectrum
    assert mine.grid == known.grid
    assert mine.momentum_transfer == pytest.approx(known.momentum_transfer)
    assert mine.total.sum() == pytest.approx(known.total.sum(), rel=0.02)
    assert np.abs(mine.total - known.total).sum() < 0.02 * known.total.sum()
    for element in ('Mg', 'H'):
        theirs = known.by_element[element]
        assert mine.by_element[element].sum() == pytest.approx(theirs.sum(), rel=0.02)
    deviation = (mine.total - known.total) / (classical.error + 0.01 * known.total)
    assert np.sqrt(np.mean(deviation**2)) < 1.6


def test_what_a_classical_spectrum_says_of_itself(classical, hot_runs):
    assert classical.spectrum.temperature == pytest.approx(2000, rel=0.05)
    assert classical.warnings == ()  # all energies are below kT
    assert classical.error.shape == classical.spectrum.total.shape
    assert 0 < classical.error.mean() < 0.1 * classical.spectrum.total.mean()
    for label, factor in classical.elastic.items():
        assert (np.diff(factor) < 0).all(), label
        small = classical.momentum_transfers**2 * classical.displacements[label]
        assert -np.log(factor[0]) == pytest.approx(small[0], rel=0.35)


def test_interpolated_spectrum_is_that_at_its_q(hot_runs, classical):
    """At one energy, S(Q, ω) computed at the Q of the path."""
    spectrum = classical.spectrum
    bin_number = 60
    momentum = spectrum.path[:, bin_number]
    segments = cut_segments(hot_runs, resolution=5.0, highest_energy=700.0)
    found = intermediate_scattering(
        hot_runs, segments=segments, momentum_transfers=momentum, directions=50
    )
    values = scattering_functions(
        found,
        grid=spectrum.wide,
        temperature=spectrum.temperature,
        correction='kubo',
    )
    direct = np.tensordot(found.shares, values, 1)[:, :, bin_number]
    barns = {'Mg': 3.71, 'H': 82.02}
    scale = found.counts / 12 * [barns[label] for label in found.labels]
    assert spectrum.raw[:, :, 0, bin_number] == pytest.approx(direct * scale, rel=0.02)


def test_options_change_what_they_say(hot_runs):
    short = hot_runs[:2]
    options = {'resolution': 6.0, 'n_cells': 12, 'tolerance': 2e-2}
    small = simulation(energy_range=(50.0, 150.0), options={'directions': 14})
    plain = classical_powder(short, small, **options)
    one_cell = classical_powder(short, small, **{**options, 'n_cells': 6})
    assert one_cell.spectrum.total == pytest.approx(2 * plain.spectrum.total)
    heavy = ['2H' if one == 'H' else one for one in short[0].symbols]
    deuterium = classical_powder(short, small, **options, labels=heavy).spectrum
    assert deuterium.by_element['2H'] == pytest.approx(
        plain.spectrum.by_element['H'] * 7.64 / 82.02, rel=0.01
    )
    bare = classical_powder(short, small, **options, correction='none')
    ratio = plain.spectrum.raw / bare.spectrum.raw
    expected = quantum_factor(
        plain.spectrum.wide.energies, temperature=plain.spectrum.temperature, correction='kubo'
    )
    assert ratio[0, 0, 0] == pytest.approx(expected)
    narrow = simulation(energy_range=(50.0, 150.0), options={'directions': 14, 'resolution': [3.0]})
    warned = classical_powder(short, narrow, **options).warnings
    assert 'more than the instrument would (from 3)' in warned[0]


def test_classical_amplitudes_are_warned_of(crystal, modes):
    options = {'temperature': 100.0, 'n_frames': 1200, 'stride': 0.016, 'drawn': False}
    cold = [harmonic_run(crystal, seed=1, modes=modes, **options)]
    asked = simulation(temperature=100.0, energy_range=(100.0, 500.0), options={'directions': 6})
    found = classical_powder(cold, asked, resolution=6.0, tolerance=0.1)
    assert 'classical amplitudes are too small: squared, by up to 3.8 times' in found.warnings[-1]
    with pytest.raises(InputError, match='Gaussian quantum route'):
        classical_powder(cold, simulation(temperature=10.0), resolution=6.0)


def test_frames_too_far_apart_are_said(hot_runs):
    """Every fourth frame shows 260 cm⁻¹; hydrogen moves at up to 443."""
    names = ('times', 'positions', 'velocities', 'cells')
    coarse = [
        dataclasses.replace(run, **{name: getattr(run, name)[::4] for name in names})
        for run in hot_runs[:2]
    ]
    asked = simulation(energy_range=(50.0, 150.0), options={'directions': 6})
    found = classical_powder(coarse, asked, resolution=6.0, tolerance=0.1)
    assert 'of the motion of H between them' in found.warnings[0]
    assert 'than the 261 cm⁻¹' in found.warnings[0]


def test_a_breathing_cell_moves_no_atom():
    """Coordinates of a crystal that only changes its cell stand still."""
    sites = np.random.default_rng(0).uniform(size=(5, 3))
    cells = np.eye(3) * np.linspace(5, 6, 40)[:, None, None]
    cells[:, 0, 1] = np.linspace(0, 1, 40)
    run = run_of(
        np.zeros((40, 5, 3)),
        positions=sites @ cells,
        masses=np.ones(5),
        symbols='HHHHH',
        stride=1.0,
    )
    places = reduced_coordinates(dataclasses.replace(run, cells=cells))
    assert np.ptp(places, axis=1) == pytest.approx(np.zeros((5, 3)), abs=1e-12)
    expected = (sites - sites.mean(axis=0)) @ cells.mean(axis=0)
    assert places[:, 0] == pytest.approx(expected)


def test_bad_input_is_refused(hot_runs):
    segments = cut_segments(hot_runs, resolution=6.0, highest_energy=900.0)
    with pytest.raises(InputError, match='> 0 Å⁻¹'):
        intermediate_scattering(hot_runs, segments=segments, momentum_transfers=np.array([0.0]))
    with pytest.raises(InputError, match='3 labels for 72 atoms'):
        intermediate_scattering(
            hot_runs,
            segments=segments,
            momentum_transfers=np.array([1.0]),
            labels=['H', 'H', 'H'],
        )
    with pytest.raises(InputError, match='n_cells'):
        classical_powder(hot_runs, simulation(), resolution=6.0, n_cells=0)
    with pytest.raises(InputError, match='belong to harmonic spectra'):
        classical_powder(
            hot_runs, simulation(options={'displacements': {'H': 0.01}}), resolution=6.0
        )
