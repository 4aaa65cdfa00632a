"""Relaxation at a pressure: against finite differences of the energy, and its refusals."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.spacegroup import crystal

from aiida_insbench.science.errors import ConvergenceError, StructureError
from aiida_insbench.science.relaxation import relax, space_group


def rutile():
    """CuAl2 in MgH2's structure: three degrees of freedom, far from EMT's favourite."""
    return crystal(
        ['Cu', 'Al'],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[5.75, 5.75, 3.7, 90, 90, 90],
    )


def energy(atoms, calculator):
    atoms = atoms.copy()
    atoms.calc = calculator
    return atoms.get_potential_energy()


class Uphill(Calculator):
    """EMT with a constant force on one atom: forces that no space group allows."""

    implemented_properties = ('energy', 'forces', 'stress')

    def __init__(self, force=0.0, factor=1.0):
        super().__init__()
        self.engine, self.force, self.factor = EMT(), force, factor

    def calculate(self, atoms=None, properties=('energy',), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        copy = atoms.copy()
        copy.set_constraint()
        copy.calc = self.engine
        forces = copy.get_forces()
        forces[-1, 1] += self.force
        self.results = {
            'energy': copy.get_potential_energy() * self.factor,
            'forces': forces,
            'stress': copy.get_stress(),
        }


COPPER = (bulk('Cu', cubic=True), EMT())
ARGON = (
    bulk('Ar', 'fcc', a=5.3, cubic=True),
    LennardJones(sigma=3.4, epsilon=0.0104, rc=8.5, smooth=True),
)


@pytest.mark.parametrize(
    ('atoms', 'calculator', 'pressure'),
    [(*COPPER, -2.0), (*COPPER, 0.0), (*COPPER, 20.0), (*ARGON, 0.0), (*ARGON, 3.0)],
)
def test_pressure_is_minus_the_slope_of_energy(atoms, calculator, pressure):
    relaxed = relax(
        atoms=atoms, calculator=calculator, pressure=pressure, max_volume_change=0.6
    ).atoms
    step = 1e-3
    energies, volumes = [], []
    for factor in (1 - step, 1 + step):
        scaled = relaxed.copy()
        scaled.set_cell(relaxed.cell.array * factor, scale_atoms=True)
        energies.append(energy(scaled, calculator))
        volumes.append(scaled.get_volume())
    slope = -np.diff(energies)[0] / np.diff(volumes)[0] / units.GPa
    assert slope == pytest.approx(pressure, abs=0.02)


@pytest.mark.parametrize('pressure', [0.0, 5.0])
def test_the_relaxed_crystal_has_least_enthalpy(pressure):
    result = relax(atoms=rutile(), calculator=EMT(), pressure=pressure)

    def enthalpy(atoms):
        return energy(atoms, EMT()) + pressure * units.GPa * atoms.get_volume()

    lowest = enthalpy(result.atoms)
    for axes in np.eye(3):
        for sign in (-1, 1):
            strained = result.atoms.copy()
            strained.set_cell(result.atoms.cell.array * (1 + sign * 3e-3 * axes), scale_atoms=True)
            assert enthalpy(strained) > lowest
    assert result.stress == pytest.approx(
        np.array([-1, -1, -1, 0, 0, 0]) * pressure * units.GPa, abs=5e-3 * units.GPa
    )
    assert result.residual_stress < 5e-3
    assert result.residual_force < 1e-4
    assert result.energy == pytest.approx(energy(result.atoms, EMT()))
    assert result.pressure == pressure


def test_symmetry_is_kept_and_changes_nothing_but_rounding():
    start = rutile()
    free = relax(atoms=start, calculator=EMT(), pressure=2.0, fix_symmetry=False, symprec=1e-2)
    held = relax(atoms=start, calculator=EMT(), pressure=2.0)
    assert held.space_group_before == held.space_group_after == 'P4_2/mnm (136)'
    assert held.atoms.get_volume() == pytest.approx(free.atoms.get_volume(), rel=1e-4)
    assert not held.atoms.constraints


def test_the_crystal_given_is_left_alone():
    start = rutile()
    before = start.copy()
    relax(atoms=start, calculator=EMT(), pressure=1.0)
    assert start == before
    assert start.calc is None


def test_a_broken_symmetry_is_found_again_within_symprec():
    start = rutile()
    start.positions[2] += [0.003, 0.0, 0.0]
    assert space_group(atoms=start, symprec=1e-4) != 'P4_2/mnm (136)'
    result = relax(atoms=start, calculator=EMT(), pressure=0.0, symprec=1e-2)
    assert space_group(atoms=result.atoms, symprec=1e-6) == 'P4_2/mnm (136)'


def test_settings_matter():
    steps = []
    loose = relax(
        atoms=rutile(),
        calculator=EMT(),
        pressure=0.0,
        fmax=1e-2,
        stress_tolerance=0.5,
        report=lambda step, force, stress: steps.append((step, force, stress)),
    )
    tight = relax(atoms=rutile(), calculator=EMT(), pressure=0.0, fmax=1e-6, stress_tolerance=1e-4)
    assert loose.steps < tight.steps
    assert tight.residual_force < 1e-6 < loose.residual_force
    assert steps[-1][0] == loose.steps
    assert steps[-1][1] <= 1e-2 < steps[0][1]


def test_too_few_steps_are_an_error_with_numbers():
    with pytest.raises(ConvergenceError, match=r'5\.0 GPa did not converge in 2 steps.*eV/Å'):
        relax(atoms=rutile(), calculator=EMT(), pressure=5.0, max_steps=2)


def test_a_collapse_is_an_error_with_numbers():
    start = rutile()
    start.set_cell(start.cell.array * 0.85, scale_atoms=True)
    with pytest.raises(ConvergenceError, match=r'volume changed by \+\d+ %'):
        relax(atoms=start, calculator=EMT(), pressure=0.0)


def test_forces_against_the_symmetry_are_an_error():
    with pytest.raises(ConvergenceError, match='does not respect the space group'):
        relax(atoms=rutile(), calculator=Uphill(force=0.05), pressure=0.0)


def test_an_energy_that_is_not_finite_is_an_error():
    with pytest.raises(ConvergenceError, match='not finite'):
        relax(atoms=rutile(), calculator=Uphill(factor=np.nan), pressure=0.0)


def test_atoms_on_top_of_each_other_have_no_space_group():
    atoms = bulk('Cu', cubic=True)
    atoms.positions[1] = atoms.positions[0]
    with pytest.raises(StructureError, match='space group'):
        space_group(atoms=atoms, symprec=1e-3)
