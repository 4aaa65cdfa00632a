"""Measured spectra of others import as they are (shared data, never copied)."""

import numpy as np
import pytest

from aiida_insbench.science.measured.read import read_all_blocks, read_spectrum_file
from aiida_insbench.science.measured.reading_options import ReadingOptions


@pytest.fixture(scope='module')
def measured(shared_data):
    folder = shared_data / 'ins_measured'
    if not folder.is_dir():
        pytest.skip('there is no ins_measured in the shared data')
    return folder


@pytest.mark.parametrize('said', [{}, {'instrument': 'TFXA'}])
def test_hexane_of_tfxa(measured, said):
    """794 points in cm⁻¹ with errors, from 20.3 to 3998.7 cm⁻¹, widths of bins rising to 20."""
    path = measured / 'n-hexane_TFXA' / 'Hexane.dat'
    spectrum = read_spectrum_file(path, ReadingOptions(**said))
    assert (spectrum.format, spectrum.unit_in_file) == ('isis', '1/cm')
    assert len(spectrum.intensity) == 794
    assert spectrum.range == pytest.approx((20.29187, 3998.738))
    assert spectrum.error is not None
    assert np.all(spectrum.error > 0)
    assert 'Parker' in spectrum.title
    assert spectrum.notes == ()  # nothing had to be assumed


@pytest.mark.parametrize('sample', ['graphite', 'nanodiamonds'])
@pytest.mark.parametrize('said', [{}, {'instrument': 'VISION'}])
def test_blocks_of_vision(measured, sample, said):
    """2275 points a block, −1.99 to 999.04 meV = −16.1 to 8057.8 cm⁻¹.

    The block called sum is the mean over detectors: it lies between both banks (in all points of
    graphite, in 97 % of nanodiamond's), and is 0.51 of backward + forward in the median.
    """
    path = measured / 'vision' / sample / 'experiment' / f'{sample}.dat'
    blocks = read_all_blocks(path.read_bytes(), name=path.name, options=ReadingOptions(**said))
    assert [one.block for one in blocks] == ['backward', 'forward', 'sum']
    for one in blocks:
        assert (one.format, one.unit_in_file) == ('vision', 'meV')
        assert len(one.intensity) == 2275
        assert one.range == pytest.approx((-16.0504, 8057.80), rel=1e-5)
        assert np.all(one.error > 0)
    backward, forward, both = (one.intensity for one in blocks)
    between = (both >= np.minimum(backward, forward)) & (both <= np.maximum(backward, forward))
    assert between.mean() > 0.97
    assert np.median(both / (backward + forward)) == pytest.approx(0.51, abs=0.005)
    default = read_spectrum_file(path, ReadingOptions(**said))
    assert default.block == 'sum'
    assert np.array_equal(default.intensity, both)


@pytest.mark.parametrize(('sample', 'top'), [('graphite', 5000), ('nanodiamonds', 2000)])
def test_spectra_of_oclimax(measured, sample, top):
    """Integers of cm⁻¹ from 8, no errors, told to be computed; measured range covers them."""
    path = measured / 'vision' / sample / 'DFT' / '3-oclimax' / 'out_vis_inc_5K.csv'
    spectrum = read_spectrum_file(path, ReadingOptions(instrument='VISION'))
    assert spectrum.energy_transfer == pytest.approx(np.arange(8, top + 1))
    assert spectrum.error is None
    assert 'computed' in ' '.join(spectrum.notes)


def test_wrong_unit_of_vision_is_noticed(measured):
    path = measured / 'vision' / 'graphite' / 'experiment' / 'graphite.dat'
    with pytest.raises(ValueError, match='are in meV by its header or layout, `unit` says 1/cm'):
        read_spectrum_file(path, ReadingOptions(instrument='VISION', unit='cm-1'))
