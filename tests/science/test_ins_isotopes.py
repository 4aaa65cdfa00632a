"""Isotopes: what the neutron sees of them, and what their masses do to the modes."""

import math

import numpy as np
import pytest
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, save_crystal, spring_crystal

from aiida_insbench.science.errors import InputError, StructureError
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.isotopes import labels_of_sites, scatterer
from aiida_insbench.science.ins.mode_files import open_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum

SYMBOLS = ('Mg', 'Mg', 'H', 'H', 'H', 'H')


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    crystal = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    return save_crystal(crystal, tmp_path_factory.mktemp('crystal') / 'c.yaml')


def test_deuterium_by_the_tables():
    """Sears (1992): b 6.671 fm, σ 5.592 + 2.05 barn; mass 2.014102 u."""
    deuterium = scatterer('2H')
    assert deuterium.mass == pytest.approx(2.014102, abs=1e-5)
    assert deuterium.length == pytest.approx(6.671, abs=0.005)
    assert (deuterium.coherent, deuterium.incoherent) == pytest.approx((5.592, 2.05))


def test_natural_hydrogen_keeps_the_mass_of_the_crystal():
    assert scatterer('H').mass is None
    assert scatterer('H').total == pytest.approx(82.0168)


@pytest.mark.parametrize('label', ['H', '2H', 'C', '15N', 'N', 'O'])
def test_coherent_cross_section_is_four_pi_b_squared(label):
    site = scatterer(label)
    assert site.coherent == pytest.approx(4 * math.pi * site.length**2 / 100, rel=0.005)


def test_a_mixture_by_hand():
    """Half H, half D: b = (−3.74 + 6.67)/2 fm; what is not coherent is incoherent."""
    light, heavy, mixed = (scatterer(label) for label in ('1H', '2H', 'H(1:0.5;2:0.5)'))
    assert mixed.length == pytest.approx((light.length + heavy.length) / 2)
    assert mixed.coherent == pytest.approx(4 * math.pi * mixed.length**2 / 100)
    assert mixed.total == pytest.approx((light.total + heavy.total) / 2, rel=1e-4)
    assert mixed.mass == pytest.approx((light.mass + heavy.mass) / 2)


def test_natural_abundance_mixed_by_hand_is_the_element():
    mixed = scatterer('Ni(58:0.6827;60:0.261;61:0.0113;62:0.0359;64:0.0091)')
    natural = scatterer('Ni')
    assert mixed.length == pytest.approx(natural.length, rel=0.01)
    assert mixed.total == pytest.approx(natural.total, rel=0.02)
    assert mixed.mass == pytest.approx(58.69, rel=1e-3)


def test_single_atoms_come_before_symbols():
    labels = labels_of_sites(SYMBOLS, {'2': '1H', 'H': 'D', '3': {'1H': 0.25, '2H': 0.75}})
    assert labels == ('Mg', 'Mg', '1H', 'H(1:0.25;2:0.75)', '2H', '2H')
    assert labels_of_sites(SYMBOLS, None) == SYMBOLS


@pytest.mark.parametrize(
    ('isotopes', 'named'),
    [
        ({'N': '15N'}, "names 'N'"),
        ({'6': '2H'}, "names '6'"),
        ({'H': '13C'}, "'13C' is no isotope of H"),
        ({'H': 'heavy'}, "'heavy' is no isotope of H"),
        ({'H': '7H'}, 'no isotope 7H'),
        ({'H': '5H'}, 'Known: 1H, 2H, 3H'),
        ({'H': {'1H': 0.5, '2H': 0.4}}, r'add up to 1, not 0\.9'),
        ({'H': {'1H': 1.5, '2H': -0.5}}, 'must be > 0'),
    ],
)
def test_isotopes_that_are_none_are_named(isotopes, named):
    with pytest.raises(InputError, match=named):
        labels_of_sites(SYMBOLS, isotopes)


def test_elements_without_data_are_named():
    with pytest.raises(StructureError, match='Xe'):
        scatterer('Xe')


def test_a_crystal_of_heavier_atoms_vibrates_by_their_square_root(path):
    """All masses times 4: all frequencies by half, whatever the springs."""
    source = open_modes(path, mesh=(2, 2, 3))
    masses = source.masses
    frequencies = source.collect().frequencies
    deuterated = open_modes(path, mesh=(2, 2, 3), isotopes={'H': '2H', 'Mg': '26Mg'})
    assert deuterated.symbols == ('26Mg', '26Mg', '2H', '2H', '2H', '2H')
    assert deuterated.masses == pytest.approx([25.98259] * 2 + [2.014102] * 4, abs=2e-4)
    # sum of squares = trace of the dynamical matrix = Σ φ/m, of each atom apart
    light = open_modes(path, mesh=(2, 2, 3), isotopes={'Mg': '26Mg'}).collect().frequencies
    ratio = 1 - masses[2] / 2.014102
    hydrogen = (light**2).sum() - (deuterated.collect().frequencies ** 2).sum()
    magnesium = (frequencies**2).sum() - (light**2).sum()
    assert hydrogen / ratio + magnesium / (1 - masses[0] / 25.98259) == pytest.approx(
        (frequencies**2).sum(), rel=1e-6
    )


def test_one_site_of_another_isotope_is_a_site_of_its_own(path):
    source = open_modes(path, mesh=(2, 2, 3), isotopes={'2': 'D'})
    result = powder_spectrum(
        source,
        instrument=get_instrument('TOSCA'),
        temperature=10.0,
        energy_range=(0.0, 1600.0),
        bin_width=4.0,
        options=PowderOptions(max_order=2),
    )
    assert set(result.spectrum.by_element) == {'Mg', '2H', 'H'}
    assert [site.name for site in result.spectrum.sites if site.label == '2H'] == ['2H1']
    assert sum(result.spectrum.by_element.values()) == pytest.approx(result.spectrum.total)
    # deuterium scatters a tenth of hydrogen, whose three atoms remain
    first = {name: line.sum() for name, line in result.spectrum.by_element.items()}
    assert first['2H'] < 0.1 * first['H']


def test_modes_as_they_stand_take_no_isotopes(shared_data):
    folder = shared_data / 'reference_calc' / 'abinslib_ethanol'
    with pytest.raises(InputError, match='need force constants'):
        open_modes(folder / 'ethanol_qpoint_phonon_modes.json', isotopes={'H': 'D'})


def test_force_constants_do_not_change(path):
    plain, exchanged = (
        open_modes(path, mesh=(2, 2, 3), isotopes=isotopes) for isotopes in (None, {'H': 'D'})
    )
    assert np.array_equal(
        plain.force_constants.force_constants.magnitude,
        exchanged.force_constants.force_constants.magnitude,
    )
