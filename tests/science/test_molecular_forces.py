"""Molecules of crystals, and forces parted into their motions."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.molecular_forces import (
    MOTIONS,
    net_forces,
    net_torques,
    split_forces,
)
from aiida_insbench.science.molecules import find_molecules


def crystal(*names, box=7.0, shift=(0.0, 0.0, 0.0)):
    """Molecules in a row, wrapped into the cell."""
    atoms = Atoms(cell=[box * len(names), box, box], pbc=True)
    for index, name in enumerate(names):
        one = molecule(name)
        one.positions += np.array([box * index, 0, 0]) + shift
        atoms += one
    atoms.wrap()
    return atoms


def parts_of(atoms, forces):
    return split_forces(forces, molecules=find_molecules(atoms), masses=atoms.get_masses())


def test_molecules_across_the_boundary_are_made_whole():
    atoms = crystal('H2O', 'C6H6', 'CH4')
    found = find_molecules(atoms)
    assert [len(one.atoms) for one in found] == [3, 12, 5]
    for one, name in zip(found, ('H2O', 'C6H6', 'CH4'), strict=True):
        own, free = one.positions, molecule(name).positions
        distances = np.linalg.norm(own[:, None] - own, axis=2)
        assert distances == pytest.approx(np.linalg.norm(free[:, None] - free, axis=2), abs=1e-9)


@pytest.mark.parametrize('atoms', [bulk('Si'), bulk('Cu') * 3, bulk('MgO', 'rocksalt', 4.2) * 2])
def test_framework_has_no_molecules(atoms):
    assert find_molecules(atoms) is None


def test_benzene_crystal(shared_data):
    frames = read(shared_data / 'training' / '06_benzene_vdW-DF2.extxyz', index=':')
    for frame in frames[::20]:
        assert {len(one.atoms) for one in find_molecules(frame)} == {12}


@given(st.integers(0, 10_000))
def test_parts_add_up_and_each_carries_its_own(seed):
    atoms = crystal('H2O', 'CO2', 'CH4', shift=(3.0, -1.0, 2.0))
    forces = np.random.default_rng(seed).normal(size=(len(atoms), 3))
    molecules, masses = find_molecules(atoms), atoms.get_masses()
    parts = parts_of(atoms, forces)
    assert sum(parts.values()) == pytest.approx(forces, abs=1e-12)
    nothing = np.zeros((3, 3))
    options = {'molecules': molecules, 'masses': masses}
    assert net_forces(parts['translation'], molecules=molecules) == pytest.approx(
        net_forces(forces, molecules=molecules)
    )
    assert net_torques(parts['rotation'], **options) == pytest.approx(
        net_torques(forces, **options), abs=1e-10
    )
    for name in ('rotation', 'vibration'):
        assert net_forces(parts[name], molecules=molecules) == pytest.approx(nothing, abs=1e-10)
    for name in ('translation', 'vibration'):
        assert net_torques(parts[name], **options) == pytest.approx(nothing, abs=1e-10)


def test_uniform_acceleration_is_translation():
    atoms = crystal('H2O', 'CH4')
    forces = atoms.get_masses()[:, None] * np.array([0.3, -0.2, 0.1])
    parts = parts_of(atoms, forces)
    assert parts['translation'] == pytest.approx(forces)
    assert np.abs(parts['rotation']).max() < 1e-12


def test_spinning_up_is_rotation():
    atoms = crystal('CH4')
    (one,) = find_molecules(atoms)
    mass = atoms.get_masses()
    arms = one.positions - mass @ one.positions / mass.sum()
    forces = mass[:, None] * np.cross([0.1, 0.2, -0.3], arms)
    parts = parts_of(atoms, forces)
    assert parts['rotation'] == pytest.approx(forces)
    assert np.abs(parts['vibration']).max() < 1e-12


def test_stretching_a_diatomic_is_vibration():
    atoms = crystal('N2')
    axis = atoms.get_distance(0, 1, mic=True, vector=True)
    forces = np.array([axis, -axis])
    assert parts_of(atoms, forces)['vibration'] == pytest.approx(forces)
    # across the axis it turns; about the axis it has no inertia and takes no torque
    across = np.cross(axis, [1.0, 2.0, 3.0])
    assert parts_of(atoms, np.array([across, -across]))['rotation'] == pytest.approx(
        np.array([across, -across])
    )


def test_atom_outside_every_molecule_is_refused():
    atoms = crystal('H2O')
    with pytest.raises(ValueError, match='one molecule'):
        split_forces(np.zeros((4, 3)), molecules=find_molecules(atoms), masses=np.ones(4))
    assert MOTIONS == ('translation', 'rotation', 'vibration')
