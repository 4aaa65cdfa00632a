"""Maps over Q and ω against spectra along the paths of detectors."""

import dataclasses

import numpy as np
import pytest
from ins_crystals import oscillator
from scipy.special import factorial

from aiida_insbench.science.errors import InputError, InstrumentError
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.maps import scattering_map
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.simulation import Simulation
from aiida_insbench.science.ins.vibrations import gather_vibrations

PLAIN = PowderOptions(resolution=None)
ROWS = np.arange(0.5, 12.01, 0.5)


def simulation(**changes):
    instrument = changes.pop('instrument', get_instrument('MERLIN'))
    return Simulation(instrument, 0.0, (0.0, 1200.0), 4.0, dataclasses.replace(PLAIN, **changes))


@pytest.fixture(scope='module')
def vibrations():
    return gather_vibrations(oscillator(frequency=400.0), temperature=0.0, bin_width=4.0)


def test_lines_of_an_oscillator_at_constant_momentum(vibrations):
    """e^{-λ}λⁿ/n! with λ = Q² ħ/2mω, times 82.0168 barn."""
    found = scattering_map(vibrations, simulation(), momentum_transfer=ROWS)
    exponent = ROWS**2 * 16.857629168 / 400
    for order in (1, 2, 3):
        expected = 82.0168 * np.exp(-exponent) * exponent**order / factorial(order)
        assert found.total[:, 100 * order] * 4.0 == pytest.approx(expected, rel=1e-6)
    assert found.order_1[:, 100] == pytest.approx(found.total[:, 100])
    assert found.order_1[:, 200] == pytest.approx(0, abs=1e-12)


def test_a_spectrum_is_the_map_along_its_path(vibrations):
    modes = oscillator(frequency=400.0)
    instrument = get_instrument('MERLIN')
    result = powder_spectrum(
        modes, instrument=instrument, temperature=0.0, energy_range=(0.0, 1200.0), bin_width=4.0,
        options=PLAIN,
    )  # fmt: skip
    momentum = result.spectrum.momentum_transfer[10, 100]
    found = scattering_map(vibrations, simulation(), momentum_transfer=np.array([momentum]))
    line = result.spectrum.by_bank[instrument.banks[10].name]
    assert found.total[0, 100] == pytest.approx(line[100], rel=1e-9)
    assert found.accessible[0, 100]


def test_points_no_detector_reaches_are_marked(vibrations):
    found = scattering_map(vibrations, simulation(), momentum_transfer=np.array([0.01, 5.0, 40.0]))
    assert not found.accessible[0].any()
    assert found.accessible[1].any()
    assert not found.accessible[2].any()


def test_resolution_keeps_the_area_of_a_line(vibrations):
    plain = scattering_map(vibrations, simulation(), momentum_transfer=ROWS)
    broad = scattering_map(vibrations, simulation(resolution=[20.0]), momentum_transfer=ROWS)
    assert broad.order_1.sum(axis=1) == pytest.approx(plain.order_1.sum(axis=1), rel=1e-6)
    assert broad.total.max() < plain.total.max()


def test_progress_is_told(vibrations):
    told = []
    scattering_map(
        vibrations, simulation(), momentum_transfer=ROWS, report=lambda *what: told.append(what)
    )
    assert told == [('rows', 20, 24), ('rows', 24, 24)]


@pytest.mark.parametrize('rows', [[0.0, 1.0], [2.0, 1.0], [], [[1.0]]])
def test_rows_must_rise(vibrations, rows):
    with pytest.raises(InputError, match='rise'):
        scattering_map(vibrations, simulation(), momentum_transfer=np.array(rows))


def test_indirect_instruments_have_paths_only(vibrations):
    with pytest.raises(InstrumentError):
        scattering_map(
            vibrations,
            simulation(instrument=get_instrument('TOSCA')),
            momentum_transfer=ROWS,
        )
