"""NeXus files laid out as Mantid's SaveNexusProcessed does, and plain NXdata."""

import io

import h5py
import numpy as np
import pytest

from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER
from aiida_insbench.science.measured.read import read_spectrum
from aiida_insbench.science.measured.reading_options import ReadingOptions

EDGES = np.geomspace(10.0, 500.0, 21)
COUNTS = np.linspace(1.0, 3.0, 20)


def add_workspace(
    file,
    number,
    *,
    values=COUNTS,
    axis=EDGES,
    unit='DeltaE_inWavenumber',
    distribution='1',
    name=None,
    group='workspace',
):
    entry = file.create_group(f'mantid_workspace_{number}')
    entry.attrs['NX_class'] = 'NXentry'
    entry['title'] = np.array([b'n-hexane, 20 K'])
    if name is not None:
        entry['workspace_name'] = np.array([name.encode()])
    data = entry.create_group(group)
    data['values'] = np.atleast_2d(values)
    data['errors'] = np.atleast_2d(values) / 10
    data['axis1'] = axis
    data['axis1'].attrs['units'] = np.bytes_(unit)
    data['axis1'].attrs['distribution'] = np.bytes_(distribution + '\0')
    data['axis2'] = 1.0 + np.arange(len(data['values']))
    data['axis2'].attrs['units'] = 'spectraNumber'


def saved(fill):
    memory = io.BytesIO()
    with h5py.File(memory, 'w') as file:
        fill(file)
    return memory.getvalue()


def read(fill, **said):
    return read_spectrum(saved(fill), name='file.nxs', options=ReadingOptions(**said))


def test_a_histogram_that_is_a_distribution():
    spectrum = read(lambda file: add_workspace(file, 1, name='hexane'))
    assert (spectrum.format, spectrum.block, spectrum.unit_in_file) == ('nexus', 'hexane', '1/cm')
    assert spectrum.title == 'n-hexane, 20 K'
    assert spectrum.bin_edges == pytest.approx(EDGES)
    assert spectrum.energy_transfer == pytest.approx((EDGES[1:] + EDGES[:-1]) / 2)
    assert spectrum.intensity == pytest.approx(COUNTS)
    assert spectrum.error == pytest.approx(COUNTS / 10)
    assert spectrum.notes == ()


def test_counts_of_bins_become_densities_unless_told_otherwise():
    def fill(file):
        add_workspace(file, 1, distribution='0', unit='DeltaE')

    spectrum = read(fill)
    assert spectrum.intensity == pytest.approx(COUNTS / np.diff(EDGES))
    assert spectrum.bin_edges == pytest.approx(EDGES * MEV_TO_WAVENUMBER)
    assert 'counts of bins, as the file says' in ' '.join(spectrum.notes)
    assert read(fill, counts_per_bin=False).intensity == pytest.approx(COUNTS)


def test_points_and_rows_of_their_own_axes():
    """Ragged workspaces have an axis a spectrum."""
    axes = np.array([EDGES[1:], EDGES[1:] + 5])
    values = np.array([COUNTS, 2 * COUNTS])
    spectrum = read(lambda file: add_workspace(file, 1, values=values, axis=axes), block=2)
    assert spectrum.energy_transfer == pytest.approx(EDGES[1:] + 5)
    assert spectrum.intensity == pytest.approx(2 * COUNTS)
    assert spectrum.bin_edges is None
    assert spectrum.blocks == ('workspace_1:1', 'workspace_1:2')


def test_bins_masked_in_mantid_do_not_count():
    def fill(file, rows, masked, spectra):
        add_workspace(file, 1, values=np.tile(COUNTS, (rows, 1)))
        file['mantid_workspace_1/workspace/masked_bins'] = masked
        file['mantid_workspace_1/workspace/masked_spectra'] = spectra

    spectrum = read(lambda file: fill(file, 1, [2, 3], [[0, 0]]))
    assert list(np.flatnonzero(~spectrum.kept)) == [2, 3]
    assert spectrum.notes == ('2 bins are masked in the file: they do not count',)
    second = read(lambda file: fill(file, 2, [2, 3, 7], [[0, 0], [1, 2]]), block=2)
    assert list(np.flatnonzero(~second.kept)) == [7]
    unsure = read(lambda file: fill(file, 2, [2, 3], [[0, 0]]), block=2)
    assert unsure.kept.all()
    assert 'not certain in which spectra' in ' '.join(unsure.notes)
    part = read(lambda file: fill(file, 1, [2, 3], [[0, 0]]), keep_range=(EDGES[3], 1000))
    assert list(np.flatnonzero(~part.kept)) == [0]


def test_groups_of_workspaces():
    def fill(file):
        for number, name in ((1, 'p_0000'), (2, 'p_0500'), (10, 'p_1000')):
            add_workspace(file, number, values=number * COUNTS, name=name)

    with pytest.raises(ValueError, match=r'p_0000 \(1\), p_0500 \(2\), p_1000 \(10\)'):
        read(fill)
    assert read(fill, block='p_1000').intensity == pytest.approx(10 * COUNTS)
    assert read(fill, block=2).intensity == pytest.approx(2 * COUNTS)


def test_plain_nxdata_of_both_conventions():
    def new(file):
        group = file.create_group('entry/data')
        group.attrs['NX_class'] = 'NXdata'
        group.attrs['signal'] = 'intensity'
        group.attrs['axes'] = ['energy']
        group['intensity'] = COUNTS
        group['intensity_errors'] = COUNTS / 5
        group['energy'] = EDGES[1:]
        group['energy'].attrs['units'] = 'meV'

    def old(file):
        group = file.create_group('entry/data')
        group.attrs['NX_class'] = 'NXdata'
        group['counts'] = COUNTS
        group['counts'].attrs['signal'] = 1
        group['counts'].attrs['axes'] = 'energy'
        group['errors'] = COUNTS / 5
        group['energy'] = EDGES[1:]
        group['energy'].attrs['units'] = 'meV'

    for fill in (new, old):
        spectrum = read(fill)
        assert spectrum.energy_transfer == pytest.approx(EDGES[1:] * MEV_TO_WAVENUMBER)
        assert spectrum.error == pytest.approx(COUNTS / 5)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'unit': 'TOF'}, 'is over TOF, not energy'),
        ({'group': 'event_workspace'}, 'holds no spectra, but event_workspace'),
        ({'values': COUNTS[:5]}, 'do not go with an axis'),
        ({'unit': 'Empty'}, 'does not say the unit'),
        ({'values': np.where(COUNTS > 2.5, np.nan, COUNTS)}, 'point 16: the intensity is nan'),
    ],
)
def test_bad_workspaces(options, message):
    with pytest.raises(ValueError, match=message):
        read(lambda file: add_workspace(file, 1, **options))


def test_bins_without_data_at_the_ends_can_be_left_out():
    """Mantid leaves NaN where no detector sees anything."""
    values = np.where(COUNTS > 2.5, np.nan, COUNTS)
    spectrum = read(lambda file: add_workspace(file, 1, values=values), keep_range=(0.0, EDGES[15]))
    assert spectrum.bin_edges == pytest.approx(EDGES[:16])
    assert '5 of 20 points outside' in ' '.join(spectrum.notes)


def test_other_hdf5_and_damaged_files():
    with pytest.raises(ValueError, match='neither a workspace of Mantid nor NXdata'):
        read(lambda file: file.create_group('something'))
    data = saved(lambda file: add_workspace(file, 1))
    with pytest.raises(ValueError, match='cannot be read as HDF5'):
        read_spectrum(data[:1500], name='file.nxs')
    with pytest.raises(ValueError, match=r'is HDF5 \(NeXus\), not csv'):
        read_spectrum(data, name='file.nxs', options=ReadingOptions(format='csv'))
    with pytest.raises(ValueError, match=r'is text, not NeXus'):
        read_spectrum(b'1 2 3', name='file.nxs', options=ReadingOptions(format='nexus'))
