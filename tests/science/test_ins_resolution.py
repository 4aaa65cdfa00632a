"""Resolution against resins itself and Abins' published polynomial."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resins.instrument import Instrument as ResinsInstrument

from aiida_insbench.science.errors import InstrumentError
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.resolution import (
    broaden,
    polynomial_resolution,
    published_resolution,
)

ENERGIES = np.arange(0.0, 4001.0, 5.0)
WAVENUMBER = 8.065543937349209  # cm⁻¹ in a meV, as resins has it


def resins_model():
    return ResinsInstrument.from_default('TOSCA').get_resolution_function()


@pytest.mark.parametrize('name', ['TOSCA', 'TOSCA-Abins'])
def test_width_is_that_of_resins(name):
    points = (ENERGIES / WAVENUMBER)[:, None]
    expected = resins_model().get_characteristics(points)['sigma'] * WAVENUMBER
    result = published_resolution(get_instrument(name), energy_transfer=ENERGIES)
    assert result == pytest.approx(expected, rel=1e-9)


def test_width_is_abins_polynomial():
    """σ = 1e-7 ω² + 0.005 ω + 2.5 in cm⁻¹: 7.6 at 1000, 12.9 at 2000."""
    result = published_resolution(
        get_instrument('TOSCA'), energy_transfer=np.array([0.0, 1000.0, 2000.0])
    )
    assert result == pytest.approx([2.5, 7.6, 12.9], rel=1e-6)
    own = polynomial_resolution([2.5, 0.005, 1e-7], energy_transfer=ENERGIES)
    published = published_resolution(get_instrument('TOSCA'), energy_transfer=ENERGIES)
    assert own == pytest.approx(published, rel=1e-6)


def test_width_below_zero_is_that_at_zero():
    for sigma in (
        published_resolution(get_instrument('TOSCA'), energy_transfer=np.array([-20.0, 0.0])),
        polynomial_resolution([2.5, 0.1], energy_transfer=np.array([-20.0, 0.0])),
    ):
        assert sigma == pytest.approx([2.5, 2.5])


def test_broadening_agrees_with_resins():
    """Lines broadened by resins in meV; ours are averages over bins of 1 cm⁻¹."""
    energies = np.arange(0.0, 1501.0)
    lines = np.zeros(1501)
    lines[[200, 640, 650, 1100]] = [1.0, 2.0, 0.5, 3.0]
    mesh = energies / WAVENUMBER
    expected = resins_model().broaden(mesh[:, None], lines, mesh) / WAVENUMBER
    sigma = published_resolution(get_instrument('TOSCA'), energy_transfer=energies)
    result = broaden(lines, sigma=sigma, bin_width=1.0)
    assert result == pytest.approx(expected, abs=4e-3 * expected.max())
    centre = result[1060:1141] @ energies[1060:1141] / result[1060:1141].sum()
    assert centre == pytest.approx(1100.0, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    width=st.floats(0.2, 5.0),
    sigma=st.floats(0.05, 20.0),
    position=st.integers(900, 1100),
)
def test_area_of_a_line_is_kept(width, sigma, position):
    line = np.zeros((2, 2001))
    line[:, position] = [1.0, 3.0]
    sigmas = np.full(2001, min(sigma, 100 * width))
    result = broaden(line, sigma=sigmas, bin_width=width)
    assert result.sum(axis=1) == pytest.approx([1.0, 3.0], rel=1e-12)
    assert (result >= 0).all()


def test_what_leaves_the_range_is_lost():
    line = np.zeros(11)
    line[0] = 1.0
    result = broaden(line, sigma=np.full(11, 1.0), bin_width=1.0)
    assert result.sum() == pytest.approx(0.5 * (1 + 0.382925), rel=1e-5)


def test_range_shorter_than_the_resolution():
    result = broaden(np.ones(5), sigma=np.full(5, 50.0), bin_width=1.0)
    assert result == pytest.approx(np.full(5, 5 / (50 * np.sqrt(2 * np.pi))), rel=2e-2)


def test_instrument_without_a_model_says_so():
    with pytest.raises(InstrumentError, match='No verified resolution is known for TFXA'):
        published_resolution(get_instrument('TFXA'), energy_transfer=ENERGIES)


@pytest.mark.parametrize('coefficients', [[0.0], [1.0, -0.01], [float('nan')]])
def test_width_must_be_positive(coefficients):
    with pytest.raises(InstrumentError, match='must be > 0'):
        polynomial_resolution(coefficients, energy_transfer=ENERGIES)


FWHM = 2 * np.sqrt(2 * np.log(2))

#: FWHM of the elastic line in meV as the tests of PyChop have it (mducle/pychop e63b203), for
#: incident energy and choppers; resins fits PyChop by a polynomial.
PYCHOP = [
    ('ARCS', 120.0, {'model': 'PyChop_fit_v1'}, 10.278744237772832),
    ('CNCS', 3.7, {}, 0.13188102618129077),
    ('HYSPEC', 45.0, {}, 3.6751279831313703),
    ('LET', 3.7, {}, 0.08079912729715726),
    ('MAPS', 120.0, {'chopper_package': 'S'}, 4.9611687063450995),
    ('MARI', 80.0, {'chopper_package': 'S'}, 2.6049587487601764),
    ('MERLIN', 120.0, {}, 6.8755979524827255),
    ('SEQUOIA', 120.0, {'model': 'PyChop_fit_v1'}, 5.396705255853653),
]


@pytest.mark.parametrize(('name', 'energy', 'overrides', 'width'), PYCHOP)
def test_width_is_that_of_pychop(name, energy, overrides, width):
    instrument = get_instrument(name, incident_energy=energy)
    sigma = published_resolution(instrument, energy_transfer=np.zeros(1), overrides=overrides)
    assert sigma / WAVENUMBER * FWHM == pytest.approx([width], rel=1e-3)


@pytest.mark.parametrize(
    ('name', 'overrides'),
    [
        ('MAPS', {'chopper_package': 'S', 'chopper_frequency': 600}),
        ('MAPS', {'model': 'PyChop_fit', 'chopper_frequency': 200}),
        ('LET', {'chopper_package': 'High Resolution', 'resolution_frequency': 300}),
        ('CNCS', {'resolution_disk_frequency': 120.0}),
        ('Lagrange', {'monochromator': 'Cu(331)'}),
        ('SEQUOIA', {'model': 'PyChop_fit_v1', 'chopper_package': 'Sloppy'}),
    ],
)
def test_overrides_are_those_of_resins(name, overrides):
    instrument = get_instrument(name)
    energies = np.linspace(20.0, 0.9 * min(instrument.reach[1], 1000.0), 7)
    source = instrument.resolution
    settings = {**source['settings'], **overrides}
    model = settings.pop('model', source['model'])
    function = ResinsInstrument.from_default(name).get_resolution_function(model, **settings)
    expected = function.get_characteristics(energies[:, None] / WAVENUMBER)['sigma'] * WAVENUMBER
    result = published_resolution(instrument, energy_transfer=energies, overrides=overrides)
    assert result == pytest.approx(expected, rel=1e-9)
    assert result != pytest.approx(published_resolution(instrument, energy_transfer=energies))
    assert source == get_instrument(name).resolution


@pytest.mark.parametrize(
    ('name', 'overrides', 'named'),
    [
        ('MAPS', {'chopper_package': 'X'}, "cannot be 'X'. Choose from A, B, S."),
        ('MAPS', {'chopper_frequency': 410}, 'Choose from 50, 100, 150'),
        ('MAPS', {'chopper_frequency': 'fast'}, "cannot be 'fast'"),
        ('MAPS', {'chopper': 'S'}, "no setting 'chopper'. It has chopper_frequency, chopper_pack"),
        ('MAPS', {'e_init': 5.0}, 'that of the banks. Choose it as `incident_energy`'),
        ('MAPS', {'model': 'best'}, "cannot be 'best'. Choose from PyChop_fit, PyChop_fit_v1."),
        ('Lagrange', {'monochromator': 'Cu(111)'}, 'Choose from Cu(220), Cu(331), Si(311), Si(11'),
        ('SEQUOIA', {'chopper_package': 'Fine'}, 'SEQ-700-3.5-AST'),  # of PyChop_fit_v1
        ('TOSCA', {'chopper_frequency': 50}, "no setting 'chopper_frequency'. It has none."),
        ('TOSCA', {'model': 'book'}, 'NEUTRON_MASS'),  # resins 0.1.0 raises
        ('TFXA', {'model': 'book'}, 'No verified resolution is known for TFXA'),
        ('VISION', {'model': 'vision'}, 'model cannot be set for VISION'),
    ],
)
def test_overrides_that_are_none_of_the_model_are_named(name, overrides, named):
    with pytest.raises(InstrumentError) as refusal:
        published_resolution(get_instrument(name), energy_transfer=ENERGIES, overrides=overrides)
    assert named in str(refusal.value)


@pytest.mark.parametrize('name', ['VISION', 'VISION-OCLIMAX'])
def test_width_of_vision_is_the_default_of_oclimax(name):
    """ERES of the manual, 2.5, 0.005 and 1e-7 in cm⁻¹, is the polynomial of TOSCA in Abins."""
    result = published_resolution(get_instrument(name), energy_transfer=ENERGIES)
    tosca = published_resolution(get_instrument('TOSCA'), energy_transfer=ENERGIES)
    assert result == pytest.approx(tosca, rel=1e-6)
    assert result[ENERGIES == 1000.0] == pytest.approx([7.6])


def test_vision_has_no_model_in_resins():
    """Why its width is a polynomial: when resins knows the moderator's pulse, look again."""
    vision = ResinsInstrument.from_default('VISION')
    assert vision.get_model_data().d_t is None
    with pytest.raises(TypeError):
        vision.get_resolution_function().get_characteristics(ENERGIES[:, None])


OWN = """
geometry: indirect
citation: our laboratory
banks:
  only: {final_energy: 4.0, angle: 120.0}
"""


def test_own_polynomial(tmp_path):
    """1e-7 without a point is text in YAML; it is a number all the same."""
    path = tmp_path / 'ours.yaml'
    path.write_text(f'{OWN}resolution: {{polynomial: [1, 0.01, 1e-7]}}')
    sigma = published_resolution(
        get_instrument(str(path)), energy_transfer=np.array([-5.0, 0.0, 100.0])
    )
    assert sigma == pytest.approx([1.0, 1.0, 2.001])


@pytest.mark.parametrize(
    ('resolution', 'named'),
    [
        ('{polynomial: 12}', 'is a list of coefficients'),
        ('{polynomial: []}', 'is a list of coefficients'),
        ('{polynomial: [wide]}', "could not convert string to float: 'wide'"),
        ('{polynomial: [1.0], model: AbINS}', 'stands alone'),
        ('{instrument: TOSCA, model: AbINS}', "lacks ['version']"),
        ('{instrument: TOSCA, version: TOSCA, model: AbINS, seting: {}}', "unknown ['seting']"),
        ('[1, 2]', 'not of the form'),
    ],
)
def test_own_resolution_that_is_none_is_named(tmp_path, resolution, named):
    (tmp_path / 'ours.yaml').write_text(f'{OWN}resolution: {resolution}')
    with pytest.raises(InstrumentError) as refusal:
        get_instrument(str(tmp_path / 'ours.yaml'))
    assert named in str(refusal.value)


def test_own_setting_that_resins_would_ignore_is_named(tmp_path):
    path = tmp_path / 'ours.yaml'
    path.write_text(
        f'{OWN}resolution: {{instrument: Lagrange, version: Lagrange, model: AbINS, '
        'settings: {monochromatr: Cu(331)}}'
    )
    with pytest.raises(InstrumentError, match=r"no setting 'monochromatr'\. It has monochromator"):
        published_resolution(get_instrument(str(path)), energy_transfer=ENERGIES)


def test_own_direct_instrument_of_constant_width(tmp_path):
    """A model of resins that knows no incident energy: σ = 0.5 meV everywhere."""
    (tmp_path / 'ours.yaml').write_text(
        'geometry: direct\n'
        'citation: our laboratory\n'
        'incident_energy: 50.0\n'
        'angle_range: [10, 100]\n'
        'angles: 3\n'
        'resolution: {instrument: IDEAL, version: IDEAL, model: gaussian, settings: {sigma: 0.5}}\n'
    )
    ours = get_instrument(str(tmp_path / 'ours.yaml'))
    sigma = published_resolution(ours, energy_transfer=np.array([0.0, 200.0]))
    assert sigma == pytest.approx([0.5 * WAVENUMBER] * 2)
    narrow = published_resolution(
        ours, energy_transfer=np.array([0.0, 200.0]), overrides={'sigma': 0.25}
    )
    assert narrow == pytest.approx(sigma / 2)
