"""Mean-square displacements against closed forms and Euphonic."""

import numpy as np
import pytest
from euphonic import ForceConstants, ureg
from hypothesis import given
from hypothesis import strategies as st
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    oscillator,
    save_crystal,
    spring_crystal,
)

from aiida_insbench.science.errors import ImaginaryModeError, InputError
from aiida_insbench.science.ins.debye_waller import (
    displacement_tensors,
    dominant_modes,
    isotropic_displacements,
    mean_square_displacement,
    occupation,
)
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.qpoint_mesh import shifted_mesh

ZERO_POINT = 16.857629168  # ħ/2mω of 1 u at 1 cm⁻¹ in Å²


def displacement(frequency, *, mass=1.0, temperature=0.0):
    return mean_square_displacement(
        frequencies=np.array([frequency]), masses=np.array([mass]), temperature=temperature
    )[0]


def test_zero_point_motion_of_one_oscillator():
    """ħ/2mω by hand: 1 u at 1000 cm⁻¹ gives 0.016858 Å²."""
    assert displacement(1000.0) == pytest.approx(0.016858, rel=1e-4)


def test_hot_oscillator_follows_equipartition():
    """k_BT/mω²: 1 u, 100 cm⁻¹, 5000 K: ħ/2mω × 2k_BT/ħω = 0.168576 × 69.503 Å²."""
    assert displacement(100.0, temperature=5000.0) == pytest.approx(11.717, rel=1e-3)


@given(frequency=st.floats(1, 4000), cold=st.floats(0, 1000), rise=st.floats(0, 1000))
def test_heat_never_shrinks_motion(frequency, cold, rise):
    assert displacement(frequency, temperature=cold + rise) >= displacement(
        frequency, temperature=cold
    )


def test_occupation_of_a_quantum_at_its_own_temperature():
    """ħω = k_BT: 1/(e − 1) = 0.581977."""
    value = occupation(frequencies=np.array([0.6950348 * 100]), temperature=100.0)
    assert value == pytest.approx([0.581977], rel=1e-5)


@pytest.mark.parametrize('frequency', [0.0, -50.0])
def test_imaginary_frequency_has_no_displacement(frequency):
    with pytest.raises(ImaginaryModeError, match='1 modes'):
        displacement(frequency)


@pytest.mark.parametrize('temperature', [-1.0, float('nan')])
def test_temperature_must_be_sensible(temperature):
    with pytest.raises(InputError, match='temperature'):
        displacement(100.0, temperature=temperature)


def test_isotropic_well_has_isotropic_tensor():
    tensors = displacement_tensors(oscillator(frequency=1000.0), temperature=0.0)
    assert tensors[0] == pytest.approx(0.0168576 * np.eye(3), rel=1e-4, abs=1e-12)


@pytest.mark.parametrize('temperature', [0.0, 10.0, 300.0])
def test_crystal_agrees_with_euphonic(tmp_path, temperature):
    """Euphonic's W is half of our U."""
    path = save_crystal(
        spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS), tmp_path / 'crystal.yaml'
    )
    modes = read_modes(path, mesh=(3, 3, 4), shift=(0.5, 0.5, 0.5))
    qpoints, weights = shifted_mesh((3, 3, 4), shift=(0.5, 0.5, 0.5))
    reference = (
        ForceConstants.from_phonopy(path=str(tmp_path), summary_name=path.name)
        .calculate_qpoint_phonon_modes(qpoints, weights=weights)
        .calculate_debye_waller(temperature * ureg('K'), symmetrise=False)
    )
    ours = displacement_tensors(modes, temperature=temperature)
    expected = 2 * reference.debye_waller.to('angstrom**2').magnitude
    assert ours == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_equivalent_atoms_move_alike_on_a_symmetric_mesh(tmp_path):
    path = save_crystal(
        spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS), tmp_path / 'crystal.yaml'
    )
    modes = read_modes(path, mesh=(4, 4, 5))
    assert modes.symmetric
    tensors = displacement_tensors(modes, temperature=50.0)
    spectra = np.linalg.eigvalsh(tensors)
    assert spectra[2:] == pytest.approx(np.tile(spectra[2], (4, 1)), rel=1e-6)
    mean = isotropic_displacements(modes.symbols, tensors)
    assert mean['H'] == pytest.approx(spectra[2].mean(), rel=1e-6)
    assert mean['H'] > mean['Mg']


def test_a_soft_mode_that_dominates_is_named():
    """Two modes of one atom at 10 K: kT is 7 cm⁻¹, so that 2 cm⁻¹ moves far more than 500."""
    modes = PhononModes(
        frequencies=np.array([[2.0, 500.0, 600.0], [400.0, 500.0, 600.0]]),
        eigenvectors=np.array([np.eye(3, dtype=complex).reshape(3, 1, 3)] * 2),
        weights=np.array([0.5, 0.5]),
        masses=np.ones(1),
        symbols=('H',),
    )
    (found,) = dominant_modes(modes, temperature=10.0)
    assert (found.element, found.qpoint, found.frequency) == ('H', 0, 2.0)
    lengths = ZERO_POINT / np.array([2.0, 500, 600, 400, 500, 600])
    lengths[0] /= np.tanh(2.0 / (2 * 6.950348))
    assert found.share == pytest.approx(lengths[0] / lengths.sum(), rel=1e-3)
    assert 'One mode at 2.0 cm⁻¹' in str(found)
    assert dominant_modes(modes, temperature=10.0, minimum_frequency=5.0, share=0.5) == ()
