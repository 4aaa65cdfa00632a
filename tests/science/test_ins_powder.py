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
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import get_supercell
from scipy.spatial.transform import Rotation
from scipy.special import factorial

from aiida_insbench.science.errors import (
    ImaginaryModeError,
    InputError,
    InstrumentError,
    StructureError,
)
from aiida_insbench.science.ins.bands import find_bands
from aiida_insbench.science.ins.cross_sections import cross_sections
from aiida_insbench.science.ins.debye_waller import displacement_tensors
from aiida_insbench.science.ins.energies import energy_grid
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.vibrations import like_atoms

TOSCA = get_instrument('TOSCA')
QUICK = PowderOptions(directions=26)


@pytest.fixture(scope='module')
def crystal(tmp_path_factory):
    path = tmp_path_factory.mktemp('crystal') / 'c.yaml'
    save_crystal(spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS), path)
    return read_modes(path, mesh=(4, 4, 5))


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
    once = spectrum_of(crystal, report=lambda *progress: calls.append(progress))
    assert calls == [('q-points', 40, 40), ('sites', 1, 2), ('sites', 2, 2)]
    one_by_one = spectrum_of(replace(crystal, equivalent=()))
    for element, line in one_by_one.spectrum.by_element.items():
        assert once.spectrum.by_element[element] == pytest.approx(
            line, rel=1e-6, abs=1e-9 * line.max()
        )
    assert one_by_one.spectrum.contributions.shape[1] == 6
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


def test_displacements_from_outside_damp_the_spectrum():
    """e^{-Q²U} of a U from outside, by 0.03 Å² more than that of the modes."""
    plain = powder_spectrum_without_resolution(oscillator(frequency=600.0))
    more = powder_spectrum_without_resolution(
        oscillator(frequency=600.0), displacements={'H': 16.857629168 / 600 + 0.03}
    )
    squared = plain.spectrum.momentum_transfer**2
    ratio = np.exp(-0.03 * squared)[:, [300, 600]]
    for bank, factor in zip(plain.spectrum.banks, ratio, strict=True):
        before, after = (one.spectrum.by_bank[bank][[300, 600]] for one in (plain, more))
        assert after == pytest.approx(before * factor, rel=1e-6)
    assert any('from outside' in text for text in more.warnings)
    assert not any('from outside' in text for text in plain.warnings)


def test_directions_follow_the_modes_where_displacements_are_from_outside(crystal):
    """A round Debye–Waller factor does not make the motion round."""
    own = spectrum_of(crystal, options=PowderOptions(max_order=2))
    round_one = PowderOptions(max_order=2, displacements={'H': 1e-4, 'Mg': 1e-4})
    assert spectrum_of(crystal, options=round_one).directions == own.directions


def test_displacements_take_tensors_and_single_atoms(crystal):
    tensor = [[0.03, 0.0, 0.0], [0.0, 0.02, 0.0], [0.0, 0.0, 0.01]]
    options = replace(QUICK, displacements={'H': tensor, '2': 0.08})
    changed = spectrum_of(crystal, options=options).spectrum.total
    one = spectrum_of(crystal, options=replace(QUICK, displacements={'H': tensor})).spectrum.total
    assert np.abs(changed - one).max() > 1e-3 * one.max()


@pytest.mark.parametrize(
    ('displacements', 'named'),
    [
        ({'O': 0.1}, "names 'O'"),
        ({'6': 0.1}, "names '6'"),
        ({'H': -0.1}, 'not negative'),
        ({'H': [0.1, 0.2]}, '3×3'),
        ({'H': [[0.1, 0.2, 0], [0, 0.1, 0], [0, 0, 0.1]]}, 'symmetric'),
    ],
)
def test_displacements_that_make_no_sense(crystal, displacements, named):
    with pytest.raises(InputError, match=named):
        spectrum_of(crystal, options=replace(QUICK, displacements=displacements))


def powder_spectrum_without_resolution(modes, **options):
    return spectrum_of(
        modes, options=PowderOptions(directions=26, resolution=None, **options), temperature=0.0
    )


@pytest.mark.parametrize('kernel', ['exact', 'almost-isotropic'])
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_powder_does_not_know_how_the_crystal_lies(crystal, kernel, seed):
    """All eigenvectors of a crystal turned alike."""
    turned = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    rotated = replace(crystal, eigenvectors=crystal.eigenvectors @ turned.T)
    options = PowderOptions(directions=194, max_order=4, kernel=kernel)
    changes = {'energy_range': (0.0, 800.0), 'bin_width': 8.0}
    reference, result = (
        spectrum_of(modes, options=options, **changes).spectrum.total
        for modes in (crystal, rotated)
    )
    assert np.abs(result - reference).max() < 1e-5 * reference.max()


@settings(max_examples=4, deadline=None)
@given(repeats=st.sampled_from([(2, 1, 1), (1, 2, 1), (1, 1, 3), (2, 2, 1)]))
def test_a_supercell_scatters_as_its_cells_together(tmp_path_factory, repeats):
    """The same crystal in a larger cell, on a mesh smaller by as much."""
    mesh = np.array([4, 4, 6])
    cells = np.array(repeats)
    folder = tmp_path_factory.mktemp('cells')
    small = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, supercell=(2, 2, 3))
    large_cell = get_supercell(MAGNESIUM_HYDRIDE, np.diag(cells))
    large = spring_crystal(
        PhonopyAtoms(
            symbols=large_cell.symbols,
            cell=large_cell.cell,
            scaled_positions=large_cell.scaled_positions,
        ),
        MAGNESIUM_HYDRIDE_SPRINGS,
        supercell=tuple(np.ceil(np.array([2, 2, 3]) / cells).astype(int)),
    )
    spectra = []
    for name, phonon, divisions in (('s', small, mesh), ('l', large, mesh // cells)):
        # half a step in every direction, so that both meshes are the same q-points
        modes = read_modes(
            save_crystal(phonon, folder / f'{name}.yaml'),
            mesh=tuple(int(n) for n in divisions),
            shift=(0.5, 0.5, 0.5),
        )
        changes = {'energy_range': (0.0, 1200.0), 'bin_width': 4.0}
        options = PowderOptions(directions=50, max_order=3)
        spectra.append(spectrum_of(modes, options=options, **changes).spectrum.total)
    assert spectra[1] == pytest.approx(
        spectra[0] * np.prod(cells), rel=1e-4, abs=1e-5 * spectra[1].max()
    )


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
