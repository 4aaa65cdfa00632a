"""Kinematics and instruments against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resins.instrument import Instrument as ResinsInstrument

from aiida_insbench.science.errors import InstrumentError
from aiida_insbench.science.ins.instruments import get_instrument, instrument_names
from aiida_insbench.science.ins.kinematics import (
    direct_momentum_transfer,
    indirect_momentum_transfer,
)
from aiida_insbench.science.ins.resolution import published_resolution
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
    assert ours.energy == data.average_final_energy
    assert [ours.angle] == data.angles


def test_tfxa_is_as_resins_has_it():
    data = ResinsInstrument.from_default('TFXA').get_model_data('book')
    (bank,) = get_instrument('TFXA').banks
    assert (bank.energy, [bank.angle]) == (data.average_final_energy, data.angles)


def test_tosca_of_abins_ends_at_32_wavenumbers():
    for bank in get_instrument('TOSCA-Abins').banks:
        assert bank.energy * MEV_TO_WAVENUMBER == pytest.approx(32.0, abs=1e-9)
    assert np.radians(get_instrument('TOSCA-Abins').banks[1].angle) == pytest.approx(2.356)


def test_direct_geometry_by_hand():
    """E_i = 100 meV, half of it lost, at 90°: Q² = k_i² + k_f² = (100 + 50)/2.0721."""
    result = direct_momentum_transfer(
        energy_transfer=np.array([50 * MEV_TO_WAVENUMBER]), incident_energy=100.0, angle=90.0
    )
    assert result == pytest.approx([np.sqrt(150 / 2.072124)], rel=1e-5)


@given(angle=st.floats(1, 179), incident=st.floats(5, 500), share=st.floats(0, 0.99))
def test_direct_and_indirect_geometry_are_the_same_scattering(angle, incident, share):
    """The same neutron seen from either end."""
    transfer = np.array([share * incident * MEV_TO_WAVENUMBER])
    direct = direct_momentum_transfer(
        energy_transfer=transfer, incident_energy=incident, angle=angle
    )
    final = incident * (1 - share)
    indirect = indirect_momentum_transfer(energy_transfer=transfer, final_energy=final, angle=angle)
    assert direct == pytest.approx(indirect, rel=1e-6)


def test_more_loss_than_the_incident_energy_is_refused():
    with pytest.raises(InstrumentError, match=r'cannot lose more than 806\.6'):
        direct_momentum_transfer(
            energy_transfer=np.array([900.0]), incident_energy=100.0, angle=30.0
        )
    with pytest.raises(InstrumentError, match='must be > 0'):
        direct_momentum_transfer(energy_transfer=np.zeros(1), incident_energy=0.0, angle=30.0)


def test_lagrange_is_as_resins_has_it():
    """Final energy and range of angles; its width at 100 meV with the monochromator Cu(220)."""
    lagrange = get_instrument('Lagrange')
    assert {bank.energy for bank in lagrange.banks} == {4.5}
    assert [bank.angle for bank in lagrange.banks] == [18.0, 34.0, 50.0, 66.0, 82.0]
    width = -3.5961e-2 + 2.156e-2 * 100 + 7.6987e-5 * 100**2
    sigma = published_resolution(lagrange, energy_transfer=np.array([100 * MEV_TO_WAVENUMBER]))
    assert sigma / MEV_TO_WAVENUMBER == pytest.approx([width / 2], rel=0.1)


@pytest.mark.parametrize('name', ['PANTHER', 'MAPS', 'MARI', 'MERLIN'])
def test_direct_instruments_take_an_incident_energy(name):
    usual, chosen = get_instrument(name), get_instrument(name, incident_energy=170.0)
    assert usual.geometry == 'direct'
    assert chosen.banks[0].energy == 170.0
    assert chosen.resolution['settings']['e_init'] == 170.0
    assert chosen.reach[1] == pytest.approx(170.0 * MEV_TO_WAVENUMBER)
    assert len(chosen.banks) == len({bank.name for bank in chosen.banks}) == 20
    sigma = published_resolution(chosen, energy_transfer=np.linspace(0, 400, 9))
    assert (sigma > 0).all()
    assert sigma.max() < 200


def test_choppers_that_let_nothing_through_are_named():
    mari = get_instrument('MARI', incident_energy=20.0)
    with pytest.raises(InstrumentError, match='resins has no resolution for MARI'):
        published_resolution(mari, energy_transfer=np.zeros(1))


def test_indirect_instruments_take_none():
    with pytest.raises(InstrumentError, match='TOSCA is of indirect geometry'):
        get_instrument('TOSCA', incident_energy=60.0)


OWN = """
geometry: indirect
citation: our laboratory
banks:
  only: {final_energy: 4.0, angle: 120.0}
"""


def test_own_instrument_in_a_file(tmp_path):
    path = tmp_path / 'ours.yaml'
    path.write_text(OWN)
    own = get_instrument(str(path))
    assert (own.name, own.banks[0].energy, own.resolution) == ('ours', 4.0, {})


@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('[1]', 'describes no instrument'),
        ('a: [', 'cannot be read'),
        (OWN.replace('indirect', 'sideways'), "`geometry` is 'sideways'"),
        (OWN.replace('4.0', '-4.0'), 'must be > 0 meV'),
        (OWN.replace('angle: 120.0', 'degrees: 120.0'), "not of the form: KeyError('angle')"),
        (OWN.replace('citation', 'source'), "KeyError('citation')"),
    ],
)
def test_own_instrument_that_is_none_is_named(tmp_path, text, named):
    (tmp_path / 'ours.yaml').write_text(text)
    with pytest.raises(InstrumentError) as refusal:
        get_instrument(str(tmp_path / 'ours.yaml'))
    assert named in str(refusal.value)


def test_own_instrument_that_is_not_there_is_named():
    with pytest.raises(InstrumentError, match='cannot be read'):
        get_instrument('nowhere.yaml')


def test_every_instrument_names_its_source():
    for name in instrument_names():
        assert get_instrument(name).citation


def test_unknown_instrument_lists_the_known():
    with pytest.raises(InstrumentError, match='TOSCA, TOSCA-Abins'):
        get_instrument('TOSKA')
