"""Integrators: temperature, pressure and conservation as statistical mechanics wants them."""

import numpy as np
import pytest
from ase.build import bulk
from ase.units import GPa, kB
from bonded_crystal import copper

from aiida_insbench.science.dynamics.ensembles import (
    ENSEMBLES,
    Dynamics,
    Ensemble,
    draw_momenta,
    temperature_of,
)
from aiida_insbench.science.errors import InputError


def moving(ensemble: Ensemble, *, seed: int = 1) -> Dynamics:
    atoms = copper()
    rng = np.random.default_rng(seed)
    draw_momenta(atoms, temperature=ensemble.temperature, rng=rng)
    return Dynamics(atoms, ensemble, rng)


def go(dynamics: Dynamics, steps: int) -> dict[str, np.ndarray]:
    rows = []
    for _ in range(steps):
        dynamics.step()
        rows.append(dynamics.scalars())
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def test_momenta_have_the_temperature_and_no_drift() -> None:
    atoms = bulk('NaCl', 'rocksalt', a=5.6) * (2, 2, 2)
    draw_momenta(atoms, temperature=250.0, rng=np.random.default_rng(4))
    assert temperature_of(atoms.get_kinetic_energy(), len(atoms)) == pytest.approx(250.0, rel=1e-12)
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-12


def test_momenta_follow_maxwell() -> None:
    atoms = bulk('NaCl', 'rocksalt', a=5.6) * (12, 12, 12)
    draw_momenta(atoms, temperature=300.0, rng=np.random.default_rng(4))
    reduced = atoms.get_momenta() / np.sqrt(atoms.get_masses()[:, None] * kB * 300.0)
    for element in ('Na', 'Cl'):
        own = reduced[[s == element for s in atoms.get_chemical_symbols()]].ravel()
        # variance 1 and no kurtosis, within 4 standard errors
        assert own.var() == pytest.approx(1.0, abs=4 * np.sqrt(2 / len(own)))
        assert (own**4).mean() == pytest.approx(3.0, abs=4 * np.sqrt(96 / len(own)))


@pytest.mark.parametrize('name', ENSEMBLES)
def test_conserved_energy_stays(name: str) -> None:
    found = go(moving(Ensemble(name, 300.0, 2.0)), 1000)
    spread = found['conserved_energy'].std() / 32
    # Verlet's shadow energy moves with the motion, but does not run away
    slope = np.polyfit(np.arange(1000) * 2e-3, found['conserved_energy'], 1)[0] / 32
    assert spread < 1e-4
    assert abs(slope) < 1e-4


def test_nvt_has_the_canonical_mean_and_fluctuation() -> None:
    found = go(moving(Ensemble('nvt', 300.0, 4.0, thermostat_time=30.0)), 4000)
    temperatures = found['temperature'][500:]
    # Var T / T² = 2 / degrees of freedom in the canonical ensemble
    assert temperatures.mean() == pytest.approx(300.0, rel=0.02)
    assert temperatures.var() / 300.0**2 == pytest.approx(2 / 93, rel=0.2)


def test_npt_has_what_was_asked_for_and_the_volume_of_nvt() -> None:
    ensemble = Ensemble('npt', 300.0, 4.0, pressure=5.0, barostat_time=300.0)
    kept = {name: values[1000:] for name, values in go(moving(ensemble), 4000).items()}
    assert kept['temperature'].mean() == pytest.approx(300.0, rel=0.03)
    assert kept['pressure'].mean() == pytest.approx(5.0, abs=0.3)
    fixed = moving(Ensemble('nvt', 300.0, 4.0))
    scale = (kept['volume'].mean() / fixed.atoms.get_volume()) ** (1 / 3)
    fixed.atoms.set_cell(fixed.atoms.cell * scale, scale_atoms=True)
    assert go(fixed, 3000)['pressure'][500:].mean() == pytest.approx(5.0, abs=0.4)


def test_pressure_is_minus_the_slope_of_the_energy() -> None:
    cold = moving(Ensemble('nve', 1e-9, 1.0))
    volumes, energies = [], []
    for scale in (0.999, 1.0, 1.001):
        atoms = cold.atoms.copy()
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        atoms.calc = cold.atoms.calc
        volumes.append(atoms.get_volume())
        energies.append(atoms.get_potential_energy())
    slope = -(energies[2] - energies[0]) / (volumes[2] - volumes[0]) / GPa
    assert cold.scalars()['pressure'] == pytest.approx(slope, abs=0.02)


@pytest.mark.parametrize('name', ENSEMBLES)
def test_restored_run_is_the_same_to_the_last_bit(name: str) -> None:
    ensemble = Ensemble(name, 300.0, 2.0, pressure=2.0)
    whole = moving(ensemble, seed=7)
    go(whole, 20)
    state, numbers = whole.state(), whole.rng.bit_generator.state
    first = go(whole, 30)
    again = moving(ensemble, seed=8)
    again.rng.bit_generator.state = numbers
    again.restore(state)
    second = go(again, 30)
    for key, values in first.items():
        assert values.tolist() == second[key].tolist(), key
    assert np.array_equal(whole.atoms.positions, again.atoms.positions)


def test_state_of_another_ensemble_is_refused() -> None:
    state = moving(Ensemble('nve', 300.0, 2.0)).state()
    with pytest.raises(InputError, match='another run'):
        moving(Ensemble('npt', 300.0, 2.0)).restore(state)


def test_centre_of_mass_rests() -> None:
    for name in ENSEMBLES:
        dynamics = moving(Ensemble(name, 300.0, 2.0))
        go(dynamics, 200)
        assert np.abs(dynamics.atoms.get_momenta().sum(axis=0)).max() < 1e-9
