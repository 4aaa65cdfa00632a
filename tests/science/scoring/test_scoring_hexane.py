"""The anchors on a measured spectrum: n-hexane on TFXA (shared data, not shipped).

A prototype of these scores gave, as mean shift in cm⁻¹ and residual: shifted 8.0/0.00, tilted
0/0.01, smoothed 7.6/0.90, shuffled 33/0.70. Counts, errors:
Braden et al., J. Chem. Phys. 111, 429 (1999).
"""

import numpy as np
import pytest

from aiida_insbench.science.scoring.anchors import score_anchors
from aiida_insbench.science.scoring.score import score_spectrum
from aiida_insbench.science.scoring.settings import ScoringSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation

HEXANE = 'ins_measured/n-hexane_TFXA/Hexane.dat'


@pytest.fixture(scope='module')
def hexane(shared_data):
    path = shared_data / HEXANE
    if not path.is_file():
        pytest.skip(f'there is no {HEXANE} in the shared data')
    energies, counts, errors = np.loadtxt(path, skiprows=2, unpack=True)
    return Measurement(energies, counts, errors, resolution=2.5 + 0.005 * energies)


@pytest.fixture(scope='module')
def anchors(hexane):
    return score_anchors(hexane, ScoringSettings())


@pytest.mark.parametrize(
    ('name', 'shift', 'residual', 'cost'),
    [
        ('itself', (0.0, 1e-9), (0.0, 1e-9), (0.0, 1e-9)),
        ('shifted by 8', (8.0, 0.05), (0.0, 0.005), (0.2, 0.005)),
        ('smoothed by 60', (10.0, 3.0), (0.9, 0.05), (0.92, 0.05)),
        ('shuffled', (32.0, 3.0), (0.75, 0.1), (0.95, 0.05)),
    ],
)
def test_table_of_the_prototype(anchors, name, shift, residual, cost):
    found = anchors[name]
    assert found.shift == pytest.approx(shift[0], abs=shift[1])
    assert found.residual == pytest.approx(residual[0], abs=residual[1])
    assert found.cost == pytest.approx(cost[0], abs=cost[1])


def test_a_tilt_is_forgiven(hexane):
    """Half as much again from one end to the other, as a wrong efficiency gives."""
    tilt = 1 + 0.5 * (hexane.energies - hexane.energies.mean()) / np.ptp(hexane.energies)
    tilted = Simulation(hexane.energies, hexane.intensity * tilt)
    found = score_spectrum(hexane, tilted).summary
    assert found.shift == pytest.approx(0.0, abs=0.1)
    assert found.residual < 0.01


def test_order_is_not_that_of_wasserstein_alone(anchors):
    shifted, smoothed = anchors['shifted by 8'], anchors['smoothed by 60']
    assert shifted.cost < 0.25 < 0.8 < smoothed.cost
    # by the distance alone a featureless spectrum is nearly as good as a right one
    assert smoothed.w1 < 2 * shifted.w1


def test_tables_of_a_measured_spectrum(hexane):
    score = score_spectrum(hexane, Simulation(hexane.energies, hexane.intensity))
    assert set(score.groups) == {'lattice', 'skeletal', 'internal'}
    assert score.summary.counts['scored'] >= 8
    # from 1600 cm⁻¹ on the structure of these data is not above its noise
    assert score.summary.counts['no signal'] > 8
    assert score.peaks.excess == 1.0
    assert 0 < score.peaks.null_f1 < 0.35


@pytest.mark.parametrize('slope', [0.0, 0.5, -0.5])
def test_featureless_is_the_worst_on_uneven_bins(hexane, slope):
    """Columns of a fit that cannot be told apart still give a score."""
    place = (hexane.energies - hexane.energies[0]) / np.ptp(hexane.energies)
    flat = Simulation(hexane.energies, 1 + slope * place)
    assert score_spectrum(hexane, flat).headline == pytest.approx(1.0, abs=1e-3)
