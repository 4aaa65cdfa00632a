"""The exact kernel against closed forms, the time domain and brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    anisotropic_oscillator,
    oscillator,
    save_crystal,
    spring_crystal,
)
from scipy.spatial.transform import Rotation
from scipy.special import factorial, gammaincc, ive
from scipy.stats import poisson

from aiida_insbench.science.errors import ConvergenceError, InputError
from aiida_insbench.science.ins import kernel
from aiida_insbench.science.ins.debye_waller import displacement_tensors
from aiida_insbench.science.ins.density import displacement_density
from aiida_insbench.science.ins.directions import (
    DIRECTIONS,
    enough_directions,
    quadrature_error,
    sphere_rule,
)
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.kernel import damping_nodes, powder_orders
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.orders import missing_weight, needed_orders
from aiida_insbench.science.ins.resolution import broaden
from aiida_insbench.science.ins.sum_rules import sum_rules

ZERO_POINT = 16.857629168  # ħ/2mω of 1 u at 1 cm⁻¹ in Å²
KELVIN = 0.6950348  # cm⁻¹


@pytest.fixture(scope='module')
def crystal(tmp_path_factory):
    path = tmp_path_factory.mktemp('crystal') / 'c.yaml'
    save_crystal(spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS), path)
    return read_modes(path, mesh=(4, 4, 5))


def orders_of(modes, *, momentum, grid, orders, atom=0, temperature=0.0, points=50, rule=None):
    """Orders at fixed Q in weight per bin."""
    directions, weights = sphere_rule(points) if rule is None else rule
    density = displacement_density(
        modes, atom=atom, temperature=temperature, bin_width=grid.bin_width
    )
    result = powder_orders(
        density,
        grid=grid,
        momentum_transfer=np.full((1, grid.last - grid.first + 1), momentum),
        orders=orders,
        directions=directions,
        weights=weights,
    )
    return result[0] * grid.bin_width


def test_cold_oscillator_is_a_poisson_ladder():
    """Order n is one line at n ω with the weight of Poisson's distribution."""
    grid = EnergyGrid(1.0, 0, 4100)
    momentum = 8.0
    result = orders_of(oscillator(frequency=500.0), momentum=momentum, grid=grid, orders=8)
    exponent = momentum**2 * ZERO_POINT / 500
    for order in range(1, 9):
        line = result[order - 1]
        expected = np.exp(-exponent) * exponent**order / factorial(order)
        assert line[500 * order] == pytest.approx(expected, rel=1e-6)
        assert np.abs(np.delete(line, 500 * order)).max() < 1e-12


def test_warm_oscillator_is_a_ladder_of_bessel_functions():
    """Line k has exp(−2W + kħω/2k_BT) I_k(Q² (ħ/2mω) / sinh(ħω/2k_BT)), Lovesey (1984)."""
    frequency, temperature, momentum = 200.0, 250.0, 3.0
    grid = EnergyGrid(2.0, -300, 300)
    result = orders_of(
        oscillator(frequency=frequency, mass=2.0),
        momentum=momentum,
        grid=grid,
        orders=30,
        temperature=temperature,
    ).sum(axis=0)
    half = frequency / (2 * KELVIN * temperature)
    amplitude = momentum**2 * ZERO_POINT / (2 * frequency)
    argument = amplitude / np.sinh(half)
    for quanta in (-2, -1, 1, 2, 3):
        scale = np.exp(argument + quanta * half - amplitude / np.tanh(half))
        expected = ive(quanta, argument) * scale
        assert result[300 + 100 * quanta] == pytest.approx(expected, rel=1e-6)


def test_detailed_balance(crystal):
    """S(Q, −ω) = exp(−ħω/k_BT) S(Q, ω), to the error of sharing a line between two bins."""
    grid = EnergyGrid(0.25, -2400, 2400)
    result = orders_of(crystal, momentum=2.0, grid=grid, orders=12, atom=2, temperature=300.0)
    total = broaden(result.sum(axis=0), sigma=np.full(4801, 4.0), bin_width=0.25)
    energies = grid.energies
    # a Gaussian of width s turns e^{-βω} into e^{-βω} with all lines moved by β s²
    ratio = 1 / (KELVIN * 300.0)
    window = (energies > 150) & (energies < 500)
    weighed = broaden(
        result.sum(axis=0) * np.exp(-ratio * energies), sigma=np.full(4801, 4.0), bin_width=0.25
    )
    assert total[::-1][window] == pytest.approx(weighed[window], rel=2e-3)


@pytest.mark.parametrize('temperature', [0.0, 100.0])
@pytest.mark.parametrize('momentum', [1.0, 5.0, 10.0])
def test_sum_rules_of_a_crystal(crystal, momentum, temperature):
    """All orders add up to 1 and their first moment is ħ²Q²/2M, counted on the spectrum itself."""
    grid = EnergyGrid(2.0, -4000, 15000)
    for atom, mass in ((0, 24.305), (3, 1.00794)):
        result = orders_of(
            crystal,
            momentum=momentum,
            grid=grid,
            orders=16,
            atom=atom,
            temperature=temperature,
            points=26,
        )
        tensor = displacement_tensors(crystal, temperature=temperature)[atom]
        directions, weights = sphere_rule(26)
        elastic = weights @ np.exp(
            -(momentum**2) * np.einsum('da,ab,db->d', directions, tensor, directions)
        )
        assert elastic + result.sum() == pytest.approx(1, abs=1e-9)
        recoil = ZERO_POINT * momentum**2 / mass
        assert (result.sum(axis=0) @ grid.energies) / recoil == pytest.approx(1, abs=1e-9)


def test_time_domain_gives_the_same_spectrum(crystal):
    """exp[Q²(γ(t) − γ(0))] along one direction, transformed by plain summation."""
    atom, momentum, temperature, sigma = 2, 6.0, 80.0, 8.0
    direction = np.array([1.0, 2.0, 2.0]) / 3
    grid = EnergyGrid(0.5, -1000, 16000)
    ours = orders_of(
        crystal,
        momentum=momentum,
        grid=grid,
        orders=25,
        atom=atom,
        temperature=temperature,
        rule=(direction[None], np.ones(1)),
    ).sum(axis=0)
    ours = broaden(ours, sigma=np.full(len(ours), sigma), bin_width=0.5) / 0.5

    frequencies = crystal.frequencies
    strength = (
        crystal.weights[:, None]
        * np.abs(crystal.eigenvectors[:, :, atom] @ direction) ** 2
        * ZERO_POINT
        / (1.00794 * frequencies)
    ).ravel()
    frequencies = frequencies.ravel()
    thermal = 1 / np.expm1(frequencies / (KELVIN * temperature))
    step = 1e-4  # time in 1/cm⁻¹, times 2π is an angle
    times = np.arange(0, int(7 / (2 * np.pi * sigma) / step)) * step
    phases = np.exp(2j * np.pi * np.outer(times, frequencies))
    gamma = phases @ (strength * (thermal + 1)) + phases.conj() @ (strength * thermal)
    intermediate = np.exp(momentum**2 * (gamma - gamma[0]))
    inelastic = intermediate - np.exp(-(momentum**2) * gamma[0].real)
    inelastic *= np.exp(-0.5 * (2 * np.pi * sigma * times) ** 2)
    energies = np.array([50.0, 120.0, 281.5, 700.0, 1056.0, 1300.0, 1640.0, 2500.0, 3700.0])
    waves = np.exp(-2j * np.pi * np.outer(energies, times))
    waves[:, 0] /= 2  # trapezoid; negative times are the complex conjugate
    expected = 2 * step * (waves @ inelastic).real
    found = np.interp(energies, grid.energies, ours)
    assert found == pytest.approx(expected, abs=5e-4 * expected.max())


def brute_force(frequencies, *, momentum, size, polar=60, around=121):
    """Three independent oscillators in every direction of a product quadrature, T = 0."""
    cosines, weights = np.polynomial.legendre.leggauss(polar)
    angles = 2 * np.pi * np.arange(around) / around
    sines = np.sqrt(1 - cosines**2)
    squares = np.stack(
        [
            np.outer(sines, np.cos(angles)) ** 2,
            np.outer(sines, np.sin(angles)) ** 2,
            np.outer(cosines, np.ones(around)) ** 2,
        ]
    )
    exponents = momentum**2 * squares * (ZERO_POINT / np.array(frequencies))[:, None, None]
    result = np.zeros(size)
    counts = [range(int(size / frequency) + 1) for frequency in frequencies]
    for quanta in itertools.product(*counts):
        energy = int(np.dot(quanta, frequencies))
        if 0 < energy < size:
            chance = np.prod([poisson.pmf(n, e) for n, e in zip(quanta, exponents, strict=True)], 0)
            result[energy] += weights @ chance.mean(axis=1) / 2
    return result


@pytest.mark.parametrize(
    ('momentum', 'points', 'tolerance'), [(4.0, 50, 2e-4), (4.0, 110, 1e-7), (7.0, 302, 1e-9)]
)
def test_anisotropic_well_against_brute_force(momentum, points, tolerance):
    """U of 0.14, 0.056 and 0.021 Å²: the average over directions must come last."""
    frequencies = (120, 300, 800)
    expected = brute_force(frequencies, momentum=momentum, size=1001)
    result = orders_of(
        anisotropic_oscillator(frequencies),
        momentum=momentum,
        grid=EnergyGrid(1.0, 0, 1000),
        orders=40,
        points=points,
    ).sum(axis=0)
    assert np.abs(result - expected).max() < tolerance * expected.max()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_powder_does_not_know_how_the_crystal_lies(seed):
    grid = EnergyGrid(2.0, 0, 600)
    turned = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    reference, result = (
        orders_of(
            anisotropic_oscillator((150, 300, 700), rotation=rotation),
            momentum=6.0,
            grid=grid,
            orders=6,
            points=302,
        )
        for rotation in (None, turned)
    )
    assert np.abs(result - reference).max() < 1e-9 * reference.max()


@settings(max_examples=20, deadline=None)
@given(frequency=st.floats(1.0, 3000.0), width=st.floats(0.1, 20.0))
def test_sharing_keeps_strength_and_position(frequency, width):
    density = displacement_density(
        oscillator(frequency=frequency), atom=0, temperature=0.0, bin_width=width
    )
    assert density.tensor() == pytest.approx(ZERO_POINT / frequency * np.eye(3), rel=1e-6)
    assert density.first_moment()[:3] == pytest.approx(np.full(3, ZERO_POINT), rel=1e-6)


def test_nothing_wraps_round_into_a_narrow_range(crystal):
    wide = orders_of(
        crystal,
        momentum=9.0,
        grid=EnergyGrid(4.0, -1500, 8000),
        orders=10,
        atom=4,
        temperature=300.0,
    )
    narrow = orders_of(
        crystal, momentum=9.0, grid=EnergyGrid(4.0, 10, 60), orders=10, atom=4, temperature=300.0
    )
    assert narrow == pytest.approx(wide[:, 1510:1561], rel=1e-9, abs=1e-15)


def test_chunks_of_directions_change_nothing(crystal, monkeypatch):
    options = {'momentum': 5.0, 'grid': EnergyGrid(4.0, 0, 300), 'orders': 5, 'atom': 2}
    whole = orders_of(crystal, **options)
    monkeypatch.setattr(kernel, '_CHUNK', 3 * 2**12)
    # the interpolation of Debye-Waller factors differs from chunk to chunk
    chunked = orders_of(crystal, **options)
    assert np.abs(chunked - whole).max() < 1e-10 * whole.max()


@settings(max_examples=50, deadline=None)
@given(
    low=st.floats(1e-4, 0.1),
    spread=st.floats(0, 0.1),
    momentum=st.floats(0.1, 15.0),
    seed=st.integers(0, 1000),
)
def test_interpolated_debye_waller_factors(low, spread, momentum, seed):
    damping = low + spread * np.random.default_rng(seed).random(40)
    nodes, shares = damping_nodes(damping, largest=momentum**2)
    squared = np.linspace(0, momentum**2, 7)
    result = shares @ np.exp(-np.outer(nodes, squared))
    assert result == pytest.approx(np.exp(-np.outer(damping, squared)), rel=1e-9)


def test_few_exponents_stand_for_many_directions():
    nodes, _ = damping_nodes(np.linspace(0.01, 0.02, 200), largest=100.0)
    assert len(nodes) < 15


def test_displacement_from_outside_enters_the_debye_waller_factor_only():
    grid, orders = EnergyGrid(1.0, 0, 1200), 3
    modes = oscillator()
    density = displacement_density(modes, atom=0, temperature=0.0, bin_width=1.0)
    directions, weights = sphere_rule(50)
    more = 0.02 * np.eye(3)
    inside, outside = (
        powder_orders(
            density,
            grid=grid,
            momentum_transfer=np.full((1, 1201), 4.0),
            orders=orders,
            directions=directions,
            weights=weights,
            tensor=tensor,
        )
        for tensor in (None, density.tensor() + more)
    )
    assert outside == pytest.approx(inside * np.exp(-16 * 0.02), rel=1e-9, abs=1e-18)


def test_modes_without_motion_along_a_direction():
    """A well that is rigid along z (no mode there) scatters nothing inelastically along z."""
    flat = anisotropic_oscillator((100, 100, -1))
    rule = (np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), np.array([0.5, 0.5]))
    result = orders_of(flat, momentum=3.0, grid=EnergyGrid(1.0, 0, 300), orders=3, rule=rule)
    exponent = 9 * ZERO_POINT / 100
    assert np.isfinite(result).all()
    assert result[0, 100] == pytest.approx(0.5 * exponent * np.exp(-exponent), rel=1e-6)


def test_grids_must_fit():
    density = displacement_density(oscillator(), atom=0, temperature=0.0, bin_width=1.0)
    with pytest.raises(InputError, match='do not fit'):
        powder_orders(
            density,
            grid=EnergyGrid(2.0, 0, 10),
            momentum_transfer=np.ones((1, 11)),
            orders=1,
            directions=np.eye(3),
            weights=np.ones(3) / 3,
        )


@pytest.mark.parametrize('arguments', [(0.0, 0, 5), (-1.0, 0, 5), (1.0, 5, 5)])
def test_grid_must_hold_bins(arguments):
    with pytest.raises(InputError):
        EnergyGrid(*arguments)


@pytest.mark.parametrize('points', DIRECTIONS)
def test_sphere_rules_average_quadratic_forms(points):
    directions, weights = sphere_rule(points)
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)
    mean = np.einsum('d,da,db->ab', weights, directions, directions)
    assert mean == pytest.approx(np.eye(3) / 3, abs=1e-12)


@pytest.mark.parametrize('lengths', [(0.14, 0.056, 0.021), (0.05, 0.05, 0.02), (0.03, 0.02, 0.01)])
@pytest.mark.parametrize('momentum', [4.0, 8.0])
def test_error_of_the_quadrature_is_as_estimated(lengths, momentum):
    """Against the finest rule, for an atom turned against the axes of the rules."""
    axes = Rotation.from_euler('xyz', (20, 50, 70), degrees=True).as_matrix()
    modes = anisotropic_oscillator(tuple(ZERO_POINT / np.array(lengths)), rotation=axes)
    tensor = displacement_tensors(modes, temperature=0.0)[0]
    options = {'momentum': momentum, 'grid': EnergyGrid(2.0, 0, 2500), 'orders': 12}
    exact = orders_of(modes, points=974, **options).sum(axis=0)
    for points in (38, 50, 86):
        found = orders_of(modes, points=points, **options).sum(axis=0)
        error = np.abs(found - exact).max() / exact.max()
        estimate = quadrature_error(tensor, momentum_transfer=momentum, points=points)
        assert error < 5 * estimate.height + 1e-9
        area = np.abs(found - exact).sum() / exact.sum()
        assert area < 5 * estimate.area + 1e-9


def test_directions_are_as_many_as_needed():
    round_one, long_one = 0.03 * np.eye(3), np.diag([0.14, 0.056, 0.021])
    few, error = enough_directions(round_one, momentum_transfer=8.0, tolerance=1e-4)
    assert few == 50
    assert error.height < 1e-4
    more, error = enough_directions(long_one, momentum_transfer=7.0, tolerance=1e-4)
    assert more == 110
    assert error.height < 1e-4
    most, error = enough_directions(100 * long_one, momentum_transfer=9.0, tolerance=1e-9)
    assert most == DIRECTIONS[-2]
    assert error.height > 1e-9


def test_unknown_sphere_rule_is_refused():
    with pytest.raises(InputError, match='51 directions'):
        sphere_rule(51)


def test_sum_rules_report_missing_orders():
    modes = oscillator(frequency=400.0)
    momentum = 7.0
    exponent = momentum**2 * ZERO_POINT / 400
    directions, weights = sphere_rule(14)
    rules = sum_rules(
        displacement_density(modes, atom=0, temperature=0.0, bin_width=3.0),
        tensor=displacement_tensors(modes, temperature=0.0)[0],
        mass=1.0,
        momentum_transfer=momentum,
        orders=3,
        directions=directions,
        weights=weights,
    )
    assert rules.norm == pytest.approx(gammaincc(4, exponent), rel=1e-6)
    assert rules.first_moment == pytest.approx(gammaincc(3, exponent), rel=1e-6)
    assert rules.missing_weight == pytest.approx(1 - rules.norm, rel=1e-5)


def test_orders_follow_the_exponent():
    """Q²U = 4: P(n > 10) = 2.8e-3, P(n > 12) = 2.7e-4, P(n > 13) = 7.6e-5."""
    exponents, weights = np.array([4.0]), np.ones(1)
    assert missing_weight(exponents, weights, orders=10) == pytest.approx(2.84e-3, rel=1e-2)
    assert needed_orders(exponents, weights, tolerance=1e-4, max_order=None) == 13
    assert needed_orders(exponents, weights, tolerance=1e-4, max_order=10) == 10
    assert needed_orders(exponents, weights, tolerance=1e-2, max_order=10) == 9


def test_orders_give_up():
    with pytest.raises(ConvergenceError, match='200 orders still miss'):
        needed_orders(np.array([1e3]), np.ones(1), tolerance=1e-4, max_order=None)


@pytest.mark.parametrize(('tolerance', 'max_order'), [(0.0, None), (1.0, 5), (1e-4, 0)])
def test_orders_need_sensible_limits(tolerance, max_order):
    with pytest.raises(InputError):
        needed_orders(np.ones(1), np.ones(1), tolerance=tolerance, max_order=max_order)
