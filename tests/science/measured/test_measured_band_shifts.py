"""Tables of band shifts: columns by header, units, comments that hold for all lines, bad lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER
from aiida_insbench.science.measured.band_shifts import BandShift, read_band_shifts

HEAD = 'omega0_cm1,domega_dp_cm1_per_gpa,sigma,temperature,technique,label,doi\n'


def read(text, encoding='utf-8'):
    return read_band_shifts(text.encode(encoding), name='shifts.csv')


def test_a_full_table():
    shifts = read(
        HEAD + '105.5,20.1,0.5,300,Raman,Ag,10.1000/abc\n'
        '\n1010,-1.5,,20,INS,,\n3061,7,0.1,300,infrared,"nu_1",\n'
    )
    assert shifts == (
        BandShift(105.5, 20.1, 0.5, 300.0, 'Raman', 'Ag', '10.1000/abc', 2),
        BandShift(1010.0, -1.5, None, 20.0, 'INS', '', '', 4),
        BandShift(3061.0, 7.0, 0.1, 300.0, 'IR', 'nu_1', '', 5),
    )


def test_comments_hold_for_lines_that_do_not_say_otherwise():
    shifts = read(
        '# doi: doi:10.1000/abc\n# temperature: 295 K\n# technique: raman\n# anything else\n'
        'ω0 (cm-1); dω/dp (cm-1/GPa); σ; T\n105,5; 20,1; 0,5;\n200; 3; 1; 20\n'
    )
    assert shifts[0] == BandShift(105.5, 20.1, 0.5, 295.0, 'Raman', '', '10.1000/abc', 6)
    assert shifts[1].temperature == 20


@pytest.mark.parametrize(
    ('head', 'frequency', 'slope'),
    [
        ('frequency (meV),dw/dp (meV/GPa),error', MEV_TO_WAVENUMBER, MEV_TO_WAVENUMBER),
        ('wavenumber,slope (cm-1/kbar),uncertainty', 1, 10),
        ('nu0_cm1,dnu_dp_cm1_per_kbar,sigma_of_slope', 1, 10),
        ('nu,domega_dp,esd', 1, 1),
        ('Freq [THz],pressure coefficient [cm^-1/GPa],err', 33.3564095, 1),
    ],
)
def test_units_and_names_of_columns(head, frequency, slope):
    shift = read(f'{head},temp,method\n10,2,0.5,300,Raman\n')[0]
    assert shift.frequency == pytest.approx(10 * frequency)
    assert shift.slope == pytest.approx(2 * slope)
    assert shift.slope_error == pytest.approx(0.5 * slope)


@given(frequency=st.floats(0.1, 5000), slope=st.floats(-100, 100), sigma=st.floats(1e-3, 10))
def test_numbers_are_read_exactly(frequency, slope, sigma):
    shift = read(HEAD + f'{frequency!r},{slope!r},{sigma!r},300,INS,,\n')[0]
    assert (shift.frequency, shift.slope, shift.slope_error) == (frequency, slope, sigma)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('frequency,slope\n10,2\n', 'line 1: the header lacks sigma, temperature, technique'),
        (HEAD, 'holds no band'),
        ('nu,omega0,' + HEAD, 'line 1: two columns are omega0'),
        (HEAD + '100,2,0.1,300,INS,,\n-5,2,0.1,300,INS,,\n', 'line 3: omega0 must be > 0, not -5'),
        (HEAD + '100,two,0.1,300,INS,,\n', "line 2: domega_dp is 'two', not a number"),
        (HEAD + '100,nan,0.1,300,INS,,\n', "line 2: domega_dp is 'nan'"),
        (HEAD + '100,2,0,300,INS,,\n', 'line 2: sigma must be > 0, not 0'),
        (HEAD + '100,2,0.1,0,INS,,\n', 'line 2: temperature must be > 0'),
        (HEAD + '100,,0.1,300,INS,,\n', 'line 2: domega_dp is empty'),
        (HEAD + '100,2,0.1\n', 'line 2: temperature, technique is empty'),
        (HEAD + '100,2,0.1,300,X-ray,,\n', "technique must be one of INS, Raman, IR, not 'X-ray'"),
        (HEAD + '100,2,0.1,300,INS,,abc\n', "line 2: 'abc' is no DOI"),
        (
            HEAD + '100,2,0.1,300,INS,A,\n101,2,0.1,300,INS,A,\n100,3,0.1,300,INS,A,\n',
            'line 4: the band at 100 cm⁻¹ stands in line 2, too',
        ),
        ('frequency (meV or THz),slope,sigma,T,technique\n1,1,1,1,INS\n', 'names several units'),
        ('# only a comment', 'holds no band'),
    ],
)
def test_bad_tables(text, message):
    with pytest.raises(InputError, match=message):
        read(text)


def test_a_picture_is_no_table():
    with pytest.raises(InputError, match='is a PNG picture'):
        read_band_shifts(b'\x89PNG\r\n\x1a\n', name='shifts.csv')
