"""Work of forces and stress against energies: exact where it must be, blind where it should be."""

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_copper import copper

from aiida_insbench.science.dataset_export import export_frames
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import read_frames
from aiida_insbench.science.label_consistency import work_factors
from aiida_insbench.science.unit_check import LabelUnits, check_units

CELL = np.array([[4.0, 0.3, 0.0], [0.0, 4.5, 0.2], [0.1, 0.0, 5.0]])


def springs(count, *, seed, size=0.1):
    """A quadratic crystal of three atoms in a fixed cell: E = u·K·u/2, F = −K·u."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(9, 9))
    matrix = root @ root.T
    rest = rng.random((3, 3))
    frames = []
    for _ in range(count):
        moved = rng.normal(0, size, 9)
        atoms = Atoms('H3', cell=CELL, scaled_positions=rest, pbc=True)
        atoms.positions += moved.reshape(3, 3)
        atoms.info |= {'REF_energy': -7 + moved @ matrix @ moved / 2, 'REF_stress': np.zeros(6)}
        atoms.arrays['REF_forces'] = -(matrix @ moved).reshape(3, 3)
        frames.append(atoms)
    return frames


def jelly(volumes, *, bulk_modulus=0.5, offset=0.0):
    """Cells without forces: E = V0 B (V/V0 − 1)²/2, stress dE/dV; `offset` is a Pulay stress."""
    frames = []
    for volume in volumes:
        atoms = Atoms('H2', cell=CELL * volume ** (1 / 3), scaled_positions=[[0] * 3, [0.5] * 3])
        atoms.pbc = True
        rest = abs(np.linalg.det(CELL))
        pull = bulk_modulus * (volume - 1) + offset
        atoms.info |= {
            'REF_energy': rest * bulk_modulus * (volume - 1) ** 2 / 2,
            'REF_stress': np.array([pull, pull, pull, 0, 0, 0]),
        }
        atoms.arrays['REF_forces'] = np.zeros((2, 3))
        frames.append(atoms)
    return frames


@given(seed=st.integers(0, 50), count=st.integers(5, 12), factor=st.floats(0.01, 100))
def test_exact_in_a_quadratic_crystal(seed, count, factor):
    frames = springs(count, seed=seed)
    for frame in frames:
        frame.arrays['REF_forces'] /= factor
    assert work_factors(frames).forces.value == pytest.approx(factor, rel=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 50), data=st.data())
def test_blind_to_frame_order_lattice_vectors_and_energy_zero(seed, data):
    frames = springs(8, seed=seed)
    before = work_factors(frames).forces.value
    order = data.draw(st.permutations(range(8)))
    shift = data.draw(st.integers(-2, 2))
    moved = [frames[index].copy() for index in order]
    for index, frame in enumerate(moved):
        frame.info['REF_energy'] += 1234.5
        frame.positions[index % 3] += shift * CELL[index % 3]
    assert work_factors(moved).forces.value == pytest.approx(before, rel=1e-6)


@pytest.mark.parametrize('offset', [0.0, 0.002, -0.01])
def test_a_constant_offset_of_the_stress_is_the_cutoffs_not_the_units(offset):
    """0.01 eV/Å³ are 1.6 GPa of Pulay stress, as much as the pressures themselves."""
    frames = jelly(np.linspace(0.96, 1.04, 13), offset=offset)
    assert work_factors(frames).stress.value == pytest.approx(1, abs=0.02)


def test_nothing_is_determined_by_unrelated_frames():
    far = [frame for seed in range(6) for frame in copper(1, seed=seed, strain=0.2, rattle=1.5)]
    found = work_factors(far)
    assert (found.forces, found.stress) == (None, None)
    assert work_factors([]).pairs == 0


def turning_molecules(count, *, angle, seed=1):
    """Stiff dumb-bells on soft sites, turned at random: no path between two frames is straight."""
    rng = np.random.default_rng(seed)
    sites = 4.5 * np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    axes = rng.normal(size=(8, 3))
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    rest = np.stack([sites - 0.37 * axes, sites + 0.37 * axes], axis=1)
    frames = []
    for _ in range(count):
        turned = axes + rng.normal(0, angle, axes.shape)
        turned *= (0.37 + rng.normal(0, 0.01, (8, 1))) / np.linalg.norm(turned, axis=1)[:, None]
        centres = sites + rng.normal(0, 0.1, sites.shape)
        atoms = np.stack([centres - turned, centres + turned], axis=1)
        bond = atoms[:, 1] - atoms[:, 0]
        length = np.linalg.norm(bond, axis=1)
        forces = -(atoms - rest)
        pull = (35 * (length - 0.74) / length)[:, None] * bond
        forces += np.stack([pull, -pull], axis=1)
        frame = Atoms('H16', atoms.reshape(-1, 3), cell=[9, 9, 9], pbc=True)
        energy = 35 * ((length - 0.74) ** 2).sum() / 2 + ((atoms - rest) ** 2).sum() / 2
        frame.info |= {'REF_energy': energy, 'REF_stress': np.zeros(6)}
        frame.arrays['REF_forces'] = forces.reshape(-1, 3)
        frames.append(frame)
    return frames


@pytest.mark.parametrize('angle', [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize('count', [20, 60])
def test_turning_molecules_are_not_refused_and_their_units_are_found(angle, count):
    """Librations of 6° to 29°: the factor is less certain, but right within its error."""
    frames = turning_molecules(count, angle=angle)
    units = LabelUnits(energy='eV', forces='eV/Å', stress='eV/Å^3', sign='tension')
    check_units(frames, said=units, name='x')
    for frame in frames:
        frame.info['REF_energy'] /= 27.2114
    with pytest.raises(DatasetError, match='--energy-unit Ha'):
        check_units(frames, said=units, name='x')


def test_few_frames_that_no_unit_explains_are_a_warning():
    units = LabelUnits(energy='eV', forces='eV/Å', stress='eV/Å^3', sign='tension')
    few, many = copper(6), copper(20)
    for frame in (*few, *many):
        frame.arrays['REF_forces'] /= 0.45
    _, warnings = check_units(few, said=units, name='x')
    assert any('No known unit explains that; the frames are few.' in line for line in warnings)
    with pytest.raises(DatasetError, match='No known unit explains'):
        check_units(many, said=units, name='x')


def test_frames_of_different_atoms_are_not_paired():
    first, second = springs(4, seed=0), springs(4, seed=0)
    for frame in second:
        frame.symbols[:] = 'O'
        frame.info['REF_energy'] += 50
    assert work_factors([*first, *second]).forces.value == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize('keys', ['mace', 'ase'])
def test_export_does_not_change_the_frames(keys):
    frames = copper(3)
    before = [frame.copy() for frame in frames]
    text = export_frames(frames, keys=keys)
    assert ('REF_energy' in text) == (keys == 'mace')
    assert frames == before
    assert [set(frame.info) for frame in frames] == [set(frame.info) for frame in before]
    positions = [frame.positions for frame in read_frames(text)]
    np.testing.assert_allclose(positions, [frame.positions for frame in frames], atol=1e-8)


def test_export_under_unknown_keys():
    with pytest.raises(DatasetError, match='known are mace, ase'):
        export_frames(copper(1), keys='gap')
