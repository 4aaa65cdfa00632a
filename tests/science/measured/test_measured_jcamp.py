"""JCAMP-DX in all its forms; the ten ordinates are those of the paper that defines it."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.measured.jcamp_ordinates import read_ordinates
from aiida_insbench.science.measured.read import read_spectrum
from aiida_insbench.science.measured.reading_options import ReadingOptions

TEN = [1, 2, 3, 3, 2, 1, 0, -1, -2, -3]


@pytest.mark.parametrize(
    'form',
    [
        '1 2 3 3 2 1 0 -1 -2 -3',  # FIX
        '1+2+3+3+2+1+0-1-2-3',  # PAC
        '1BCCBA@abc',  # SQZ
        '1BCTBA@abc',  # SQZ and DUP
        '1JJ%jjjjjj',  # DIF
        '1JJ%jX',  # DIF and DUP
    ],
)
def test_the_forms_of_the_standard(form):
    """McDonald & Wilks (1988), section 5: one series in all forms."""
    row = read_ordinates(f'400 {form}')
    assert row.x == 400
    assert row.values == TEN


def test_letters_of_several_digits_and_exponents():
    assert read_ordinates('1 A23 b5 @ I').values == [123, -25, 0, 9]
    assert read_ordinates('1 A00 J0 k5').values == [100, 110, 85]
    assert read_ordinates('1 1.5E+02, 2.5E-01 E1').values == [150, 0.25, 51]
    assert read_ordinates('1 A S2').values == [1] * 12
    assert np.isnan(read_ordinates('1 A ?').values[1])
    assert read_ordinates('1 A T99999999') is None  # no such number of points
    assert read_ordinates('1 J') is None  # a difference to nothing
    assert read_ordinates('one two') is None


def letter(value, positive, negative, zero):
    digits = str(abs(value))
    table = zero if value == 0 else (negative if value < 0 else positive)[int(digits[0]) - 1]
    return table + digits[1:]


def encoded(values, compressed):
    """Lines of four ordinates each, in DIF (with a check value) or SQZ."""
    lines, first = [], 0
    while first < len(values):
        part = values[first : first + 4]
        line = f'{100 + 2 * first}' + letter(part[0], 'ABCDEFGHI', 'abcdefghi', '@')
        for before, value in itertools.pairwise(part):
            if compressed == 'DIF':
                line += letter(value - before, 'JKLMNOPQR', 'jklmnopqr', '%')
            else:
                line += letter(value, 'ABCDEFGHI', 'abcdefghi', '@')
        lines.append(line)
        if first + 4 >= len(values):
            break
        first += 3 if compressed == 'DIF' else 4  # DIF repeats the last value as a check
    return lines


def jcamp(lines, count, *, form='XYDATA= (X++(Y..Y))', unit='1/CM', last=None, more=''):
    return (
        f'##TITLE= A crystal, ½ g\n##JCAMP-DX= 4.24 $$ some comment\n'
        '##DATA TYPE= INELASTIC NEUTRON SCATTERING\n'
        f'##XUNITS= {unit}\n##YUNITS= COUNTS\n##XFACTOR= 1.0\n##YFACTOR= 0.5\n'
        f'##FIRSTX= 100\n##LASTX= {100 + 2 * (count - 1) if last is None else last}\n'
        f'##NPOINTS= {count}\n{more}##{form}\n' + '\n'.join(lines) + '\n##END=\n'
    )


def read(text, **said):
    return read_spectrum(text.encode(), name='file.jdx', options=ReadingOptions(**said))


@given(values=st.lists(st.integers(0, 99999), min_size=10, max_size=40).filter(any))
@pytest.mark.parametrize('compressed', ['DIF', 'SQZ'])
def test_what_is_encoded_is_read(compressed, values):
    spectrum = read(jcamp(encoded(values, compressed), len(values)))
    assert spectrum.intensity == pytest.approx(np.array(values) / 2)
    assert spectrum.energy_transfer == pytest.approx(100 + 2.0 * np.arange(len(values)))
    assert (spectrum.format, spectrum.title) == ('jcamp', 'A crystal, ½ g')


VALUES = [10, 12, 15, 30, 22, 18, 16, 15, 14, 13, 12, 11]


def test_points_and_units():
    lines = [f'{2 * x}, {y}; {2 * x + 1}, {y}' for x, y in enumerate(VALUES, start=5)]
    spectrum = read(jcamp(lines, 24, form='XYPOINTS= (XY..XY)', unit='MEV'))
    assert spectrum.unit_in_file == 'meV'
    assert spectrum.energy_transfer[0] == pytest.approx(80.655, rel=1e-4)
    assert spectrum.intensity[:2] == pytest.approx([5, 5])
    assert spectrum.error is None


def test_falling_abscissae_are_turned_round():
    lines = [f'{122 - 2 * x} {y}' for x, y in enumerate(VALUES)]
    text = (
        jcamp(lines, 12).replace('FIRSTX= 100', 'FIRSTX= 122').replace('LASTX= 122', 'LASTX= 100')
    )
    spectrum = read(text)
    assert spectrum.energy_transfer[0] == 100
    assert spectrum.intensity == pytest.approx(np.array(VALUES[::-1]) / 2)


def test_linked_blocks_are_chosen_by_title():
    text = jcamp(encoded(VALUES, 'DIF'), 12)
    linked = '##TITLE= both\n##DATA TYPE= LINK\n##BLOCKS= 2\n' + text
    linked += text.replace('A crystal', 'Another')
    with pytest.raises(ValueError, match='holds 2 spectra'):
        read(linked)
    assert read(linked, block='Another, ½ g').title == 'Another, ½ g'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (('##NPOINTS= 12', '##NPOINTS= 13'), 'holds 12 points, NPOINTS says 13'),
        (('INELASTIC NEUTRON SCATTERING', 'INFRARED SPECTRUM'), 'no neutron spectrum'),
        (('XYDATA= (X++(Y..Y))', 'PEAK TABLE= (XY..XY)'), 'neither XYDATA nor XYPOINTS'),
        (('(X++(Y..Y))', '(X++(R..R))'), r'has the form \(X\+\+\(R'),
        (('##FIRSTX= 100\n', ''), 'lacks the records FIRSTX'),
        (('##YFACTOR= 0.5', '##YFACTOR= half'), "YFACTOR is 'half'"),
        (('106C0', '106C1'), 'line 13 does not begin with the last value'),
        (('106C0', '112C0'), 'line 13 is of X = 112'),
        (('106C0', '106 thirty'), 'line 13: .* is not of the form X, Y'),
    ],
)
def test_bad_files(change, message):
    text = jcamp(encoded(VALUES, 'DIF'), 12)
    assert change[0] in text
    with pytest.raises(ValueError, match=message):
        read(text.replace(*change))


def test_missing_points_are_noticed():
    lines = [f'{100 + 2 * x} {y}' for x, y in enumerate(VALUES)]
    with pytest.raises(ValueError, match='holds 11 points, NPOINTS says 12'):
        read(jcamp(lines[:-1], 12))
    with pytest.raises(ValueError, match=r'line 16 is of X = 112; .* X is 108'):
        read(jcamp(lines[:4] + lines[6:], 12))
    with pytest.raises(ValueError, match='is not pairs'):
        read(jcamp([*lines[:-1], '122'], 12, form='XYPOINTS= (XY..XY)'))
