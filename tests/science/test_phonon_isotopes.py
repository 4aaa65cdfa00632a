"""Isotopes change masses and nothing else: sums, products, and modes of one element."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lj_rutile import forces_of, rutile

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers, gamma_modes
from aiida_insbench.science.ins.isotopes import scatterer
from aiida_insbench.science.phonon_isotopes import masses_keep_symmetry, with_isotopes
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.supercells import compact_force_constants

SYMBOLS = ['Mg'] * 2 + ['H'] * 4
CHOICES = {'Mg': ('Mg', '24Mg', '26Mg'), 'H': ('H', '1H', '2H', '3H')}
UNIT = float(eigenvalues_to_wavenumbers(np.array([1.0]))[0])


def crystal():
    return calculate_force_constants(
        atoms=rutile(), calculator=forces_of(), supercell_matrix=np.diag([1, 1, 2])
    )


@pytest.fixture(scope='module')
def natural():
    return crystal()


labels = st.tuples(*(st.sampled_from(CHOICES[symbol]) for symbol in SYMBOLS))


@settings(max_examples=15)
@given(sites=labels)
def test_squares_add_up_to_the_trace(natural, sites):
    """Tr D = Σ ω² = Σ_i Tr Φ_ii/m_i, whatever the masses."""
    phonon = with_isotopes(natural, sites)
    constants = compact_force_constants(natural)
    masses = [scatterer(site).mass or natural.primitive.masses[k] for k, site in enumerate(sites)]
    assert phonon.primitive.masses == pytest.approx(masses)
    trace = 0.0
    for row in range(6):
        images = [k for k, home in enumerate(natural.primitive.s2p_map)
                  if home == natural.primitive.p2s_map[row]]  # fmt: skip
        trace += np.trace(constants[row, images].sum(axis=0)) / masses[row]
    frequencies = gamma_modes(phonon=phonon, irreps=False).frequencies
    assert (np.sign(frequencies) * frequencies**2).sum() == pytest.approx(trace * UNIT**2, rel=1e-6)


@settings(max_examples=15)
@given(sites=labels)
def test_products_obey_the_rule_of_teller_and_redlich(natural, sites):
    """Π ω'/ω over optical modes = Π (m/m')^{3/2} (M'/M)^{3/2}: three translations left out."""
    found = [
        gamma_modes(phonon=one, irreps=False) for one in (natural, with_isotopes(natural, sites))
    ]
    optical = [np.delete(one.frequencies, one.acoustic) for one in found]
    first, second = (one.masses for one in found)
    expected = 1.5 * (np.log(first / second).sum() + np.log(second.sum() / first.sum()))
    assert np.log(np.abs(optical[1] / optical[0])).sum() == pytest.approx(expected, abs=1e-4)


def test_modes_of_hydrogen_alone_scale_with_its_mass(natural):
    """Mg stands on centres of inversion: gerade modes are of H alone, ω ∝ 1/√m."""
    heavy = with_isotopes(natural, ['Mg'] * 2 + ['2H'] * 4)
    found = {name: gamma_modes(phonon=one) for name, one in (('H', natural), ('D', heavy))}
    ratio = np.sqrt(1.00794 / scatterer('2H').mass)
    gerade = [
        [value for value, irrep in zip(one.frequencies, one.irreps, strict=True) if 'g' in irrep]
        for one in found.values()
    ]
    assert len(gerade[0]) == 6
    assert gerade[1] == pytest.approx(np.array(gerade[0]) * ratio, rel=1e-4)
    ungerade = [
        [value for value, irrep in zip(one.frequencies, one.irreps, strict=True) if 'u' in irrep]
        for one in found.values()
    ]
    shares = np.array(ungerade[1][3:]) / np.array(ungerade[0][3:])
    assert not np.allclose(shares, ratio, rtol=0.01)


def test_isotopes_of_single_sites_break_the_symmetry(natural):
    assert masses_keep_symmetry(natural)
    whole = with_isotopes(natural, ['24Mg'] * 2 + ['2H'] * 4)
    assert masses_keep_symmetry(whole)
    assert len(whole.primitive_symmetry.pointgroup_operations) == 16
    single = with_isotopes(natural, ['Mg'] * 2 + ['2H'] + ['H'] * 3)
    assert not masses_keep_symmetry(single)
    assert len(single.primitive_symmetry.pointgroup_operations) == 1


def test_meshes_take_no_symmetry_that_isotopes_break(natural):
    """Σ ω² over a mesh from irreducible points against all points."""
    single = with_isotopes(natural, ['Mg'] * 2 + ['2H'] + ['H'] * 3)
    sums = []
    for symmetric in (True, False):
        mesh = single.run_mesh([2, 2, 2], is_gamma_center=True, is_mesh_symmetry=symmetric)
        squares = np.sign(mesh.frequencies) * mesh.frequencies**4
        sums.append((mesh.weights[:, None] * squares).sum() / mesh.weights.sum())
    assert sums[0] == pytest.approx(sums[1])


def test_the_natural_crystal_stays_as_it_is(natural):
    assert with_isotopes(natural, SYMBOLS) is natural
    before = natural.primitive.masses.copy()
    with_isotopes(natural, ['Mg'] * 2 + ['2H'] * 4)
    assert natural.primitive.masses == pytest.approx(before)


def test_unknown_isotopes_are_refused(natural):
    with pytest.raises(InputError, match='no isotope'):
        with_isotopes(natural, ['Mg'] * 2 + ['9H'] * 4)
