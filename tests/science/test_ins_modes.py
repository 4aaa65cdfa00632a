"""Meshes and modes against phonopy and hand-made cases."""

import os
from pathlib import Path

import numpy as np
import pytest
import spglib
from hypothesis import given
from hypothesis import strategies as st
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    oscillator,
    save_crystal,
    spring_crystal,
)

from aiida_insbench.science.errors import ConvergenceError, ImaginaryModeError, InputError
from aiida_insbench.science.ins.census import check_census, take_census
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.qpoint_mesh import shifted_mesh, symmetric_shift

HALF = (0.5, 0.5, 0.5)
SHARED = Path(
    os.environ.get('INSBENCH_SHARED_DATA', Path(__file__).parents[2].parent / 'shared' / 'data')
)
HEXAGONAL = ([[3.0, 0, 0], [-1.5, 2.598076211353316, 0], [0, 0, 5.0]], [[0, 0, 0]], [1])
FACE_CENTRED = ([[0, 2, 2], [2, 0, 2], [2, 2, 0]], [[0, 0, 0]], [1])


def rotations(cell):
    return np.asarray(spglib.get_symmetry(cell, symprec=1e-5)['rotations'])


@given(
    mesh=st.tuples(*[st.integers(1, 5)] * 3),
    shift=st.sampled_from([HALF, (0.0, 0.0, 0.5), (0.5, 0.0, 0.0)]),
)
def test_shifted_mesh_has_no_gamma_and_every_pair_once(mesh, shift):
    qpoints, weights = shifted_mesh(mesh, shift=shift)
    assert weights.sum() == pytest.approx(1)
    assert np.abs(qpoints).max(axis=1).min() > 0.05
    both = np.concatenate((qpoints, -qpoints))
    assert len(np.unique(np.round(both - np.floor(both), 9) % 1, axis=0)) == np.prod(mesh)


def test_mesh_may_be_shifted_by_halves_only():
    with pytest.raises(InputError, match=r'0 or 0\.5'):
        shifted_mesh((2, 2, 2), shift=(0.25, 0.5, 0.5))


@pytest.mark.parametrize('mesh', [(2, 2), (0, 2, 2), (2.5, 2, 2), (True, 2, 2)])
def test_mesh_must_be_three_whole_numbers(mesh):
    with pytest.raises(InputError, match='mesh'):
        shifted_mesh(mesh, shift=HALF)


@pytest.mark.parametrize(
    ('cell', 'mesh', 'expected'),
    [
        (HEXAGONAL, (4, 4, 3), (0.0, 0.0, 0.5)),
        (FACE_CENTRED, (4, 4, 4), HALF),
        (HEXAGONAL, (4, 5, 3), HALF),  # nothing keeps its symmetry
    ],
)
def test_shift_follows_the_symmetry(cell, mesh, expected):
    assert symmetric_shift(mesh, rotations=rotations(cell)) == expected


def test_frequencies_agree_with_phonopy(tmp_path):
    phonon = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    modes = read_modes(save_crystal(phonon, tmp_path / 'c.yaml'), mesh=(2, 3, 2))
    qpoints, weights = shifted_mesh((2, 3, 2), shift=HALF)
    phonon.run_qpoints(qpoints)
    expected = phonon.qpoints.frequencies * 33.356410
    assert modes.frequencies == pytest.approx(expected, rel=1e-5, abs=1e-2)
    assert modes.weights == pytest.approx(weights)
    assert modes.elements == ('Mg', 'H')
    assert modes.masses == pytest.approx(MAGNESIUM_HYDRIDE.masses)


def test_one_of_each_pair_is_enough(tmp_path):
    """The half mesh gives the same displacement-weighted sums as the full one."""
    phonon = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    modes = read_modes(save_crystal(phonon, tmp_path / 'c.yaml'), mesh=(2, 2, 3))
    grid = [(np.arange(n) + 0.5) / n for n in (2, 2, 3)]
    full = np.stack(np.meshgrid(*grid, indexing='ij'), -1).reshape(-1, 3)
    phonon.run_qpoints(full, with_eigenvectors=True)
    frequencies = phonon.qpoints.frequencies * 33.356410
    vectors = np.swapaxes(phonon.qpoints.eigenvectors, 1, 2).reshape(12, 18, 6, 3)
    expected = np.einsum('qj,qjia,qjib->iab', 1 / frequencies, vectors, vectors.conj()) / 12
    ours = np.einsum(
        'q,qj,qjia,qjib->iab',
        modes.weights,
        1 / modes.frequencies,
        modes.eigenvectors,
        modes.eigenvectors.conj(),
    ).real
    assert ours == pytest.approx(expected.real, rel=1e-5, abs=1e-9)
    assert np.abs(expected.imag).max() < 1e-9


def test_file_without_force_constants_is_refused(tmp_path):
    phonon = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    phonon.save(filename=str(tmp_path / 'c.yaml'), settings={'force_constants': False})
    with pytest.raises(InputError, match=r'c\.yaml holds neither'):
        read_modes(tmp_path / 'c.yaml', mesh=(2, 2, 2))


def test_text_that_is_no_phonopy_file_is_refused(tmp_path):
    (tmp_path / 'c.yaml').write_text('a: [1, 2\n')
    with pytest.raises(InputError, match=r'c\.yaml cannot be read'):
        read_modes(tmp_path / 'c.yaml', mesh=(2, 2, 2))


@pytest.mark.parametrize(
    ('field', 'value', 'match'),
    [
        ('frequencies', np.full((1, 3), np.nan), 'not finite'),
        ('frequencies', np.ones((2, 3)), 'do not fit'),
        ('weights', np.array([0.5]), 'add up to 1'),
        ('masses', np.array([-1.0]), 'Masses'),
    ],
)
def test_unphysical_modes_are_refused(field, value, match):
    good = oscillator()
    fields = {name: getattr(good, name) for name in good.__dataclass_fields__}
    with pytest.raises(InputError, match=match):
        PhononModes(**(fields | {field: value}))


def two_atoms(frequencies):
    """H and Mg, each with three modes of its own at one q-point."""
    return PhononModes(
        frequencies=np.array([frequencies], dtype=float),
        eigenvectors=np.eye(6, dtype=complex).reshape(1, 6, 2, 3),
        weights=np.ones(1),
        masses=np.array([1.0, 24.3]),
        symbols=('H', 'Mg'),
    )


def test_census_counts_what_is_left_out():
    census = take_census(two_atoms([-80, 0.2, 500, 100, 200, 300]))
    assert (census.n_modes, census.n_imaginary, census.n_near_zero) == (6, 1, 1)
    assert census.lowest_frequency == -80
    assert census.left_out == pytest.approx({'H': 2 / 3, 'Mg': 0})
    assert census.completeness == pytest.approx([1 / 3, 1])
    with pytest.raises(ImaginaryModeError, match=r'66\.7% of the motion of H'):
        check_census(census)
    check_census(census, maximum_imaginary_weight=0.7)


def test_missing_modes_are_refused():
    whole = two_atoms([50, 80, 500, 100, 200, 300])
    part = PhononModes(
        frequencies=whole.frequencies[:, 1:],
        eigenvectors=whole.eigenvectors[:, 1:],
        weights=whole.weights,
        masses=whole.masses,
        symbols=whole.symbols,
    )
    with pytest.raises(ConvergenceError, match=r'0\.667 of the motion of atom 0'):
        check_census(take_census(part))
    check_census(take_census(whole))


@pytest.mark.skipif(not SHARED.is_dir(), reason='shared data are not there')
def test_sodium_chloride_with_born_charges():
    """Euphonic's NaCl, force constants and Born charges in files of their own: TO below LO."""
    folder = SHARED / 'reference_calc' / 'euphonic' / 'phonopy_files' / 'NaCl_default'
    modes = read_modes(folder / 'phonopy.yaml', mesh=(3, 3, 3))
    census = take_census(modes)
    check_census(census)
    assert census.n_imaginary == 0
    assert 200 < modes.frequencies.max() < 280
