"""Steps by the lightest atom, and what a step does to a frequency."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet
from ase.units import _c, fs
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.dynamics.timestep import (
    check_timestep,
    crystal_energies,
    default_timestep,
    integrator_frequencies,
)
from aiida_insbench.science.errors import InputError


class Spring(Calculator):
    """One atom on a spring, eV/Å²."""

    implemented_properties = ('energy', 'forces')

    def __init__(self, constant: float) -> None:
        super().__init__()
        self.constant = constant

    def calculate(self, atoms=None, properties=(), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        places = self.atoms.positions
        self.results = {
            'energy': 0.5 * self.constant * (places**2).sum(),
            'forces': -self.constant * places,
        }


@pytest.mark.parametrize(
    ('mass', 'step'), [(1.008, 0.5), (2.014, 0.7), (12.011, 1.7), (28.085, 2.0), (200.0, 2.0)]
)
def test_default_follows_the_square_root_of_the_mass(mass: float, step: float) -> None:
    assert default_timestep([mass, 250.0]) == pytest.approx(step)


@given(st.floats(50.0, 4000.0), st.floats(0.05, 2.0))
def test_inverse(wavenumber: float, timestep: float) -> None:
    there = integrator_frequencies(wavenumber, timestep=timestep)
    assert there >= wavenumber
    assert crystal_energies(there, timestep=timestep) == pytest.approx(wavenumber, rel=1e-10)


def test_frequency_of_a_real_run() -> None:
    """Zero crossings of an oscillator moved by ASE's integrator."""
    wavenumber, step = 3000.0, 1.5
    omega = 2 * np.pi * _c * 100 * wavenumber * 1e-15  # rad/fs
    atom = Atoms('H', positions=[[0.1, 0, 0]], masses=[1.0])
    atom.calc = Spring((omega / fs) ** 2)
    dynamics = VelocityVerlet(atom, step * fs)
    path = []
    for _ in range(4000):
        path.append(atom.positions[0, 0])
        dynamics.step()
    path = np.array(path)
    at = np.flatnonzero((path[:-1] > 0) & (path[1:] <= 0))
    crossings = (at + path[at] / (path[at] - path[at + 1])) * step
    period = (crossings[-1] - crossings[0]) / (len(crossings) - 1)
    measured = 1 / (period * 1e-15) / (_c * 100)
    assert measured == pytest.approx(integrator_frequencies(wavenumber, timestep=step), abs=0.05)
    assert measured - wavenumber > 80


def test_long_step_is_warned_of_with_its_shift() -> None:
    assert check_timestep(1.0, masses=[1.008, 16.0]) == []
    (warning,) = check_timestep(1.5, masses=[1.008, 16.0])
    assert '3700 cm⁻¹' in warning
    assert 'too high' in warning


@pytest.mark.parametrize('step', [0.0, -0.5, float('nan'), 2.1])
def test_impossible_steps_are_refused(step: float) -> None:
    with pytest.raises(InputError, match='timestep'):
        check_timestep(step, masses=[1.008, 16.0])


def test_unstable_step() -> None:
    with pytest.raises(InputError, match='unstable'):
        integrator_frequencies(3700.0, timestep=3.0)
