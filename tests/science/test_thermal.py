"""Thermal functions against closed forms, their own derivatives, and phonopy."""

import numpy as np
import pytest
from ase import units
from hypothesis import given
from hypothesis import strategies as st
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.phonon_mesh import mesh_modes
from aiida_insbench.science.thermal import thermal_functions, vibrational_pressure

ONE = np.ones(1)


def test_zero_point_energy_of_one_oscillator():
    """ħω/2 of 1000 cm⁻¹ is 61.99 meV."""
    found = thermal_functions(np.array([[1000.0]]), ONE, temperatures=np.array([0.0]))
    assert found.free_energy == pytest.approx([0.0619921], rel=1e-5)
    assert (found.entropy[0], found.heat_capacity[0]) == (0.0, 0.0)


def test_hot_oscillators_follow_dulong_and_petit():
    found = thermal_functions(np.full((1, 9), 50.0), ONE, temperatures=np.array([5000.0]))
    assert found.heat_capacity / units.kB == pytest.approx([9.0], rel=1e-4)


@given(frequency=st.floats(20, 2000), temperature=st.floats(20, 800))
def test_entropy_and_heat_are_derivatives_of_the_free_energy(frequency, temperature):
    step = 0.01
    near = thermal_functions(
        np.array([[frequency]]), ONE,
        temperatures=np.array([temperature - step, temperature, temperature + step]),
    )  # fmt: skip
    low, _, high = near.free_energy
    assert near.entropy[1] == pytest.approx(-(high - low) / (2 * step), rel=1e-4, abs=1e-11)
    slope = (near.entropy[2] - near.entropy[0]) / (2 * step)
    assert near.heat_capacity[1] == pytest.approx(temperature * slope, rel=1e-4, abs=1e-9)


def test_a_crystal_agrees_with_phonopy():
    phonon = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    mesh = mesh_modes(phonon=phonon, mesh=(4, 4, 6))
    temperatures = np.array([0.0, 100.0, 300.0])
    found = thermal_functions(mesh.frequencies, mesh.weights, temperatures=temperatures)
    phonon.run_mesh([4, 4, 6], is_gamma_center=True)
    phonon.run_thermal_properties(temperatures=temperatures, cutoff_frequency=1 / 33.356)
    theirs = phonon.get_thermal_properties_dict()
    per_mole = units.kJ / units.mol
    assert found.free_energy == pytest.approx(theirs['free_energy'] * per_mole, rel=1e-5)
    assert found.entropy[1:] == pytest.approx(theirs['entropy'][1:] * per_mole / 1000, rel=1e-5)
    assert found.heat_capacity[1:] == pytest.approx(
        theirs['heat_capacity'][1:] * per_mole / 1000, rel=1e-5
    )
    assert 0 < found.left_out < 0.01  # acoustic modes at Γ


@pytest.mark.parametrize('temperature', [0.0, 300.0])
def test_pressure_of_modes_of_one_gruneisen_parameter(temperature):
    """P V = γ E, with E the vibrational energy: Mie and Grüneisen."""
    gruneisen, start = 1.7, np.array([[150.0, 400.0, 1200.0]])
    volumes = np.array([59.9, 60.0, 60.1])
    functions = [
        thermal_functions(
            start * (volume / 60.0) ** -gruneisen, ONE, temperatures=np.array([temperature])
        )
        for volume in volumes
    ]
    found = vibrational_pressure(volumes, np.array([one.free_energy[0] for one in functions]))
    energy = functions[1].free_energy[0] + temperature * functions[1].entropy[0]
    assert found[1] == pytest.approx(gruneisen * energy / 60.0 / units.GPa, rel=1e-4)


def test_two_volumes_give_a_line():
    found = vibrational_pressure(np.array([50.0, 60.0]), np.array([0.2, 0.1]))
    assert found == pytest.approx(np.full(2, 0.01 / units.GPa))


def test_one_volume_gives_none():
    with pytest.raises(InputError, match='second pressure'):
        vibrational_pressure(np.array([50.0, 50.0]), np.array([0.2, 0.2]))


def test_imaginary_modes_are_left_out_and_counted():
    found = thermal_functions(np.array([[-100.0, 500.0]]), ONE, temperatures=np.array([300.0]))
    assert found.left_out == pytest.approx(0.5)
    assert np.isfinite(found.free_energy).all()


@pytest.mark.parametrize(
    'options', [{'temperatures': np.array([-1.0])},
                {'temperatures': np.array([np.nan])},
                {'temperatures': ONE, 'minimum_frequency': 0.0}]
)  # fmt: skip
def test_conditions_must_make_sense(options):
    with pytest.raises(InputError):
        thermal_functions(np.array([[100.0]]), ONE, **options)
