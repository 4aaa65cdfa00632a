"""Spectra of powders: from modes to bands."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    oscillator,
    save_crystal,
    spring_crystal,
)
from scipy.special import factorial

from aiida_insbench.science.errors import (
    ImaginaryModeError,
    InputError,
    InstrumentError,
    StructureError,
)
from aiida_insbench.science.ins.cross_sections import cross_sections
from aiida_insbench.science.ins.debye_waller import displacement_tensors
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.modes import PhononModes, modes_from_phonopy
from aiida_insbench.science.ins.powder import (
    PowderOptions,
    energy_grid,
    like_atoms,
    powder_spectrum,
)
from aiida_insbench.science.ins.spectrum import find_bands

TOSCA = get_instrument('TOSCA')
QUICK = PowderOptions(directions=26)


@pytest.fixture(scope='module')
def crystal(tmp_path_factory):
    path = tmp_path_factory.mktemp('crystal') / 'c.yaml'
    save_crystal(spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS), path)
    return modes_from_phonopy(path, mesh=(4, 4, 5))


def spectrum_of(modes, *, options=QUICK, **changes):
    arguments = {
        'instrument': TOSCA,
        'temperature': 10.0,
        'energy_range': (0.0, 1800.0),
        'bin_width': 2.0,
    }
    return powder_spectrum(modes, options=options, **(arguments | changes))


def test_cross_sections_of_hydrogen_and_magnesium():
    """Sears (1992): H 1.7568 + 80.26, Mg 3.631 + 0.08 barn."""
    assert cross_sections(['H', 'Mg', 'H']) == pytest.approx({'H': 82.0168, 'Mg': 3.711})
    assert cross_sections(['H'], kind='incoherent') == pytest.approx({'H': 80.26})


def test_cross_sections_refuse_what_they_do_not_know():
    with pytest.raises(StructureError, match='Xe'):
        cross_sections(['H', 'Xe'])
    with pytest.raises(InputError, match='coherent'):
        cross_sections(['H'], kind='coherent')


def test_lines_of_one_oscillator_follow_the_kinematics():
    """Each line has Poisson's weight at the Q of its own energy, times 82.0168 barn."""
    result = spectrum_of(
        oscillator(frequency=600.0), options=replace(QUICK, resolution=None), temperature=0.0
    ).spectrum
    for bank, momentum in zip(TOSCA.banks, result.momentum_transfer, strict=True):
        line = result.by_bank[bank.name] * 2.0
        for order in (1, 2, 3):
            exponent = momentum[300 * order] ** 2 * 16.857629168 / 600
            expected = 82.0168 * np.exp(-exponent) * exponent**order / factorial(order)
            assert line[300 * order] == pytest.approx(expected, rel=1e-6)


def test_contributions_add_up(crystal):
    spectrum = spectrum_of(crystal).spectrum
    assert spectrum.energy_transfer[[0, -1]] == pytest.approx([0, 1800])
    assert spectrum.contributions.shape == (2, 2, spectrum.n_orders, 901)
    assert sum(spectrum.by_order) == pytest.approx(spectrum.total)
    assert sum(spectrum.by_element.values()) == pytest.approx(spectrum.total)
    assert sum(spectrum.by_bank.values()) / 2 == pytest.approx(spectrum.total)
    assert spectrum.by_element['H'].sum() > 20 * spectrum.by_element['Mg'].sum()


def test_report_of_a_stable_crystal(crystal):
    result = spectrum_of(crystal)
    assert result.census.n_imaginary == 0
    assert result.census.completeness == pytest.approx(np.ones(6))
    assert result.sum_rules.missing_weight < 1e-4
    assert result.sum_rules.norm + result.sum_rules.missing_weight == pytest.approx(1, abs=1e-9)
    assert result.sum_rules.first_moment == pytest.approx(1, abs=1e-3)


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(6)))
def test_order_of_atoms_does_not_matter(crystal, order):
    order = list(order)
    shuffled = PhononModes(
        frequencies=crystal.frequencies,
        eigenvectors=crystal.eigenvectors[:, :, order],
        weights=crystal.weights,
        masses=crystal.masses[order],
        symbols=tuple(crystal.symbols[index] for index in order),
    )
    options = PowderOptions(directions=14, max_order=2)
    changes = {'energy_range': (0.0, 800.0), 'bin_width': 8.0}
    reference = spectrum_of(crystal, options=options, **changes).spectrum.total
    result = spectrum_of(shuffled, options=options, **changes).spectrum.total
    assert result == pytest.approx(reference, rel=1e-9)


def test_ends_of_the_range_do_not_feel_it(crystal):
    """Intensity is carried in from outside: a part of a spectrum is the spectrum of the part."""
    whole = spectrum_of(crystal).spectrum
    part = spectrum_of(
        crystal, energy_range=(1000.0, 1400.0), options=replace(QUICK, max_order=9, tolerance=1e-9)
    ).spectrum
    inside = whole.total[500:701]
    assert part.total == pytest.approx(inside, rel=1e-3, abs=1e-4 * inside.max())


def test_limit_of_orders(crystal):
    result = spectrum_of(crystal, options=replace(QUICK, max_order=2))
    assert result.spectrum.n_orders == 2
    assert result.sum_rules.missing_weight > 0.05
    free = spectrum_of(crystal)
    assert result.spectrum.by_order == pytest.approx(free.spectrum.by_order[:2], rel=1e-9)


@pytest.mark.parametrize(
    'change',
    [
        {'max_order': 3},
        {'tolerance': 0.1},
        {'directions': 6},
        {'kernel': 'almost-isotropic'},
        {'cross_section': 'incoherent'},
        {'resolution': None},
        {'resolution': [5.0]},
        {'minimum_frequency': 122.0},
    ],
)
def test_every_option_changes_the_spectrum(crystal, change):
    reference = spectrum_of(crystal).spectrum.total
    changed = spectrum_of(crystal, options=replace(QUICK, **change)).spectrum.total
    assert np.abs(changed - reference).max() > 1e-9 * reference.max()


@pytest.mark.parametrize('change', [{'temperature': 200.0}, {'instrument': 'TOSCA-Abins'}])
def test_every_input_changes_the_spectrum(crystal, change):
    if 'instrument' in change:
        change = {'instrument': get_instrument(change['instrument'])}
    reference = spectrum_of(crystal).spectrum.total
    changed = spectrum_of(crystal, **change).spectrum.total
    assert np.abs(changed - reference).max() > 1e-3 * reference.max()


def test_unstable_crystal_is_refused_unless_allowed(crystal):
    """Softest branch made imaginary everywhere: 1 of 18 modes, most of it in hydrogen or in Mg."""
    frequencies = crystal.frequencies.copy()
    frequencies[:, 0] = -50.0
    unstable = replace(crystal, frequencies=frequencies)
    with pytest.raises(ImaginaryModeError, match='imaginary'):
        spectrum_of(unstable)
    result = spectrum_of(unstable, options=replace(QUICK, maximum_imaginary_weight=0.5))
    assert result.census.n_imaginary == len(crystal.weights)
    assert result.sum_rules.first_moment < 0.999


def test_atoms_equal_by_symmetry_are_computed_once(crystal):
    assert crystal.equivalent == (0, 0, 2, 2, 2, 2)
    tensors = displacement_tensors(crystal, temperature=10.0)
    assert like_atoms(crystal, tensors) == {0: [0, 1], 2: [2, 3, 4, 5]}
    calls = []
    once = spectrum_of(crystal, report=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]
    one_by_one = spectrum_of(replace(crystal, equivalent=()))
    assert once.spectrum.contributions == pytest.approx(
        one_by_one.spectrum.contributions, rel=1e-6, abs=1e-9 * once.spectrum.total.max()
    )
    assert once.sum_rules.first_moment == pytest.approx(one_by_one.sum_rules.first_moment)


def test_symmetry_that_the_modes_do_not_bear_out_is_not_used(crystal):
    heavier = crystal.masses.copy()
    heavier[3] = 2.014
    tensors = displacement_tensors(crystal, temperature=10.0)
    assert like_atoms(replace(crystal, masses=heavier), tensors) == {
        0: [0, 1],
        2: [2, 4, 5],
        3: [3],
    }
    moved = tensors.copy()
    moved[1] *= 1.01
    assert like_atoms(crystal, moved) == {0: [0], 1: [1], 2: [2, 3, 4, 5]}


@pytest.mark.parametrize('energy_range', [(100.0, 0.0), (0.0, float('inf')), (0.1, 0.9)])
def test_range_must_hold_bins(crystal, energy_range):
    with pytest.raises(InputError):
        spectrum_of(crystal, energy_range=energy_range)


def test_range_must_be_in_reach(crystal):
    with pytest.raises(InstrumentError, match=r'reaches down to -26\.8'):
        spectrum_of(crystal, energy_range=(-40.0, 100.0))


def test_directions_chosen_by_need_are_enough(crystal):
    chosen = spectrum_of(crystal, options=PowderOptions())
    assert set(chosen.directions) == {'Mg', 'H'}
    assert chosen.direction_error <= 1e-4
    many = spectrum_of(crystal, options=PowderOptions(directions=590)).spectrum.total
    assert np.abs(chosen.spectrum.total - many).max() < 2e-4 * many.max()
    coarse = spectrum_of(crystal, options=PowderOptions(direction_tolerance=0.2))
    assert coarse.directions['H'] <= chosen.directions['H']
    with pytest.raises(InputError, match='direction_tolerance'):
        spectrum_of(crystal, options=PowderOptions(direction_tolerance=0.0))


def test_quirks_change_order_two_only(crystal):
    plain = spectrum_of(crystal, options=replace(QUICK, kernel='almost-isotropic')).spectrum
    options = replace(QUICK, kernel='almost-isotropic', quirks=('half-overtones', 'loss-only'))
    quirky = spectrum_of(crystal, options=options).spectrum
    assert quirky.by_order[0] == pytest.approx(plain.by_order[0])
    assert np.abs(quirky.by_order[1] - plain.by_order[1]).max() > 1e-4 * plain.by_order[1].max()
    assert quirky.by_order[2:] == pytest.approx(plain.by_order[2:])


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'kernel': 'isotropic'}, '`kernel` must be one of'),
        ({'quirks': ('loss-only',)}, 'the exact one has none'),
        ({'kernel': 'almost-isotropic', 'quirks': ('coth',)}, 'Unknown quirks: coth'),
    ],
)
def test_kernels_and_quirks_are_named(crystal, options, named):
    with pytest.raises(InputError, match=named):
        spectrum_of(crystal, options=replace(QUICK, **options))


def test_resolution_by_another_name_is_refused(crystal):
    with pytest.raises(InputError, match='published'):
        spectrum_of(crystal, options=replace(QUICK, resolution='book'))


def test_bins_are_centred_on_multiples_of_their_width():
    assert energy_grid((-0.1, 0.3), 0.1).energies == pytest.approx([-0.1, 0, 0.1, 0.2, 0.3])
    assert energy_grid((0.5, 4.5), 2.0).energies == pytest.approx([2, 4])


def test_bands_of_two_gaussians():
    energies = np.arange(0.0, 400.0, 2.0)
    signal = 3 * np.exp(-(((energies - 100.7) / 15) ** 2)) + np.exp(
        -(((energies - 250.2) / 15) ** 2)
    )
    first, second = find_bands(energies, signal)
    assert (first.position, second.position) == pytest.approx((100.7, 250.2), abs=0.02)
    assert (first.height, second.height) == pytest.approx((3.0, 1.0), rel=1e-3)
    assert len(find_bands(energies, signal, prominence=0.5)) == 1
    assert find_bands(energies, np.zeros_like(energies)) == ()
