"""Parts of the error of a cell: committee, pressure and what convergence leaves open."""

import numpy as np
import pytest
from scoring_spectra import WINDOWS, even_bins, measurement, simulation

from aiida_insbench.science.scoring.cell import CellSettings, Target, score_cell
from aiida_insbench.science.scoring.convergence_draws import spoilt_by, total_percent
from aiida_insbench.science.scoring.settings import ScoringSettings, WindowSettings
from aiida_insbench.science.scoring.uncertainty import uncertainty

RULES = ScoringSettings(windows=WindowSettings(windows=WINDOWS))
SETTINGS = CellSettings(scoring=RULES, draws=8)
SHIFT = 10.0  # cm⁻¹/GPa


def sweep(offset=0.0, pressures=(0.0, 1.0, 2.0)):
    return {one: simulation(shift=SHIFT * one + offset) for one in pressures}


def parts(table):
    return {name: one['cost'] for name, one in table['uncertainty']['components'].items()}


def test_draws_differ_by_the_share_of_the_area_that_was_stated():
    plain = simulation()
    energies = even_bins(2.0)
    for spoilt in spoilt_by(
        plain, 2.5, energies=energies, resolution=2 + 0.01 * energies, seed=1, draws=3
    ):
        change = np.abs(spoilt.intensity - plain.intensity).sum()
        assert change == pytest.approx(0.025 * plain.intensity.sum(), rel=1e-9)


def test_draws_vary_no_faster_than_the_resolution():
    """Half a resolution apart, the ratio to the spectrum that is spoilt is nearly the same."""
    plain = simulation()
    energies = np.array([0.0, 1100.0])
    for width, least, most in ((40.0, 0.95, 1.0), (1.0, -0.2, 0.4)):
        (spoilt,) = spoilt_by(
            plain, 5.0, energies=energies, resolution=np.full(2, width), seed=0, draws=1
        )
        bright = slice(560, 600)
        ratio = spoilt.intensity[bright] / plain.intensity[bright]
        assert least <= np.corrcoef(ratio[:-2], ratio[2:])[0, 1] <= most


def test_errors_of_convergence_add_up_in_squares():
    assert total_percent({'q_mesh': 3.0, 'bins': 4.0, 'coherent': None}) == 5.0
    assert total_percent({'q_mesh': None}) is None


def test_error_grows_with_what_convergence_leaves_open():
    found = {
        percent: uncertainty(
            measurement(even_bins(2.0)),
            simulation(shift=4.0),
            RULES,
            seed=0,
            draws=12,
            convergence=percent,
        ).cost
        for percent in (0.0, 1.0, 4.0)
    }
    assert found[0.0] == 0.0
    assert 0 < found[1.0] < found[4.0] < 0.1


def test_members_of_a_committee_are_scored_with_the_potential():
    """Members 2 cm⁻¹ to each side, of windows 40 cm⁻¹ deep: a spread of 2/40 in the cost."""
    target = Target(measurement(even_bins(2.0), shift=SHIFT - 6.0), pressure=1.0)
    alone = score_cell(target, sweep(), SETTINGS)
    found = score_cell(target, sweep(), SETTINGS, members=[sweep(-2.0), sweep(2.0)])
    assert found.table['headline'] == alone.table['headline']
    assert alone.table['headline_error'] == 0.0
    assert parts(found.table)['committee'] == pytest.approx(2 / 40, rel=0.1)
    assert found.table['headline_error'] == pytest.approx(2 / 40, rel=0.1)


def test_members_that_do_not_reach_the_pressure_have_no_say():
    target = Target(measurement(even_bins(2.0), shift=SHIFT), pressure=1.0)
    found = score_cell(target, sweep(), SETTINGS, members=[sweep(pressures=(0.0, 0.5)), {}])
    assert parts(found.table) == {}


def test_pressure_counts_by_its_error_and_no_further_than_simulated():
    data = measurement(even_bins(2.0), shift=0.0)
    inside = score_cell(Target(data, 1.0, 0.2), sweep(), SETTINGS)
    # ± 2 cm⁻¹ about a shift of 10 cm⁻¹
    assert parts(inside.table)['pressure'] == pytest.approx(2 / 40, rel=0.15)
    at_end = score_cell(Target(data, 0.0, 0.2), sweep(), SETTINGS)
    component = at_end.table['uncertainty']['components']['pressure']
    assert component['samples'] == 1
    assert component['cost'] == pytest.approx(2 / 40, rel=0.15)


def test_all_parts_make_the_error_of_the_cell():
    data = measurement(even_bins(2.0), error=0.5)
    found = score_cell(
        Target(data, 1.0, 0.1), sweep(), SETTINGS, members=[sweep(1.0)], convergence=2.0
    ).table
    assert set(parts(found)) == {'counting', 'committee', 'pressure', 'convergence'}
    assert found['headline_error'] == pytest.approx(
        np.sqrt(sum(one**2 for one in parts(found).values()))
    )
