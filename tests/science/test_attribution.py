"""Shifts split into pairs: identities, limits, and changes of known origin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.science.attribution import attribute
from aiida_insbench.science.errors import ComputationError, InputError
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.modes import ModeSet, follow
from aiida_insbench.science.pairs import (
    INTER,
    INTRA,
    change_of_force_constants,
    pair_frame,
    pair_terms,
)

PER_FORCE = 521.4708983725064  # cm⁻¹ of 1 eV/(Å² u)
DIMERS = PhonopyAtoms(
    symbols=['N', 'N'] * 2,
    cell=np.diag([4.6, 5.2, 6.0]),
    scaled_positions=[[0.0, 0, 0], [0.239, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.7115, 0.5]],
)
DIMER_SPRINGS = {1.2: (70.0, 0.0), 4.6: (0.9, 0.15)}


def magnesium_hydride(scale=1.0, **springs):
    stiff = {
        length: tuple(scale * value for value in pair)
        for length, pair in MAGNESIUM_HYDRIDE_SPRINGS.items()
    }
    return spring_crystal(
        MAGNESIUM_HYDRIDE, stiff | springs.get('springs', {}), supercell=(2, 2, 2)
    )


def followed(*phonons):
    sets = []
    for phonon in phonons:
        modes = gamma_modes(phonon=phonon, irreps=False)
        vectors = modes.eigenvectors.reshape(len(modes.frequencies), -1)
        sets.append(ModeSet(modes.frequencies, vectors, modes.irreps))
    return follow(sets)


def everything(first, second, **options):
    """Attribution of all optical modes."""
    modes = followed(first, second)
    frame, change = pair_frame(first), change_of_force_constants(first, second)
    return [
        attribute(
            frame, change, first=modes.sets[0], second=modes.sets[1], members=members, **options
        )
        for members in modes.groups
        if modes.sets[0].frequencies[members].mean() > 1.0
    ]


@pytest.fixture(scope='module')
def states():
    """Springs changed by a half, and one kind of them by more: no small change."""
    return magnesium_hydride(), magnesium_hydride(springs={2.6: (0.7, 0.02), 3.1: (1.4, 0.3)})


def test_parts_add_up_to_the_shift(states):
    found = everything(*states)
    assert len(found) >= 8
    assert max(abs(one.shift) for one in found) > 50
    for one in found:
        assert one.residual == pytest.approx(0, abs=1e-6)
        assert sum(one.elements.values()) == pytest.approx(one.shift, abs=1e-6)
        assert sum(one.shells.values()) == pytest.approx(one.shift, abs=1e-6)
        assert one.bonding == {}  # rutile is one endless framework


def test_pairs_are_the_change_of_the_dynamical_matrix(states):
    """Against phonopy's own dynamical matrices at Γ: e₁†(D₂ − D₁)e₂, whatever the vectors."""
    frame, change = pair_frame(states[0]), change_of_force_constants(*states)
    dynamical = [
        np.asarray(
            phonon.run_qpoints([[0, 0, 0]], with_dynamical_matrices=True).dynamical_matrices[0]
        ).real
        for phonon in states
    ]
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(2, 18))
    expected = left @ (dynamical[1] - dynamical[0]) @ right
    assert pair_terms(frame, change, left[None], right[None]).sum() == pytest.approx(expected)


def test_the_identity_holds_for_large_changes_where_first_order_does_not(states):
    modes = followed(*states)
    change = [
        np.asarray(
            phonon.run_qpoints([[0, 0, 0]], with_dynamical_matrices=True).dynamical_matrices[0]
        ).real
        for phonon in states
    ]
    difference = change[1] - change[0]
    errors = []
    for before, after, low, high in zip(
        modes.sets[0].eigenvectors,
        modes.sets[1].eigenvectors,
        *(one.frequencies for one in modes.sets),
        strict=True,
    ):
        squares = (np.sign(high) * high**2 - np.sign(low) * low**2) / PER_FORCE**2
        assert before @ difference @ after == pytest.approx(
            squares * (before @ after), rel=1e-6, abs=1e-9
        )
        errors.append(abs(before @ difference @ before - squares))
    assert max(errors) > 1e-3


def test_small_changes_are_those_of_first_order():
    """Hellmann and Feynman: dω² = e†dDe."""
    first, second = magnesium_hydride(), magnesium_hydride(1.0001)
    for one in everything(first, second):
        # all springs alike: ω² by 1e-4, ω by half of it
        assert one.shift == pytest.approx(0.5e-4 * one.frequencies[0], rel=1e-3)
        assert sum(one.elements.values()) == pytest.approx(one.shift, rel=1e-6)


def test_a_change_of_one_kind_of_pair_comes_out_as_that():
    """Only the shortest Mg–H springs change."""
    first = magnesium_hydride()
    second = magnesium_hydride(springs={2.1: (3.4, 0.9)})
    for one in everything(first, second):
        assert one.elements['Mg-H' if 'Mg-H' in one.elements else 'H-Mg'] == pytest.approx(
            one.shift, abs=1e-6
        )
        assert one.shells['1.3-2'] == pytest.approx(one.shift, abs=1e-6)


@pytest.mark.parametrize(
    ('springs', 'where'), [({4.6: (1.3, 0.3)}, INTER), ({1.2: (75.0, 0.0)}, INTRA)]
)
def test_molecules_and_what_is_between_them(springs, where):
    first = spring_crystal(DIMERS, DIMER_SPRINGS, supercell=(2, 2, 2))
    second = spring_crystal(DIMERS, DIMER_SPRINGS | springs, supercell=(2, 2, 2))
    found = everything(first, second)
    assert max(one.frequencies[0] for one in found) > 1500
    for one in found:
        other = INTRA if where == INTER else INTER
        assert one.bonding[where] == pytest.approx(one.shift, abs=1e-6)
        assert one.bonding[other] == pytest.approx(0, abs=1e-9)


def test_steps_add_up(states):
    """First one kind of springs, then the other: each step's parts with the vectors of the ends."""
    between = magnesium_hydride(springs={2.6: (0.7, 0.02)})
    steps = [
        change_of_force_constants(states[0], between),
        change_of_force_constants(between, states[1]),
    ]
    whole = everything(*states)
    parts = [everything(*states, parts_of=step) for step in steps]
    for one, early, late in zip(whole, *parts, strict=True):
        for key, value in one.elements.items():
            assert early.elements[key] + late.elements[key] == pytest.approx(value, abs=1e-6)
        assert early.residual == pytest.approx(0, abs=1e-6)


def test_rigid_translations_take_no_part(states):
    frame, change = pair_frame(states[0]), change_of_force_constants(*states)
    rigid = np.einsum('i,ab->aib', np.sqrt(frame.masses), np.eye(3)).reshape(3, -1)
    assert pair_terms(frame, change, rigid, rigid) == pytest.approx(0, abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(angle=st.floats(-3.0, 3.0))
def test_degenerate_sets_do_not_know_their_basis(states, angle):
    """Two modes rotated into each other, in both states alike."""
    modes = followed(*states)
    members = np.array([10, 11])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    frame, change = pair_frame(states[0]), change_of_force_constants(*states)
    terms = []
    for rotation in (np.eye(2), turn):
        left, right = (rotation @ one.eigenvectors[members] for one in modes.sets)
        terms.append(pair_terms(frame, change, left, right))
    assert terms[1] == pytest.approx(terms[0], abs=1e-12)


def test_force_constants_that_break_the_sum_rule_leave_a_residual(states):
    second = magnesium_hydride(springs={2.6: (0.7, 0.02), 3.1: (1.4, 0.3)})
    constants = second.force_constants.copy()
    for row, atom in enumerate(second.primitive.p2s_map):
        constants[row, atom] += 0.05 * np.eye(3)
    second.force_constants = constants
    assert max(abs(one.residual) for one in everything(states[0], second)) > 1.0


def test_modes_that_are_not_the_same_are_refused(states):
    modes = followed(*states)
    frame, change = pair_frame(states[0]), change_of_force_constants(*states)
    shuffled = modes.sets[1].taken(np.roll(np.arange(18), 7))
    with pytest.raises(ComputationError, match='overlap by'):
        attribute(frame, change, first=modes.sets[0], second=shuffled, members=np.array([9]))


def test_states_must_be_of_one_crystal(states):
    other = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, supercell=(2, 2, 3))
    with pytest.raises(InputError, match='different supercells'):
        change_of_force_constants(states[0], other)
    renamed = like_magnesium_hydride(symbols=['Ca'] * 2 + ['H'] * 4)
    with pytest.raises(InputError, match='same atoms'):
        change_of_force_constants(states[0], renamed)
    swapped = MAGNESIUM_HYDRIDE.scaled_positions[[1, 0, 3, 2, 5, 4]]
    swapped[0] += 0.3
    with pytest.raises(InputError, match='not two states of one crystal'):
        change_of_force_constants(states[0], like_magnesium_hydride(scaled_positions=swapped))


def like_magnesium_hydride(**changes):
    given = {
        'symbols': MAGNESIUM_HYDRIDE.symbols,
        'cell': MAGNESIUM_HYDRIDE.cell,
        'scaled_positions': MAGNESIUM_HYDRIDE.scaled_positions,
    }
    cell = PhonopyAtoms(**(given | changes))
    return spring_crystal(cell, MAGNESIUM_HYDRIDE_SPRINGS, supercell=(2, 2, 2))


@pytest.mark.parametrize('shells', [(), (2.0, 1.0), (0.0, 1.0)])
def test_shells_must_rise(states, shells):
    with pytest.raises(InputError, match='must rise'):
        everything(*states, shells=shells)
