"""Spectra between simulated pressures, and scores profiled over an uncertain one."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_spectra import BANDS, WINDOWS, bands, even_bins

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.energies import energy_grid
from aiida_insbench.science.scoring.mode_interpolation import ModeInterpolation, broadened_lines
from aiida_insbench.science.scoring.pressure_profile import profile_pressure
from aiida_insbench.science.scoring.quantile_interpolation import QuantileInterpolation
from aiida_insbench.science.scoring.settings import ScoringSettings, WindowSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation

GRID = energy_grid((0.0, 1100.0), 1.0)
PRESSURES = np.array([0.0, 1.0, 2.0])
#: cm⁻¹/GPa of each band; the third is red.
SLOPES = np.array([20.0, 15.0, -12.0, 10.0, 12.0, 8.0, 9.0, 7.0, 10.0, 8.0])
POSITIONS = np.array([position for position, _, _ in BANDS])
AREAS = np.array([area for _, area, _ in BANDS])
RULES = ScoringSettings(windows=WindowSettings(windows=WINDOWS))


def modes(pressures=PRESSURES, **changes):
    frequencies = POSITIONS + np.outer(pressures, SLOPES)
    options = {
        'pressures': np.array(pressures),
        'frequencies': frequencies,
        'intensities': np.tile(AREAS, (len(pressures), 1)),
        'grid': GRID,
        'sigma': np.full(len(GRID.energies), 8.0),
    }
    return ModeInterpolation(**(options | changes))


def measured_at(pressure):
    centres = even_bins()
    values = sum(
        bands(centres, chosen=((position + slope * pressure, area, 8.0),))
        for position, slope, area in zip(POSITIONS, SLOPES, AREAS, strict=True)
    )
    return Measurement(centres, values)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(position=st.floats(100, 900), sigma=st.floats(2, 15))
def test_a_line_keeps_its_area_and_its_place(position, sigma):
    widths = np.full(len(GRID.energies), sigma)
    found = broadened_lines(np.array([position]), np.array([3.0]), grid=GRID, sigma=widths)
    assert found.sum() == pytest.approx(3.0)
    assert found @ GRID.energies / found.sum() == pytest.approx(position, abs=1e-6)
    spread = found @ (GRID.energies - position) ** 2 / found.sum()
    assert spread == pytest.approx(sigma**2, abs=0.4)


def test_lines_beyond_the_range_are_carried_in():
    widths = np.full(len(GRID.energies), 10.0)
    outside = broadened_lines(np.array([-5.0]), np.array([1.0]), grid=GRID, sigma=widths)
    assert outside.sum() == pytest.approx(0.33, abs=0.03)
    far = broadened_lines(np.array([5000.0]), np.array([1.0]), grid=GRID, sigma=widths)
    assert far.sum() == 0


def test_modes_move_between_pressures():
    spectrum = modes()(0.5)
    expected = measured_at(0.5)
    found = spectrum.running.means(expected.edges)
    assert found == pytest.approx(expected.intensity, abs=0.02 * expected.intensity.max())
    frequencies, areas = modes().lines(0.25)
    assert frequencies == pytest.approx(POSITIONS + 0.25 * SLOPES)
    assert areas == pytest.approx(AREAS)


def test_an_imaginary_mode_has_no_intensity():
    frequencies = np.array([[300.0, 50.0], [310.0, -80.0]])
    found = modes(np.array([0.0, 1.0]), frequencies=frequencies, intensities=np.ones((2, 2))).lines(
        1.0
    )
    assert found[1].tolist() == [1.0, 0.0]


def test_what_is_not_of_one_phonon_is_added():
    def rest(pressure):
        return Simulation(GRID.energies, np.full(len(GRID.energies), pressure))

    plain, more = modes()(0.5), modes(rest=rest)(0.5)
    assert more.intensity - plain.intensity == pytest.approx(np.full(len(GRID.energies), 0.5))
    other = energy_grid((0.0, 1100.0), 2.0)
    with pytest.raises(InputError, match='same grid'):
        modes(rest=lambda _: Simulation(other.energies, np.ones(len(other.energies))))(0.5)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'pressures': np.array([0.0, 2.0, 1.0])}, 'rising pressures'),
        ({'frequencies': np.ones((2, 10))}, 'Shapes do not fit'),
        ({'frequencies': np.full((3, 10), np.nan)}, 'finite'),
        ({'intensities': -np.ones((3, 10))}, 'must be ≥ 0'),
    ],
)
def test_bad_modes_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        modes(**changes)


def test_nothing_is_extrapolated():
    spectra = [modes()(pressure) for pressure in PRESSURES]
    for interpolation in (modes(), QuantileInterpolation(PRESSURES, spectra)):
        for pressure in (-0.1, 2.1):
            with pytest.raises(InputError, match='outside the simulated pressures, 0 to 2 GPa'):
                interpolation(pressure)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(pressure=st.floats(0, 1), shift=st.floats(-30, 30))
def test_quantiles_move_a_spectrum_as_a_whole(pressure, shift):
    energies = GRID.energies
    ends = [
        Simulation(energies, bands(energies, shift=one, chosen=BANDS[2:6])) for one in (0.0, shift)
    ]
    found = QuantileInterpolation(np.array([0.0, 1.0]), ends)(pressure)
    expected = bands(energies, shift=pressure * shift, chosen=BANDS[2:6])
    assert found.intensity == pytest.approx(expected, abs=0.05 * expected.max())
    assert found.intensity.sum() == pytest.approx(expected.sum(), rel=1e-6)


def test_quantiles_are_exact_at_the_simulated_pressures():
    spectra = [modes()(pressure) for pressure in PRESSURES]
    found = QuantileInterpolation(PRESSURES, spectra)
    for pressure, spectrum in zip(PRESSURES, spectra, strict=True):
        assert found(pressure).intensity == pytest.approx(spectrum.intensity, abs=1e-6)


@pytest.mark.parametrize(
    ('pressures', 'levels', 'message'),
    [
        ([0.0, 0.0], [1.0, 1.0], 'rising pressures'),
        ([0.0, 1.0, 2.0], [1.0, 1.0], 'do not fit'),
        ([0.0, 1.0], [1.0, 0.0], 'at 1 GPa is negative or empty'),
    ],
)
def test_bad_spectra_are_refused(pressures, levels, message):
    spectra = [Simulation(GRID.energies, np.full(len(GRID.energies), one)) for one in levels]
    with pytest.raises(InputError, match=message):
        QuantileInterpolation(np.array(pressures), spectra)


@pytest.mark.parametrize('fallback', [False, True])
def test_the_true_pressure_is_found_within_the_error(fallback):
    """Measured at 0.83 GPa, stated as 1.0 ± 0.3."""
    spectrum_at = modes()
    if fallback:
        pressures = np.linspace(0, 2, 9)
        spectrum_at = QuantileInterpolation(pressures, [modes()(one) for one in pressures])
    found = profile_pressure(
        measured_at(0.83), spectrum_at, RULES, pressure=1.0, error=0.3, simulated_range=(0.0, 2.0)
    )
    assert found.best == pytest.approx(0.83, abs=0.04)
    assert found.best_summary.cost < 0.02
    assert found.stated_summary.cost > found.best_summary.cost + 0.03
    assert not found.at_end
    assert min(found.costs) == found.best_summary.cost
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_pressure_beyond_the_error_is_told():
    found = profile_pressure(measured_at(0.6), modes(), RULES, pressure=1.0, error=0.2)
    assert found.at_end
    assert found.best == pytest.approx(0.8, abs=0.01)


def test_the_range_is_cut_to_what_is_simulated():
    found = profile_pressure(
        measured_at(0.05), modes(), RULES, pressure=0.0, error=0.2, simulated_range=(0.0, 2.0)
    )
    assert found.narrowed
    assert min(found.pressures) == 0.0
    assert found.best == pytest.approx(0.05, abs=0.03)
    with pytest.raises(InputError, match='not within the simulated ones'):
        profile_pressure(
            measured_at(0.0), modes(), RULES, pressure=3.0, error=0.2, simulated_range=(0.0, 2.0)
        )


def test_without_an_error_only_the_stated_pressure_is_scored():
    found = profile_pressure(measured_at(0.9), modes(), RULES, pressure=1.0, error=0.0)
    assert found.pressures == (1.0,)
    assert found.best == 1.0
    assert not found.at_end
    with pytest.raises(InputError, match='error ≥ 0'):
        profile_pressure(measured_at(0.9), modes(), RULES, pressure=1.0, error=-0.1)
