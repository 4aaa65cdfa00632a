"""Kinematics and instruments against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resins.instrument import Instrument as ResinsInstrument

from aiida_insbench.science.errors import InstrumentError
from aiida_insbench.science.ins.instruments import (
    Bank,
    Instrument,
    accessible,
    get_instrument,
    instrument_names,
)
from aiida_insbench.science.ins.kinematics import (
    direct_momentum_transfer,
    indirect_momentum_transfer,
)
from aiida_insbench.science.ins.resolution import published_resolution
from aiida_insbench.science.ins.units import (
    MEV_TO_WAVENUMBER,
    NEUTRON_KINETIC_ENERGY,
    RECOIL_ENERGY,
)


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


def test_vision_obeys_braggs_law():
    """λ = 2d sin θ_B with resins' graphite and Bragg angle: 3.649 meV, 0.3 % above SNS's 3.64."""
    data = ResinsInstrument.from_default('VISION').get_model_data()
    spacing, bragg = data.crystal_plane_spacing * 1e10, data.average_bragg_angle_graphite
    wave = np.pi / (spacing * np.sin(np.radians(bragg)))
    assert wave**2 * NEUTRON_KINETIC_ENERGY == pytest.approx(3.649, abs=1e-3)
    banks = get_instrument('VISION').banks
    assert [(bank.name, bank.angle) for bank in banks] == [('forward', 45.0), ('backward', 135.0)]
    for bank in banks:
        assert bank.energy == pytest.approx(wave**2 * NEUTRON_KINETIC_ENERGY, rel=3e-3)


def test_vision_of_oclimax_ends_at_32_wavenumbers():
    banks = get_instrument('VISION-OCLIMAX').banks
    assert [bank.energy * MEV_TO_WAVENUMBER for bank in banks] == pytest.approx([32.0, 32.0])
    assert [bank.angle for bank in banks] == [45.0, 135.0]


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


#: Incident energy in meV, and the angles of PyChop (tthlims) and, for PANTHER, of Abins.
DIRECT = {
    'PANTHER': (170.0, (5.0, 140.0)),
    'MAPS': (170.0, (3.0, 59.8)),
    'MARI': (170.0, (3.43, 134.14)),
    'MERLIN': (170.0, (2.838, 135.69)),
    'LET': (15.0, (2.65, 140.0)),
    'SEQUOIA': (170.0, (1.997, 61.926)),
    'ARCS': (170.0, (2.373, 135.955)),
    'CNCS': (15.0, (3.806, 132.609)),
    'HYSPEC': (30.0, (5.0, 65.0)),
}


@pytest.mark.parametrize('name', DIRECT)
def test_direct_instruments_take_an_incident_energy(name):
    energy, angles = DIRECT[name]
    usual, chosen = get_instrument(name), get_instrument(name, incident_energy=energy)
    assert usual.geometry == 'direct'
    assert usual.banks[0].energy != energy
    assert chosen.banks[0].energy == energy
    assert chosen.resolution['settings']['e_init'] == energy
    assert chosen.reach[1] == pytest.approx(energy * MEV_TO_WAVENUMBER)
    assert chosen.angle_range == angles
    assert len(chosen.banks) == len({bank.name for bank in chosen.banks}) == 20
    assert np.mean([bank.angle for bank in chosen.banks]) == pytest.approx(np.mean(angles))
    for instrument in (usual, chosen):
        fixed = instrument.banks[0].energy * MEV_TO_WAVENUMBER
        sigma = published_resolution(instrument, energy_transfer=np.linspace(0, 0.9 * fixed, 9))
        assert (sigma > 0).all()
        assert sigma.max() < 0.06 * fixed


def test_all_of_direct_geometry_are_tested():
    known = {name for name in instrument_names() if get_instrument(name).geometry == 'direct'}
    assert known == set(DIRECT)


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

OWN_DIRECT = """
geometry: direct
citation: our laboratory
incident_energy: 100.0
angle_range: [30, 90]
angles: 3
"""


def test_own_instrument_in_a_file(tmp_path):
    path = tmp_path / 'ours.yaml'
    path.write_text(OWN)
    own = get_instrument(str(path))
    assert (own.name, own.banks[0].energy, own.resolution) == ('ours', 4.0, {})
    assert (own.version, own.angle_range) == ('', None)
    path.write_text(f'{OWN}version: after the fire\n')
    assert get_instrument(str(path)).version == 'after the fire'


@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('[1]', 'describes no instrument'),
        ('a: [', 'cannot be read'),
        (OWN.replace('indirect', 'sideways'), "`geometry` is 'sideways'"),
        (OWN.replace('4.0', '-4.0'), 'must be > 0 meV'),
        (OWN.replace('angle: 120.0', 'degrees: 120.0'), "not of the form: KeyError('angle')"),
        (OWN.replace('citation', 'source'), "KeyError('citation')"),
        (OWN_DIRECT.replace('[30, 90]', '[90, 30]'), 'must rise within 0° to 180°'),
        (OWN_DIRECT.replace('[30, 90]', '[30, 190]'), 'must rise within 0° to 180°'),
        (OWN_DIRECT.replace('[30, 90]', '[30]'), 'not enough values'),
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
        assert get_instrument(name).version


def test_unknown_instrument_lists_the_known():
    with pytest.raises(InstrumentError, match='TOSCA, TOSCA-Abins'):
        get_instrument('TOSKA')


def test_map_of_an_own_instrument_by_hand(tmp_path):
    """E_i = 100 meV, k_i = 6.9470 Å⁻¹: elastic from 2k sin 15° = 3.5960 to 2k sin 45° = 9.8246 Å⁻¹;
    with half of it lost at 30° Q² = (150 - 2 √5000 cos 30°)/2.0721 = 13.28, at 90° 72.39;
    with 99.9 of it lost Q runs from 6.757 to 6.951 Å⁻¹."""
    (tmp_path / 'ours.yaml').write_text(OWN_DIRECT)
    ours = get_instrument(str(tmp_path / 'ours.yaml'))
    assert [bank.angle for bank in ours.banks] == [40.0, 60.0, 80.0]
    energies = np.array([0.0, 50.0, 99.9, 100.0, 101.0]) * MEV_TO_WAVENUMBER
    transfers = np.array([3.59, 3.60, 3.64, 3.65, 6.9, 8.50, 8.52, 9.82, 9.83])
    result = accessible(ours, energy_transfer=energies, momentum_transfer=transfers)
    assert result.shape == (9, 5)
    assert result[:, 0].tolist() == [False, *7 * [True], False]
    assert result[:, 1].tolist() == [*3 * [False], *3 * [True], *3 * [False]]
    assert result[:, 2].tolist() == [*4 * [False], True, *4 * [False]]
    assert not result[:, 3:].any()


@given(
    name=st.sampled_from(sorted(DIRECT)),
    share=st.floats(-1, 0.99),
    angle=st.floats(0.1, 179.9),
)
def test_map_reaches_what_the_angles_see(name, share, angle):
    instrument = get_instrument(name)
    low, high = instrument.angle_range
    transfer = np.array([share * instrument.reach[1]])
    momentum = direct_momentum_transfer(
        energy_transfer=transfer, incident_energy=instrument.banks[0].energy, angle=angle
    )
    (seen,) = accessible(instrument, energy_transfer=transfer, momentum_transfer=momentum)
    if not (np.isclose(angle, low, rtol=1e-9) or np.isclose(angle, high, rtol=1e-9)):
        assert seen == (low < angle < high)


def test_every_bank_lies_in_the_map():
    energies = np.linspace(-200, 900, 12)
    arcs = get_instrument('ARCS')
    for bank in arcs.banks:
        path = bank.momentum_transfer(energies)
        seen = accessible(arcs, energy_transfer=energies, momentum_transfer=path)
        assert np.diagonal(seen).all()


def test_maps_belong_to_direct_geometry():
    bare = Instrument('bare', (Bank('only', 50.0, 30.0, 'direct'),), {}, 'none', 'direct')
    for instrument in (get_instrument('VISION'), bare):
        with pytest.raises(InstrumentError, match='2-D maps belong to direct geometry'):
            accessible(instrument, energy_transfer=np.zeros(2), momentum_transfer=np.ones(3))


def test_every_instrument_is_found_by_its_own_name_only():
    for name in instrument_names():
        assert get_instrument(name).name == name
    with pytest.raises(InstrumentError, match='Choose from ARCS'):
        get_instrument('tosca')
    with pytest.raises(InstrumentError, match='no instrument'):
        get_instrument('../instruments/TOSCA')
