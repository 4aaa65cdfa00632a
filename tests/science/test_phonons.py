"""Force constants, Γ modes and meshes: analytic crystals, invariants, a Hessian by brute force."""

from collections import Counter

import numpy as np
import pytest
import symfc  # noqa: F401 - it raises the recursion limit: not while hypothesis runs
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_insbench.science.errors import (
    ConvergenceError,
    DatasetError,
    InputError,
    StructureError,
)
from aiida_insbench.science.finite_displacements import (
    displaced_supercells,
    fit_force_constants,
    supercell_forces,
)
from aiida_insbench.science.frames import (
    ENERGY_KEY,
    FORCES_KEY,
    STRESS_KEY,
    read_frames,
    write_frames,
)
from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers, gamma_modes
from aiida_insbench.science.phonon_mesh import mesh_modes
from aiida_insbench.science.phonons import (
    calculate_force_constants,
    force_constants_from_frozen_phonon,
    force_constants_yaml,
    load_force_constants,
    phonopy_from_force_constants,
    save_force_constants,
)
from aiida_insbench.science.relaxation import relax
from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames
from aiida_insbench.science.supercells import (
    build_phonopy,
    compact_force_constants,
    full_force_constants,
    supercell_matrix_of,
    supercell_of,
    unit_cell_of,
)

SQRT2 = np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
#: √(1 eV/(Å² u)) in cm⁻¹: √(1.602176634e-19·1e20/1.66053906892e-27)/(2π·2.99792458e10)
WAVENUMBER = 521.4708


class Chain(Calculator):
    """Springs k (eV/Å²) along x between each atom and the next: the diatomic chain."""

    implemented_properties = ('energy', 'forces')

    def __init__(self, stiffness):
        super().__init__()
        self.stiffness = stiffness

    def calculate(self, atoms=None, properties=('energy',), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        order = np.argsort(atoms.positions[:, 0])
        x = atoms.positions[order, 0]
        length = atoms.cell[0, 0]
        stretch = np.diff(np.append(x, x[0] + length)) - length / len(atoms)
        forces = np.zeros((len(atoms), 3))
        forces[order, 0] = self.stiffness * (stretch - np.roll(stretch, 1))
        self.results = {'energy': 0.5 * self.stiffness * (stretch**2).sum(), 'forces': forces}


@pytest.fixture(scope='module')
def rutile():
    atoms = crystal(
        ['Cu', 'Al'],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[5.75, 5.75, 3.7, 90, 90, 90],
    )
    return relax(atoms=atoms, calculator=EMT(), pressure=5.0).atoms


@pytest.fixture(scope='module')
def alloy():
    """Cu3Au, stable in EMT."""
    atoms = bulk('Cu', cubic=True, a=3.75)
    atoms.symbols[0] = 'Au'
    return relax(atoms=atoms, calculator=EMT(), pressure=0.0).atoms


@pytest.fixture(scope='module')
def rutile_phonon(rutile):
    return calculate_force_constants(
        atoms=rutile, calculator=EMT(), supercell_matrix=np.diag([2, 2, 2])
    )


@given(st.floats(0.1, 50), st.floats(1, 200), st.floats(1.1, 4))
@settings(max_examples=10, deadline=None)
def test_diatomic_chain(stiffness, light, ratio):
    """ω² = 2k(1/m + 1/M) at Γ, 2k/m and 2k/M at the zone boundary."""
    heavy = light * ratio
    atoms = Atoms('NaCl', positions=[[0, 0, 0], [2, 0, 0]], cell=[4, 5, 5], pbc=True)
    atoms.set_masses([light, heavy])
    phonon = calculate_force_constants(
        atoms=atoms, calculator=Chain(stiffness), supercell_matrix=np.diag([4, 1, 1])
    )
    gamma = gamma_modes(phonon=phonon)
    assert gamma.masses == pytest.approx([light, heavy])
    optical = WAVENUMBER * np.sqrt(2 * stiffness * (1 / light + 1 / heavy))
    assert gamma.frequencies[-1] == pytest.approx(optical, rel=1e-5)
    edge = mesh_modes(phonon=phonon, mesh=[2, 1, 1]).frequencies[1, -2:]
    expected = WAVENUMBER * np.sqrt(2 * stiffness / np.array([heavy, light]))
    assert edge == pytest.approx(expected, rel=1e-5)
    # the heavy atom moves less: displacement over √mass ratio is −m/M
    vector = gamma.eigenvectors[-1, :, 0] / np.sqrt(gamma.masses)
    assert vector[1] / vector[0] == pytest.approx(-light / heavy, rel=1e-5)


@pytest.mark.parametrize('full', [False, True])
def test_sum_rules(rutile_phonon, full):
    constants = (
        full_force_constants(rutile_phonon) if full else compact_force_constants(rutile_phonon)
    )
    assert constants.shape == ((48 if full else 6), 48, 3, 3)
    assert np.abs(constants.sum(axis=1)).max() < 1e-10
    if full:
        assert constants == pytest.approx(constants.transpose(1, 0, 3, 2), abs=1e-10)


def test_acoustic_modes_at_gamma_are_zero(rutile_phonon):
    gamma = gamma_modes(phonon=rutile_phonon)
    assert np.abs(gamma.frequencies[gamma.acoustic]).max() < 1e-3
    assert gamma.translation_weight[gamma.acoustic] == pytest.approx(1.0, abs=1e-6)
    assert gamma.translation_weight.sum() == pytest.approx(3.0)


def test_irreps_of_rutile(rutile_phonon):
    """A1g + A2g + B1g + B2g + Eg + A2u + 2 B1u + 3 Eu optical, A2u + Eu acoustic."""
    gamma = gamma_modes(phonon=rutile_phonon)
    counts = Counter(gamma.irreps)
    assert counts == {
        'A1g': 1,
        'A2g': 1,
        'B1g': 1,
        'B2g': 1,
        'Eg': 2,
        'A2u': 2,
        'B1u': 2,
        'Eu': 8,
    }
    assert set(gamma_modes(phonon=rutile_phonon, irreps=False).irreps) == {''}


def test_cells_that_are_not_primitive_have_no_irreps():
    phonon = calculate_force_constants(
        atoms=bulk('Cu', cubic=True, a=3.59), calculator=EMT(), supercell_matrix=np.eye(3)
    )
    gamma = gamma_modes(phonon=phonon)
    assert set(gamma.irreps) == {''}
    assert len(gamma.frequencies) == 12


def test_eigenvectors_are_orthonormal(rutile_phonon):
    vectors = gamma_modes(phonon=rutile_phonon).eigenvectors.reshape(18, 18)
    assert vectors @ vectors.T == pytest.approx(np.eye(18), abs=1e-10)


@given(st.floats(0.25, 9))
@settings(max_examples=5, deadline=None)
def test_frequencies_scale_with_mass(alloy, factor):
    light = calculate_force_constants(atoms=alloy, calculator=EMT(), supercell_matrix=np.eye(3))
    heavier = alloy.copy()
    heavier.set_masses(np.array(light.unitcell.masses) * factor)
    heavy = calculate_force_constants(atoms=heavier, calculator=EMT(), supercell_matrix=np.eye(3))
    optical = slice(3, None)
    assert gamma_modes(phonon=heavy).frequencies[optical] == pytest.approx(
        gamma_modes(phonon=light).frequencies[optical] / np.sqrt(factor), rel=1e-6
    )


def brute_force_frequencies(atoms, calculator, step=0.01):
    """All 6N displacements, no symmetry, no phonopy."""
    n_atoms = len(atoms)
    hessian = np.zeros((3 * n_atoms, 3 * n_atoms))
    for index in range(3 * n_atoms):
        forces = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[index // 3, index % 3] += sign * step
            moved.calc = calculator
            forces.append(moved.get_forces().ravel())
        hessian[index] = -(forces[0] - forces[1]) / (2 * step)
    roots = np.repeat(np.sqrt(atoms.get_masses()), 3)
    values = np.linalg.eigvalsh(0.5 * (hessian + hessian.T) / np.outer(roots, roots))
    return np.sign(values) * np.sqrt(np.abs(values)) * WAVENUMBER


def test_supercell_hessian_against_brute_force(rutile):
    """The √2 cell: symmetry-reduced displacements give what all displacements give."""
    phonon = calculate_force_constants(atoms=rutile, calculator=EMT(), supercell_matrix=SQRT2)
    supercell = supercell_of(phonon)
    expected = brute_force_frequencies(supercell, EMT())
    size = 3 * len(supercell)
    hessian = full_force_constants(phonon).transpose(0, 2, 1, 3).reshape(size, size)
    roots = np.repeat(np.sqrt(supercell.get_masses()), 3)
    found = eigenvalues_to_wavenumbers(np.linalg.eigvalsh(hessian / np.outer(roots, roots)))
    assert np.sort(found) == pytest.approx(np.sort(expected), abs=0.1)


@pytest.mark.parametrize('matrix', [SQRT2, np.array([[1, 1, 0], [0, 1, 0], [0, 0, 2]])])
def test_rows_of_the_supercell_matrix_are_axes(matrix, rutile):
    """As in ASE; phonopy's matrix is the transpose, which would be another cell here."""
    cell = rutile.cell.array * [1.0, 1.1, 1.0]
    atoms = rutile.copy()
    atoms.set_cell(cell, scale_atoms=True)
    phonon = build_phonopy(atoms=atoms, supercell_matrix=matrix)
    assert supercell_of(phonon).cell.array == pytest.approx(matrix @ atoms.cell.array)
    assert supercell_of(phonon).cell.array == pytest.approx(
        make_supercell(atoms, matrix).cell.array
    )
    assert supercell_of(phonon).cell.array != pytest.approx(matrix.T @ atoms.cell.array)
    assert (supercell_matrix_of(phonon) == matrix).all()
    assert unit_cell_of(phonon).positions == pytest.approx(atoms.positions)


def test_residual_forces_cancel(rutile):
    """Constant forces of 9 meV/Å, as an unfinished relaxation leaves them, change no mode."""
    phonon = build_phonopy(atoms=rutile, supercell_matrix=np.eye(3))
    supercells = displaced_supercells(phonon=phonon, displacement=0.01)
    forces = supercell_forces(supercells=supercells, calculator=EMT())
    fit_force_constants(phonon=phonon, forces=forces)
    clean = gamma_modes(phonon=phonon).frequencies
    constant = np.random.default_rng(1).normal(scale=0.009, size=forces.shape[1:])
    fit_force_constants(phonon=phonon, forces=forces + constant)
    assert gamma_modes(phonon=phonon).frequencies == pytest.approx(clean, abs=2e-3)


def test_both_signs_are_displaced(rutile):
    phonon = build_phonopy(atoms=rutile, supercell_matrix=np.eye(3))
    supercells = displaced_supercells(phonon=phonon, displacement=0.02)
    moves = [frame.positions - supercell_of(phonon).positions for frame in supercells]
    assert len(moves) == 4
    for plus, minus in zip(moves[::2], moves[1::2], strict=True):
        assert plus == pytest.approx(-minus)
        assert np.linalg.norm(plus) == pytest.approx(0.02)


def test_noise_is_an_error_with_a_number(rutile):
    phonon = build_phonopy(atoms=rutile, supercell_matrix=np.eye(3))
    supercells = displaced_supercells(phonon=phonon, displacement=1e-4)
    forces = supercell_forces(supercells=supercells, calculator=EMT())
    noisy = forces + np.random.default_rng(1).normal(scale=0.05, size=forces.shape)
    with pytest.raises(ConvergenceError, match=r'leave \d+\.\d % .* unexplained'):
        fit_force_constants(phonon=phonon, forces=noisy)
    assert fit_force_constants(phonon=phonon, forces=forces) < 1e-3


def test_forces_that_are_not_finite_are_an_error(rutile):
    class Broken(EMT):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.results['forces'] = self.results['forces'] * np.nan

    with pytest.raises(ConvergenceError, match='supercell 1 has forces that are not finite'):
        calculate_force_constants(atoms=rutile, calculator=Broken(), supercell_matrix=np.eye(3))


def test_progress_is_reported_per_supercell(rutile):
    seen = []
    calculate_force_constants(
        atoms=rutile,
        calculator=EMT(),
        supercell_matrix=np.eye(3),
        report=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


# --- frozen phonons -------------------------------------------------------------------------


def label(frames):
    """Labels as DFT would give them, through the file format."""
    for frame in frames:
        copy = frame.copy()
        copy.calc = EMT()
        frame.info[ENERGY_KEY] = copy.get_potential_energy()
        frame.info[STRESS_KEY] = copy.get_stress()
        frame.arrays[FORCES_KEY] = copy.get_forces()
    return read_frames(write_frames(frames))


@pytest.fixture(scope='module')
def frozen(rutile):
    return label(frozen_phonon_frames(structures={'p_5000': rutile}, displacement=0.01))


def test_frozen_phonons_give_the_gamma_modes(rutile, frozen):
    unit = calculate_force_constants(atoms=rutile, calculator=EMT(), supercell_matrix=np.eye(3))
    expected = gamma_modes(phonon=unit)
    found = gamma_modes(phonon=force_constants_from_frozen_phonon(frozen[::-1]))
    assert found.frequencies == pytest.approx(expected.frequencies, abs=2e-3)
    # the three acoustic modes lie at zero in any order
    optical = np.abs(expected.frequencies) > 1
    assert optical.sum() == len(optical) - 3
    for mine, theirs, counts in zip(found.irreps, expected.irreps, optical, strict=True):
        assert mine == theirs or not counts
    assert sorted(found.irreps) == sorted(expected.irreps)


def test_a_missing_frozen_phonon_is_named(frozen):
    with pytest.raises(DatasetError, match='0 frames have atom 0 displaced'):
        force_constants_from_frozen_phonon(frozen[1:])


def test_frozen_phonons_of_two_pressures_are_refused(rutile, frozen):
    squeezed = rutile.copy()
    squeezed.set_cell(rutile.cell.array * 0.99, scale_atoms=True)
    others = label(frozen_phonon_frames(structures={'p_9000': squeezed}))
    with pytest.raises(DatasetError, match='another structure'):
        force_constants_from_frozen_phonon([*frozen, *others])


def test_unlabelled_frozen_phonons_are_refused(rutile):
    with pytest.raises(DatasetError, match='no labelled'):
        force_constants_from_frozen_phonon(frozen_phonon_frames(structures={'p_0000': rutile}))
    with pytest.raises(DatasetError, match='no frozen-phonon frames'):
        force_constants_from_frozen_phonon([])


def test_bookkeeping_is_needed(frozen):
    lost = [frame.copy() for frame in frozen]
    del lost[0].info['displacement_vector']
    with pytest.raises(DatasetError, match='displacement_vector'):
        force_constants_from_frozen_phonon(lost)


# --- meshes ---------------------------------------------------------------------------------


def test_density_of_states_counts_all_modes(rutile_phonon, alloy):
    stable = calculate_force_constants(
        atoms=alloy, calculator=EMT(), supercell_matrix=np.diag([2, 2, 2])
    )
    for phonon, count in ((rutile_phonon, 18), (stable, 12)):
        modes = mesh_modes(phonon=phonon, mesh=[6, 6, 6])
        assert np.trapezoid(modes.dos, modes.dos_frequency) == pytest.approx(count, rel=0.02)
        assert modes.weights.sum() == 216
    assert modes.n_imaginary == 0
    assert modes.imaginary() == []
    assert abs(modes.minimum_frequency) < 1e-2


def test_imaginary_modes_are_counted_over_the_whole_mesh(rutile_phonon):
    modes = mesh_modes(phonon=rutile_phonon, mesh=[4, 4, 4])
    grid = np.stack(np.meshgrid(*[np.arange(4) / 4] * 3, indexing='ij'), axis=-1).reshape(-1, 3)
    every = rutile_phonon.run_qpoints(grid).frequencies * 33.3564095
    assert modes.n_imaginary == (every < -1.0).sum() > 0
    assert modes.minimum_frequency == pytest.approx(every.min())
    worst = modes.imaginary(limit=5)
    assert len(worst) == 5
    assert worst[0][1] == modes.minimum_frequency
    assert [value for _, value in worst] == sorted(value for _, value in worst)


@pytest.mark.parametrize('mesh', [[4, 4], [4, 4, 0], [4, 4, 2.5]])
def test_wrong_meshes_are_refused(rutile_phonon, mesh):
    with pytest.raises(InputError, match='three positive integers'):
        mesh_modes(phonon=rutile_phonon, mesh=mesh)


# --- files ----------------------------------------------------------------------------------


def test_files_keep_everything(rutile, tmp_path):
    phonon = calculate_force_constants(atoms=rutile, calculator=EMT(), supercell_matrix=SQRT2)
    path = tmp_path / 'p_5000.yaml'
    save_force_constants(phonon=phonon, path=path)
    assert [file.name for file in tmp_path.iterdir()] == ['p_5000.yaml']
    assert path.read_text() == force_constants_yaml(phonon)
    loaded = load_force_constants(path)
    assert (supercell_matrix_of(loaded) == SQRT2).all()
    assert loaded.symmetry.tolerance == pytest.approx(phonon.symmetry.tolerance)
    assert loaded.force_constants == pytest.approx(phonon.force_constants, abs=1e-12)
    ours, theirs = gamma_modes(phonon=phonon), gamma_modes(phonon=loaded)
    assert theirs.frequencies == pytest.approx(ours.frequencies, abs=1e-3)
    # the acoustic modes are zero to rounding and may change places
    assert theirs.irreps[:4] + theirs.irreps[7:] == ours.irreps[:4] + ours.irreps[7:]
    assert Counter(theirs.irreps) == Counter(ours.irreps)


def test_arrays_keep_everything(rutile):
    phonon = calculate_force_constants(atoms=rutile, calculator=EMT(), supercell_matrix=SQRT2)
    for constants in (compact_force_constants(phonon), full_force_constants(phonon)):
        again = phonopy_from_force_constants(
            atoms=rutile, supercell_matrix=SQRT2, force_constants=constants
        )
        assert full_force_constants(again) == pytest.approx(full_force_constants(phonon))
        assert compact_force_constants(again) == pytest.approx(compact_force_constants(phonon))


def test_files_hold_data_only(tmp_path):
    path = tmp_path / 'evil.yaml'
    path.write_text(f'phonopy: !!python/object/apply:os.mkdir ["{tmp_path}/made"]\n')
    with pytest.raises(InputError, match='cannot be read'):
        load_force_constants(path)
    assert not (tmp_path / 'made').exists()


def test_files_without_force_constants_are_refused(rutile, tmp_path):
    phonon = build_phonopy(atoms=rutile, supercell_matrix=np.eye(3))
    path = tmp_path / 'no.yaml'
    phonon.save(path)
    with pytest.raises(InputError, match='no force constants'):
        load_force_constants(path)
    with pytest.raises(InputError, match='no force constants'):
        force_constants_yaml(phonon)
    with pytest.raises(InputError, match='cannot be read'):
        load_force_constants(tmp_path / 'absent.yaml')
    for text in ('', 'just words', 'phonopy: 1'):
        path.write_text(text)
        with pytest.raises(InputError, match=r'phonopy YAML|no force constants'):
            load_force_constants(path)


def test_wrong_force_constants_are_refused(rutile):
    with pytest.raises(InputError, match='do not fit'):
        phonopy_from_force_constants(
            atoms=rutile, supercell_matrix=np.eye(3), force_constants=np.zeros((6, 7, 3, 3))
        )
    with pytest.raises(InputError, match='not finite'):
        phonopy_from_force_constants(
            atoms=rutile, supercell_matrix=np.eye(3), force_constants=np.full((6, 6, 3, 3), np.nan)
        )
    with pytest.raises(InputError, match='no force constants'):
        gamma_modes(phonon=build_phonopy(atoms=rutile, supercell_matrix=np.eye(3)))
    with pytest.raises(StructureError, match='determinant'):
        build_phonopy(atoms=rutile, supercell_matrix=-np.eye(3))
