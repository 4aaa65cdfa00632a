"""Force constants from given displacements and forces, with EMT as the source of forces."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.spacegroup import crystal
from phonopy import Phonopy
from phonopy.physical_units import get_physical_units
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.science.displaced_forces import DisplacedForces
from aiida_insbench.science.errors import ConvergenceError, InputError
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.supercells import build_phonopy, to_ase

SQRT2 = np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
Q_POINTS = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0.1, 0.2, 0.3]]


def rutile():
    return crystal(
        ['Cu', 'Al'],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[5.6, 5.6, 3.6, 90, 90, 90],
    )


def forces_of(atoms, matrix, *, displacement=0.01, symprec=1e-4, **options):
    """Displacements by phonopy, forces by EMT."""
    phonon = build_phonopy(atoms=atoms, supercell_matrix=matrix, symprec=symprec)
    phonon.generate_displacements(distance=displacement, is_plusminus=True, **options)
    entries = phonon.dataset['first_atoms']
    forces = []
    for cell in phonon.supercells_with_displacements:
        frame = to_ase(cell)
        frame.calc = EMT()
        forces.append(frame.get_forces())
    return DisplacedForces(
        atoms=atoms,
        supercell_matrix=np.asarray(matrix),
        displaced_atoms=np.array([entry['number'] for entry in entries]),
        displacements=np.array([entry['displacement'] for entry in entries]),
        forces=np.array(forces),
        symprec=symprec,
    )


@pytest.fixture(scope='module')
def given():
    return forces_of(rutile(), SQRT2)


def wavenumbers(phonon, q_points=Q_POINTS):
    return phonon.run_qpoints(q_points).frequencies * get_physical_units().THzToCm


def test_the_same_as_with_a_calculator(given):
    phonon, residual = given.fit()
    expected = calculate_force_constants(
        atoms=rutile(), calculator=EMT(), supercell_matrix=SQRT2, displacement=0.01
    )
    np.testing.assert_allclose(phonon.force_constants, expected.force_constants, atol=1e-10)
    assert 0 <= residual < 1e-3


def test_phonopy_by_itself_agrees(given):
    """phonopy's own fit of all force constants; EMT forces obey the sum rule and symmetry."""
    atoms = given.atoms
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(), cell=atoms.cell.array, positions=atoms.positions
    )
    plain = Phonopy(cell, supercell_matrix=SQRT2.T, primitive_matrix=np.eye(3))
    plain.dataset = {
        'natom': 12,
        'first_atoms': [
            {'number': int(n), 'displacement': u, 'forces': f}
            for n, u, f in zip(
                given.displaced_atoms, given.displacements, given.forces, strict=True
            )
        ],
    }
    plain.produce_force_constants()
    plain.symmetrize_force_constants()
    found = wavenumbers(given.fit()[0], Q_POINTS[1:])
    np.testing.assert_allclose(found, wavenumbers(plain, Q_POINTS[1:]), atol=0.05)


def test_constant_forces_cancel(given):
    """Residual forces of an unrelaxed crystal change nothing, for both signs are there."""
    residual = np.random.default_rng(2).normal(0, 0.3, given.forces.shape[1:])
    pushed = replace(given, forces=given.forces + residual)
    np.testing.assert_allclose(
        pushed.fit()[0].force_constants, given.fit()[0].force_constants, atol=1e-9
    )


@pytest.mark.parametrize(
    ('matrix', 'only'),
    [(np.eye(3), True), (SQRT2, False), ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], True)],
)
def test_gamma_only(given, matrix, only):
    assert replace(given, supercell_matrix=np.array(matrix)).gamma_only is only


@pytest.mark.parametrize('lost', range(3))
def test_a_direction_without_displacement_is_refused(lost):
    """Without symmetry each direction needs its own displacement."""
    atoms = Atoms('AlCu', cell=[[3.9, 0.1, 0], [0.3, 4.1, 0.2], [0, 0.4, 4.4]],
                  scaled_positions=[[0, 0, 0], [0.47, 0.53, 0.51]], pbc=True)  # fmt: skip
    made = forces_of(atoms, np.eye(3, dtype=int), is_diagonal=False)
    axis = np.abs(made.displacements).argmax(axis=1)
    kept = (made.displaced_atoms != 1) | (axis != lost)
    assert kept.sum() == len(kept) - 2
    cut = replace(
        made,
        displaced_atoms=made.displaced_atoms[kept],
        displacements=made.displacements[kept],
        forces=made.forces[kept],
    )
    made.fit()
    with pytest.raises(InputError, match=r'open of atom 1 \(Cu\)\.'):
        cut.fit()


def test_symmetry_reaches_what_displacements_do_not():
    """One pair of displacements serves a cubic crystal."""
    made = forces_of(bulk('Cu', cubic=True), 2 * np.eye(3, dtype=int))
    assert len(made.displaced_atoms) == 2
    assert made.fit()[1] < 1e-3


def test_one_sign_is_refused(given):
    half = replace(
        given,
        displaced_atoms=given.displaced_atoms[::2],
        displacements=given.displacements[::2],
        forces=given.forces[::2],
    )
    with pytest.raises(InputError, match='lacks the opposite displacement'):
        half.fit()


def test_noise_is_refused(given):
    noise = np.random.default_rng(3).normal(0, 0.05, given.forces.shape)
    noisy = replace(given, forces=given.forces + noise)
    with pytest.raises(ConvergenceError, match='unexplained'):
        noisy.fit()
    assert noisy.fit(max_residual=10.0)[1] > 0.05


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'forces': np.zeros((4, 6, 3))}, 'do not fit a supercell of 12'),
        ({'displacements': np.zeros((1, 3))}, 'do not fit a supercell of 12'),
        ({'displaced_atoms': np.array([0, 0, 0, 0, 0, 0, 0, 12])}, 'do not fit|of 12 atoms'),
    ],
)
def test_what_does_not_fit_is_refused(given, changes, words):
    with pytest.raises(InputError, match=words):
        replace(given, **changes).fit()


def test_numbers_that_are_not_finite_are_refused(given):
    forces = given.forces.copy()
    forces[1, 2, 0] = np.nan
    with pytest.raises(InputError, match='not finite'):
        replace(given, forces=forces).fit()
