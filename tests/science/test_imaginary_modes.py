"""Imaginary modes: the smallest cell of a wave, the way down, where it ends."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.spacegroup import crystal
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.imaginary_modes import (
    ImaginaryMode,
    displaced_along,
    lowest_along,
    repetitions,
    same_supercell,
    smallest_cell,
    worst_imaginary_mode,
)
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.relaxation import relax, space_group

AXES = np.array([[3.0, 0.2, 0.0], [0.1, 4.0, 0.3], [0.5, 0.0, 5.0]])
FRACTIONS = st.sampled_from([0.0, 0.5, 0.25, 0.75, 1 / 3, 2 / 3])


class DoubleWell(Calculator):
    """Chain along x whose neighbours are on springs, and in a double well across the chain.

    With η the difference of neighbours' y, each pair has −½ a η² + ¼ b η⁴: transverse waves have
    ω² = −2 a (1 − cos 2πq)/m, and the ground state is y = ±½ √(a/b), alternating.
    """

    implemented_properties = ('energy', 'forces', 'stress')

    def __init__(self, well=1.0, quartic=1.0, spring=5.0):
        super().__init__()
        self.well, self.quartic, self.spring = well, quartic, spring

    def calculate(self, atoms=None, properties=('energy',), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        order = np.argsort(atoms.positions[:, 0])
        links = np.roll(atoms.positions[order], -1, axis=0) - atoms.positions[order]
        links[-1, 0] += atoms.cell[0, 0]
        stretch = links - [3.0, 0.0, 0.0]
        across = links[:, 1]
        energy = 0.5 * self.spring * (stretch[:, [0, 2]] ** 2).sum()
        energy += (-0.5 * self.well * across**2 + 0.25 * self.quartic * across**4).sum()
        pulls = self.spring * stretch
        pulls[:, 1] = -self.well * across + self.quartic * across**3
        forces = np.zeros((len(atoms), 3))
        forces[order] = pulls - np.roll(pulls, 1, axis=0)
        self.results = {'energy': float(energy), 'forces': forces, 'stress': np.zeros(6)}


def chain():
    return Atoms('Ar', positions=[[0, 0, 0]], cell=[3, 20, 21], pbc=True)


@given(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS))
def test_the_smallest_cell_holds_whole_waves_and_is_the_smallest(point):
    matrix = smallest_cell(point, axes=AXES)
    phases = matrix @ np.array(point)
    assert phases == pytest.approx(np.rint(phases), abs=1e-9)
    size = math.lcm(*(round(1 / math.gcd(round(12 * f), 12) * 12) for f in point))
    assert np.linalg.det(matrix) == pytest.approx(size)


def test_the_smallest_cell_is_compact():
    """(½ ½ ½) of a cube: the face-centred cell of two cubes, not a 2×2×2 one."""
    matrix = smallest_cell([0.5, 0.5, 0.5], axes=3.0 * np.eye(3))
    assert np.linalg.norm(matrix, axis=1) == pytest.approx(math.sqrt(2))


def test_displacements_are_the_wave():
    """Atom in cell R moves by cos(2π q·R): +, 0, −, 0 for q = ¼."""
    mode = ImaginaryMode(
        np.array([0.25, 0, 0]), -10.0, np.array([[0, 1.0 + 0j, 0]]), np.diag([4, 1, 1])
    )
    moved = displaced_along(atoms=chain(), mode=mode, amplitude=0.1)
    assert moved.positions[:, 1] == pytest.approx([0.1, 0, -0.1, 0], abs=1e-12)
    opposite = displaced_along(atoms=chain(), mode=mode, amplitude=-0.1)
    assert opposite.positions[:, 1] == pytest.approx([-0.1, 0, 0.1, 0], abs=1e-12)


def test_light_atoms_move_by_the_root_of_the_mass_ratio():
    atoms = Atoms('HAr', positions=[[0, 0, 0], [1.5, 0, 0]], cell=[3, 20, 21], pbc=True)
    vector = np.array([[0, 1, 0], [0, 1, 0]], dtype=complex) / math.sqrt(2)
    mode = ImaginaryMode(np.zeros(3), -10.0, vector, np.eye(3, dtype=int))
    moved = displaced_along(atoms=atoms, mode=mode, amplitude=0.1).positions[:, 1]
    masses = atoms.get_masses()
    assert moved == pytest.approx([0.1, 0.1 * math.sqrt(masses[0] / masses[1])])


def test_a_chain_of_double_wells_ends_in_its_ground_state():
    """y = ±√(a/b) alternating, energy −a²/4b an atom: all in closed form."""
    engine = DoubleWell()
    phonon = calculate_force_constants(
        atoms=chain(), calculator=engine, supercell_matrix=np.diag([4, 1, 1])
    )
    mode = worst_imaginary_mode(phonon=phonon, mesh=[4, 1, 1])
    assert mode.qpoint == pytest.approx([0.5, 0, 0])
    assert mode.multiple == 2
    root = 2 * math.sqrt(1.0 / chain().get_masses()[0])
    assert mode.frequency == pytest.approx(-521.4708 * root, rel=1e-4)
    displaced, amplitude, gain = lowest_along(atoms=chain(), mode=mode, calculator=engine)
    assert abs(amplitude) == 0.45  # of 0.03 to 0.45 the nearest to 0.5
    assert 0 < gain < 1 / 4
    found = relax(atoms=displaced, calculator=engine, pressure=0.0, fix_cell=True).atoms
    assert np.ptp(found.positions[:, 1]) == pytest.approx(1.0, abs=1e-3)
    found.calc = engine
    assert found.get_potential_energy() / 2 == pytest.approx(-1 / 4, abs=1e-6)


def test_a_stable_crystal_has_none():
    phonon = calculate_force_constants(
        atoms=chain(), calculator=DoubleWell(well=-1.0), supercell_matrix=np.diag([4, 1, 1])
    )
    assert worst_imaginary_mode(phonon=phonon, mesh=[4, 1, 1]) is None


def test_a_mode_that_gains_nothing_is_refused():
    """Force constants say unstable, the energy does not."""
    phonon = calculate_force_constants(
        atoms=chain(), calculator=DoubleWell(), supercell_matrix=np.diag([4, 1, 1])
    )
    mode = worst_imaginary_mode(phonon=phonon, mesh=[4, 1, 1])
    with pytest.raises(ComputationError, match='falls nowhere'):
        lowest_along(atoms=chain(), mode=mode, calculator=DoubleWell(well=-1.0))


def test_a_crystal_falls_along_its_worst_mode():
    """CuAl2 in rutile's structure, in EMT: less symmetry, less enthalpy, as many atoms in all."""
    atoms = crystal(
        ['Cu', 'Al'],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[5.75, 5.75, 3.7, 90, 90, 90],
    )
    loose = {'calculator': EMT(), 'pressure': 5.0, 'fmax': 0.02, 'stress_tolerance': 0.3}
    first = relax(atoms=atoms, **loose)
    matrix = np.diag([1, 1, 2])
    phonon = calculate_force_constants(atoms=first.atoms, calculator=EMT(), supercell_matrix=matrix)
    mode = worst_imaginary_mode(phonon=phonon, mesh=[1, 1, 2])
    displaced, _, gain = lowest_along(atoms=first.atoms, mode=mode, calculator=EMT())
    assert gain > 0
    assert space_group(atoms=displaced, symprec=1e-4) != first.space_group_after
    second = relax(atoms=displaced, **loose)
    assert second.enthalpy / len(second.atoms) < first.enthalpy / len(first.atoms) - 0.01
    kept = same_supercell(
        supercell_matrix=matrix, cell_matrix=mode.cell_matrix, cell=second.atoms.cell.array
    )
    assert round(np.linalg.det(kept)) * len(second.atoms) == 12


def test_the_supercell_stays_as_large():
    assert same_supercell(
        supercell_matrix=np.diag([2, 2, 2]), cell_matrix=np.diag([2, 1, 1]), cell=np.eye(3)
    ) == pytest.approx(np.diag([1, 2, 2]))
    odd = same_supercell(
        supercell_matrix=np.diag([3, 3, 3]), cell_matrix=np.diag([2, 1, 1]), cell=np.diag([2, 1, 1])
    )
    assert odd == pytest.approx(np.diag([2, 3, 3]))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_repetitions_of_the_same_cell_are_the_least_height(a, b, c):
    like = np.diag([a, b, c]) @ np.diag([3.0, 4.0, 5.0])
    found = np.diag(repetitions(like=like, cell=np.diag([3.0, 4.0, 5.0])))
    least = min(3.0 * a, 4.0 * b, 5.0 * c)
    for count, length in itertools.zip_longest(found, [3.0, 4.0, 5.0]):
        assert (count - 1) * length < least <= count * length + 1e-6
