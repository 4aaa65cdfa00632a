"""Kinematics and instruments against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resins.instrument import Instrument as ResinsInstrument

from aiida_insbench.science.errors import InstrumentError
from aiida_insbench.science.ins.instruments import get_instrument, instrument_names
from aiida_insbench.science.ins.kinematics import indirect_momentum_transfer
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER, RECOIL_ENERGY


def test_units_by_hand():
    """1 meV is 8.06554 cm⁻¹; a proton hit with 10 Å⁻¹ recoils with 207.2 meV × m_n/m_H."""
    assert pytest.approx(8.065544, rel=1e-6) == MEV_TO_WAVENUMBER
    assert pytest.approx(207.36, rel=1e-4) == RECOIL_ENERGY * 100 / 1.00794 / MEV_TO_WAVENUMBER


def test_backscattering_at_1000_wavenumbers():
    """E_i = 127.304 meV: k_i = 7.8382, k_f = 1.2658; 135°: Q² = 61.437 + 1.602 + 14.030."""
    result = indirect_momentum_transfer(
        energy_transfer=np.array([1000.0]), final_energy=3.32, angle=135.0
    )
    assert result == pytest.approx([8.7790], rel=1e-4)


def test_right_angle_adds_squares():
    """At 90° Q² = k_i² + k_f²: (2 × 3.32 + 80.65544 / 8.065544) / 2.07212 = 8.0304."""
    result = indirect_momentum_transfer(
        energy_transfer=np.array([80.65544]), final_energy=3.32, angle=90.0
    )
    assert result**2 == pytest.approx([(2 * 3.32 + 10) / 2.0721249], rel=1e-6)


@given(angle=st.floats(0, 180), final_energy=st.floats(0.5, 50))
def test_elastic_momentum_transfer_is_twice_k_sine(angle, final_energy):
    result = indirect_momentum_transfer(
        energy_transfer=np.zeros(1), final_energy=final_energy, angle=angle
    )
    wave = np.sqrt(final_energy / 2.0721249)
    assert result == pytest.approx([2 * wave * np.sin(np.radians(angle) / 2)], abs=1e-6)


@given(low=st.floats(-20, 4000), step=st.floats(1, 1000))
def test_backscattering_rises_with_energy_transfer(low, step):
    values = indirect_momentum_transfer(
        energy_transfer=np.array([low, low + step]), final_energy=3.32, angle=135.0
    )
    assert values[1] > values[0]


def test_more_gain_than_the_final_energy_is_refused():
    with pytest.raises(InstrumentError, match=r'cannot have gained more than 26\.8'):
        indirect_momentum_transfer(
            energy_transfer=np.array([-30.0, 100.0]), final_energy=3.32, angle=135.0
        )


def test_final_energy_must_be_positive():
    with pytest.raises(InstrumentError, match='must be > 0'):
        indirect_momentum_transfer(energy_transfer=np.zeros(1), final_energy=0.0, angle=90.0)


@pytest.mark.parametrize('bank', ['Forward', 'Backward'])
def test_tosca_is_as_resins_has_it(bank):
    data = ResinsInstrument.from_default('TOSCA').get_model_data('book', detector_bank=bank)
    ours = next(b for b in get_instrument('TOSCA').banks if b.name == bank.lower())
    assert ours.final_energy == data.average_final_energy
    assert [ours.angle] == data.angles


def test_tfxa_is_as_resins_has_it():
    data = ResinsInstrument.from_default('TFXA').get_model_data('book')
    (bank,) = get_instrument('TFXA').banks
    assert (bank.final_energy, [bank.angle]) == (data.average_final_energy, data.angles)


def test_tosca_of_abins_ends_at_32_wavenumbers():
    for bank in get_instrument('TOSCA-Abins').banks:
        assert bank.final_energy * MEV_TO_WAVENUMBER == pytest.approx(32.0, abs=1e-9)
    assert np.radians(get_instrument('TOSCA-Abins').banks[1].angle) == pytest.approx(2.356)


def test_every_instrument_names_its_source():
    for name in instrument_names():
        assert get_instrument(name).citation


def test_unknown_instrument_lists_the_known():
    with pytest.raises(InstrumentError, match='TOSCA, TOSCA-Abins'):
        get_instrument('TOSKA')
