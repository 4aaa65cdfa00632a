"""Bad measured spectra and tables of band shifts."""

from __future__ import annotations

import gzip
import io

import h5py
import numpy as np
import seeds
from bad_input import BadInput, Place

_SPECTRA, _SHIFTS = 'Measured spectra', 'Band shifts'
CONDITIONS = (
    '--instrument',
    'TOSCA',
    '--temperature',
    10,
    '--pressure',
    0,
    '--sample',
    'hexane',
)
_ROWS = seeds.table().splitlines()


def _spectrum(
    given: str, content: str | bytes, says: str, *more: object, name: str = 'run.dat'
) -> BadInput:
    def words(place: Place) -> list[object]:
        return ['spectrum', 'import', place.file(name, content), *CONDITIONS, *more]

    return BadInput(_SPECTRA, given, 'spectrum import', says, words)


def _said(given: str, says: str, *conditions: object) -> BadInput:
    """A sound file with bad conditions."""

    def words(place: Place) -> list[object]:
        return ['spectrum', 'import', place.file('run.dat', seeds.table()), *conditions]

    return BadInput(_SPECTRA, given, 'spectrum import', says, words)


def _with_row(index: int, text: str) -> str:
    rows = _ROWS.copy()
    rows[index] = text
    return '\n'.join(rows) + '\n'


def _swapped() -> str:
    rows = _ROWS.copy()
    rows[4], rows[5] = rows[5], rows[4]
    return '\n'.join(rows) + '\n'


def _vast_nexus() -> bytes:
    """A few kB that claim a thousand million bins, which HDF5 would fill with zeros."""
    memory = io.BytesIO()
    with h5py.File(memory, 'w') as file:
        group = file.create_group('mantid_workspace_1/workspace')
        for name in ('values', 'errors'):
            group.create_dataset(name, shape=(1000, 1_000_000), chunks=(1, 1000), dtype='f8',
                                 compression='gzip')  # fmt: skip
        group.create_dataset('axis1', shape=(1_000_000,), chunks=(1000,), dtype='f8')
        group['axis1'].attrs['units'] = 'DeltaE'
    return memory.getvalue()


def _nexus_of_flight_times() -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, 'w') as file:
        group = file.create_group('mantid_workspace_1/workspace')
        group['values'], group['errors'] = np.ones((1, 20)), np.ones((1, 20))
        group['axis1'] = np.arange(21.0)
        group['axis1'].attrs['units'] = 'TOF'
    return memory.getvalue()


def _benchmark(given: str, content: str, says: str) -> BadInput:
    def words(place: Place) -> list[object]:
        return [
            'launch', 'benchmark', '--potential', 'mine', place.nodes['potential'],
            '--structure', place.nodes['cif'], '--pressures', '0,1', '--code',
            place.nodes['code'], '--band-shifts', 'raman', place.file('shifts.csv', content),
            '--dry-run',
        ]  # fmt: skip

    return BadInput(_SHIFTS, given, 'launch benchmark', says, words)


_HEADER = 'omega0_cm1,domega_dp_cm1_per_gpa,sigma,temperature,technique\n'

ROWS = (
    _spectrum('an empty file', '', 'run.dat is empty. Was it copied or downloaded completely?'),
    _spectrum('a picture', b'\x89PNG\r\n\x1a\n\0\0', 'is a PNG picture, not a spectrum. Digitise'),
    _spectrum('a spreadsheet', b'PK\x03\x04xl', 'spreadsheet), not a spectrum. Export the numbers'),
    _spectrum('compressed', gzip.compress(seeds.table().encode()), 'is compressed by gzip'),
    _spectrum('binary data', b'abc\0\0\1\2', 'is binary data, not text'),
    _spectrum('UTF-16, cut in half', b'\xff\xfe\x31\x00\x00\xd8', 'begins as utf-16 but is not'),
    _spectrum('words only', 'See the figure.\n', 'no line of it holds two numbers'),
    _spectrum('energies not in order', _swapped(), 'Energies must rise (or fall) throughout'),
    _spectrum(
        'an energy twice', _with_row(3, _ROWS[2]), 'line 4: the energy 260 stands in line 3, too'
    ),
    _spectrum(
        'NaN among the counts', _with_row(3, '420.0 nan 0.1'), 'line 4: the intensity is nan'
    ),
    _spectrum(
        'negative counts',
        _with_row(3, '420.0 -9 0.1'),
        'line 4: the intensity is -9, more than 5 errors',
    ),
    _spectrum(
        'a negative error',
        _with_row(3, '420.0 9 -0.1'),
        'line 4: the error is -0.1, but must be ≥ 0',
    ),
    _spectrum(
        'the last line cut',
        seeds.table() + '3900.0 5.0\n',
        'the last line is cut, it has 2 of 3 columns',
    ),
    _spectrum(
        'Windows-1252, a word between the numbers',
        _with_row(3, 'Gerät aus').encode('cp1252'),
        "line 4: 'Gerät aus' is neither numbers",
    ),
    _spectrum('fewer than ten points', '\n'.join(_ROWS[:6]) + '\n', 'has 5 points, fewer than 10'),
    _spectrum(
        'meV said to be cm⁻¹',
        seeds.table(head='# X (cm-1)\n').replace('\n3', '\n0.3'),
        'run.dat',
        '--unit',
        'meV',
    ),
    _spectrum(
        'no unit, and several that fit',
        ''.join(f'{energy} 5.0 0.1\n' for energy in range(30, 60)),
        'does not say the unit of its energies, 30 to 59',
    ),
    _spectrum(
        'three spectra, none chosen',
        seeds.spectra()[1].files['mantid.txt'],
        'holds 3 spectra. Choose `block`',
    ),
    _spectrum('NeXus, cut in half', seeds.nexus()[:3000], 'cannot be read as HDF5', name='run.nxs'),
    _spectrum('NeXus over time of flight', _nexus_of_flight_times(), 'is over TOF, not energy'),
    _spectrum('NeXus that claims 8 GB in 30 kB', _vast_nexus(), 'holds more than'),
    _spectrum(
        'an infrared spectrum (JCAMP-DX)',
        '##TITLE=x\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED SPECTRUM\n'
        '##XYPOINTS=(XY..XY)\n1,2\n##END=\n',
        'no neutron spectrum',
    ),
    _spectrum(
        'an exported spectrum, damaged',
        seeds.ours().replace('"blocks"', 'x').replace(', version 1', ', version 7'),
        'update the package if the version is newer',
    ),
    _said('conditions missing', 'missing: temperature, pressure, sample', '--instrument', 'TOSCA'),
    _said(
        'a pressure without its error',
        'missing: pressure_error',
        *CONDITIONS[:4],
        '--pressure',
        1,
        '--sample',
        'x',
    ),
    _said(
        'an instrument that there is not',
        "There is no instrument 'TOSCAA'. Choose from",
        '--instrument',
        'TOSCAA',
        *CONDITIONS[2:],
    ),
    _said(
        'a pressure in MPa',
        'Is it in MPa or kbar?',
        *CONDITIONS[:4],
        '--pressure',
        1500,
        '--pressure-error',
        10,
        '--sample',
        'x',
    ),
    _said(
        'a temperature below zero',
        '`temperature` must be a number > 0 in K',
        '--temperature',
        -3,
        *CONDITIONS[:2],
        *CONDITIONS[4:],
    ),
    _said('an isotope that there is not', '9H', *CONDITIONS, '--isotope', 'H=9H'),
    _said(
        'a fraction of deuterium above 1',
        'its lowest and highest value, within 0 to 1',
        *CONDITIONS,
        '--deuterium-fraction',
        0.9,
        1.2,
    ),
    _said(
        'hydrogen as an isotope, and a fraction of it to be fitted',
        'Give one of them',
        *CONDITIONS,
        '--isotope',
        'H=2H',
        '--deuterium-fraction',
        0.9,
        1.0,
    ),
    _said(
        'a resolution in words',
        'coefficients of the standard deviation',
        *CONDITIONS,
        '--resolution',
        'narrow',
    ),
    _said(
        'a mask from high to low',
        'A mask must go from a lower to a higher energy',
        *CONDITIONS,
        '--mask',
        90,
        10,
        'cell',
    ),
    _said('no DOI', "'see paper' is no DOI", *CONDITIONS, '--doi', 'see paper'),
    _benchmark('columns missing', 'a,b\n1,2\n', 'the header lacks omega0, domega_dp, sigma'),
    _benchmark(
        'a slope that is no number',
        f'{_HEADER}253,steep,0.1,300,INS\n',
        "domega_dp is 'steep', not a number",
    ),
    _benchmark(
        'a band twice', f'{_HEADER}253,4,0.1,300,INS\n253,4,0.1,300,INS\n', 'stands in line 2, too'
    ),
    _benchmark(
        'a technique that there is not', f'{_HEADER}253,4,0.1,300,NMR\n', 'technique must be one of'
    ),
)
