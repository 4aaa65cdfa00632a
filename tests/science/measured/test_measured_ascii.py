"""Text of every dialect, written here, as spectra in cm⁻¹."""

import numpy as np
import pytest

from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER
from aiida_insbench.science.measured.read import read_all_blocks, read_spectrum
from aiida_insbench.science.measured.reading_options import ReadingOptions

ENERGY = np.array([20.0, 21.5, 23.0, 25.0, 27.0, 30.0, 33.0, 37.0, 41.0, 46.0, 52.0, 60.0])
COUNTS = np.array([1.5, 1.25, 1.0, 2.0, 3.5, 5.0, 4.0, 2.25, 1.5, 1.75, 2.0, 1.0])
ERRORS = COUNTS / 10


def read(text, encoding='utf-8', **said):
    return read_spectrum(text.encode(encoding), name='file', options=ReadingOptions(**said))


def rows(form='{:.4f} {:.4f} {:.4f}', columns=(ENERGY, COUNTS, ERRORS)):
    return ''.join(form.format(*row) + '\n' for row in zip(*columns, strict=True))


def agrees(spectrum, factor=1.0):
    assert spectrum.energy_transfer == pytest.approx(ENERGY * factor)
    assert spectrum.intensity == pytest.approx(COUNTS)
    assert spectrum.error == pytest.approx(ERRORS)
    return True


def fortran(value):
    """As FORTRAN's 1P,D15.6 writes it."""
    return f'{value:.6E}'.replace('E', 'D')


def isis(comment='C'):
    lines = [
        '   '.join(fortran(value) for value in row)
        for row in zip(ENERGY, COUNTS, ERRORS, strict=True)
    ]
    head = f' Hexane    somebody, ISIS\r\n{comment}    (CM-1)      COUNTS       ERROR\r\n'
    return head + '\r\n'.join(lines) + '\r\n'


@pytest.mark.parametrize('comment', ['C', '#', '!', ';', 'c'])
def test_isis_database(comment):
    spectrum = read(isis(comment))
    assert agrees(spectrum)
    assert spectrum.unit_in_file == '1/cm'
    assert spectrum.title == 'Hexane somebody, ISIS'
    assert spectrum.format == ('isis' if comment in 'Cc' else 'xye')


def test_exponents_of_three_digits_without_their_letter():
    text = rows().replace('20.0000', '2.0+001', 1).replace('1.5000 ', '15.0d-1 ', 1)
    assert agrees(read(text, unit='cm-1'))


@pytest.mark.parametrize('separator', [',', ' , ', '  ', '\t', ';', ':'])
def test_mantid_with_each_separator(separator):
    form = separator.join(['{:.4f}'] * 3)
    spectrum = read(f'# X {separator} Y {separator} E\n1\n{rows(form)}', unit='meV')
    assert agrees(spectrum, MEV_TO_WAVENUMBER)
    assert spectrum.format == 'mantid'
    assert spectrum.block == '1'


def test_mantid_blocks_are_chosen_by_their_number():
    text = '# X , Y , E\n'
    for number in (3, 5):
        text += f'{number}\n' + rows('{},{},{}', (ENERGY, COUNTS * number, ERRORS * number))
    data = text.encode()
    options = {'unit': 'meV'}
    with pytest.raises(ValueError, match=r'file holds 2 spectra. Choose `block` from 3, 5'):
        read(text, **options)
    for block in (5, '5'):
        spectrum = read(text, block=block, **options)
        assert spectrum.intensity == pytest.approx(5 * COUNTS)
        assert spectrum.blocks == ('3', '5')
    both = read_all_blocks(data, name='file', options=ReadingOptions(**options))
    assert [one.block for one in both] == ['3', '5']
    with pytest.raises(ValueError, match='no block 4'):
        read(text, block=4, **options)


def test_an_energy_alone_at_the_end_makes_edges_of_bins():
    """A histogram has one more X than Y."""
    text = '# X , Y , E\n1\n' + rows('{},{},{}') + '70.0\n2\n' + rows('{},{},{}') + '70.0\n'
    spectrum = read(text, unit='cm-1', block=2)
    edges = np.append(ENERGY, 70.0)
    assert spectrum.bin_edges == pytest.approx(edges)
    assert spectrum.energy_transfer == pytest.approx((edges[1:] + edges[:-1]) / 2)
    assert spectrum.intensity == pytest.approx(COUNTS)
    assert any('edges of bins' in note for note in spectrum.notes)


def test_counts_of_bins_are_divided_by_their_widths_if_asked():
    text = '# X , Y , E\n1\n' + rows('{},{},{}') + '70.0\n'
    widths = np.diff(np.append(ENERGY, 70.0))
    spectrum = read(text, unit='cm-1', counts_per_bin=True)
    assert spectrum.intensity == pytest.approx(COUNTS / widths)
    assert spectrum.error == pytest.approx(ERRORS / widths)
    with pytest.raises(ValueError, match='no edges of bins'):
        read(rows(), unit='cm-1', counts_per_bin=True)


def test_q_and_angle_beside_the_number_of_a_spectrum():
    text = '# X , Y , E\n1 , 0.5 , 45\n' + rows('{},{},{}') + '2 , 0.9 , 135\n' + rows('{},{},{}')
    spectrum = read(text, unit='meV', block=2)
    assert agrees(spectrum, MEV_TO_WAVENUMBER)
    assert spectrum.blocks == ('1', '2')


def test_first_version_of_save_ascii_has_all_spectra_in_one_row():
    form = ' , '.join(['{}'] * 5)
    text = '# X , Y0 , E0 , Y1 , E1\n' + rows(
        form, (ENERGY, COUNTS, ERRORS, 2 * COUNTS, 3 * ERRORS)
    )
    spectrum = read(text, unit='meV', block='1')
    assert spectrum.intensity == pytest.approx(2 * COUNTS)
    assert spectrum.error == pytest.approx(3 * ERRORS)
    assert spectrum.blocks == ('0', '1')


def test_errors_of_energies_as_a_fourth_column_or_as_a_comment():
    spread = np.linspace(0.1, 0.2, len(ENERGY))
    text = '# X , Y , E , DX\n' + rows('{},{},{},{}', (ENERGY, COUNTS, ERRORS, spread))
    assert read(text, unit='meV').energy_error == pytest.approx(spread * MEV_TO_WAVENUMBER)
    text = '# energy_error_cm1: 2.5\n# Energy (meV), Intensity, Error\n' + rows('{},{},{}')
    spectrum = read(text)
    assert agrees(spectrum, MEV_TO_WAVENUMBER)
    assert spectrum.energy_error == pytest.approx(np.full(len(ENERGY), 2.5))
    assert read(text, energy_error=4.0).energy_error[0] == 4.0
    with pytest.raises(ValueError, match='is no error of energies'):
        read(text.replace('2.5', 'small'))


@pytest.mark.parametrize(
    'form', ['{};{};{}', '{}\t{}\t{}', '{} {} {}', '{}  ;  {};{};', '{}; {}; {}']
)
def test_decimal_commas(form):
    head = form.format('Energie (cm-1)', 'Intensität', 'Fehler') if ';' in form else ''
    text = f'{head}\n' + rows(form).replace('.', ',')
    assert agrees(read(text, unit='cm-1'))
    assert read(text, unit='cm-1').format == ('xye' if form == '{} {} {}' else 'csv')


def test_columns_are_found_by_their_names():
    text = 'Intensity,Energy transfer (THz),std\n' + rows('{},{},{}', (COUNTS, ENERGY, ERRORS))
    spectrum = read(text)
    assert agrees(spectrum, 33.35640951981521)  # 1 THz / (c · 100)
    assert spectrum.unit_in_file == 'THz'


def test_two_columns_have_no_errors():
    spectrum = read('# energy in meV, counts\n' + rows('{} {}', (ENERGY, COUNTS)))
    assert spectrum.error is None
    assert spectrum.unit_in_file == 'meV'


def test_blocks_separated_by_empty_lines_or_titles():
    text = rows() + '\n' + rows('{} {} {}', (ENERGY, 2 * COUNTS, ERRORS))
    assert read(text, unit='meV', block=2).intensity == pytest.approx(2 * COUNTS)
    twice = isis() + isis().replace('Hexane', 'Benzene')
    assert read(twice, block='Benzene    somebody, ISIS').unit_in_file == '1/cm'


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'cp1252', 'latin-1'])
def test_encodings_and_ends_of_lines(encoding, end):
    text = ('# Bänder von Anthracén, ½ g\n# X Y E\n' + rows()).replace('\n', end)
    spectrum = read(text, encoding, unit='cm-1')
    assert agrees(spectrum)
    assert spectrum.title == 'Bänder von Anthracén, ½ g'
    assert any('Windows-1252' in note for note in spectrum.notes) == (
        encoding in ('cp1252', 'latin-1')
    )


def test_falling_energies_are_turned_round_and_told():
    columns = (ENERGY[::-1], COUNTS[::-1], ERRORS[::-1])
    spectrum = read(rows(columns=columns), unit='cm-1')
    assert agrees(spectrum)
    assert any('fell' in note for note in spectrum.notes)


VISION_AXIS = np.linspace(-1.99, 500, 60)
BACKWARD, FORWARD = 2 + np.sin(VISION_AXIS / 20), 3 + np.cos(VISION_AXIS / 30)


def vision(both, numbers=(0, 1, 2)):
    text = '# X   Y   E\n'
    for number, values in zip(numbers, (BACKWARD, FORWARD, both), strict=True):
        text += f'{number}\n' + rows('{} {} {}', (VISION_AXIS, values, values / 20))
    return text


def test_three_blocks_of_vision():
    both = 7 / 12 * BACKWARD + 5 / 12 * FORWARD
    spectrum = read(vision(both))
    assert (spectrum.format, spectrum.block) == ('vision', 'sum')
    assert spectrum.intensity == pytest.approx(both)
    assert spectrum.energy_transfer == pytest.approx(VISION_AXIS * MEV_TO_WAVENUMBER)
    notes = ' '.join(spectrum.notes)
    assert "block 'sum' was taken" in notes
    assert 'in meV, as VISION writes them' in notes
    assert read(vision(both), block='backward').intensity == pytest.approx(BACKWARD)
    assert read(vision(both), block=1, instrument='VISION').intensity == pytest.approx(FORWARD)


def test_vision_in_another_unit_than_it_writes():
    """Converted by somebody: the axis does not begin at −2, so the unit is found or asked for."""
    text = vision(BACKWARD)
    lines = [line.split() for line in text.splitlines()[1:]]
    converted = '# X Y E\n' + ''.join(
        line[0] + '\n'
        if len(line) == 1
        else f'{float(line[0]) * MEV_TO_WAVENUMBER} {line[1]} {line[2]}\n'
        for line in lines
    )
    spectrum = read(converted, instrument='VISION')
    assert (spectrum.format, spectrum.unit_in_file) == ('vision', '1/cm')
    with pytest.raises(ValueError, match='Choose `block`'):
        read(converted)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        (vision(10 * BACKWARD), {}),  # the third lies outside the others: no sum
        (vision(BACKWARD, (1, 2, 3)), {}),
        (vision(BACKWARD), {'instrument': 'TOSCA'}),
    ],
)
def test_other_three_blocks_must_be_chosen_from(text, said):
    with pytest.raises(ValueError, match='Choose `block`'):
        read(text, unit='meV', **said)


def test_format_can_be_forced():
    assert read(vision(10 * BACKWARD), format='vision').block == 'sum'
    with pytest.raises(ValueError, match='1 blocks of 12 points; data of VISION have three'):
        read(rows(), format='vision')
    cut = vision(BACKWARD).rsplit('\n', 3)[0]
    with pytest.raises(ValueError, match='3 blocks of 60, 60, 58 points'):
        read(cut, format='vision')
    with pytest.raises(ValueError, match='`format` must be one of'):
        read(rows(), format='excel')
    with pytest.raises(ValueError, match='no header "deltaE'):
        read(rows(), format='oclimax')


@pytest.mark.parametrize(('number', 'factor'), [(0, 1.0), (1, MEV_TO_WAVENUMBER), (2, 33.3564095)])
def test_oclimax(number, factor):
    text = (
        f' # Key parameters\n # TASK,INSTR,TEMP,WING,E_UNIT\n #    0,   0,   5,   0,   {number}\n'
        ' # deltaE,Total-backward,Total-forward,[backward 0-1 0-2 0-3 0-4+]\n'
    ) + rows('  {:E},  {:E}, {:E}, {:E}, 0, 0, 0', (ENERGY, COUNTS, 3 * COUNTS, COUNTS))
    spectrum = read(text)
    assert (spectrum.format, spectrum.block) == ('oclimax', 'sum')
    assert spectrum.intensity == pytest.approx(2 * COUNTS)
    assert spectrum.energy_transfer == pytest.approx(ENERGY * factor)
    assert 'a computed spectrum (OCLIMAX), not a measured one' in spectrum.notes
    assert read(text, block='forward').intensity == pytest.approx(3 * COUNTS)
