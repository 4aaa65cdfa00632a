"""Neutron weights of modes: shares, isotopes, and the program's own spectra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from scipy.stats import ortho_group
from test_modes import LEVELS, MASSES, STABLE, orthonormal_basis, scrambled, spread_levels

from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.neutron_weights import one_phonon_weights, total_cross_sections
from aiida_insbench.science.shifts import mode_series, mode_table
from aiida_insbench.science.verdict import judge

SITES = ['Mg'] * 2 + ['H'] * 3
BARN = {'Mg': 3.71, 'H': 82.02, '2H': 7.64}


def series_of(levels, *, seed=7, symbols=SITES, pressures=('p_0000', 'p_1000'), known=True):
    sets = {
        label: scrambled(
            np.concatenate([[0.0, 0.01, -0.01], spread_levels(levels)]),
            orthonormal_basis(seed),
            count,
        )
        for count, label in enumerate(pressures)
    }
    return mode_series(
        sets,
        pressures={label: float(count) for count, label in enumerate(pressures)},
        symbols=symbols,
        masses=MASSES,
        cross_sections=total_cross_sections(symbols) if known else None,
    )


def test_cross_sections_are_those_of_the_tables():
    found = total_cross_sections(list(BARN))
    assert found == pytest.approx(list(BARN.values()), rel=2e-3)
    assert total_cross_sections(['H', 'Po', 'At']) is None


@given(seed=st.integers(0, 1000))
def test_shares_do_not_know_order_or_basis_and_add_up_to_one(seed):
    basis = orthonormal_basis(seed)[3:]
    weights = one_phonon_weights(basis, masses=MASSES, cross_sections=total_cross_sections(SITES))
    turned = ortho_group.rvs(12, random_state=seed) @ basis
    again = one_phonon_weights(turned, masses=MASSES, cross_sections=total_cross_sections(SITES))
    assert weights.sum() == pytest.approx(1)
    assert again.sum() == pytest.approx(1)
    rows = mode_table(series_of(LEVELS, seed=seed))
    for label in ('p_0000', 'p_1000'):
        assert sum(row['ins_weight'][label] for row in rows) == pytest.approx(1)


def test_shares_are_those_of_lines_in_the_spectrum():
    """Order 1 without Debye-Waller factor at 0 K: area of a line × ω/Q² against the weights."""
    found = gamma_modes(phonon=spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS))
    optical = np.setdiff1d(np.arange(18), found.acoustic)
    frequencies, vectors = found.frequencies[optical], found.eigenvectors[optical]
    symbols = tuple(MAGNESIUM_HYDRIDE.symbols)
    spectrum = powder_spectrum(
        PhononModes(
            frequencies=found.frequencies[None],
            eigenvectors=found.eigenvectors[None].astype(complex),
            weights=np.ones(1),
            masses=found.masses,
            symbols=symbols,
            gamma_only=True,
        ),
        instrument=get_instrument('TOSCA'),
        temperature=0.0,
        energy_range=(100.0, 3000.0),
        bin_width=1.0,
        options=PowderOptions(
            max_order=1,
            tolerance=0.99,
            resolution=None,
            displacements={'Mg': 0.0, 'H': 0.0},
            maximum_imaginary_weight=1.0,
        ),
    ).spectrum
    seen = spectrum.total * spectrum.energy_transfer / (spectrum.momentum_transfer**2).mean(axis=0)
    weights = one_phonon_weights(
        vectors.reshape(15, 18), masses=found.masses, cross_sections=total_cross_sections(symbols)
    )
    for frequency in frequencies:
        near = np.abs(spectrum.energy_transfer - frequency) < 3
        expected = weights[np.abs(frequencies - frequency) < 3].sum()
        assert seen[near].sum() / seen.sum() == pytest.approx(expected, rel=0.01)
    assert weights.max() / weights.min() > 5


def test_errors_weighted_by_the_reference_count_what_neutrons_see():
    """One level off by 20 cm⁻¹: its share of the intensity is all that is left of the error."""
    off = [(value + (20.0 if index == 3 else 0.0), size)
           for index, (value, size) in enumerate(STABLE)]  # fmt: skip
    found = judge(series_of(off), series_of(STABLE))
    share = found['modes'][3]['reference_ins_weight']['p_0000']
    assert 0.01 < share < 0.5
    for key, expected in (
        ('ins_weighted_rms_error', 20 * np.sqrt(share)),
        ('ins_weighted_mean_error', 20 * share),
    ):
        assert found[f'{key}_cm1'] == pytest.approx({'p_0000': expected, 'p_1000': expected})
        assert found[f'{key}_all_cm1'] == pytest.approx(expected)
    assert found['rms_error_all_cm1'] == pytest.approx(20 * np.sqrt(2 / 12))


def test_deuterium_takes_weight_from_its_modes():
    light = mode_table(series_of(LEVELS))
    heavy = mode_table(series_of(LEVELS, symbols=['Mg', 'Mg', '2H', 'H', 'H']))
    shares = [[row['ins_weight']['p_0000'] for row in rows] for rows in (light, heavy)]
    assert not np.allclose(*shares, rtol=0.05)


@pytest.mark.parametrize('known', [(False, True), (True, False), (False, False)])
def test_without_cross_sections_there_are_no_weights(known):
    found = judge(series_of(STABLE, known=known[0]), series_of(STABLE, known=known[1]))
    assert bool(found['modes'][0]['ins_weight']) is known[0]
    assert bool(found['modes'][0]['reference_ins_weight']) is known[1]
    assert (found['ins_weighted_rms_error_all_cm1'] is None) is not known[1]
    assert found['rms_error_all_cm1'] is not None
