"""Bins, units and parts of spectra."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ins_crystals import oscillator

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.rebinning import rebin
from aiida_insbench.science.ins.spectrum import selected, unreached_ends

AXIS = np.arange(0.0, 401.0, 2.0)
LINE = np.exp(-0.5 * ((AXIS - 200) / 20) ** 2)


@pytest.fixture(scope='module')
def spectrum():
    return powder_spectrum(
        oscillator(frequency=400.0), instrument=get_instrument('TOSCA'), temperature=10.0,
        energy_range=(0.0, 1000.0), bin_width=2.0, options=PowderOptions(max_order=2),
    ).spectrum  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(width=st.floats(2.0, 30.0), unit=st.sampled_from(['1/cm', 'meV']))
def test_areas_and_positions_are_kept(width, unit):
    factor = {'1/cm': 1.0, 'meV': 1 / 8.065543937}[unit]
    axis, values = rebin(AXIS, LINE, bin_width=width * factor, unit=unit)
    area = values.sum() * width * factor
    assert area == pytest.approx(LINE.sum() * 2.0, rel=1e-4)
    assert axis @ values / values.sum() == pytest.approx(200 * factor, rel=1e-3)
    assert axis == pytest.approx(np.rint(axis / (width * factor)) * width * factor)


def test_two_bins_by_hand():
    axis, values = rebin(np.arange(0.0, 6.0), np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), bin_width=2)
    # bins centred on 2 and 4 take halves of the odd ones
    assert axis == pytest.approx([2.0, 4.0])
    assert values == pytest.approx([(1.0 + 3.0 + 2.0) / 2, (2.0 + 5.0 + 3.0) / 2])


def test_what_is_no_density_keeps_its_values():
    axis, values = rebin(AXIS, 0.01 * AXIS, bin_width=1.0, unit='meV', density=False)
    assert values == pytest.approx(0.01 * axis * 8.065543937, rel=1e-3)


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'unit': 'THz'}, "not 'THz'"),
        ({'bin_width': 1.0}, 'at least the old 2'),
        ({'bin_width': float('nan')}, 'at least'),
        ({'bin_width': 1000.0}, 'no bin of 1000'),
    ],
)
def test_bins_that_make_no_sense(options, named):
    with pytest.raises(InputError, match=named):
        rebin(AXIS, LINE, **options)


def test_uneven_bins_are_refused():
    with pytest.raises(InputError, match='evenly spaced'):
        rebin(AXIS**2, LINE)


def test_parts_by_name(spectrum):
    assert selected(spectrum) == pytest.approx(spectrum.total)
    assert selected(spectrum, banks=['forward']) == pytest.approx(spectrum.by_bank['forward'])
    assert selected(spectrum, orders=[2]) == pytest.approx(spectrum.by_order[1])
    assert selected(spectrum, sites=['H1'], elements=['H']) == pytest.approx(spectrum.total)


@pytest.mark.parametrize(
    'wanted', [{'banks': ['left']}, {'orders': [3]}, {'sites': ['H2']}, {'elements': []}]
)
def test_parts_that_are_not_there(spectrum, wanted):
    with pytest.raises(InputError, match='are not among'):
        selected(spectrum, **wanted)


def test_a_resolution_wider_than_the_margin_is_said(spectrum):
    assert not unreached_ends(spectrum)
    assert not unreached_ends(dataclasses.replace(spectrum, sigma=None))
    wide = dataclasses.replace(spectrum, sigma=np.full(len(spectrum.wide.energies), 60.0))
    lower, upper = unreached_ends(wide)
    assert 'lower end' in lower
    assert 'upper end' in upper
