"""Equation of state: analytic values, errors that cover, ASE's fit, copper's modulus."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.eos import EquationOfState
from ase.units import GPa
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.birch_murnaghan import BirchMurnaghan
from aiida_insbench.science.equation_of_state import fit_energies, fit_pressures
from aiida_insbench.science.equation_of_state_comparison import compare
from aiida_insbench.science.errors import ComputationError, ConvergenceError, InputError

STATE = BirchMurnaghan(v0=40.0, b0=50.0, b0_prime=4.7, e0=-1000.0)
states = st.builds(
    BirchMurnaghan,
    v0=st.floats(5, 500),
    b0=st.floats(1, 500),
    b0_prime=st.floats(2.5, 8),
    e0=st.floats(-1e4, 0),
)


@given(state=states, share=st.floats(0.85, 1.05))
def test_pressure_and_modulus_are_derivatives(state, share) -> None:
    volume, step = share * state.v0, 1e-5 * state.v0
    near = np.array([volume + step, volume - step])
    slope = BirchMurnaghan(state.v0, state.b0, state.b0_prime).energy(near)
    pressure = -(slope[0] - slope[1]) / (2 * step) / GPa
    assert pressure == pytest.approx(float(state.pressure(volume)), abs=1e-6 * state.b0)
    p = state.pressure(near)
    modulus = -volume * (p[0] - p[1]) / (2 * step)
    assert modulus == pytest.approx(float(state.bulk_modulus(volume)), rel=1e-5)


@given(state=states, share=st.floats(-0.02, 0.5))
def test_volume_is_the_inverse(state, share) -> None:
    pressure = share * state.b0
    assert float(state.pressure(state.volume(pressure))) == pytest.approx(
        pressure, abs=1e-7 * state.b0
    )


def test_modulus_at_zero_and_its_derivative() -> None:
    assert float(STATE.bulk_modulus(40.0)) == pytest.approx(50.0)
    low, high = STATE.volume(0.01), STATE.volume(-0.01)
    slope = float(STATE.bulk_modulus(low) - STATE.bulk_modulus(high)) / 0.02
    assert slope == pytest.approx(4.7, rel=1e-3)


def test_no_volume_beyond_the_spinodal() -> None:
    with pytest.raises(ComputationError, match='no stable volume at -20 GPa'):
        STATE.volume(-20.0)


@given(state=states)
def test_exact_points_give_the_state(state) -> None:
    volumes = state.v0 * np.linspace(0.85, 1.03, 8)
    for found in (
        fit_pressures(volumes=volumes, pressures=state.pressure(volumes)),
        fit_energies(volumes=volumes, energies=state.energy(volumes)),
    ):
        assert found.order == 3
        assert found.state.v0 == pytest.approx(state.v0, rel=1e-5)
        assert found.state.b0 == pytest.approx(state.b0, rel=1e-3)
        assert found.state.b0_prime == pytest.approx(state.b0_prime, abs=2e-2)
        assert found.notes == ()


def test_noise_is_covered_by_the_errors() -> None:
    """68 % of fits within one standard error (Student's t of 9 points: 66 %), ± 3 % by 300."""
    rng = np.random.default_rng(4)
    volumes = 40 * np.linspace(0.85, 1.02, 12)
    inside = np.zeros(3)
    for _ in range(300):
        noise = 0.05 * rng.standard_normal(12)
        found = fit_pressures(volumes=volumes, pressures=STATE.pressure(volumes) + noise)
        inside += [
            abs(getattr(found.state, name) - getattr(STATE, name)) < found.errors[name]
            for name in ('v0', 'b0', 'b0_prime')
        ]
        assert np.sqrt((found.residuals**2).mean()) < 0.15
    assert inside / 300 == pytest.approx(np.full(3, 0.66), abs=0.08)


def test_noise_of_energies_is_covered_too() -> None:
    rng = np.random.default_rng(5)
    volumes = 40 * np.linspace(0.9, 1.06, 12)
    inside = np.zeros(4)
    for _ in range(300):
        energies = STATE.energy(volumes) + 1e-4 * rng.standard_normal(12)
        found = fit_energies(volumes=volumes, energies=energies)
        inside += [
            abs(getattr(found.state, name) - getattr(STATE, name)) < found.errors[name]
            for name in ('v0', 'b0', 'b0_prime', 'e0')
        ]
    assert inside / 300 == pytest.approx(np.full(4, 0.66), abs=0.08)


@pytest.fixture(scope='module')
def copper():
    """Volumes, energies and pressures of a crystal by EMT, per cell of one atom."""
    rows = []
    for scale in np.linspace(0.97, 1.02, 9):
        atoms = bulk('Cu', a=3.59 * scale)
        atoms.calc = EMT()
        pressure = -atoms.get_stress()[:3].mean() / GPa
        rows.append((atoms.get_volume(), atoms.get_potential_energy(), pressure))
    return np.array(rows).T


def test_same_as_ase(copper) -> None:
    volumes, energies, _ = copper
    v0, e0, b0 = EquationOfState(volumes, energies, eos='birchmurnaghan').fit()
    found = fit_energies(volumes=volumes, energies=energies).state
    assert found.v0 == pytest.approx(v0, rel=1e-6)
    assert found.e0 == pytest.approx(e0, abs=1e-7)
    assert found.b0 == pytest.approx(b0 / GPa, rel=1e-4)


def test_modulus_of_copper_by_finite_differences(copper) -> None:
    """From stresses 0.1 % of volume to either side of V0; fits of P(V) and E(V) agree with it."""
    volumes, energies, pressures = copper
    by_pressure = fit_pressures(volumes=volumes, pressures=pressures)
    by_energy = fit_energies(volumes=volumes, energies=energies)
    v0 = by_pressure.state.v0
    stresses = []
    for share in (0.999, 1.001):
        atoms = bulk('Cu', a=(4 * v0 * share) ** (1 / 3))
        atoms.calc = EMT()
        stresses.append(-atoms.get_stress()[:3].mean() / GPa)
    modulus = (stresses[0] - stresses[1]) / 0.002
    # as near as the equation is to EMT's
    assert abs(sum(stresses) / 2) < 2 * np.abs(by_pressure.residuals).max() < 0.1
    assert by_pressure.state.b0 == pytest.approx(modulus, rel=5e-3)
    assert by_energy.state.b0 == pytest.approx(modulus, rel=1e-2)
    assert by_energy.state.v0 == pytest.approx(v0, rel=1e-4)


def points_of(state, pressures):
    return [(state.volume(p), p) for p in pressures]


def fit_points(points):
    return fit_pressures(volumes=[v for v, _ in points], pressures=[p for _, p in points])


def test_few_points_are_of_second_order() -> None:
    state = BirchMurnaghan(40.0, 50.0)
    two, three = points_of(state, (0.0, 2.0)), points_of(state, (0.0, 2.0, 5.0))
    for points, errors in ((two, None), (three, {'v0', 'b0'})):
        found = fit_points(points)
        assert found.order == 2
        assert found.state.b0 == pytest.approx(50.0, rel=1e-6)
        assert (found.errors and set(found.errors)) == errors
        assert "B0' is held at 4" in found.notes[0]
    assert fit_points(points_of(state, (0.0, 1.0, 2.0, 5.0))).order == 3


def test_extrapolation_is_said() -> None:
    found = fit_points(points_of(STATE, (5.0, 6.0, 8.0, 10.0)))
    assert 'V0 is extrapolated' in found.notes[0]
    assert found.covers(5.0)
    assert not found.covers(0.0)


def test_an_undetermined_derivative_is_said() -> None:
    rng = np.random.default_rng(1)
    volumes = 40 * np.linspace(0.995, 1.0, 6)
    noisy = STATE.pressure(volumes) + 2e-3 * rng.standard_normal(6)
    found = fit_pressures(volumes=volumes, pressures=noisy)
    assert any("B0' is not determined" in note for note in found.notes)


@pytest.mark.parametrize(
    ('volumes', 'pressures', 'said'),
    [
        ([40.0], [0.0], '1 points are too few'),
        ([40.0, 39.0], [0.0], '2 volumes and 1 values'),
        ([40.0, np.nan], [0.0, 1.0], 'must be finite'),
        ([40.0, -1.0], [0.0, 1.0], 'above 0'),
        ([40.0, 40.001], [1.0, 0.0], 'differ by 0.0025 %'),
        ([40.0, 40.0], [0.0, 1.0], 'Two points have the volume 40'),
        ([40.0, 39.0, 39.5], [0.0, 1.0, 2.0], 'does not fall from 39.0000 Å³'),
    ],
)
def test_refused(volumes, pressures, said) -> None:
    with pytest.raises(InputError, match=said):
        fit_pressures(volumes=volumes, pressures=pressures)


def test_refused_energies() -> None:
    with pytest.raises(InputError, match='more than one minimum'):
        fit_energies(volumes=[1, 2, 3, 4, 5], energies=[0, -1, 0, -1, 0])
    with pytest.raises(InputError, match='more than one minimum, or none'):
        fit_energies(volumes=[1, 2, 3], energies=[0, 1, 1.5])
    with pytest.raises(InputError, match='order 3 cannot be fitted to 4'):
        fit_energies(volumes=[1, 2, 3, 4], energies=[1, 0, 0.5, 1.5], order=3)


def test_points_far_from_zero_determine_nothing() -> None:
    """Near 1300 GPa, of a crystal of 50 GPa."""
    volumes = 14 * np.linspace(0.98, 1.0, 6)
    with pytest.raises(ConvergenceError, match=r'do not determine.*condition .*wider range'):
        fit_pressures(volumes=volumes, pressures=STATE.pressure(volumes))


def test_an_absurd_derivative_is_said() -> None:
    volumes = 40 * np.linspace(0.97, 1.0, 6)
    absurd = BirchMurnaghan(40.0, 50.0, 30.0)
    found = fit_pressures(volumes=volumes, pressures=absurd.pressure(volumes))
    assert "B0' = 30.0 is unlike any crystal's" in found.notes[0]


def test_comparison_at_pressures_of_either() -> None:
    dft = BirchMurnaghan(40.0, 50.0, 4.7)
    potential = BirchMurnaghan(40.4, 45.0, 5.0)
    found = compare(
        points_of(potential, (0.0, 1.0, 2.5, 4.0, 6.0)), points_of(dft, (0.0, 1.0, 2.0, 5.0))
    )
    assert found.v0_percent == pytest.approx(1.0, abs=1e-4)
    assert found.b0_percent == pytest.approx(-10.0, abs=1e-3)
    assert found.b0_prime == pytest.approx(0.3, abs=1e-3)
    assert [one.pressure for one in found.volumes] == [0.0, 1.0, 2.0, 2.5, 4.0, 5.0]
    by_pressure = {one.pressure: one for one in found.volumes}
    assert by_pressure[1.0].fitted == ()
    assert by_pressure[2.0].fitted == ('potential',)
    assert by_pressure[2.5].fitted == ('dft',)
    for pressure, one in by_pressure.items():
        wanted = 100 * (potential.volume(pressure) / dft.volume(pressure) - 1)
        assert one.percent == pytest.approx(wanted, abs=1e-5)
    assert found.outside == (6.0,)
    assert '6 GPa' in found.notes[-1]


def test_comparison_in_one_order() -> None:
    """DFT has two pressures: both in second order, so that the same crystal does not differ."""
    dft = points_of(STATE, (0.0, 4.0))
    found = compare(points_of(STATE, (0.0, 1.0, 2.0, 3.0, 4.0)), dft)
    assert (found.potential.order, found.dft.order, found.b0_prime) == (2, 2, None)
    assert abs(found.b0_percent) < 0.5
    assert [one.pressure for one in found.volumes] == [0.0, 1.0, 2.0, 3.0, 4.0]
    # of points that both have, nothing is fitted
    assert found.volumes[0].percent == pytest.approx(0.0, abs=1e-12)
    assert found.volumes[-1].percent == pytest.approx(0.0, abs=1e-12)


def test_volumes_of_other_numbers_of_atoms() -> None:
    with pytest.raises(InputError, match=r"2.00 times DFT's"):
        compare(
            points_of(BirchMurnaghan(80.0, 50.0), (0.0, 2.0)),
            points_of(BirchMurnaghan(40.0, 50.0), (0.0, 2.0)),
        )
