"""Random displacements: frequencies of finite ones, fewer force calls, no silent nonsense."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from ase.geometry import find_mic
from ase.neighborlist import neighbor_list

from aiida_insbench.science.errors import ConvergenceError
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.one_sided_displacements import (
    LARGEST_NOISE,
    TINY_DISPLACEMENT,
    force_noise,
    one_sided_force_constants,
)
from aiida_insbench.science.phonons import build_phonopy, calculate_force_constants
from aiida_insbench.science.random_displacements import plan_displacements, random_force_constants
from aiida_insbench.science.supercells import supercell_of


class Network(Calculator):
    """Atoms of a small cell on springs to all neighbours within 6 Å, at rest; counts its calls."""

    implemented_properties = ('energy', 'forces')
    calls = 0

    def __init__(self, at_rest):
        super().__init__()
        self.first, self.second, shift, self.rest = neighbor_list('ijSd', at_rest, 6.0)
        self.shift = shift @ at_rest.cell.array
        self.stiffness = 20.0 * np.exp(-self.rest)

    def calculate(self, atoms=None, properties=('energy',), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        Network.calls += 1
        links = atoms.positions[self.second] + self.shift - atoms.positions[self.first]
        lengths = np.linalg.norm(links, axis=1)
        pulls = (self.stiffness * (lengths - self.rest) / lengths)[:, None] * links
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, self.first, pulls)
        energy = 0.25 * (self.stiffness * (lengths - self.rest) ** 2).sum()
        self.results = {'energy': float(energy), 'forces': forces}


class Reordered(Calculator):
    """Another calculator, for atoms in another order."""

    implemented_properties = ('energy', 'forces')

    def __init__(self, engine, order):
        super().__init__()
        self.engine, self.order = engine, order

    def calculate(self, atoms=None, properties=('energy',), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.engine.calculate(atoms[self.order])
        forces = np.empty((len(atoms), 3))
        forces[self.order] = self.engine.results['forces']
        self.results = {'energy': self.engine.results['energy'], 'forces': forces}


def engine_order(crystal, phonon):
    """For each atom of ``crystal.repeat(2)`` the phonopy supercell's atom at its place."""
    wanted, there = crystal.repeat(2), supercell_of(phonon)
    apart = [find_mic(there.positions - place, there.cell)[1] for place in wanted.positions]
    return np.argmin(apart, axis=1)


@pytest.fixture(scope='module')
def crystal():
    """Eight atoms of no symmetry at all."""
    rng = np.random.default_rng(3)
    grid = np.array(np.meshgrid([0.25, 0.75], [0.25, 0.75], [0.25, 0.75])).reshape(3, -1).T
    cell = 6.4 * np.array([[1, 0, 0], [0.1, 1.05, 0], [0.05, 0.1, 0.97]])
    places = grid + rng.uniform(-0.06, 0.06, size=(8, 3))
    return Atoms('Ar8', scaled_positions=places, cell=cell, pbc=True)


def test_half_the_calls_and_the_same_frequencies(crystal):
    """Springs are nearly harmonic: routes differ by less than 0.01 cm⁻¹."""
    frequencies, calls = {}, {}
    for name, route in (
        ('finite', calculate_force_constants),
        ('one-sided', one_sided_force_constants),
        ('random', functools.partial(random_force_constants, seed=1)),
    ):
        Network.calls = 0
        phonon = route(atoms=crystal, calculator=Network(crystal), supercell_matrix=np.eye(3))
        frequencies[name], calls[name] = gamma_modes(phonon=phonon).frequencies, Network.calls
    plan = plan_displacements(phonon=build_phonopy(atoms=crystal, supercell_matrix=np.eye(3)))
    assert calls['finite'] == plan.finite == 48
    assert calls['one-sided'] == plan.one_sided == 25
    assert plan.random <= calls['random'] <= 30
    for name in ('one-sided', 'random'):
        assert frequencies[name][3:] == pytest.approx(frequencies['finite'][3:], abs=0.02)
        assert np.abs(frequencies[name][:3]).max() < 0.1


def test_a_cutoff_is_where_random_displacements_pay(crystal):
    """Springs end at 6 Å: in the 2×2×2 supercell, 64 atoms, far fewer unknowns are left."""
    matrix = 2 * np.eye(3, dtype=int)
    phonon = build_phonopy(atoms=crystal, supercell_matrix=matrix)
    plan = plan_displacements(phonon=phonon, cutoff=6.2)
    assert plan.one_sided == 25
    assert plan.random < 20
    engine = Network(crystal.repeat(2))
    # the supercell's atoms stand in phonopy's order, not in that of `repeat`
    order = engine_order(crystal, phonon)
    found = random_force_constants(
        atoms=crystal,
        calculator=Reordered(engine, order),
        supercell_matrix=matrix,
        seed=1,
        cutoff=6.2,
    )
    exact = one_sided_force_constants(
        atoms=crystal, calculator=Reordered(engine, order), supercell_matrix=matrix
    )
    points = [[0, 0, 0.5], [0.5, 0.5, 0], [0.25, 0, 0]]
    bands = [np.asarray(one.run_qpoints(points).frequencies) for one in (found, exact)]
    assert bands[0] * 33.356 == pytest.approx(bands[1] * 33.356, abs=0.2)


def test_errors_of_both_differences_are_the_formulas():
    """A Morse bond of 1 Å: −³⁄₂au with one sign, ⁷⁄₆a²u² with both."""
    exponent, depth = 2.0, 4.0
    exact = 2 * depth * exponent**2
    engine = MorsePotential(epsilon=depth, rho0=exponent, r0=1.0, rcut1=5.0, rcut2=6.0)

    def force(stretch):
        atoms = Atoms('Ar2', positions=[[0, 0, 0], [1 + stretch, 0, 0]])
        atoms.calc = engine
        return atoms.get_forces()[1, 0]

    one, both = TINY_DISPLACEMENT, 0.01
    error = -(force(one) - force(0)) / one / exact - 1
    assert error == pytest.approx(-1.5 * exponent * one, rel=0.01)
    error = -(force(both) - force(-both)) / (2 * both) / exact - 1
    assert error == pytest.approx(7 / 6 * (exponent * both) ** 2, rel=0.01)


def test_noise_is_seen():
    class Single(EMT):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.results['forces'] = self.results['forces'].astype(np.float32).astype(float)

    atoms = Atoms('Cu4', scaled_positions=[[0, 0, 0.02], [0, 0.5, 0.5], [0.5, 0, 0.5],
                                           [0.5, 0.5, 0]], cell=[3.59] * 3, pbc=True)  # fmt: skip
    assert force_noise(atoms=atoms, calculator=EMT()) < LARGEST_NOISE
    assert force_noise(atoms=atoms, calculator=Single()) > 0


def test_the_same_seed_gives_the_same_constants():
    atoms = Atoms('Cu4', scaled_positions=[[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
                  cell=[3.59] * 3, pbc=True)  # fmt: skip
    first, same, other = (
        random_force_constants(
            atoms=atoms, calculator=EMT(), supercell_matrix=np.eye(3), seed=seed
        ).force_constants
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert first == pytest.approx(other, abs=0.05)


def test_noise_is_an_error_with_a_number():
    class Noisy(EMT):
        rng = np.random.default_rng(0)

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            shape = self.results['forces'].shape
            self.results['forces'] = self.results['forces'] + self.rng.normal(0, 0.05, shape)

    atoms = Atoms('Cu2', positions=[[0, 0, 0], [1.8, 1.8, 1.8]], cell=[3.6] * 3, pbc=True)
    with pytest.raises(ConvergenceError, match=r'miss \d+\.\d+ % of the forces of one held out'):
        random_force_constants(atoms=atoms, calculator=Noisy(), supercell_matrix=np.eye(3), seed=1)
