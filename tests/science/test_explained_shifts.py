"""Shifts in two steps: the cell is strained, then the atoms relax in it."""

import numpy as np
import pytest
from lj_rutile import forces_of, rutile

from aiida_insbench.science.explained_shifts import STEPS, explain_shifts, why_not_strained
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.modes import ModeSet, follow
from aiida_insbench.science.phonons import calculate_force_constants

UNIT = np.diag([1, 1, 2])


def phonons_of(atoms, matrix=UNIT):
    return calculate_force_constants(atoms=atoms, calculator=forces_of(), supercell_matrix=matrix)


FIRST, LAST, BETWEEN = rutile(), rutile(0.985, 0.309), rutile(0.985, 0.304)


def explained(first, last, strained):
    sets = []
    for phonon in (first, last):
        modes = gamma_modes(phonon=phonon, irreps=False)
        vectors = modes.eigenvectors.reshape(len(modes.frequencies), -1)
        sets.append(ModeSet(modes.frequencies, vectors, modes.irreps))
    found = follow(sets)
    return explain_shifts((first, last), found.sets, found.groups, strained=strained)


@pytest.fixture(scope='module')
def states():
    return phonons_of(FIRST), phonons_of(LAST), phonons_of(BETWEEN)


def test_parts_of_steps_add_up_to_those_of_the_whole(states):
    found = explained(*states)
    assert (found['reason'], found['steps_reason']) == (None, None)
    rows = [row for row in found['modes'] if row['reason'] is None]
    assert len(rows) > 5
    for row in rows:
        assert tuple(row['steps']) == STEPS
        strain, relaxation = row['steps'].values()
        for kind in ('elements', 'shells'):
            for key, value in row[kind].items():
                parts = strain[kind][key] + relaxation[kind][key]
                assert parts == pytest.approx(value, abs=1e-6)
        both = strain['shift'] + relaxation['shift']
        assert both + row['residual'] == pytest.approx(row['shift'], abs=1e-6)
    assert max(abs(row['steps']['relaxation']['shift']) for row in rows) > 5
    assert max(abs(row['steps']['strain']['shift']) for row in rows) > 5


def test_atoms_that_stay_have_strain_alone_and_a_cell_that_stays_relaxation_alone(states):
    first, last, between = states
    for ends, empty in (((first, between), 'relaxation'), ((between, last), 'strain')):
        for row in explained(*ends, between)['modes']:
            if row['reason'] is None:
                other = next(name for name in STEPS if name != empty)
                assert row['steps'][empty]['shift'] == pytest.approx(0, abs=1e-9)
                assert row['steps'][other]['elements'] == pytest.approx(row['elements'])


def test_without_a_state_between_there_are_no_steps(states):
    found = explained(*states[:2], None)
    assert found['steps_reason'] is None
    assert {str(row.get('steps', {})) for row in found['modes']} == {'{}'}


@pytest.mark.parametrize(
    ('atoms', 'matrix', 'message'),
    [
        (LAST, UNIT, 'first fractional coordinates: they differ by 0.0050'),
        (rutile(0.983, 0.304), UNIT, 'last cell: its axes differ by 0.0089'),
        (BETWEEN[[1, 0, 2, 3, 4, 5]], UNIT, 'fractional coordinates'),
        (BETWEEN[::-1], UNIT, 'atoms of the first one in their order'),
        (BETWEEN, np.diag([1, 1, 1]), 'different supercells'),
    ],
)
def test_what_is_not_the_state_between_gives_no_steps(states, atoms, matrix, message):
    found = explained(*states[:2], phonons_of(atoms, matrix))
    assert message in found['steps_reason']
    assert found['reason'] is None
    assert all(not row.get('steps') for row in found['modes'])


def test_images_and_small_errors_do_not_matter(states):
    moved = BETWEEN.copy()
    moved.positions += 1e-3 * np.random.default_rng(1).uniform(-1, 1, size=(6, 3))
    moved.positions[3] += moved.cell[0]
    assert why_not_strained(states[:2], phonons_of(moved)) is None
