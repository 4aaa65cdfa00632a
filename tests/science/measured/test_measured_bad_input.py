"""Whatever is wrong with a file is said with its line and what to do; units are found or asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.measured.energy_units import (
    check_unit,
    possible_units,
    units_named,
    window_of,
)
from aiida_insbench.science.measured.read import read_spectrum, read_spectrum_file
from aiida_insbench.science.measured.reading_options import ReadingOptions


def table(energies, counts=None, errors=None, head='# X Y E\n'):
    counts = np.full(len(energies), 5.0) if counts is None else counts
    errors = np.full(len(energies), 0.5) if errors is None else errors
    return head + ''.join(
        f'{float(x)!r} {float(y)!r} {float(e)!r}\n'
        for x, y, e in zip(energies, counts, errors, strict=True)
    )


def read(text, **said):
    data = text if isinstance(text, bytes) else text.encode()
    return read_spectrum(data, name='file', options=ReadingOptions(**said))


AXIS = np.arange(20.0, 40.0)


def changed(index, value, start=5.0):
    values = np.full(len(AXIS), start)
    values[index] = value
    return values


def swapped(first, second):
    axis = AXIS.copy()
    axis[[first, second]] = axis[[second, first]]
    return axis


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (b'', 'is empty'),
        (b' \r\n\r\n\x1a', 'is empty'),
        (b'\x89PNG\r\n\x1a\n\0\0', 'is a PNG picture.*Digitise'),
        (b'\xff\xd8\xff\xe0\0\0', 'is a JPEG picture'),
        (b'%PDF-1.7 ...', 'is a PDF document'),
        (b'II*\0\x08', 'is a TIFF picture'),
        (b'MM\0*\x08', 'is a TIFF picture'),
        (b'GIF89a', 'is a GIF picture'),
        (b'PK\x03\x04', 'spreadsheet.*Export the numbers as text'),
        (b'\x1f\x8b\x08', 'compressed by gzip.*Decompress'),
        (b'\x0e\x03\x13\x01', 'HDF4'),
        (b'abc\0\0\1\2', 'binary data'),
        (b'\xff\xfe\x00\xd8', 'begins as utf-16 but is not'),
        ('A spectrum of hexane.\nSee the figure.\n', 'no line of it holds two numbers'),
        (table(AXIS[:9]), 'has 9 points, fewer than 10'),
        (table(swapped(4, 5)), 'line 7: the energy 24 comes after 25.*Sort'),
        (table(np.append(AXIS, 39.0)), 'line 22: the energy 39 stands in line 21, too'),
        (table(np.append(AXIS[:-1], 20.0)), 'line 21: the energy 20 stands in line 2, too'),
        (table(changed(3, np.nan, 0.0) + AXIS), 'line 5: the energy is nan'),
        (table(AXIS, changed(3, np.nan)), 'line 5: the intensity is nan'),
        (table(AXIS, changed(3, np.inf)), 'line 5: the intensity is inf'),
        (table(AXIS).replace('5.0', '1.#QNAN', 1), 'line 2: the intensity is nan'),
        (table(AXIS).replace('5.0', '*****', 1), 'line 2: the intensity is nan'),
        (table(AXIS, errors=changed(3, np.nan)), 'line 5: the error is nan'),
        (table(AXIS, errors=changed(3, -1.0)), 'line 5: the error is -1, but must be ≥ 0'),
        (table(AXIS, changed(3, -5.0)), r'line 5: the intensity is -5, more than 5 errors \(0.5\)'),
        (table(AXIS, 0 * AXIS), 'all intensities of block .* are zero'),
        (table(AXIS) + '40.0 5.0\n', 'line 22: the last line is cut, it has 2 of 3'),
        (table(AXIS) + '4\n', 'line 22: the last line is cut, it has 1 of 3'),
        (table(AXIS) + '40.0 5.0\n41.0 5.0 0.5\n', 'line 22 has 2 columns, the lines before it 3'),
        (table(AXIS) + '40.0 5.0 ok\n', "line 22: '40.0 5.0 ok' is neither numbers nor a comment"),
        (table(AXIS).replace(' 0.5', ' 0.5 1 2').replace('#', '%%'), '5 columns without a header'),
        ('# X Y0 E0 Y1\n' + ''.join(f'{x} 1 1 1\n' for x in AXIS), '2 intensities but 1 errors'),
    ],
)
def test_bad_files(text, message):
    with pytest.raises(InputError, match=f'(?s)^file.*{message}'):
        read(text, unit='cm-1')


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match='No such file'):
        read_spectrum_file(tmp_path / 'none.dat')


def test_counts_a_little_below_zero_are_kept_and_told():
    spectrum = read(table(AXIS, changed(3, -2.0)), unit='cm-1')
    assert spectrum.intensity[3] == -2
    assert '1 of 20 intensities are negative' in ' '.join(spectrum.notes)


def test_without_errors_the_scatter_stands_for_them():
    noise = np.random.default_rng(0).normal(0, 1, 200)
    axis = np.arange(200.0) + 20
    text = ''.join(f'{x} {y:.6f}\n' for x, y in zip(axis, noise, strict=True))
    assert 'the scatter of the points' in ' '.join(read(text, unit='cm-1').notes)
    with pytest.raises(InputError, match='below zero'):
        read(text + '220 -20\n', unit='cm-1')


def test_errors_of_zero():
    notes = read(table(AXIS, errors=changed(3, 0.0)), unit='cm-1').notes
    assert '1 of 20 points have the error 0' in notes
    spectrum = read(table(AXIS, errors=0 * AXIS), unit='cm-1')
    assert spectrum.error is None
    assert 'all errors are zero: they count as not given' in spectrum.notes


def test_a_range_is_kept_before_counts_are_checked():
    text = table(AXIS, changed(0, np.nan))
    spectrum = read(text, unit='cm-1', keep_range=(20.5, 35))
    assert spectrum.range == (21.0, 35.0)
    assert '5 of 20 points outside 20.5 to 35 cm⁻¹ were dropped, as asked' in spectrum.notes
    with pytest.raises(InputError, match='no point in `keep_range`'):
        read(text, unit='meV', keep_range=(20.5, 35))
    with pytest.raises(InputError, match='`keep_range` must rise'):
        ReadingOptions(keep_range=(3, 2))


@pytest.mark.parametrize(
    ('text', 'units'),
    [
        ('Energy (meV)', ('meV',)),
        ('energy/MEV', ('meV',)),
        ('millielectronvolts', ('meV',)),
        ('(CM-1)', ('1/cm',)),
        ('1/CM', ('1/cm',)),
        ('cm^-1', ('1/cm',)),
        ('cm^{-1}', ('1/cm',)),
        ('cm**-1', ('1/cm',)),
        ('cm⁻¹', ('1/cm',)),
        ('energy_cm1', ('1/cm',)),
        ('Wavenumbers', ('1/cm',)),
        ('THz', ('THz',)),
        ('meV or THz', ('meV', 'THz')),
        ('X', ()),
        ('time', ()),
    ],
)
def test_names_of_units(text, units):
    assert units_named(text) == units


def test_unknown_units_are_refused():
    assert check_unit('cm-1') == '1/cm'
    with pytest.raises(InputError, match="`unit` must be one of meV, cm-1 or THz, not 'furlong'"):
        check_unit('furlong')


def test_windows():
    """TFXA 16 to 4000 cm⁻¹ (Zoppi et al.); direct geometry: below the incident energy."""
    assert window_of(get_instrument('TFXA')) == (16.0, 4000.0)
    low, high = window_of(get_instrument('MAPS', incident_energy=100.0))
    assert low == -np.inf
    assert high == pytest.approx(806.55, rel=1e-5)
    tosca = get_instrument('TOSCA')
    assert possible_units(3, 4000, instrument=tosca) == ('1/cm',)
    assert possible_units(3, 500, instrument=tosca) == ('meV', '1/cm')
    assert possible_units(1, 110, instrument=tosca) == ('meV', '1/cm', 'THz')
    assert possible_units(1, 9000, instrument=tosca) == ()


def test_the_unit_is_found_if_only_one_fits_the_instrument():
    spectrum = read(table(np.linspace(20, 4000, 50)), instrument='TOSCA')
    assert spectrum.unit_in_file == '1/cm'
    assert '1/cm is the only one in the window of TOSCA' in ' '.join(spectrum.notes)


@pytest.mark.parametrize(
    ('said', 'message'),
    [
        ({'instrument': 'TOSCA'}, 'on TOSCA meV and 1/cm are possible.*Say it: `unit=`'),
        ({}, 'does not say the unit of its energies, 3 to 500'),
        ({'instrument': 'MAPS'}, 'does not say the unit'),  # its incident energy is not known
        ({'instrument': 'TOSCA', 'unit': 'cm-1'}, 'are 3 to 500 cm⁻¹, .*In meV it would fit'),
        ({'instrument': 'TOSCA', 'unit': 'THz'}, 'TOSCA measures -24 to 4000 cm⁻¹.'),
        (
            {'instrument': 'MAPS', 'incident_energy': 50, 'unit': 'meV'},
            'MAPS measures up to 403 cm⁻¹',
        ),
    ],
)
def test_the_unit_is_asked_for_or_doubted(said, message):
    with pytest.raises(InputError, match=message):
        read(table(np.linspace(3, 500, 50)), **said)


def test_who_is_sure_of_a_unit_is_believed():
    text = table(np.linspace(3, 500, 50))
    spectrum = read(text, instrument='TOSCA', unit='cm-1', sure_of_unit=True)
    assert spectrum.range == (3, 500)
    headed = text.replace('# X Y E', '# Energy(meV) Y E')
    with pytest.raises(InputError, match='are in meV by its header or layout, `unit` says 1/cm'):
        read(headed, unit='cm-1')
    spectrum = read(headed, unit='cm-1', sure_of_unit=True)
    assert 'by its header or layout the file is in meV; 1/cm was given as right' in spectrum.notes


def test_a_file_with_two_units_must_be_told_which():
    text = table(AXIS, head='# energy unit: meV\n# x axis in cm-1\n# X Y E\n')
    with pytest.raises(InputError, match='does not say the unit'):
        read(text)
    assert 'several units of energy' in ' '.join(read(text, unit='meV').notes)


@settings(max_examples=200)
@given(
    text=st.one_of(
        st.binary(max_size=60),
        st.text('0123456789.,;-+eE#C \t\n\r:?AJSnaif', max_size=80).map(str.encode),
    ),
    unit=st.sampled_from([None, 'meV']),
)
def test_whatever_is_no_spectrum_is_an_error_of_input(text, unit):
    """Shorter than ten points, so nothing can be read; no other exception comes out."""
    with pytest.raises(InputError, match='file'):
        read(text, unit=unit)
