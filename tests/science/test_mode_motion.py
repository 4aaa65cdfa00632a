"""Motion of molecules in modes, and Grüneisen parameters."""

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st
from test_attribution import DIMER_SPRINGS, DIMERS, spring_crystal

from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.mode_motion import motion_shares
from aiida_insbench.science.molecules import find_molecules
from aiida_insbench.science.shifts import (
    Tolerances,
    mode_gruneisen,
    shift_and_direction,
)

PRESSURES = {'p_0000': 0.0, 'p_1000': 1.0, 'p_2000': 2.0, 'p_3000': 3.0}


@pytest.fixture(scope='module')
def dimers():
    phonon = spring_crystal(DIMERS, DIMER_SPRINGS, supercell=(2, 2, 2))
    cell = phonon.primitive
    atoms = Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
    return gamma_modes(phonon=phonon, irreps=False), find_molecules(atoms)


def test_two_dimers_have_six_translations_four_librations_and_two_stretches(dimers):
    modes, molecules = dimers
    vectors = modes.eigenvectors.reshape(12, 12)
    shares = [
        motion_shares(vector[None], molecules=molecules, masses=modes.masses) for vector in vectors
    ]
    for one in shares:
        assert sum(one.values()) == pytest.approx(1)
    sums = {name: sum(one[name] for one in shares) for name in shares[0]}
    assert sums == pytest.approx({'translation': 6, 'libration': 4, 'internal': 2})
    for index in modes.acoustic:
        assert shares[index]['translation'] == pytest.approx(1)
    for one in shares[-2:]:  # the stretches, above 1500 cm⁻¹
        assert one['internal'] > 0.99


def test_sets_of_modes_share_their_mean(dimers):
    modes, molecules = dimers
    vectors = modes.eigenvectors.reshape(12, 12)
    whole = motion_shares(vectors, molecules=molecules, masses=modes.masses)
    assert whole == pytest.approx({'translation': 6 / 12, 'libration': 4 / 12, 'internal': 2 / 12})


@given(
    gruneisen=st.floats(-3, 5),
    start=st.floats(10, 4000),
    volumes=st.lists(st.floats(10, 200), min_size=2, max_size=4, unique=True),
)
def test_gruneisen_of_a_power_law_is_its_exponent(gruneisen, start, volumes):
    by_label = dict(zip(PRESSURES, volumes, strict=False))
    if max(volumes) / min(volumes) < 1.001:
        return
    frequencies = {
        label: start * (volume / volumes[0]) ** -gruneisen for label, volume in by_label.items()
    }
    assert mode_gruneisen(frequencies, by_label) == pytest.approx(gruneisen, abs=1e-6)


def test_gruneisen_needs_volumes_and_real_modes():
    frequencies = {'p_0000': 100.0, 'p_1000': 110.0}
    assert mode_gruneisen(frequencies, {}) is None
    assert mode_gruneisen({'p_0000': 100.0}, {'p_0000': 10.0}) is None
    volumes = {'p_0000': 10.0, 'p_1000': 9.0}
    assert mode_gruneisen({'p_0000': -5.0, 'p_1000': 110.0}, volumes) is None
    assert mode_gruneisen(frequencies, dict.fromkeys(volumes, 10.0)) is None


def test_error_of_a_slope_by_hand():
    """Points 0, 1, 3 at 0, 1, 2 GPa: slope 1.5, residuals ±1/6, ∓1/3: error √(1/6)/√2."""
    frequencies = {'p_0000': 0.0, 'p_1000': 1.0, 'p_2000': 3.0}
    found = shift_and_direction(frequencies, PRESSURES, Tolerances())
    assert found['slope'] == pytest.approx(1.5)
    assert found['slope_error'] == pytest.approx(np.sqrt(1 / 6) / np.sqrt(2))


@pytest.mark.parametrize(
    ('frequencies', 'anomalous'),
    [
        ((100.0, 95.0, 90.0), True),
        ((100.0, 95.0), True),
        ((100.0, 120.0, 90.0), False),  # falls, but by less than it scatters
        ((100.0, 100.0, 99.5), False),  # flat
        ((100.0, 105.0, 110.0), False),
    ],
)
def test_anomalous_is_what_falls_beyond_its_error(frequencies, anomalous):
    by_label = dict(zip(PRESSURES, frequencies, strict=False))
    assert shift_and_direction(by_label, PRESSURES, Tolerances())['anomalous'] is anomalous
