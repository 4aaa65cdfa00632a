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
